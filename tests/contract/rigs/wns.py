"""WNS against its stand-in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datasms_daemon.channels.wns import Wns
from datasms_daemon.config.channels import WnsChannel
from datasms_daemon.config.kinds import Duration
from datasms_daemon.demo.answers import ScriptedAnswer
from datasms_daemon.https.connect import Reactor
from datasms_daemon.interfaces import IChannel
from datasms_daemon.model import Outcome, Secret
from tests.contract.rigs.base import SECRET_ADDRESS, TIMEOUT_S, Host, now_ms
from tests.fakes.wns_service import CLIENT_ID, CLIENT_SECRET, TENANT, WnsService


class WnsRig:
    """``ahead_ms`` moves the channel's clock."""

    channel: IChannel

    def __init__(self, reactor: Reactor, tmp_path: Path) -> None:
        self.reactor = reactor
        self.tmp_path = tmp_path
        self.service = WnsService(reactor, now_ms)
        self.address: dict[str, str] = {}
        self.ahead_ms = 0
        self.expected: dict[str, tuple[type[Outcome], ...]] = {}
        self.secrets: tuple[str, ...] = (SECRET_ADDRESS, CLIENT_SECRET, "EgAcAQMAAAAALYAA")

    async def start(self) -> None:
        await self.service.listen(self.reactor)
        self.ca_file = self.service.write_ca(self.tmp_path)
        self.address["channel_uri"] = self.uri(SECRET_ADDRESS)
        self.channel = self.new_channel()
        self.channel.start(Host())

    def uri(self, token: str) -> str:
        """A channel of the stand-in."""
        return f"{self.service.endpoint}/?token={token}"

    def new_channel(self, **changed: Any) -> Wns:
        options: dict[str, Any] = {
            "name": "wns",
            "tenant": TENANT,
            "client_id": CLIENT_ID,
            "client_secret": Secret(CLIENT_SECRET),
            "endpoint": self.service.endpoint,
            "hosts": (self.service.endpoint.removeprefix("https://"),),
            "ca_file": self.ca_file,
            "allow_private": True,
            "timeout": Duration(int(TIMEOUT_S * 1000)),
        }
        return Wns(WnsChannel(**options | changed), self.reactor, lambda: now_ms() + self.ahead_ms)

    def script(self, *script: ScriptedAnswer) -> None:
        self.service.script.extend(script)

    async def stop(self) -> None:
        await self.channel.stop()
        await self.service.stop()
