"""Texts from outside on their way to one target: so many at once, each when it is due, until it was handed on."""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from datasms_daemon.interfaces import ITarget
from datasms_daemon.model import Inbound, NotTaken, Parcel
from datasms_daemon.model.targets import HandedOn
from datasms_daemon.ops.metrics import Metrics
from datasms_daemon.rules import handing_on
from datasms_daemon.rules.handing_on import Again, Dead, Done, Stop
from datasms_daemon.store import inbound, targets
from datasms_daemon.store.inbound import Waiting
from datasms_daemon.store.store import Store

AT_ONCE = 4
"""To one target; one that hangs holds nobody else up."""
LEASE_MARGIN_MS = 10_000
DRAIN_S = 5.0
EFFECT = "handed on"

_WORDS: Mapping[type[object], str] = {Done: "taken", Again: "again", Dead: "dead", Stop: "stopped"}


class Courier:
    """Carries ``texts`` to one target. ``reason`` is what the last try met; while ``is_stopped`` nothing is tried."""

    _log = Logger()

    def __init__(
        self,
        name: str,
        target: ITarget,
        store: Store,
        reactor: IReactorTime,
        now_ms: Callable[[], int],
        jitter: Callable[[], float],
        metrics: Metrics,
        due: Callable[[int], None],
        gone: Callable[[Waiting, str], Awaitable[None]],
    ) -> None:
        """``name`` is ``webhook:NAME``, or ``mail:`` for all addresses. ``due`` is told when there is something to do
        next; ``gone`` notes that the target wants nothing any more, and why, and that the text waits."""
        self.target = target
        self.reason: str | None = None
        self.is_stopped = False
        self._name = name
        self.texts = inbound.all_of(name) if name.endswith(":") else (name, name)
        self._store = store
        self._reactor = reactor
        self._now_ms = now_ms
        self._jitter = jitter
        self._metrics = metrics
        self._due = due
        self._gone = gone
        self._looking: Deferred[None] | None = None
        self._look_again = False
        self._under_way: set[Deferred[None]] = set()
        self._ended = False
        self._drained: Deferred[None] | None = None

    def wake(self) -> None:
        """There may be texts that are due."""
        self._look_again = True
        if self._looking is None:
            self._looking = Deferred()
            looking = Deferred.fromCoroutine(self._look_on())
            looking.addErrback(self._failed).addCallback(self._looked)

    async def stop(self) -> None:
        """Begins nothing more, lets what is under way end for a moment, then ends it: it is due at the next start."""
        self._ended = True
        if self._looking is not None:
            await self._looking
        if self._under_way:
            drained = self._drained = Deferred()
            timer = self._reactor.callLater(DRAIN_S, drained.callback, None)
            await drained
            if timer.active():
                timer.cancel()
        await self.target.stop()
        await DeferredList(tuple(self._under_way))

    async def _look_on(self) -> None:
        while self._look_again and not self.is_stopped and not self._ended:
            self._look_again = False
            free, now = AT_ONCE - len(self._under_way), self._now_ms()
            if free <= 0:
                # Who ends makes room, and looks again.
                break
            for waiting in await self._store.read(partial(inbound.due, targets=self.texts, now=now, limit=free)):
                claimed = await self._claim(waiting)
                if claimed is not None:
                    self._begin(claimed)

    def _looked(self, _: None) -> None:
        looking, self._looking = self._looking, None
        if looking is not None:
            looking.callback(None)

    async def _claim(self, waiting: Waiting) -> Waiting | None:
        until = self._now_ms() + self.target.time_limit_ms + LEASE_MARGIN_MS
        return await self._store.write(lambda db: targets.claim(db, waiting, until))

    def _begin(self, waiting: Waiting) -> None:
        carrying = Deferred.fromCoroutine(self._carry(waiting))
        carrying.addErrback(self._failed)
        self._under_way.add(carrying)
        carrying.addCallback(lambda _: self._ended_one(carrying))

    def _ended_one(self, carrying: Deferred[None]) -> None:
        self._under_way.discard(carrying)
        if self._drained is not None and not self._under_way and not self._drained.called:
            self._drained.callback(None)
        self.wake()

    async def _carry(self, waiting: Waiting) -> None:
        try:
            found: HandedOn = await self.target.hand_on(parcel_of(waiting))
        except Exception as error:  # a fault with one text must not end the others
            self._log.error("a text could not be handed on to {target}: {why}", target=self._kind, why=_where(error))
            found = NotTaken("a fault of ours")
        if self._ended and isinstance(found, NotTaken):
            # It was cut short by our stop: its claim stays, and is taken up at the next start.
            return
        await self._write(waiting, handing_on.decide(found, self._now_ms(), waiting.tries, self._jitter()))

    async def _write(self, waiting: Waiting, decided: Done | Again | Dead | Stop) -> None:
        store, now = self._store, self._now_ms()
        self._metrics.handed_on.labels(self._kind, _WORDS[type(decided)]).inc()
        self.reason = None if isinstance(decided, Done) else decided.reason
        match decided:
            case Done():
                await store.write(lambda db: inbound.settle(db, waiting, EFFECT))
            case Again(at, reason):
                await store.write(lambda db: targets.put_off(db, waiting, at, reason))
                self._due(at)
            case Dead(reason):
                if await store.write(lambda db: targets.bury(db, waiting, now, reason)):
                    self._log.error(
                        "a text of {why} could not be handed on to {target} and is not tried any more: {reason}",
                        why=waiting.destination.why, target=self._kind, reason=reason,
                    )  # fmt: skip
            case Stop(reason):
                self.is_stopped = True
                await self._gone(waiting, reason)

    @property
    def _kind(self) -> str:
        """For the log and for figures: never an address."""
        return self._name.removesuffix(":")

    def _failed(self, failure: Failure) -> None:
        self._log.failure("texts for {target} could not be looked after", failure=failure, target=self._kind)


def parcel_of(waiting: Waiting) -> Parcel:
    """What is handed on of a text. Its id is made of what the line knows the text by, so it outlives a restored
    database, and says nothing."""
    text, destination = waiting.text, waiting.destination
    known_by = "\0".join((text.line, text.key, destination.target, destination.why))
    id_ = f"in_{hashlib.sha256(known_by.encode()).hexdigest()[:32]}"
    shown = Inbound(
        waiting.seq, text.line, text.from_, text.to, destination.text, text.at, waiting.person, text.incomplete
    )  # fmt: skip
    return Parcel(id_, destination.target, shown)


def _where(error: Exception) -> str:
    """Why, without what may hold a text or a number."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    return type(error).__name__ + where
