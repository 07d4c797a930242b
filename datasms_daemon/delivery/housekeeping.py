"""What is done every few seconds: the heartbeat, the look at the clock, forgetting what is old enough."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

from twisted.logger import Logger

from datasms_daemon.config.kinds import DAY
from datasms_daemon.config.records import Config
from datasms_daemon.ops.clock import STEP_MS, Clock
from datasms_daemon.ops.metrics import Metrics
from datasms_daemon.rules.days import Days
from datasms_daemon.store import inbound_parts, messages, operations, registrations, usage
from datasms_daemon.store.store import Db, Store

HEARTBEAT = "heartbeat"
IDEMPOTENCY_MS = 7 * 24 * 3_600_000
USAGE_MS = 40 * DAY
UNMATCHED_MS = 24 * 3_600_000
PARTS_MS = 24 * 3_600_000
OVERDUE_MS = 60_000

_log = Logger()


def database_path(config: Config) -> Path:
    """The file of ``[store] url``, relative to the state directory."""
    assert config.daemon.state_dir is not None, "the loader fills it in"
    return config.daemon.state_dir / config.store.url.removeprefix("sqlite:")


async def beat(store: Store, clock: Clock, metrics: Metrics) -> None:
    """Keeps the moment (I16), follows the clock (I13), purges, and counts what must not be."""
    difference = clock.follow()
    metrics.clock_step.set(difference / 1000)
    if abs(difference) > STEP_MS:
        _log.warn("the wall clock differs by {seconds} s; deadlines keep their pace", seconds=difference // 1000)
    now = clock.now_ms()

    def unit(db: Db) -> None:
        operations.set_meta(db, HEARTBEAT, str(now))
        operations.purge(db, now, IDEMPOTENCY_MS, UNMATCHED_MS)
        inbound_parts.purge(db, now - PARTS_MS)
        registrations.purge(db, now)
        usage.forget(db, Days(UTC).at(now - USAGE_MS).month)

    await store.write(unit)
    orphans, overdue = await store.read(lambda db: (messages.orphans(db), messages.overdue(db, now - OVERDUE_MS)))
    metrics.orphans.set(orphans)
    metrics.overdue.set(overdue)
    if orphans:
        _log.error("{count} unfinished messages have no next event", count=orphans)
