"""A restored database sends nothing until an operator has looked at what is in it and releases it."""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import Logger

from datasms_daemon.delivery.deadlines import Deadlines
from datasms_daemon.delivery.dispatch import Dispatch
from datasms_daemon.store import messages, operations
from datasms_daemon.store.store import Db, Store


class Hold:
    """While it is on, messages are accepted and wait, deadlines pass unseen, and no line gets anything."""

    _log = Logger()

    def __init__(self, store: Store, now_ms: Callable[[], int], dispatch: Dispatch, deadlines: Deadlines) -> None:
        self._store = store
        self._now_ms = now_ms
        self._dispatch = dispatch
        self._deadlines = deadlines
        self.reason: str | None = None

    async def load(self) -> None:
        """Before anything may be sent: whether this database was restored and nobody released it since."""
        self.reason = await self._store.read(lambda db: operations.meta(db, operations.HOLD))
        self._dispatch.is_held = self._deadlines.is_held = self.reason is not None
        if self.reason is not None:
            self._log.warn("nothing is sent: {why}; look at it, then: datasms queue release", why=self.reason)

    async def release(self, by: str) -> bool:
        """From now on everything goes its way, overdue deadlines first; False when nothing was held."""
        if self.reason is None:
            return False
        now, why = self._now_ms(), self.reason

        def unit(db: Db) -> None:
            operations.forget_meta(db, operations.HOLD)
            operations.audit(db, now, by, "queue released", why)

        await self._store.write(unit)
        self.reason = None
        self._dispatch.is_held = self._deadlines.is_held = False
        self._deadlines.pull(now)
        for name in await self._store.read(messages.ready_line_names):
            self._dispatch.wake(name)
        return True
