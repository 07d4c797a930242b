"""How many pushes a channel has under way, and for how long: the bulkhead that keeps one channel's troubles from the
line it shares with others."""

from __future__ import annotations

from collections import deque
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from datasms_daemon.rules.breaker import STUCK_MS

WAIT_S = 0.5
"""So long a push waits for a place while none is given back: of many pushes to a healthy service one ends sooner."""
STUCK_S = STUCK_MS / 1000
"""So long it waits at all."""


class Place:
    """One push under way, from ``began`` to ``ends_at`` at the latest. Who has it says in ``work`` what is to be
    cancelled when it must end; ``ended`` then says why."""

    __slots__ = ("began", "ended", "ends_at", "limit", "work")

    def __init__(self, began: float, ends_at: float) -> None:
        self.began = began
        self.ends_at = ends_at
        self.limit = "time limit"
        self.work: Deferred[Any] | None = None
        self.ended: str | None = None


class Places:
    """``most`` of them, each for ``limit_s`` seconds at most.

    Who finds none free waits in the order of asking. When somebody has waited too long the channel is behind: all who
    wait are turned away, and so is at once who comes before a push has ended by itself. A push that has taken STUCK_S
    gives way to one that needs its place: however many hosts each hang a little, they hold a place no longer than that.
    """

    def __init__(self, most: int, limit_s: float, clock: IReactorTime) -> None:
        self._most = most
        self._limit_s = limit_s
        self._clock = clock
        self._held: dict[Place, None] = {}
        self._waiting: deque[tuple[Deferred[Place | None], float]] = deque()
        self._is_behind = False
        self._ended_at = 0.0
        self._is_stopped = False
        self._is_granting = False
        self._timer: IDelayedCall | None = None

    @property
    def taken(self) -> int:
        """How many."""
        return len(self._held)

    def take(self) -> Place | None:
        """A free one; None: there is none, ``wait`` for it."""
        if len(self._held) >= self._most or self._waiting or self._is_stopped:
            return None
        return self._new()

    async def wait(self) -> Place | None:
        """The next that is free; None: turned away, or stopped."""
        self._end_a_stuck_one()
        place = self.take()
        if place is not None or self._is_behind or self._is_stopped:
            return place
        turn: Deferred[Place | None] = Deferred(self._leave_queue)
        since = self._clock.seconds()
        self._waiting.append((turn, since))
        self._arm(self._patience_ends())
        return await turn

    def leave(self, place: Place) -> None:
        """It is free for the next."""
        del self._held[place]
        if place.ended is None:
            self._ended_at = self._clock.seconds()
        self._is_behind = self._is_behind and place.ended is not None and bool(self._held)
        self._grant()
        if not self._held and not self._waiting:
            self._disarm()

    def shorten(self, place: Place, reason: str) -> None:
        """The push there has STUCK_S in all, and ends at once if it has used them up."""
        if place.began + STUCK_S >= place.ends_at:
            return
        place.ends_at, place.limit = place.began + STUCK_S, reason
        if place.ends_at <= self._clock.seconds():
            _end(place, reason)
        else:
            self._arm(place.ends_at)

    def stop(self) -> None:
        """Nobody gets one any more; who has one keeps it."""
        self._is_stopped = True
        self._turn_away()
        if not self._held:
            self._disarm()

    def _new(self) -> Place:
        now = self._clock.seconds()
        place = Place(now, now + self._limit_s)
        self._held[place] = None
        if self._timer is None:
            self._arm(place.ends_at)
        return place

    def _grant(self) -> None:
        """Who is let in may leave at once; that must not nest as deep as the queue is long."""
        if self._is_granting:
            return
        self._is_granting = True
        try:
            while self._waiting and len(self._held) < self._most:
                self._waiting.popleft()[0].callback(self._new())
        finally:
            self._is_granting = False

    def _end_a_stuck_one(self) -> None:
        if len(self._held) < self._most:
            return
        oldest = next((place for place in self._held if place.ended is None), None)
        if oldest is not None and self._clock.seconds() - oldest.began >= STUCK_S:
            _end(oldest, "no answer in time, its place was needed")

    def _turn_away(self) -> None:
        self._is_behind = True
        while self._waiting:
            self._waiting.popleft()[0].callback(None)

    def _leave_queue(self, turn: Deferred[Place | None]) -> None:
        self._waiting = deque(one for one in self._waiting if one[0] is not turn)

    def _patience_ends(self) -> float:
        """When those who wait are turned away, if nothing changes."""
        since = self._waiting[0][1]
        return min(max(since, self._ended_at) + WAIT_S, since + STUCK_S)

    def _arm(self, at: float) -> None:
        if self._timer is not None:
            if self._timer.getTime() <= at:
                return
            self._timer.cancel()
        self._timer = self._clock.callLater(max(0.0, at - self._clock.seconds()), self._look)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        """One timer for all: ends what is over, turns away who has waited too long."""
        self._timer = None
        now = self._clock.seconds()
        if self._waiting and self._patience_ends() <= now:
            self._turn_away()
        for place in tuple(self._held):
            if place.ends_at <= now and place.ended is None:
                _end(place, place.limit)
        ends = [place.ends_at for place in self._held if place.ended is None]
        if self._waiting:
            ends.append(self._patience_ends())
        if ends:
            self._arm(min(ends))


def _end(place: Place, reason: str) -> None:
    place.ended = reason
    if place.work is not None:
        place.work.cancel()
