"""The one timer: whatever has a time stands in ``due_at``, and this looks when the earliest has come.

An earlier moment pulls the timer forward, a later one is ignored; runs never overlap; a run takes bounded batches and
lets the reactor breathe between them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from datasms_daemon.delivery.changes import Changes
from datasms_daemon.errors import DatasmsError
from datasms_daemon.model import Progress
from datasms_daemon.ops.metrics import Metrics
from datasms_daemon.rules import lifecycle
from datasms_daemon.rules.openings import Openings
from datasms_daemon.store import messages
from datasms_daemon.store.store import Db, Store

BATCH = 500
LONGEST_SLEEP_MS = 60_000
"""The store is looked at this often whatever is known, so that no slip of the clock or of ours can lose a deadline."""
RETRY_MS = 1_000


Chore = Callable[[int], Awaitable[int | None]]
"""Does what is due by now (UTC ms); the moment of what is due next, None for nothing known."""


class Deadlines:
    """Advances messages whose time has come, and does chores whose time has come."""

    _log = Logger()

    def __init__(
        self,
        store: Store,
        reactor: IReactorTime,
        now_ms: Callable[[], int],
        openings: Callable[[], Openings],
        changes: Changes,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._reactor = reactor
        self._now_ms = now_ms
        self._openings = openings
        self._changes = changes
        self._metrics = metrics
        self._call: IDelayedCall | None = None
        self._at: int | None = None
        self._running: Deferred[None] | None = None
        self._stopped = False
        self._chores: dict[Chore, int] = {}
        self.is_held = False
        self.last_run_ms = now_ms()

    def add(self, chore: Chore) -> Callable[[int], None]:
        """From now on also this is done when its time has come; the answer says that there is something at ``at``."""
        self._chores[chore] = self._now_ms()

        def pull(at: int) -> None:
            self._chores[chore] = min(at, self._chores[chore])
            self.pull(at)

        return pull

    def pull(self, at: int) -> None:
        """Something is due at ``at`` (UTC ms)."""
        if self._at is not None and self._at <= at:
            return
        self._at = at
        if self._running is None:
            self._schedule(at)

    async def stop(self) -> None:
        """No more runs; returns when the one under way has ended."""
        self._stopped = True
        if self._call is not None:
            self._call.cancel()
            self._call = None
        if self._running is not None:
            await self._running

    def _schedule(self, at: int) -> None:
        if self._call is not None:
            self._call.cancel()
            self._call = None
        if not self._stopped:
            sleep = min(max(0, at - self._now_ms()), LONGEST_SLEEP_MS)
            self._call = self._reactor.callLater(sleep / 1000, self._fire)

    def _fire(self) -> None:
        self._call = None
        # From here on a pull is for the run after this one.
        self._at = None
        self._running = Deferred()
        run = Deferred.fromCoroutine(self._run())
        run.addErrback(self._failed)
        run.addCallback(self._ended)

    async def _run(self) -> int:
        """Advances one batch; the moment of the next."""
        now, openings = self._now_ms(), self._openings()
        self.last_run_ms = now
        if self.is_held:
            return now + LONGEST_SLEEP_MS
        try:
            changed, next_due, late_ms = await self._store.write(lambda db: _advance(db, now, openings))
        except DatasmsError as error:
            self._log.warn("deadlines cannot be kept now: {error}", error=str(error))
            return now + RETRY_MS
        for lateness in late_ms:
            self._metrics.lateness.observe(lateness / 1000)
        self._changes.applied(changed)
        await self._do_chores(now)
        return min((now + LONGEST_SLEEP_MS if next_due is None else next_due, *self._chores.values()))

    async def _do_chores(self, now: int) -> None:
        for chore, at in tuple(self._chores.items()):
            if at > now:
                continue
            # What is pulled while it is at work is for the next time.
            self._chores[chore] = now + LONGEST_SLEEP_MS
            try:
                due = await chore(now)
            except DatasmsError as error:
                self._log.warn("what is due cannot be done now: {error}", error=str(error))
                due = now + RETRY_MS
            except Exception:  # whatever is wrong with one of them, deadlines and the others are kept
                self._log.failure("what is due could not be done")
                due = None
            if due is not None:
                self._chores[chore] = min(due, self._chores[chore])

    def _failed(self, failure: Failure) -> int:
        self._log.failure("the deadline manager failed", failure=failure)
        return self._now_ms() + RETRY_MS

    def _ended(self, next_due: int) -> None:
        running, self._running = self._running, None
        self._at = next_due if self._at is None else min(self._at, next_due)
        self._schedule(self._at)
        if running is not None:
            running.callback(None)


def _advance(db: Db, now: int, openings: Openings) -> tuple[list[Progress], int | None, list[int]]:
    """What changed, when to look next, and how many ms each was late."""
    found = messages.due(db, now, BATCH)
    decisions = [decision for progress in found if (decision := lifecycle.due(progress, now, openings)) is not None]
    late_ms = [now - progress.due_at for progress in found if progress.due_at is not None]
    changed = messages.apply(db, decisions, now)
    untold = [decision for one in messages.undelivered(db, now, BATCH) if (decision := lifecycle.undelivered(one, now))]
    changed += messages.apply(db, untold, now)
    return changed, messages.next_due(db), late_ms
