"""Nothing is sent from a database that was restored, is in doubt or is damaged, until an operator has seen to it."""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import Logger

from datasms_daemon.delivery.deadlines import Deadlines
from datasms_daemon.delivery.dispatch import Dispatch
from datasms_daemon.errors import StoreHeld
from datasms_daemon.ops.metrics import Metrics
from datasms_daemon.store import messages, operations
from datasms_daemon.store.store import Db, Store

REFUSES = "held: its database is damaged or in doubt, so nothing is sent or accepted until an operator has seen to it"


class Hold:
    """While it is on, messages wait, deadlines pass unseen, and no line gets anything. For a restored database that is
    all; one in doubt accepts no messages either, and a damaged one is only read."""

    _log = Logger()

    def __init__(
        self, store: Store, now_ms: Callable[[], int], dispatch: Dispatch, deadlines: Deadlines, metrics: Metrics
    ) -> None:
        self._store = store
        self._now_ms = now_ms
        self._dispatch = dispatch
        self._deadlines = deadlines
        self._metrics = metrics
        self.reason: str | None = None
        self.refuses = False
        self.is_damaged = False

    async def load(self) -> None:
        """Before anything may be sent: whether this database was restored and nobody released it since."""
        reason = await self._store.read(lambda db: operations.meta(db, operations.HOLD))
        if reason is not None:
            self._begin(reason)
            self._log.warn("nothing is sent: {why}; look at it, then: datasms queue release", why=reason)

    def doubt(self, why: str) -> None:
        """From now on nothing is sent or accepted until it is released: what there is may not be what it was."""
        self.refuses = True
        self._begin(why)
        self._log.critical("nothing is sent or accepted: {why}; look at it, then: datasms queue release", why=why)

    def damaged(self, why: str) -> None:
        """From now on nothing is sent, accepted or written for as long as this process lives."""
        self.refuses = self.is_damaged = True
        self._begin(why)
        self._store.refuse(why)
        self._log.critical("nothing is sent or accepted: {why}; stop the daemon and restore a backup", why=why)

    async def release(self, by: str) -> bool:
        """From now on everything goes its way, overdue deadlines first; False when nothing was held.

        StoreHeld: the database is damaged.
        """
        if self.reason is None:
            return False
        now, why = self._now_ms(), self.reason

        def unit(db: Db) -> None:
            operations.forget_meta(db, operations.HOLD)
            operations.audit(db, now, by, "queue released", why)

        await self._store.write(unit)
        if self.is_damaged:
            # That was found while this was written.
            raise StoreHeld(REFUSES)
        self.reason, self.refuses = None, False
        self._holds(False)
        self._deadlines.pull(now)
        for name in await self._store.read(messages.ready_line_names):
            self._dispatch.wake(name)
        return True

    def _begin(self, why: str) -> None:
        self.reason = why if self.reason is None else f"{self.reason}; {why}"
        self._holds(True)

    def _holds(self, is_held: bool) -> None:
        self._dispatch.is_held = self._deadlines.is_held = is_held
        self._metrics.held.set(is_held)
