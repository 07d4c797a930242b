"""A database that is damaged under the running daemon (I28)."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.fakes.cli import Cli
from tests.fakes.damage import change, spoil
from tests.fakes.live import Caller, Daemon, StandIn, eventually, free_port
from tests.fakes.stage import reaches

CONFIG = """
store = {{ min_free = "1M", check_after_start = "1s" }}
gateway.http.listen = "127.0.0.1:0"
mxservice.listen = "127.0.0.1:0"

[[line]]
name = "sms"
driver = "smpp"
host = "127.0.0.1"
port = {port}
system_id = "datasms"
password = "secret"

[[rule]]
name = "SMS"
steps = [ {{ line = "sms" }} ]
"""
NUMBER = "+420603123456"


def test_damage_under_a_running_daemon_ends_sending_and_accepting_and_what_is_there_can_be_read(
    tmp_path: Path,
) -> None:
    port = free_port()
    smsc = StandIn("smsc_process.py", str(port))
    try:
        with Daemon(tmp_path, CONFIG.format(port=port)) as daemon:
            _damage_is_found(daemon, smsc)
    finally:
        smsc.close()


def _damage_is_found(daemon: Daemon, smsc: StandIn) -> None:
    daemon.run()
    key = daemon.new_key()
    kept = {"to": [NUMBER], "text": "for tomorrow", "reference": "order-4711", "send_at": _in(86_400)}
    later = daemon.gateway(key)("POST", "/v1/messages", kept).body["messages"][0]["id"]
    daemon.terminate()
    daemon.run()
    begun, gateway = time.monotonic(), daemon.gateway(key)
    change(daemon.database, "messages_reference", b"order-4711", b"order-4712")
    sent = gateway("POST", "/v1/messages", {"to": [NUMBER], "text": "at once"}).body["messages"][0]["id"]
    reaches(gateway, sent, "waiting")
    due = gateway("POST", "/v1/messages", {"to": [NUMBER], "text": "soon", "send_at": _in(14)}).body["messages"][0][
        "id"
    ]
    assert [one["text"] for one in smsc.said("submit")] == ["at once"]

    eventually(lambda: "nothing is sent or accepted" in daemon.log, "the damage is found")
    assert "missing from index messages_reference" in daemon.log
    _takes_nothing(daemon, gateway, later, smsc)
    cli = Cli(daemon.config_file)
    assert "the database is damaged" in cli("queue")
    assert "restore a backup" in cli("queue")
    cli("queue", "release", code=1)
    assert "datasms_held 1" in gateway.fetch("/metrics")[2].decode()
    assert gateway("GET", f"/v1/messages/{later}").body["status"] == "scheduled"
    assert {one["id"] for one in cli.json("archive", "search")["items"]} == {later, sent, due}
    time.sleep(max(0.0, begun + 16 - time.monotonic()))
    assert [one["text"] for one in smsc.said("submit")] == ["at once"]
    stopping = time.monotonic()
    daemon.terminate()
    assert time.monotonic() - stopping < 8
    assert "Traceback" not in daemon.log


def _takes_nothing(daemon: Daemon, gateway: Caller, later: str, smsc: StandIn) -> None:
    refused = gateway("POST", "/v1/messages", {"to": [NUMBER], "text": "no more"})
    assert (refused.status, refused.body["code"]) == (503, "unavailable")
    assert "The database is damaged" in refused.body["detail"]
    assert gateway("DELETE", f"/v1/messages/{later}").status == 503
    ready = daemon.operator("GET", "/health/ready")
    assert (ready.status, ready.body["detail"][:5]) == (503, "held:")
    assert daemon.operator("GET", "/health/live").status == 200
    smsc.tell("receipt", id=smsc.said("submit")[0]["id"], to=NUMBER, stat="DELIVRD")
    eventually(lambda: bool(smsc.said("answered")), "the receipt is answered")
    assert smsc.said("answered")[0]["status"] != 0, "the SMSC keeps it"


def test_damage_that_a_write_meets_ends_all_other_writes_and_not_the_daemon(tmp_path: Path) -> None:
    with Daemon(tmp_path, CONFIG.format(port=free_port())) as daemon:
        daemon.run().terminate()
        daemon.run()
        spoil(daemon.database, "keys")
        assert daemon.operator("POST", "/v1/keys", {"name": "crm", "rights": ["send"]}).status == 503
        eventually(lambda: "nothing is sent or accepted: the database is damaged" in daemon.log, "it is told")
        assert daemon.operator("POST", "/v1/messages", {"to": [NUMBER], "text": "x"}).status == 503
        queue = daemon.operator("GET", "/v1/queue")
        assert (queue.status, queue.body["damaged"]) == (200, True)
        daemon.terminate()
        daemon.start()
        assert not daemon.wait_ready()
        assert daemon.ended() == 1


def test_another_mac_key_holds_everything_from_the_first_moment(tmp_path: Path) -> None:
    with Daemon(tmp_path, CONFIG.format(port=free_port())) as daemon:
        daemon.run()
        message = {"to": [NUMBER], "text": "for tomorrow", "send_at": _in(86_400)}
        assert daemon.operator("POST", "/v1/messages", message).status == 202
        daemon.terminate()
        (daemon.state / "mac.key").write_bytes(bytes(32))
        daemon.run()
        assert daemon.operator("POST", "/v1/messages", message).status == 503
        assert daemon.operator("GET", "/health/ready").status == 503
        cli = Cli(daemon.config_file)
        assert "1 of 1 messages that were looked at are not as they were accepted" in cli("queue")
        cli("queue", "release")
        assert daemon.operator("POST", "/v1/messages", message).status == 202
        assert daemon.operator("GET", "/health/ready").status == 200


def _in(seconds: int) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
