"""The channels in use, and what becomes of what their services tell us."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from datasms_daemon.delivery.directory import Directory
from datasms_daemon.delivery.inbound import InboundTexts
from datasms_daemon.delivery.receipts import Receipts
from datasms_daemon.interfaces import IChannel, IChannelHost, IHookedChannel
from datasms_daemon.model import HookAnswer, HookCall, InboundText, PushReceipt

LEAVE_S = 60.0
"""Longer than a push may take."""


@implementer(IChannelHost)
class ChannelHost:
    """Receipts and texts go to those who commit them, addresses that are gone to the directory."""

    def __init__(self, receipts: Receipts, texts: InboundTexts, directory: Directory) -> None:
        self._receipts = receipts
        self._texts = texts
        self._directory = directory

    async def receipt(self, receipt: PushReceipt) -> None:
        """See IChannelHost."""
        await self._receipts.from_channel(receipt)

    async def read_all(self, channel: str, address: dict[str, str], at: int) -> None:
        """See IChannelHost."""
        await self._receipts.all_read(channel, address, at)

    async def gone(self, channel: str, address: dict[str, str], reason: str) -> None:
        """See IChannelHost."""
        await self._directory.retire(channel, address, reason)

    async def inbound(self, inbound: InboundText) -> None:
        """See IChannelHost."""
        await self._texts.received(inbound)


class Channels(Mapping[str, IChannel]):
    """The configured channels by name. They outlive the lines that use them: a reload exchanges them by themselves."""

    _log = Logger()

    def __init__(self, host: IChannelHost, clock: IReactorTime) -> None:
        self._host = host
        self._clock = clock
        self._channels: dict[str, IChannel] = {}
        self._leaving: dict[IDelayedCall, IChannel] = {}

    def __getitem__(self, name: str) -> IChannel:
        return self._channels[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._channels)

    def __len__(self) -> int:
        return len(self._channels)

    def use(self, channels: Mapping[str, IChannel]) -> None:
        """From now on these; the new ones are started, those no longer used are stopped once their pushes are over."""
        former, self._channels = self._channels, dict(channels)
        for name, channel in channels.items():
            if former.get(name) is not channel:
                channel.start(self._host)
        for name, channel in former.items():
            if channels.get(name) is not channel:
                leaving = self._clock.callLater(LEAVE_S, lambda channel=channel: self._left(channel))
                self._leaving[leaving] = channel

    async def stop(self) -> None:
        """Returns when all are stopped; the pushes of lines must be over."""
        stopping = [*self._channels.values(), *self._leaving.values()]
        for leaving in self._leaving:
            leaving.cancel()
        self._channels, self._leaving = {}, {}
        for channel in stopping:
            await self._stop(channel)

    async def hook(self, call: HookCall) -> HookAnswer | None:
        """What the channel answers a service that calls; None: no such channel takes calls."""
        channel = self._channels.get(call.channel)
        if channel is None or not IHookedChannel.providedBy(channel):
            return None
        answer: HookAnswer = await channel.hook(call)
        return answer

    def _left(self, channel: IChannel) -> None:
        self._leaving = {call: one for call, one in self._leaving.items() if one is not channel}
        Deferred.fromCoroutine(self._stop(channel))

    async def _stop(self, channel: IChannel) -> None:
        try:
            await channel.stop()
        except Exception:
            self._log.failure("stopping channel {name} failed", name=channel.name)
