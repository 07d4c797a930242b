"""What the contract asks of a rig, and what rigs have in common."""

from __future__ import annotations

import time
from typing import Protocol

from zope.interface import implementer

from datasms_daemon.demo.answers import ScriptedAnswer
from datasms_daemon.https.connect import Reactor
from datasms_daemon.interfaces import IChannel, IChannelHost
from datasms_daemon.model import (
    Button,
    Content,
    Device,
    DeviceId,
    InboundText,
    MessageId,
    Outcome,
    PersonId,
    PushOrder,
    PushReceipt,
)

TIMEOUT_S = 0.8
SECRET_ADDRESS = "canary-address-5f2e"
# The client's public key and authentication secret of RFC 8291 § 5; only some channels need them.
KEYS = {
    "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
    "auth": "BTBZMqHH6r4Tts7J_aSIgg",
}


def now_ms() -> int:
    return int(time.time() * 1000)


class Rig(Protocol):
    """A channel under test with its stand-in."""

    reactor: Reactor
    channel: IChannel
    address: dict[str, str]
    secrets: tuple[str, ...]
    expected: dict[str, tuple[type[Outcome], ...]]
    """What this channel makes of a hostile answer where it differs from the others, by mode."""

    async def start(self) -> None:
        """The stand-in listens, the channel is ready."""

    def script(self, *script: ScriptedAnswer) -> None:
        """What the next pushes are answered. Only for channels with a far end."""

    async def stop(self) -> None:
        """Everything is closed."""


BUTTONS = (Button("Confirm", "YES 4711"), Button("Open the ticket", url="https://crm.example.org/4711"))


def order(rig: Rig, address: dict[str, str] | None = None, buttons: tuple[Button, ...] = ()) -> PushOrder:
    """An urgent message, good for a minute."""
    address = rig.address if address is None else address
    device = Device(DeviceId("d1"), PersonId("novak"), rig.channel.name, address, KEYS)
    content = Content("Pump 3 stopped", "Pump station", buttons=buttons) if rig.channel.carries_text else None
    return PushOrder(MessageId("m1"), device, True, 60_000, content)


async def timed(rig: Rig) -> Outcome:
    """The outcome of a push, which came in time."""
    started = time.monotonic()
    outcome: Outcome = await rig.channel.push(order(rig))
    assert time.monotonic() - started < TIMEOUT_S + 0.5
    return outcome


@implementer(IChannelHost)
class Host:
    """Remembers what a channel tells the daemon."""

    def __init__(self) -> None:
        self.receipts: list[PushReceipt] = []
        self.reads: list[tuple[str, dict[str, str], int]] = []
        self.lost: list[tuple[str, dict[str, str], str]] = []
        self.texts: list[InboundText] = []

    async def receipt(self, receipt: PushReceipt) -> None:
        self.receipts.append(receipt)

    async def read_all(self, channel: str, address: dict[str, str], at: int) -> None:
        self.reads.append((channel, address, at))

    async def gone(self, channel: str, address: dict[str, str], reason: str) -> None:
        self.lost.append((channel, address, reason))

    async def inbound(self, inbound: InboundText) -> None:
        self.texts.append(inbound)
