"""Dispatch: messages that are ready go to their line as soon as it has room, and what comes back is written down.

A line's work is claimed in one transaction for as many messages as it has room for, never more; each hand-over then
runs by itself. Nothing waits in memory: what no line has room for stays ready in the store.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from datasms_daemon.delivery import handover as units
from datasms_daemon.delivery.changes import Changes
from datasms_daemon.delivery.handover import Begun, LineFacts, Settled
from datasms_daemon.delivery.retirement import alarm
from datasms_daemon.delivery.ways import Way
from datasms_daemon.errors import DiskFull, StoreFailed, StoreHeld
from datasms_daemon.model import (
    DeviceId,
    Handover,
    HandoverResult,
    LineName,
    LineStanding,
    LineState,
    Progress,
)
from datasms_daemon.ops.metrics import Metrics
from datasms_daemon.rules import lifecycle
from datasms_daemon.rules.days import Day
from datasms_daemon.rules.decisions import OUTCOME_NAMES, Handed
from datasms_daemon.rules.limits import Mark, crossed
from datasms_daemon.rules.openings import Openings
from datasms_daemon.rules.retry import Backoff
from datasms_daemon.store import messages
from datasms_daemon.store.store import Db, Store, Unit

T = TypeVar("T")

BATCH = 100
FULL_DISK_PAUSE_S = 1.0
LONGEST_REST_MS = 60_000


class Dispatch:
    """Claims for lines, runs hand-overs, writes results."""

    _log = Logger()

    def __init__(
        self,
        store: Store,
        reactor: IReactorTime,
        now_ms: Callable[[], int],
        day_of: Callable[[int], Day],
        jitter: Callable[[], float],
        mac_key: bytes,
        is_urgent: Callable[[str], bool],
        shows_text: Callable[[str], bool],
        openings: Callable[[], Openings],
        backoff: Callable[[str], Backoff],
        changes: Changes,
        metrics: Metrics,
        retired: Callable[[DeviceId], None],
    ) -> None:
        self._store = store
        self._reactor = reactor
        self._now_ms = now_ms
        self._day_of = day_of
        self._jitter = jitter
        self._mac_key = mac_key
        self._is_urgent = is_urgent
        self._shows_text = shows_text
        self._openings = openings
        self._backoff = backoff
        self._changes = changes
        self._metrics = metrics
        self._retired = retired
        self._ways: dict[LineName, Way] = {}
        self._running: set[Deferred[None]] = set()
        self.is_held = False
        self._stopping = False
        self._idle: Deferred[None] | None = None

    @property
    def ways(self) -> Mapping[LineName, Way]:
        """The lines by name."""
        return self._ways

    def add(self, way: Way) -> None:
        """A line joins, or takes the place of the one of its name; it is woken when work for it is known."""
        former = self._ways.get(way.facts.name)
        if former is not None:
            way.succeed(former)
        self._ways[way.facts.name] = way

    def remove(self, name: LineName) -> Way | None:
        """A line leaves; what waits for it moves on."""
        way = self._ways.pop(name, None)
        if way is not None:
            self.wake(name)
        return way

    def day(self, at: int | None = None) -> Day:
        """The day that limits count by at a moment (UTC ms; None: now)."""
        return self._day_of(self._now_ms() if at is None else at)

    def today(self) -> str:
        """Its name."""
        return self.day().name

    def unusable(self, day: str) -> frozenset[LineName]:
        """The lines that nothing can be handed to, as they are now, on a day."""
        blocked = (LineState.DOWN, LineState.PAUSED)
        return frozenset(name for name, way in self._ways.items() if way.status(day).state in blocked)

    def standings(self, day: str, held: str | None) -> dict[LineName, LineStanding]:
        """What each line lets through on a day; ``held`` is why none of them does."""
        return {name: way.standing(day, held) for name, way in self._ways.items()}

    def reserve(self, wanted: int, today: str, now: int) -> dict[LineName, int]:
        """Room put aside on lines to devices, for messages that are about to be accepted; give it back."""
        if self._stopping or self.is_held:
            return {}
        reserved = {}
        for name, way in self._ways.items():
            # What waits in the store goes first.
            if way.facts.to_devices and not way.has_work and (room := min(wanted, way.room(today, now))) > 0:
                way.accepting += room
                reserved[name] = room
        return reserved

    def release(self, reserved: Mapping[LineName, int]) -> None:
        """Gives room back."""
        for name, room in reserved.items():
            if (way := self._ways.get(name)) is not None:
                # A line that left meanwhile and is back has put nothing aside.
                way.accepting = max(0, way.accepting - room)

    def wake(self, name: LineName) -> None:
        """A message is ready for the line."""
        if (way := self._ways.get(name)) is not None:
            way.has_work = True
            self.made_room(name)
        elif not self._stopping and not self.is_held:
            self._track(self._skip(name))

    def made_room(self, name: LineName) -> None:
        """The line has room; it is used when a message may be ready."""
        way = self._ways.get(name)
        if self._stopping or self.is_held or way is None or not way.has_work:
            return
        if way.pulling:
            way.woken = True
        elif way.room(self.today(), self._now_ms()) > 0:
            way.pulling = True
            self._track(self._pull(way))
        else:
            self._rest(way)

    def _rest(self, way: Way) -> None:
        """A line that goes as fast as it may, or has reached its day limit, is looked at when it may go on."""
        now, day = self._now_ms(), self.day()
        wait = way.wait(day.name, now, day.ends_at)
        if way.rest is not None and wait > 0:
            way.rest.cancel()
            way.rest = None
        if wait > 0:
            # The wall clock may be set while we wait.
            way.rest = self._reactor.callLater(min(wait, LONGEST_REST_MS) / 1000, self._rested, way)

    def _rested(self, way: Way) -> None:
        way.rest = None
        self.made_room(way.facts.name)

    def begin(self, name: LineName, begun: tuple[Begun, ...]) -> None:
        """Runs hand-overs whose claim is committed and counted."""
        way = self._ways.get(name)
        if way is None or not begun:
            # A line taken away in this very moment: the lease brings its messages back.
            return
        self._count(way, len(begun))
        for one in begun:
            self._track(self._hand_over(way, one))

    async def stop(self, limit_s: float) -> None:
        """No more claims; returns when every hand-over is written down, or after ``limit_s`` seconds."""
        self._stopping = True
        for way in self._ways.values():
            if way.rest is not None:
                way.rest.cancel()
                way.rest = None
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
        mark = crossed(before, way.sent, way.facts.day_limit)
        if mark is None:
            return
        self._metrics.day_limits.labels(way.facts.name, mark).inc()
        if mark is Mark.HALF:
            self._log.warn("line {line} has used half of its day limit", line=way.facts.name)
        else:
            self._log.warn("line {line} has reached its day limit and stops until resumed", line=way.facts.name)

    async def _pull(self, way: Way) -> None:
        try:
            going_on = True
            while going_on and not self._stopping:
                way.woken = False
                today = self.today()
                room = min(way.room(today, self._now_ms()), BATCH)
                claimed = 0 if room == 0 else await self._claim(way, room, today)
                way.has_work |= claimed >= room
                going_on = room > 0 and (claimed >= room or way.woken)
        except DiskFull:
            way.has_work = True
            await deferLater(self._reactor, FULL_DISK_PAUSE_S, lambda: None)
            way.woken = True
        except StoreHeld:
            way.has_work = True
        finally:
            way.pulling = False
        if way.woken:
            self.made_room(way.facts.name)
        else:
            self._rest(way)

    async def _claim(self, way: Way, room: int, today: str) -> int:
        way.reserved += room
        # What becomes ready from here on says so itself.
        way.has_work = False
        try:
            claimed = await self._store.write(
                # The time of the claim itself, not of the queue before it: calendars may close meanwhile.
                lambda db: units.claim(
                    db, way.facts, room, way.precedence, self._now_ms(), today, self._mac_key, self._is_urgent,
                    self._shows_text, self._openings(),
                )
            )  # fmt: skip
        finally:
            way.reserved -= room
        way.precedence = claimed.precedence
        self.begin(way.facts.name, claimed.begun)
        self._changes.applied(claimed.moved)
        return len(claimed.begun) + len(claimed.moved)

    async def _hand_over(self, way: Way, begun: Begun) -> None:
        handover = begun.handover
        try:
            result = await way.line.send(handover)
        except Exception:
            self._log.failure("line {line} failed on message {message}", line=way.facts.name, message=handover.message)
            self._metrics.crashes.inc()
            at = self._handed(handover, way.facts.to_devices)
            settled = await self._write(lambda db: units.crash(db, handover, at, "the line's driver failed"))
        else:
            settled = await self._settle(way.facts, begun, result)
        if settled is not None:
            for device in settled.retired:
                self._retired(device)
            for hold in settled.holds:
                alarm(hold)
            self._changes.applied(settled.changed)
        self.made_room(way.facts.name)

    async def _settle(self, facts: LineFacts, begun: Begun, result: HandoverResult) -> Settled | None:
        self._metrics.outcomes(facts.name, OUTCOME_NAMES[type(result.outcome)]).inc()
        at = self._handed(begun.handover, facts.to_devices and not result.once, once=result.once)
        return await self._write(lambda db: units.settle(db, facts, begun, result, at))

    def _handed(self, handover: Handover, drops_repeats: bool, *, once: bool = False) -> Handed:
        backoff = self._backoff(handover.priority)
        now, jitter = self._now_ms(), self._jitter()
        return Handed(now, jitter, handover.urgent, drops_repeats, self._openings(), backoff, once)

    async def _skip(self, name: LineName) -> None:
        """Moves messages on that wait for a line the configuration no longer has."""
        now, openings, why = self._now_ms(), self._openings(), "the line is not configured"

        def unit(db: Db) -> list[Progress]:
            waiting = messages.ready(db, name, BATCH)
            return messages.apply(db, [lifecycle.skip(p, now, why, openings) for _, p in waiting], now)

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
