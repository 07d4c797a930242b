"""What is over and was kept long enough is forgotten: a few rows at a time, off the heartbeat, never all at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from datasms_daemon.config.records import Config
from datasms_daemon.delivery.erasure import Erasure
from datasms_daemon.model import Due
from datasms_daemon.rules.retention import Retention
from datasms_daemon.rules.senders import Senders
from datasms_daemon.store import audit, operations, retention
from datasms_daemon.store.retention import Kind
from datasms_daemon.store.store import Db, Store

BATCH = 200
MOST_BATCHES = 40
"""A heartbeat; what is left waits for the next one, so that nobody waits long for the disk."""
REGISTRATIONS_MS = 24 * 3_600_000

_Forget = Callable[[Db, int], int]


def retention_of(config: Config) -> Retention:
    """How long the configuration wants what is over kept."""
    archive = config.archive
    senders = Senders(config.sender_defaults, config.sender, config.sender_group)
    return Retention(
        archive.keep_text,
        archive.keep_metadata,
        archive.keep_inbound,
        archive.keep_audit,
        {name: one.keep_text for name, one in archive.class_.items()},
        lambda sender: senders.of(sender).options.keep_text,
    )


class Archive:
    """Forgets by the times of ``config``, which is asked each time."""

    def __init__(self, store: Store, now_ms: Callable[[], int], config: Callable[[], Config], erasure: Erasure) -> None:
        self.erase, self.erase_number = erasure.erase, erasure.erase_number
        self._store = store
        self._now_ms = now_ms
        self._config = config
        self._known: tuple[Config, Retention] | None = None
        self._must_clean = False

    async def due(self) -> tuple[Due, ...]:
        """What a purge would forget now; forgets nothing."""
        kept, now = self.kept(), self._now_ms()

        def unit(db: Db) -> tuple[Due, ...]:
            found: dict[tuple[str, int], int] = {}
            for kind in retention.kinds(db):
                what, kept_ms = _limit(kept, kind)
                found[what, kept_ms] = found.get((what, kept_ms), 0) + retention.count(db, kind, now - kept_ms)
            messages = [Due(what, count, kept_ms) for (what, kept_ms), count in sorted(found.items()) if count]
            inbound = retention.count_inbound(db, now - kept.inbound_ms)
            acts = audit.count_before(db, now - kept.audit_ms)
            others = [Due("inbound", inbound, kept.inbound_ms), Due("audit", acts, kept.audit_ms)]
            return (*messages, *(due for due in others if due.count))

        return await self._store.read(unit)

    async def purge(self, most: int = MOST_BATCHES) -> int:
        """Forgets what is due, ``most`` batches of it; how many rows."""
        kept, now = self.kept(), self._now_ms()
        kinds = await self._store.read(lambda db: _due_kinds(db, kept, now))
        gone, left = 0, most
        for forget in _jobs(kept, now, kinds):
            count = BATCH
            while count == BATCH and left:
                count = await self._batch(forget)
                gone, left = gone + count, left - (count > 0)
        if gone or self._must_clean:
            self._must_clean = not await self._store.checkpoint()
        return gone

    async def purge_all(self, by: str) -> int:
        """Forgets all that is due, as long as it takes; it is in the audit log. How many rows."""
        gone = 0
        while count := await self.purge():
            gone += count
        now = self._now_ms()
        await self._store.write(lambda db: operations.audit(db, now, by, "archive purged", str(gone)))
        return gone

    def kept(self) -> Retention:
        """How long the present configuration wants what is over kept."""
        config = self._config()
        if self._known is None or self._known[0] is not config:
            self._known = config, retention_of(config)
        return self._known[1]

    async def _batch(self, forget: _Forget) -> int:
        return await self._store.write(lambda db: forget(db, BATCH))


def _due_kinds(db: Db, kept: Retention, now: int) -> list[Kind]:
    return [kind for kind in retention.kinds(db) if retention.is_due(db, kind, now - _limit(kept, kind)[1])]


def _jobs(kept: Retention, now: int, kinds: list[Kind]) -> Iterator[_Forget]:
    for kind in kinds:
        verb = retention.purge_texts if kind.purged == retention.WHOLE else retention.purge_names
        yield partial(_messages, verb, kind, now - _limit(kept, kind)[1])
    yield lambda db, most: retention.purge_inbound(db, now - kept.inbound_ms, most)
    yield lambda db, most: retention.purge_dead_inbound(db, now - kept.inbound_ms, most)
    yield lambda db, most: audit.purge(db, now - kept.audit_ms, most)
    yield lambda db, most: retention.purge_registrations(db, now - REGISTRATIONS_MS, most)


def _messages(verb: Callable[[Db, Kind, int, int], int], kind: Kind, before: int, db: Db, most: int) -> int:
    return verb(db, kind, before, most)


def _limit(kept: Retention, kind: Kind) -> tuple[str, int]:
    if kind.purged == retention.WHOLE:
        return "texts", kept.text_of(kind.sender, kind.class_)
    return "names", kept.metadata_ms
