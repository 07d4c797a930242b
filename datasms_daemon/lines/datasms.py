"""The datasms line: a message goes to all devices of a person at once, each through its channels in their order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec.structs import replace
from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger
from zope.interface import implementer

from datasms_daemon.config.records import DatasmsLine
from datasms_daemon.interfaces import ILine, ILineHost, IOperatedChannel
from datasms_daemon.model import (
    Accepted,
    AddressGone,
    Content,
    Device,
    DeviceId,
    Handover,
    HandoverResult,
    Later,
    LineDown,
    LineState,
    LineStatus,
    NotSent,
    Outcome,
    PushOrder,
    PushResult,
    Unknown,
)

NOWHERE = NotSent("the device's channel is not configured", final=True)

log = Logger()

NEXT_WITHIN_MS = 20_000
"""So long after the first push to a device its next channel is still tried; that one too must end within the lease."""


@implementer(ILine)
class DatasmsDriver:
    """Hands messages to the channels, which others start and stop.

    ``notify`` tells the connected clients of a device that there is news. ``now_ms`` is UTC. ``lease_ms`` must be
    longer than any channel's own time limit.
    """

    drops_repeats = True

    def __init__(
        self,
        options: DatasmsLine,
        channels: Mapping[str, IOperatedChannel],
        notify: Callable[[DeviceId], None],
        now_ms: Callable[[], int],
        lease_ms: int = 60_000,
    ) -> None:
        self.name = options.name
        self.lease_ms = lease_ms
        self._concurrency = options.concurrency
        self._channels = channels
        self._notify = notify
        self._now_ms = now_ms
        self._host: ILineHost | None = None
        self._in_flight = 0
        self._idle: list[Deferred[None]] = []
        self._stopped = False

    def start(self, host: ILineHost) -> None:
        """From now on there is room."""
        self._host = host

    async def stop(self) -> None:
        """Take nothing more, and wait for the hand-overs under way."""
        self._stopped = True
        if self._in_flight:
            idle: Deferred[None] = Deferred()
            self._idle.append(idle)
            await idle

    def status(self) -> LineStatus:
        """Degraded while it has no room. Troubles of a single channel show in its pushes' outcomes."""
        return LineStatus(LineState.UP if self.room() else LineState.DEGRADED)

    def room(self) -> int:
        """How many more hand-overs it takes now. Only what waits for its channel counts: what is under way each channel
        bounds itself, so that one that is slow or hangs leaves the others their room."""
        if self._stopped:
            return 0
        under_way = sum([channel.under_way for channel in self._channels.values()])
        return max(0, self._concurrency + under_way - self._in_flight)

    async def send(self, handover: Handover) -> HandoverResult:
        """All devices at once, each until one of its channels has the message or may have it; the outcome is the best
        of all pushes (``outcome_of``)."""
        if self._stopped:
            return HandoverResult(NotSent("the line is stopping"))
        self._in_flight += 1
        try:
            pushes = await self._push_all(handover)
        finally:
            had_none = not self.room()
            self._in_flight -= 1
            self._made_room(had_none)
        outcomes = [push.outcome for push in pushes]
        if handover.held_back:
            outcomes.append(Unknown("a device may have it from an earlier attempt"))
        once = handover.held_back or any(
            isinstance(push.outcome, Unknown) and self._shows_text(push.channel) for push in pushes
        )
        return HandoverResult(outcome_of(outcomes), pushes, once)

    def _shows_text(self, name: str) -> bool:
        channel = self._channels.get(name)
        return channel is not None and channel.carries_text

    async def _push_all(self, handover: Handover) -> tuple[PushResult, ...]:
        if len(handover.devices) == 1:
            return tuple(await self._push(handover, handover.devices[0]))
        pushes = [Deferred.fromCoroutine(self._push(handover, device)) for device in handover.devices]
        return tuple(push for of_device in await gatherResults(pushes) for push in of_device)

    async def _push(self, handover: Handover, device: Device) -> list[PushResult]:
        """One device by one channel after another, as long as the message was surely not taken."""
        known = [reach for reach in device.reaches if reach.channel in self._channels]
        if not known:
            return [PushResult(device.id, device.channel, device.address, NOWHERE)]
        self._notify(device.id)
        began, results = self._now_ms(), list[PushResult]()
        for reach in known:
            outcome: Outcome = NotSent("no time was left for the next channel")
            if not results or self._now_ms() - began < NEXT_WITHIN_MS:
                outcome = await self._outcome(handover, replace(device, channel=reach.channel, address=reach.address))
            results.append(PushResult(device.id, reach.channel, reach.address, outcome))
            if isinstance(outcome, Accepted | Unknown):
                break
        return results

    async def _outcome(self, handover: Handover, device: Device) -> Outcome:
        channel = self._channels.get(device.channel)
        if channel is None:
            # A reload took it away meanwhile.
            return NOWHERE
        ttl_ms = max(0, handover.valid_until - self._now_ms())
        try:
            content = _content(handover) if channel.carries_text else None
            return await channel.push(PushOrder(handover.message, device, handover.urgent, ttl_ms, content))
        except Exception:
            # A fault in one channel must not decide about the other devices; nobody knows how far it came.
            log.failure("channel {channel} failed", channel=device.channel)
            return Unknown("internal fault in the channel")

    def _made_room(self, had_none: bool) -> None:
        if not self._in_flight:
            idle, self._idle = self._idle, []
            for waiter in idle:
                waiter.callback(None)
        # Told only when there was none: whoever sends looks at ``room`` itself otherwise.
        if had_none and self._host is not None and self.room():
            self._host.room(self.name)


def _content(handover: Handover) -> Content:
    return Content(handover.text, handover.title, handover.attachments, handover.buttons)


def outcome_of(outcomes: Sequence[Outcome]) -> Outcome:
    """What the pushes to all devices of a recipient mean for the message.

    One device is enough; it is given up only when all are gone, and resent only when surely nobody has it.
    """
    if not outcomes:
        return AddressGone("no device")
    accepted = [outcome for outcome in outcomes if isinstance(outcome, Accepted)]
    if accepted:
        return Accepted(tuple(id_ for outcome in accepted for id_ in outcome.provider_ids))
    alive = [outcome for outcome in outcomes if not isinstance(outcome, AddressGone)]
    if not alive:
        return outcomes[0]
    for kind in (Unknown, Later, LineDown):
        found = [outcome for outcome in alive if isinstance(outcome, kind)]
        if found:
            return _earliest(found) if kind is Later else found[0]
    return next((outcome for outcome in alive if isinstance(outcome, NotSent) and not outcome.final), alive[0])


def _earliest(outcomes: Sequence[Outcome]) -> Outcome:
    """The one that may be tried first; no named time means as soon as we like."""
    return min(outcomes, key=lambda outcome: (isinstance(outcome, Later) and outcome.not_before) or 0)
