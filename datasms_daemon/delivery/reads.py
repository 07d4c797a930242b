"""What operators read of others' messages, for the audit log: who, by which filters, how many; never what was found.

The first part of such a reading is noted before it is answered. What follows of the same within ``SPAN_MS`` is summed
up and noted once, so that somebody who watches all day does not fill the log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import quote

from msgspec import Struct, structs
from twisted.logger import Logger

from datasms_daemon.errors import StoreHeld
from datasms_daemon.model import InboundSearch, MessageQuery
from datasms_daemon.rules.audit import erased
from datasms_daemon.store import operations
from datasms_daemon.store.store import Db, Store

SPAN_MS = 300_000
MOST = 1_000
_PAGING = ("after", "limit")
_NAMES = {"class_": "class", "from_": "from", "words": "q"}
# Of these the log keeps a keyed hash, as of all that an erasure must not leave behind.
_PERSONAL = frozenset({"to", "person", "reference", "from", "target", "q"})


class _Act(Struct, frozen=True):
    """``filters``: names and values; of a personal one only the hash is written down."""

    who: str
    what: str
    filters: tuple[tuple[str, str], ...]


class _Rest(Struct):
    since: int
    count: int = 0


class Reads:
    """Notes what is read. ``flush`` is to be called time and again, and at the end with ``everything``."""

    _log = Logger()

    def __init__(self, store: Store, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._now_ms = now_ms
        self._rests: dict[_Act, _Rest] = {}

    async def note(self, who: str, what: str, query: MessageQuery | InboundSearch, count: int) -> None:
        """So many were read. When this has answered it is in the log, or will be."""
        act = _Act(who, what, tuple(_filters(structs.asdict(query))))
        known = self._rests.get(act)
        if known is not None:
            known.count += count
            return
        await self._write({act: count})
        if len(self._rests) >= MOST:
            await self.flush(everything=True)
        self._rests.setdefault(act, _Rest(self._now_ms()))

    async def flush(self, *, everything: bool = False) -> None:
        """Notes the sums of what was read since the first parts were noted, where that is long enough ago."""
        before = self._now_ms() - SPAN_MS
        over = [act for act, rest in self._rests.items() if everything or rest.since <= before]
        sums = {act: self._rests.pop(act).count for act in over}
        await self._write({act: count for act, count in sums.items() if count})

    async def _write(self, counts: Mapping[_Act, int]) -> None:
        now = self._now_ms()

        def unit(db: Db) -> None:
            for act, count in counts.items():
                operations.audit(db, now, act.who, act.what, _told(db, act, count))

        if not counts:
            return
        try:
            await self._store.write(unit)
        except StoreHeld:
            # A damaged database may still be read; then the log is all that keeps who did.
            for act, count in counts.items():
                self._log.warn(
                    "{who} read of others' messages: {what}, {count}", who=act.who, what=act.what, count=count
                )


def _filters(query: Mapping[str, object]) -> list[tuple[str, str]]:
    found = []
    for field, value in query.items():
        if field in _PAGING or value is None or value == ():
            continue
        if field in ("since", "until") and isinstance(value, int):
            value = datetime.fromtimestamp(value / 1000, UTC).isoformat(timespec="milliseconds")
        text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        found.append((_NAMES.get(field, field), text))
    return found


def _told(db: Db, act: _Act, count: int) -> str:
    told = [
        f"{name}={erased(db.audit_key, text) if name in _PERSONAL else quote(text, safe=':,+')}"
        for name, text in act.filters
    ]
    return " ".join([str(count), *told])
