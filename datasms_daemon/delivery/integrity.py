"""Damage of the database is looked for at the start and while the daemon runs, and stops the sending (I28).

That the file can be opened, has the tables of this version and hangs together is made sure of when the store opens.
Here some messages' seals are looked at before any is sent, and the whole file is gone through, every index with its
table, beside all that the daemon does: some time after the start, then every day.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import time

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from datasms_daemon.config.kinds import HOUR
from datasms_daemon.config.records import Store as Options
from datasms_daemon.config.units import parse_clock
from datasms_daemon.delivery.handover import is_intact
from datasms_daemon.delivery.hold import Hold
from datasms_daemon.ops.metrics import Metrics
from datasms_daemon.rules.days import Days
from datasms_daemon.store import integrity
from datasms_daemon.store.store import Store

MOST_LOG_BYTES = 256 << 20
"""A check that lets the log of writes grow beyond that is ended: it would fill the disk and slow every read."""
AGAIN_MS = HOUR
SHOWN = 3


class Integrity:
    """Holds everything once the database is found to be damaged or in doubt."""

    _log = Logger()

    def __init__(
        self,
        store: Store,
        now_ms: Callable[[], int],
        mac_key: bytes,
        options: Callable[[], Options],
        days: Callable[[], Days],
        hold: Hold,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._now_ms = now_ms
        self._mac_key = mac_key
        self._options = options
        self._days = days
        self._hold = hold
        self._metrics = metrics
        self._born = now_ms()
        self._last: int | None = None
        self._again: int | None = None
        self._running: Deferred[None] | None = None
        self._stopping = False

    async def sample(self) -> None:
        """Before anything may be sent: whether messages that are not over are still those that were accepted."""
        found = await self._store.read(integrity.sample)
        strange = [sealed.message.id for sealed in found if not is_intact(self._mac_key, sealed)]
        if strange:
            shown = ", ".join(strange[:SHOWN])
            self._hold.doubt(
                f"{len(strange)} of {len(found)} messages that were looked at are not as they were accepted, "
                f"or mac.key is another one ({shown})"
            )

    def look(self) -> None:
        """To be called time and again: goes through the file when it is time, unless that gets in the way."""
        if self._running is not None:
            if self._store.log_bytes() > MOST_LOG_BYTES:
                self._store.end_check()
        elif not self._hold.is_damaged and self._now_ms() >= self._due():
            self._last, self._again = self._now_ms(), None
            self._running = self._store.check().addCallback(self._checked)
            self._running.addErrback(self._failed).addCallback(self._ended)

    async def stop(self) -> None:
        """Returns when none is under way."""
        self._stopping = True
        if (running := self._running) is not None:
            self._store.end_check()
            ended: Deferred[None] = Deferred()
            running.addCallback(ended.callback)
            await ended

    def _due(self) -> int:
        if self._again is not None:
            return self._again
        options = self._options()
        if self._last is None:
            return self._born + options.check_after_start
        return self._days().next(parse_clock(options.check_at) or time(), self._last)

    def _checked(self, wrong: tuple[str, ...] | None) -> None:
        now = self._now_ms()
        if self._stopping:
            return
        if wrong is None:
            self._again = now + AGAIN_MS
            self._log.warn("the database was not looked through to its end; that is tried again in an hour")
        elif wrong:
            self._hold.damaged(f"the database is damaged ({'; '.join(wrong[:SHOWN])})")
        else:
            self._metrics.checked.set(now / 1000)

    def _failed(self, failure: Failure) -> None:
        self._log.failure("the database could not be looked through", failure=failure)

    def _ended(self, _: None) -> None:
        self._running = None
