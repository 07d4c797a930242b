"""Dispatch: messages that are ready go to their line as soon as it has room, and what comes back is written down.

A line's work is claimed in one transaction for as many messages as it has room for, never more; each hand-over then
runs by itself. Nothing waits in memory: what no line has room for stays ready in the store.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from datasms_daemon.config.kinds import DAY
from datasms_daemon.delivery import handover as units
from datasms_daemon.delivery.changes import Changes
from datasms_daemon.delivery.handover import LineFacts, Settled
from datasms_daemon.delivery.retirement import alarm
from datasms_daemon.errors import DiskFull, StoreFailed
from datasms_daemon.interfaces import ILine
from datasms_daemon.model import (
    DeviceId,
    Handover,
    HandoverResult,
    LineName,
    LineState,
    LineStatus,
    Progress,
)
from datasms_daemon.ops.metrics import Metrics
from datasms_daemon.rules import lifecycle
from datasms_daemon.rules.buckets import Bucket
from datasms_daemon.rules.lifecycle import OUTCOME_NAMES, Handed
from datasms_daemon.rules.precedence import Precedence
from datasms_daemon.store import messages
from datasms_daemon.store.operations import LineRow
from datasms_daemon.store.store import Db, Store, Unit

T = TypeVar("T")

BATCH = 100
FULL_DISK_PAUSE_S = 1.0


class Way:
    """One line as dispatch keeps it: its driver, an operator's pause, the day's count, and room given away.

    ``rate`` is messages a second, None when the driver needs no pacing. ``has_work`` is False only when a claim has
    found less than there was room for and nothing became ready since: then room alone is no reason to look.
    """

    def __init__(self, line: ILine, facts: LineFacts, day_limit: int | None, rate: float | None, kept: LineRow) -> None:
        self.line = line
        self.facts = facts
        self.day_limit = day_limit
        self.paused = kept.paused
        self.resumed = kept.resumed
        self.day = kept.day
        self.sent = kept.sent
        self.bucket = None if rate is None else Bucket(max(1, round(rate)), rate)
        self.precedence = Precedence()
        self.reserved = 0
        self.pulling = False
        self.woken = False
        self.resting = False
        self.has_work = True

    def room(self, today: str, now: int) -> int:
        """How many messages may be claimed now."""
        if self.paused or self.is_exhausted(today):
            return 0
        room = self.line.room() - self.reserved
        if self.bucket is not None:
            # One at a time: a line that must go slowly has no need of batches.
            room = min(room, int(self.bucket.wait(now) == 0) - self.reserved)
        if self.day_limit is not None and not self.is_resumed(today):
            room = min(room, self.day_limit - self.sent_on(today) - self.reserved)
        return max(0, room)

    def sent_on(self, today: str) -> int:
        """Hand-overs of this day."""
        return self.sent if self.day == today else 0

    def is_resumed(self, today: str) -> bool:
        """Whether an operator lifted the limit for this day."""
        return self.resumed and self.day == today

    def is_exhausted(self, today: str) -> bool:
        """Whether the day limit stops the line."""
        return self.day_limit is not None and self.sent_on(today) >= self.day_limit and not self.is_resumed(today)

    def count(self, today: str, sent: int) -> None:
        """Adds hand-overs to the day's count; a new day starts anew."""
        if self.day != today:
            self.day, self.sent, self.resumed = today, 0, False
        self.sent += sent

    def status(self, today: str) -> LineStatus:
        """The line's own word, unless we hold it back."""
        if self.paused:
            return LineStatus(LineState.PAUSED, "paused by an operator")
        if self.is_exhausted(today):
            return LineStatus(LineState.PAUSED, "day limit reached; resume it to go on")
        return self.line.status()


