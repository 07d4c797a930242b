"""A Viber bot against its stand-in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.task import deferLater

from datasms_daemon.channels.viber import Viber
from datasms_daemon.config.channels import ViberChannel
from datasms_daemon.config.kinds import Duration
from datasms_daemon.demo.answers import ScriptedAnswer
from datasms_daemon.https.connect import Reactor
from datasms_daemon.interfaces import IChannel
from datasms_daemon.model import Attachment, Outcome, Secret
from tests.contract.rigs.base import SECRET_ADDRESS, TIMEOUT_S, Host, now_ms
from tests.fakes.viber_service import ViberService

TOKEN = "445da6az1s345z78-dazcczb2542zv51a-canary0token"
PUBLIC_URL = "https://mx.example.org:8444"


class ViberRig:
    channel: IChannel
    bot: Viber

    def __init__(self, reactor: Reactor, tmp_path: Path) -> None:
        self.reactor = reactor
        self.tmp_path = tmp_path
        self.service = ViberService(reactor, now_ms, TOKEN)
        self.service.subscribers.add(SECRET_ADDRESS)
        self.address = {"id": SECRET_ADDRESS}
        self.expected: dict[str, tuple[type[Outcome], ...]] = {}
        self.secrets: tuple[str, ...] = (SECRET_ADDRESS, TOKEN, "Pump 3", "Pump station")
        self.host = Host()
        self.billed: list[int] = []

    async def start(self) -> None:
        await self.service.listen(self.reactor)
        self.ca_file = self.service.write_ca(self.tmp_path)
        self.channel = self.bot = self.new_channel()
        self.service.hook = self.bot.hook
        self.channel.start(self.host)
        await self.registered()

    async def registered(self) -> None:
        """Returns when the service has a webhook."""
        while self.service.webhook is None:
            await deferLater(self.reactor, 0.01)

    def new_channel(self, public_url: str | None = PUBLIC_URL, **changed: Any) -> Viber:
        options: dict[str, Any] = {
            "name": "viber",
            "token": Secret(TOKEN),
            "sender": "Acme",
            "endpoint": self.service.endpoint,
            "ca_file": self.ca_file,
            "allow_private": True,
            "timeout": Duration(int(TIMEOUT_S * 1000)),
        }
        return Viber(
            ViberChannel(**options | changed), self.reactor, now_ms, public_url, self.billed.append, self.ticket
        )

    def ticket(self, attachment: Attachment, ttl_ms: int) -> str:
        """What opens an attachment at MxService."""
        return f"ticket-{attachment.id}-{ttl_ms}"

    def script(self, *script: ScriptedAnswer) -> None:
        self.service.script.setdefault(SECRET_ADDRESS, []).extend(script)

    async def stop(self) -> None:
        await self.channel.stop()
        await self.service.stop()
