"""Infobip against its stand-in, by either API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datasms_daemon.channels.omni import Omni
from datasms_daemon.config.channels import OmniChannel, OmniStep
from datasms_daemon.config.kinds import MINUTE, Duration
from datasms_daemon.demo.answers import ScriptedAnswer
from datasms_daemon.https.connect import Reactor
from datasms_daemon.interfaces import IChannel
from datasms_daemon.model import Outcome, Secret
from tests.contract.rigs.base import TIMEOUT_S, Host, now_ms
from tests.fakes.omni_service import API_KEY, OmniService

PHONE = "+420603555019"
HOOK_SECRET = "canary-hook-secret-77"
PUBLIC_URL = "https://mx.example.org:8444"


class OmniRig:
    channel: IChannel
    api = "omni"

    def __init__(self, reactor: Reactor, tmp_path: Path) -> None:
        self.reactor = reactor
        self.tmp_path = tmp_path
        self.service = OmniService(reactor, now_ms)
        self.address = {"phone": PHONE}
        self.expected: dict[str, tuple[type[Outcome], ...]] = {}
        self.secrets: tuple[str, ...] = (PHONE, PHONE[1:], API_KEY, HOOK_SECRET, "Pump 3 stopped")
        self.host = Host()

    async def start(self) -> None:
        await self.service.listen(self.reactor)
        self.ca_file = self.service.write_ca(self.tmp_path)
        self.omni = self.new_channel()
        self.channel = self.omni
        self.channel.start(self.host)

    def new_channel(self, **changed: Any) -> Omni:
        options: dict[str, Any] = {
            "name": "infobip",
            "api": self.api,
            "endpoint": self.service.endpoint,
            "api_key": Secret(API_KEY),
            "steps": (
                OmniStep(channel="VIBER_BM", sender="Acme", wait=Duration(2 * MINUTE)),
                OmniStep(channel="SMS", sender="AcmeSMS", wait=Duration(MINUTE)),
            ),
            "hook_secret": Secret(HOOK_SECRET),
            "ca_file": self.ca_file,
            "allow_private": True,
            "timeout": Duration(int(TIMEOUT_S * 1000)),
        }
        return Omni(OmniChannel(**options | changed), self.reactor, now_ms, PUBLIC_URL)

    def script(self, *script: ScriptedAnswer) -> None:
        self.service.script.extend(script)

    async def stop(self) -> None:
        await self.channel.stop()
        await self.service.stop()


class MessagesRig(OmniRig):
    api = "messages"
