"""After a start: hand-overs that the last stop interrupted, and lines that have work."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from datasms_daemon.delivery.changes import Changes
from datasms_daemon.delivery.ways import Way
from datasms_daemon.model import LineName, Progress
from datasms_daemon.rules import lifecycle
from datasms_daemon.rules.decisions import Handed
from datasms_daemon.rules.openings import Openings
from datasms_daemon.rules.retry import Backoff
from datasms_daemon.store import messages
from datasms_daemon.store.store import Db, Store


async def recover(
    store: Store,
    now_ms: Callable[[], int],
    ways: Mapping[LineName, Way],
    openings: Openings,
    backoff: Callable[[str], Backoff],
    changes: Changes,
) -> int:
    """Judges every hand-over found under way: nobody knows what became of it (I26). Returns how many there were."""
    now = now_ms()
    to_devices = {name for name, way in ways.items() if way.facts.to_devices}

    def unit(db: Db) -> list[Progress]:
        decisions = []
        for progress, priority in messages.sending(db):
            drops_repeats = progress.plan[progress.step].line in to_devices
            at = Handed(now, 0.0, True, drops_repeats, openings, backoff(priority))
            decisions.append(lifecycle.crashed(progress, at, "the daemon stopped during the hand-over"))
        return messages.apply(db, decisions, now)

    changed = await store.write(unit)
    changes.applied(changed)
    return len(changed)


def waiting_lines(db: Db) -> list[LineName]:
    """The lines some message is ready for."""
    return messages.ready_line_names(db)
