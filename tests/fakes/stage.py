"""A whole stage for tests of the running daemon: FCM, SMSC, the daemon between them, and people with devices."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.fakes.live import Answer, Caller, Daemon, StandIn, eventually, free_port

CONFIG = """
store.min_free = "1M"
gateway.http.listen = "127.0.0.1:0"
mxservice = {{ listen = "127.0.0.1:0", registration_number = "+420603000000" }}
priority.normal = {{ wait = {{ datasms = "{wait}", default = "{sms_wait}" }}, ttl = "{ttl}", urgent = true }}

[[line]]
name = "datasms"
driver = "datasms"
[[line]]
name = "sms"
driver = "smpp"
host = "127.0.0.1"
port = {port}
system_id = "datasms"
password = "secret"

[[channel]]
name = "direct"
driver = "direct"
[[channel]]
name = "fcm"
driver = "fcm"
credentials_file = "firebase.json"
ca_file = "demo-ca.pem"
endpoint = "{endpoint}"
allow_private = true

[[rule]]
name = "push, then SMS"
steps = [ {{ line = "datasms" }}, {{ line = "sms" }} ]
"""


def epoch_ms(text: str) -> int:
    """A time of the API as UTC ms."""
    return int((datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000 + 0.5)


def message(gateway: Caller, id_: str) -> dict[str, Any]:
    """A stored message as its application sees it."""
    answer = gateway("GET", f"/v1/messages/{id_}")
    assert answer.status == 200, answer
    body: dict[str, Any] = answer.body
    return body


def reaches(gateway: Caller, id_: str, status: str, seconds: float = 10.0) -> dict[str, Any]:
    """A stored message once it has this status."""
    end = time.monotonic() + seconds
    while (found := message(gateway, id_))["status"] != status:
        assert time.monotonic() < end, f"not {status}: {found['attempts']}"
        time.sleep(0.02)
    return found


@dataclass
class Device:
    """A registered client: its person's number, its own id and token."""

    number: str
    id: str
    token: str


class Stage:
    """FCM, SMSC and a daemon that is not started yet; ``key`` is an application's once it is."""

    def __init__(self, directory: Path, *, wait: str = "2s", sms_wait: str = "20s", ttl: str = "1m") -> None:
        port = free_port()
        self.smsc = StandIn("smsc_process.py", str(port))
        self.fcm = StandIn("fcm_process.py", str(directory))
        endpoint = self.fcm.said("ready")[0]["endpoint"]
        config = CONFIG.format(port=port, endpoint=endpoint, wait=wait, sms_wait=sms_wait, ttl=ttl)
        self.daemon = Daemon(directory, config)
        self.key = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.daemon.__exit__(kind, error, tb)
        self.smsc.close()
        self.fcm.close()

    def start(self) -> Self:
        """The daemon runs and its SMSC has it."""
        bound = len(self.smsc.said("bound"))
        self.daemon.run()
        eventually(lambda: len(self.smsc.said("bound")) > bound, "the daemon is bound to the SMSC")
        self.key = self.key or self.daemon.new_key()
        return self

    @property
    def gateway(self) -> Caller:
        """As the application."""
        return self.daemon.gateway(self.key)

    def register(
        self, number: str, channel: str, address: dict[str, str], keys: dict[str, str] | None = None
    ) -> Device:
        """Flow A: the client asks for a number, its user sends it by SMS from ``number``."""
        clients = self.daemon.clients()
        request = {"channel": channel, "address": address, "keys": keys, "name": "Phone"}
        asked = clients("POST", "/mx/v1/registrations", request)
        assert asked.status == 201, asked
        sms = asked.body["sms"]
        self.smsc.tell("text", sender=number.removeprefix("+"), to=sms["to"].removeprefix("+"), text=sms["text"])
        path = f"/mx/v1/registrations/{asked.body['id']}?wait=20"
        shown = clients("GET", path, headers={"Registration-Secret": asked.body["secret"]})
        assert shown.status == 200, shown
        assert shown.body["state"] == "active", shown
        return Device(number, shown.body["device"]["id"], shown.body["device"]["token"])

    def attach(self, content: bytes, name: str) -> str:
        """The id of an attachment that was taken in."""
        status, _, body = self.gateway.fetch(f"/v1/attachments?name={name}", method="POST", content=content)
        assert status == 201, body
        id_: str = json.loads(body)["id"]
        return id_

    def submit(self, number: str, text: str, **more: object) -> str:
        """An acknowledged message's id."""
        answer = self.gateway("POST", "/v1/messages", {"to": [number], "text": text, **more})
        assert answer.status == 202, answer
        id_: str = answer.body["messages"][0]["id"]
        return id_

    def message(self, id_: str) -> dict[str, Any]:
        """A message as the application sees it."""
        return message(self.gateway, id_)

    def reaches(self, id_: str, status: str, seconds: float = 10.0) -> dict[str, Any]:
        """The message once it has this status."""
        return reaches(self.gateway, id_, status, seconds)

    def texts(self, text: str) -> list[dict[str, Any]]:
        """The SMS with this text so far."""
        return [sms for sms in self.smsc.said("submit") if sms["text"] == text]

    def pushes(self, id_: str) -> list[dict[str, Any]]:
        """The pushes of a message so far."""
        return [push for push in self.fcm.said("push") if push["data"].get("id") == id_]

    def acknowledgements(self, count: int) -> list[int]:
        """The command_status of the first ``count`` answers to what the SMSC sent, once they are there."""
        eventually(lambda: len(self.smsc.said("answered")) >= count, f"{count} answers to the SMSC")
        return [one["status"] for one in self.smsc.said("answered")][:count]

    def confirm(self, device: Device, id_: str, state: str = "received") -> Answer:
        """A device's receipt, after it has the message in its inbox."""
        clients = self.daemon.clients(device.token)
        found = clients("GET", "/mx/v1/inbox?limit=500&wait=10")
        assert id_ in [item["id"] for item in found.body["items"]], found
        at = datetime.now(UTC).isoformat()
        return clients("POST", "/mx/v1/inbox/receipts", {"receipts": [{"id": id_, "state": state, "at": at}]})