class Dispatch:
    """Claims for lines, runs hand-overs, writes results."""

    _log = Logger()

    def __init__(
        self,
        store: Store,
        reactor: IReactorTime,
        now_ms: Callable[[], int],
        jitter: Callable[[], float],
        mac_key: bytes,
        is_urgent: Callable[[str], bool],
        shows_text: Callable[[str], bool],
        changes: Changes,
        metrics: Metrics,
        retired: Callable[[DeviceId], None],
    ) -> None:
        self._store = store
        self._reactor = reactor
        self._now_ms = now_ms
        self._jitter = jitter
        self._mac_key = mac_key
        self._is_urgent = is_urgent
        self._shows_text = shows_text
        self._changes = changes
        self._metrics = metrics
        self._retired = retired
        self._ways: dict[LineName, Way] = {}
        self._running: set[Deferred[None]] = set()
        self._stopping = False
        self._idle: Deferred[None] | None = None

    @property
    def ways(self) -> Mapping[LineName, Way]:
        """The lines by name."""
        return self._ways

    def add(self, way: Way) -> None:
        """A line joins; it is woken when work for it is known."""
        self._ways[way.facts.name] = way

    def remove(self, name: LineName) -> Way | None:
        """A line leaves; what waits for it moves on."""
        way = self._ways.pop(name, None)
        if way is not None:
            self.wake(name)
        return way

    def today(self) -> str:
        """The day that limits count by, in UTC."""
        return _date(self._now_ms() // DAY)

    def reserve(self, wanted: int) -> dict[LineName, int]:
        """Room put aside on lines to devices, for messages that are about to be accepted; give it back."""
        if self._stopping:
            return {}
        today, now = self.today(), self._now_ms()
        reserved = {}
        for name, way in self._ways.items():
            # What waits in the store goes first.
            if way.facts.to_devices and not way.has_work and (room := min(wanted, way.room(today, now))) > 0:
                way.reserved += room
                reserved[name] = room
        return reserved

    def release(self, reserved: Mapping[LineName, int]) -> None:
        """Gives room back."""
        for name, room in reserved.items():
            if (way := self._ways.get(name)) is not None:
                way.reserved -= room

    def wake(self, name: LineName) -> None:
        """A message is ready for the line."""
        if (way := self._ways.get(name)) is not None:
            way.has_work = True
            self.made_room(name)
        elif not self._stopping:
            self._track(self._skip(name))

    def made_room(self, name: LineName) -> None:
        """The line has room; it is used when a message may be ready."""
        way = self._ways.get(name)
        if self._stopping or way is None or not way.has_work:
            return
        if way.pulling:
            way.woken = True
        elif way.room(self.today(), self._now_ms()) > 0:
            way.pulling = True
            self._track(self._pull(way))
        else:
            self._rest(way)

    def _rest(self, way: Way) -> None:
        """A line that goes as fast as it may is looked at again when it may go on."""
        wait = 0 if way.bucket is None else way.bucket.wait(self._now_ms())
        if wait > 0 and not way.resting:
            way.resting = True
            self._reactor.callLater(wait / 1000, self._rested, way)

    def _rested(self, way: Way) -> None:
        way.resting = False
        self.made_room(way.facts.name)

    def begin(self, name: LineName, handovers: tuple[Handover, ...]) -> None:
        """Runs hand-overs whose claim is committed and counted."""
        way = self._ways.get(name)
        if way is None or not handovers:
            # A line taken away in this very moment: the lease brings its messages back.
            return
        self._count(way, len(handovers))
        for handover in handovers:
            self._track(self._hand_over(way, handover))

    async def stop(self, limit_s: float) -> None:
        """No more claims; returns when every hand-over is written down, or after ``limit_s`` seconds."""
        self._stopping = True
        if not self._running:
            return
        idle = self._idle = Deferred()
        timeout = self._reactor.callLater(limit_s, idle.callback, None)
        await idle
        self._idle = None
        if timeout.active():
            timeout.cancel()

    # --- the inside --------------------------------------------------------------------------------------------------

    def _count(self, way: Way, sent: int) -> None:
        today = self.today()
        if way.bucket is not None:
            way.bucket.take(self._now_ms(), sent)
        before = way.sent_on(today)
        way.count(today, sent)
        if way.day_limit is not None and before * 2 < way.day_limit <= (before + sent) * 2:
            self._log.warn("line {line} has used half of its day limit", line=way.facts.name)
        if way.is_exhausted(today):
            self._log.warn("line {line} has reached its day limit and stops until resumed", line=way.facts.name)

    async def _pull(self, way: Way) -> None:
        try:
            going_on = True
            while going_on and not self._stopping:
                way.woken = False
                today = self.today()
                room = min(way.room(today, self._now_ms()), BATCH)
                claimed = 0 if room == 0 else await self._claim(way, room, today)
                way.has_work |= claimed == room
                going_on = room > 0 and (claimed == room or way.woken)
        except DiskFull:
            way.has_work = True
            await deferLater(self._reactor, FULL_DISK_PAUSE_S, lambda: None)
            way.woken = True
        finally:
            way.pulling = False
        if way.woken:
            self.made_room(way.facts.name)
        else:
            self._rest(way)

    async def _claim(self, way: Way, room: int, today: str) -> int:
        now = self._now_ms()
        way.reserved += room
        # What becomes ready from here on says so itself.
        way.has_work = False
        try:
            claimed = await self._store.write(
                lambda db: units.claim(
                    db, way.facts, room, way.precedence, now, today, self._mac_key, self._is_urgent, self._shows_text
                )
            )
        finally:
            way.reserved -= room
        way.precedence = claimed.precedence
        self.begin(way.facts.name, claimed.handovers)
        self._changes.applied(claimed.moved)
        return len(claimed.handovers) + len(claimed.moved)

    async def _hand_over(self, way: Way, handover: Handover) -> None:
        try:
            result = await way.line.send(handover)
        except Exception:
            self._log.failure("line {line} failed on message {message}", line=way.facts.name, message=handover.message)
            self._metrics.crashes.inc()
            at = self._handed(handover, way.facts.to_devices)
            settled = await self._write(lambda db: units.crash(db, handover, at, "the line's driver failed"))
        else:
            settled = await self._settle(way.facts, handover, result)
        if settled is not None:
            for device in settled.retired:
                self._retired(device)
            for hold in settled.holds:
                alarm(hold)
            self._changes.applied(settled.changed)
        self.made_room(way.facts.name)

    async def _settle(self, facts: LineFacts, handover: Handover, result: HandoverResult) -> Settled | None:
        self._metrics.outcomes.labels(facts.name, OUTCOME_NAMES[type(result.outcome)]).inc()
        at = self._handed(handover, facts.to_devices and not result.once)
        return await self._write(lambda db: units.settle(db, facts, handover, result, at))

    def _handed(self, handover: Handover, drops_repeats: bool) -> Handed:
        return Handed(self._now_ms(), self._jitter(), handover.urgent, drops_repeats)

    async def _skip(self, name: LineName) -> None:
        """Moves messages on that wait for a line the configuration no longer has."""
        now = self._now_ms()

        def unit(db: Db) -> list[Progress]:
            waiting = messages.ready(db, name, BATCH)
            return messages.apply(db, [lifecycle.skip(p, now, "the line is not configured") for _, p in waiting], now)

        moved = await self._write(unit)
        self._changes.applied(moved or ())
        if moved is not None and len(moved) == BATCH:
            self.wake(name)

    async def _write(self, unit: Unit[T]) -> T | None:
        """What happened must be kept: on a full disk it is tried until there is room. None: the store has failed."""
        while True:
            try:
                return await self._store.write(unit)
            except DiskFull:
                self._log.warn("the disk is full: what lines answered waits to be written")
                await deferLater(self._reactor, FULL_DISK_PAUSE_S, lambda: None)
            except StoreFailed:
                return None

    def _track(self, work: Coroutine[Deferred[object], object, None]) -> None:
        running = Deferred.fromCoroutine(work)
        self._running.add(running)
        running.addErrback(lambda failure: self._log.failure("dispatch failed", failure=failure))
        running.addCallback(lambda _: self._done(running))

    def _done(self, running: Deferred[None]) -> None:
        self._running.discard(running)
        if not self._running and self._idle is not None and not self._idle.called:
            self._idle.callback(None)


@lru_cache(maxsize=2)
def _date(day: int) -> str:
    """Of the day that begins so many days after 1970."""
    return datetime.fromtimestamp(day * DAY / 1000, UTC).date().isoformat()
