"""FCM against its stand-in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datasms_daemon.channels.fcm import Fcm
from datasms_daemon.config.channels import FcmChannel
from datasms_daemon.config.kinds import Duration
from datasms_daemon.demo.answers import ScriptedAnswer
from datasms_daemon.demo.fcm import DemoFcm
from datasms_daemon.https.connect import Reactor
from datasms_daemon.interfaces import IChannel
from datasms_daemon.model import Outcome
from tests.contract.rigs.base import SECRET_ADDRESS, TIMEOUT_S, Host, now_ms


class FcmRig:
    channel: IChannel

    def __init__(self, reactor: Reactor, tmp_path: Path) -> None:
        self.reactor = reactor
        self.tmp_path = tmp_path
        self.service = DemoFcm(reactor, now_ms)
        self.address = {"token": SECRET_ADDRESS}
        self.expected: dict[str, tuple[type[Outcome], ...]] = {}
        self.secrets: tuple[str, ...] = (SECRET_ADDRESS, "ya29.demo", "PRIVATE KEY")

    async def start(self) -> None:
        await self.service.listen(self.reactor)
        self.key_file, self.ca_file = self.service.write_files(self.tmp_path)
        self.channel = self.new_channel()
        self.channel.start(Host())

    def new_channel(self, **changed: Any) -> Fcm:
        options: dict[str, Any] = {
            "name": "fcm",
            "credentials_file": self.key_file,
            "endpoint": self.service.endpoint,
            "ca_file": self.ca_file,
            "allow_private": True,
            "timeout": Duration(int(TIMEOUT_S * 1000)),
        }
        return Fcm(FcmChannel(**options | changed), self.reactor, now_ms)

    def script(self, *script: ScriptedAnswer) -> None:
        self.service.script.setdefault(SECRET_ADDRESS, []).extend(script)

    async def stop(self) -> None:
        await self.channel.stop()
        await self.service.stop()
