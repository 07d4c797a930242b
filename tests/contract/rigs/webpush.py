"""Web Push against its stand-in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from datasms_daemon.channels.webpush import WebPush
from datasms_daemon.config.channels import WebPushChannel
from datasms_daemon.config.kinds import Duration
from datasms_daemon.crypto.webpush import new_key
from datasms_daemon.demo.answers import ScriptedAnswer
from datasms_daemon.https.connect import Reactor
from datasms_daemon.interfaces import IChannel
from datasms_daemon.model import Accepted, Outcome
from tests.contract.rigs.base import KEYS, SECRET_ADDRESS, TIMEOUT_S, Host, now_ms
from tests.fakes.webpush_service import WebPushService


class WebPushRig:
    channel: IChannel

    def __init__(self, reactor: Reactor, tmp_path: Path) -> None:
        self.reactor = reactor
        self.tmp_path = tmp_path
        self.service = WebPushService(reactor, now_ms, SECRET_ADDRESS)
        # The status alone is the answer: bodies of success mean nothing.
        self.expected: dict[str, tuple[type[Outcome], ...]] = dict.fromkeys(
            ("wrong type", "bottomless", "empty success", "success with an error inside", "strange status"), (Accepted,)
        )
        self.secrets: tuple[str, ...] = (
            SECRET_ADDRESS,
            KEYS["auth"],
            KEYS["p256dh"],
            "vapid t=",
            "PRIVATE KEY",
            "secret-resource",
        )

    async def start(self) -> None:
        await self.service.listen(self.reactor)
        self.ca_file = self.service.write_ca(self.tmp_path)
        self.address = {"endpoint": self.service.subscription}
        self.channel = self.new_channel()
        self.channel.start(Host())

    def new_channel(self, **changed: Any) -> WebPush:
        options: dict[str, Any] = {
            "name": "webpush",
            "contact": "mailto:it@acme.example",
            "hosts": (self.service.endpoint.removeprefix("https://"),),
            "ca_file": self.ca_file,
            "allow_private": True,
            "timeout": Duration(int(TIMEOUT_S * 1000)),
        }
        channel = WebPush(WebPushChannel(**options | changed), self.reactor, now_ms, os.urandom, self.tmp_path, new_key)
        self.service.application_server_key = channel.application_server_key
        return channel

    def script(self, *script: ScriptedAnswer) -> None:
        self.service.script.extend(script)

    async def stop(self) -> None:
        await self.channel.stop()
        await self.service.stop()
