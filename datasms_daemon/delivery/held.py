"""Messages that calendars hold back, looked at again when the calendars are others than they were held by."""

from __future__ import annotations

from collections.abc import Callable

from datasms_daemon.delivery.changes import Changes
from datasms_daemon.model import MessageId, Progress
from datasms_daemon.rules import lifecycle
from datasms_daemon.rules.openings import Openings
from datasms_daemon.store import messages
from datasms_daemon.store.store import Db, Store

BATCH = 500


async def look_again(
    store: Store, now_ms: Callable[[], int], openings: Callable[[], Openings], changes: Changes
) -> int:
    """Applies the calendars of now to every message that is held, batch by batch; how many of them it changed."""
    after, changed = MessageId(""), 0
    while True:
        now = now_ms()

        def unit(db: Db, after: MessageId = after, now: int = now) -> tuple[list[Progress], list[Progress]]:
            found = messages.held(db, after, BATCH)
            current = openings()
            decisions = [lifecycle.look_again(progress, now, current) for progress in found]
            return found, messages.apply(db, [decision for decision in decisions if decision is not None], now)

        found, applied = await store.write(unit)
        changes.applied(applied)
        changed += len(applied)
        if len(found) < BATCH:
            return changed
        after = found[-1].id
