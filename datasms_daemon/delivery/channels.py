"""The channels in use, and what becomes of what their services tell us."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import cast

from msgspec import structs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from datasms_daemon.delivery.directory import Directory
from datasms_daemon.delivery.inbound import InboundTexts
from datasms_daemon.delivery.receipts import Receipts
from datasms_daemon.interfaces import IChannel, IChannelHost, IHookedChannel, IOperatedChannel
from datasms_daemon.model import ChannelView, HookAnswer, HookCall, InboundText, PushReceipt, Verdict
from datasms_daemon.store import operations, retirement
from datasms_daemon.store.store import Db, Store

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


class ChannelOperations:
    """What operators do with channels."""

    def __init__(self, store: Store, now_ms: Callable[[], int], channels: Channels) -> None:
        self._store = store
        self._now_ms = now_ms
        self._channels = channels

    async def all(self) -> tuple[ChannelView, ...]:
        """Every channel and how it stands."""
        views, now = [channel.status() for channel in self._channels.values()], self._now_ms()
        held = await self._store.read(
            lambda db: {view.name for view in views if retirement.is_held(db, view.name, now)}
        )
        return tuple(structs.replace(view, held=view.name in held) for view in views)

    async def test(self, name: str) -> Verdict | None:
        """Has the channel prove its credentials; None: no such channel."""
        channel = self._channels.get(name)
        if channel is None:
            return None
        verdict: Verdict = await channel.check()
        return verdict

    async def resume(self, name: str, by: str) -> ChannelView | None:
        """Lets addresses that the service calls gone be retired again; None: no such channel."""
        now = self._now_ms()

        def unit(db: Db) -> None:
            if retirement.resume(db, name, now):
                operations.audit(db, now, by, "channel resumed", name)

        if name not in self._channels:
            return None
        await self._store.write(unit)
        return next((view for view in await self.all() if view.name == name), None)


class Channels(Mapping[str, IOperatedChannel]):
    """The configured channels by name. They outlive the lines that use them: a reload exchanges them by themselves."""

    _log = Logger()

    def __init__(self, host: IChannelHost, clock: IReactorTime) -> None:
        self._host = host
        self._clock = clock
        self._channels: dict[str, IOperatedChannel] = {}
        self._leaving: dict[IDelayedCall, IChannel] = {}

    def __getitem__(self, name: str) -> IOperatedChannel:
        return self._channels[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._channels)

    def __len__(self) -> int:
        return len(self._channels)

    def use(self, channels: Mapping[str, IOperatedChannel]) -> None:
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

    def links(self, number: str) -> dict[str, str]:
        """By channel: what registers with this number by one tap, where the service knows such links."""
        hooked = {name: channel for name, channel in self._channels.items() if IHookedChannel.providedBy(channel)}
        found = {name: cast(IHookedChannel, channel).link(number) for name, channel in hooked.items()}
        return {name: link for name, link in found.items() if link is not None}

    async def hook(self, call: HookCall) -> HookAnswer | None:
        """What the channel answers a service that calls; None: no such channel takes calls."""
        channel = self._channels.get(call.channel)
        if channel is None or not IHookedChannel.providedBy(channel):
            return None
        answer: HookAnswer = await cast(IHookedChannel, channel).hook(call)
        return answer

    def _left(self, channel: IChannel) -> None:
        self._leaving = {call: one for call, one in self._leaving.items() if one is not channel}
        Deferred.fromCoroutine(self._stop(channel))

    async def _stop(self, channel: IChannel) -> None:
        try:
            await channel.stop()
        except Exception:
            self._log.failure("stopping channel {name} failed", name=channel.name)
