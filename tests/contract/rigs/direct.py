"""The channel of devices that come to us; there is no far end."""

from __future__ import annotations

from pathlib import Path

from datasms_daemon.channels.direct import Direct
from datasms_daemon.channels.presence import Presence
from datasms_daemon.config.channels import DirectChannel
from datasms_daemon.demo.answers import ScriptedAnswer
from datasms_daemon.https.connect import Reactor
from datasms_daemon.interfaces import IChannel
from datasms_daemon.model import Outcome
from tests.contract.rigs.base import Host


class DirectRig:
    def __init__(self, reactor: Reactor, tmp_path: Path) -> None:
        self.channel: IChannel = Direct(DirectChannel(name="direct"), Presence())
        self.address: dict[str, str] = {}
        self.reactor = reactor
        self.expected: dict[str, tuple[type[Outcome], ...]] = {}
        self.secrets: tuple[str, ...] = ()

    async def start(self) -> None:
        self.channel.start(Host())

    def script(self, *script: ScriptedAnswer) -> None:
        raise AssertionError("there is no far end")

    async def stop(self) -> None:
        await self.channel.stop()
