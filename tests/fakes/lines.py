"""A line whose far end is a few numbers: what it says, how long it takes, what it sends back later."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from zope.interface import implementer

from datasms_daemon.interfaces import ILine, ILineHost
from datasms_daemon.model import (
    Accepted,
    Handover,
    HandoverResult,
    LineName,
    LineState,
    LineStatus,
    MessageId,
    Outcome,
    PushResult,
)

Script = Callable[[Handover], tuple[Outcome | Exception, float, bool]]
"""For a hand-over: what the driver says, after how many seconds, and whether the far end really took it."""


def accept_at_once(handover: Handover) -> tuple[Outcome | Exception, float, bool]:
    """The far end of a good day."""
    return Accepted((f"{handover.message}/{handover.attempt}",)), 0.0, True


@implementer(ILine)
class FakeLine:
    """Keeps what its far end took; ``script`` decides what happens."""

    def __init__(
        self,
        name: str,
        reactor: IReactorTime,
        script: Script = accept_at_once,
        *,
        drops_repeats: bool = False,
        window: int = 10,
    ) -> None:
        self.name = LineName(name)
        self.drops_repeats = drops_repeats
        self.lease_ms = 30_000
        self.script = script
        self.window = window
        self.taken: Counter[MessageId] = Counter()
        self.sends: list[Handover] = []
        self.in_flight: list[Deferred[None]] = []
        self.state = LineStatus(LineState.UP)
        self.is_dead = False
        self._reactor = reactor
        self.host: ILineHost | None = None

    def start(self, host: ILineHost) -> None:
        """See ILine."""
        self.host = host

    async def stop(self) -> None:
        """See ILine."""

    def status(self) -> LineStatus:
        """See ILine."""
        return self.state

    def room(self) -> int:
        """See ILine."""
        return self.window - len(self.in_flight)

    async def send(self, handover: Handover) -> HandoverResult:
        """See ILine."""
        self.sends.append(handover)
        said, seconds, is_taken = self.script(handover)
        if is_taken:
            self.taken[handover.message] += 1
        if seconds:
            waiting = deferLater(self._reactor, seconds, lambda: None)
            self.in_flight.append(waiting)
            try:
                await waiting
            finally:
                # After a crash the list is another life's.
                if waiting in self.in_flight:
                    self.in_flight.remove(waiting)
        if isinstance(said, Exception):
            raise said
        pushes = tuple(PushResult(device.id, device.channel, device.address, said) for device in handover.devices)
        return HandoverResult(said, pushes)
