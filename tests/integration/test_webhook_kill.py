"""kill -9 while texts come in and go on to a webhook: what the SMSC was told is taken arrives, under one id each."""

from __future__ import annotations

import base64
import os
import sys
import time
from pathlib import Path
from random import Random, SystemRandom

import pytest

from tests.fakes.live import StandIn, eventually
from tests.fakes.stage import Stage

KILLS = 6
SECRET = f"whsec_{base64.b64encode(bytes(range(32))).decode()}"
WEBHOOK = """
[[webhook]]
name = "crm"
url = "{endpoint}/sms"
secret = "{secret}"
ca_file = "service-ca.pem"
allow_private = true
[[inbound]]
name = "all"
to = "webhook:crm"
"""


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_no_acknowledged_text_is_lost_on_the_way_to_a_webhook(tmp_path: Path) -> None:
    seed = int(os.environ.get("DATASMS_KILL_SEED") or SystemRandom().randrange(1 << 32))
    sys.stdout.write(f"seed {seed}\n")
    receiver = StandIn("webhook_process.py", str(tmp_path), SECRET)
    try:
        with Stage(tmp_path) as stage:
            endpoint = receiver.said("ready")[0]["endpoint"]
            with stage.daemon.config_file.open("a") as file:
                file.write(WEBHOOK.format(endpoint=endpoint, secret=SECRET))
            play(stage, receiver, Random(seed))
    finally:
        receiver.close()


def play(stage: Stage, receiver: StandIn, random: Random) -> None:
    """The deaths, then peace, then the count."""
    sent = 0
    for life in range(KILLS + 1):
        stage.start()
        for _ in range(random.randrange(30, 60)):
            stage.smsc.tell("text", sender="420603123456", to="420603000000", text=f"text {sent}")
            sent += 1
            time.sleep(random.uniform(0, 0.01))
        # Half of them die while the last texts come in.
        time.sleep(random.choice((0.0, random.uniform(0, 0.3))))
        if life < KILLS:
            stage.daemon.kill()
    eventually(lambda: len(stage.smsc.said("answered")) == sent, "the SMSC has an answer to each, or none to expect")
    acknowledged = {one["text"] for one in stage.smsc.said("answered") if one["status"] == 0}
    eventually(lambda: acknowledged <= texts(receiver), "every acknowledged text arrives", 30)
    view = stage.daemon.operator("GET", "/v1/webhooks").body["items"][0]
    assert (view["state"], view["dead"]) == ("on", 0)
    eventually(lambda: stage.daemon.operator("GET", "/v1/webhooks").body["items"][0]["waiting"] == 0, "nothing waits")
    calls = receiver.said("call")
    ids = {one["data"]["text"]: one["id"] for one in calls}
    sys.stdout.write(f"{len(acknowledged)} of {sent} acknowledged, {len(calls)} calls, {len(ids)} texts\n")
    assert len(acknowledged) > sent // 2
    assert len({one["id"] for one in calls}) == len(ids), "an id is one text, a text one id"


def texts(receiver: StandIn) -> set[str]:
    """What has arrived."""
    return {one["data"]["text"] for one in receiver.said("call") if one["type"] == "inbound.received"}
