"""A running daemon hands texts on to a webhook and a mailbox, and operators see and mend what goes wrong."""

from __future__ import annotations

import email
import time
from email.policy import SMTP
from pathlib import Path

import pytest

from datasms_daemon.crypto.certificates import Authority
from tests.fakes.cli import Cli
from tests.fakes.live import StandIn, eventually
from tests.fakes.stage import Stage
from tests.integration.test_webhook_kill import SECRET, WEBHOOK, texts

MORE = """
[mail]
host = "localhost"
port = {port}
from = "sms@example.org"
username = "datasms"
password = "s3cret"
ca_file = "ca.pem"
allow_private = true
[[inbound]]
name = "mail"
when = {{ text = "^([a-z]+): (.*)" }}
to = "mail:$1@example.org"
text = "$2"
"""


def certificate(directory: Path) -> tuple[str, str]:
    """Files for a relay on this machine, and ``ca.pem``."""
    now_ms = time.time_ns() // 1_000_000
    authority = Authority(1, now_ms)
    pair = authority.issue(("localhost",), 1, now_ms)
    files = (directory / "relay-key.pem", directory / "relay.pem")
    for path, content in zip(files, pair, strict=True):
        path.write_bytes(content)
    (directory / "ca.pem").write_bytes(authority.certificate_pem)
    return str(files[1]), str(files[0])


@pytest.mark.slow
def test_texts_reach_a_webhook_and_a_mailbox_and_what_fails_can_be_mended(tmp_path: Path) -> None:
    receiver = StandIn("webhook_process.py", str(tmp_path), SECRET)
    relay = StandIn("aiosmtpd_process.py", *certificate(tmp_path))
    try:
        with Stage(tmp_path) as stage:
            play(stage, receiver, relay)
    finally:
        receiver.close()
        relay.close()


def play(stage: Stage, receiver: StandIn, relay: StandIn) -> None:
    """First all is well, then nothing is."""
    written = stage.daemon.config_file.read_text("utf-8")
    mail = MORE.format(port=relay.said("ready")[0]["ports"]["starttls"])
    webhook = WEBHOOK.format(endpoint=receiver.said("ready")[0]["endpoint"], secret=SECRET)
    stage.daemon.config_file.write_text(written + mail + webhook, "utf-8")
    stage.start()
    datasms = Cli(stage.daemon.config_file)

    def sms(text: str) -> None:
        stage.smsc.tell("text", sender="420603123456", to="420603000000", text=text)

    sms("Hello")
    sms("office: water in the cellar")
    eventually(lambda: texts(receiver) == {"Hello"}, "the call")
    eventually(lambda: len(relay.said("mail")) == 1, "the mail")
    (got,) = relay.said("mail")
    assert (got["to"], got["tls"], got["authenticated"]) == (["office@example.org"], True, True)
    parsed = email.message_from_string(got["content"], policy=SMTP)
    assert (parsed["From"], parsed.get_content().strip()) == ("+420603123456 <sms@example.org>", "water in the cellar")
    explained = datasms("explain", "--inbound", "--from", "+420603123456", "--line", "sms", "office: x")
    assert "goes to mail:office@example.org by rule mail: x" in explained
    assert "good" in datasms("webhook", "test", "crm")
    datasms("webhook", "test", "pizza", code=1)
    assert "there are: crm" in datasms.errors

    sms("nobody: is there")
    eventually(lambda: "550 5.1.1" in datasms("dead", "list", "--inbound"), "the text is given up")
    (dead,) = datasms.json("dead", "list", "--inbound")["items"]
    assert (dead["target"], dead["tries"]) == ("mail:nobody@example.org", 1)
    datasms("dead", "resend", "--inbound", dead["id"])
    eventually(
        lambda: [one["died_at"] for one in datasms.json("dead", "list", "--inbound")["items"]] > [dead["died_at"]],
        "it is tried again, and given up again",
    )

    changed = (written + mail + webhook).replace("/sms", "/gone")
    stage.daemon.config_file.write_text(changed, "utf-8")
    datasms("reload")
    sms("More")
    eventually(lambda: datasms.json("webhook", "list")[0]["state"] == "stopped", "410 stops the webhook")
    stage.daemon.kill()
    stage.start()
    view = datasms.json("webhook", "list")[0]
    assert (view["state"], view["waiting"]) == ("stopped", 1)
    assert "410" in datasms("webhook", "list")
    stage.daemon.config_file.write_text(written + mail + webhook, "utf-8")
    datasms("reload")
    eventually(lambda: "More" in texts(receiver), "another address, and it goes on")
    assert datasms("webhook", "resume", "crm") == "webhook crm is on\n"
    assert "webhook stopped" in datasms("audit", "list")
    taken = b'datasms_handed_on_total{outcome="taken",target="webhook:crm"} 1.0'
    eventually(lambda: taken in stage.gateway.fetch("/metrics")[2], "it is counted")
    assert stage.daemon.terminate() in (0, -15)
