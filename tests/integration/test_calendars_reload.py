"""Calendars in the running daemon: what is held, and a reload that lets it go at once."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.fakes.live import Daemon, eventually

CONFIG = """
store.min_free = "1M"
gateway.http.listen = "127.0.0.1:0"
mxservice.listen = "127.0.0.1:0"
[[line]]
name = "sms"
driver = "smpp"
host = "127.0.0.1"
port = 1
system_id = "nobody"
[[rule]]
name = "office"
calendar = "office"
steps = [{{ line = "sms", wait = "1h" }}]
[calendar.office]
timezone = "UTC"
hours = {{ {hours} }}
"""
ALWAYS = CONFIG.format(hours='mon-sun = "00:00-24:00"')


def test_a_held_message_is_let_go_by_a_reload(tmp_path: Path) -> None:
    # Open for a minute, two days from now.
    day = (datetime.now(UTC) + timedelta(days=2)).strftime("%a").lower()
    with Daemon(tmp_path, CONFIG.format(hours=f'{day} = "12:00-12:01"')) as daemon:
        call = daemon.run().gateway(daemon.new_key())
        sent = call("POST", "/v1/messages", {"to": ["+420603123456"], "text": "x", "ttl": "5d"})
        path = f"/v1/messages/{sent.body['messages'][0]['id']}"
        held = call("GET", path).body
        assert (held["status"], held["held_until"][11:16]) == ("queued", "12:00")
        trace = [event["kind"] for event in call("GET", f"{path}/trace").body["items"]]
        assert trace == ["accepted", "held"]
        plan = call("POST", "/v1/explain", {"to": ["+420603123456"], "text": "x", "ttl": "5d"}).body["items"][0]
        step = plan["steps"][0]
        assert (step["opens_at"], step["note"]) == (held["held_until"], "waits until it opens")
        daemon.config_file.write_text(f'daemon.state_dir = "{daemon.state}"\n{ALWAYS}', "utf-8")
        os.kill(daemon.pid, signal.SIGHUP)
        eventually(lambda: call("GET", path).body["held_until"] is None, "the message is let go")
        assert daemon.terminate() in (0, -signal.SIGTERM)
