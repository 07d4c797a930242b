"""Looking through what is kept: in parts, each a short read, so that nobody else waits for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from msgspec.structs import replace
from twisted.internet.defer import DeferredLock

from datasms_daemon.delivery.reads import Reads
from datasms_daemon.model import ArchivedInbound, Dossier, Found, InboundSearch, MessageId, MessageQuery
from datasms_daemon.rules.retention import Retention
from datasms_daemon.store import messages, search
from datasms_daemon.store.search import Window
from datasms_daemon.store.store import Db, Store

LONGEST_MS = 2_000
"""So long a search goes on before it answers with what it has found by then."""

T = TypeVar("T")
_Look = Callable[[Db, str | None, int], Window[T]]


class Search:
    """Pages of what is kept, newest first. ``by`` is who reads what is not his own, which is noted in ``reads``; None:
    it is.

    A page may be short, or empty, and yet have a ``next``: the time for one answer was over, or the texts are long.
    """

    def __init__(self, store: Store, now_ms: Callable[[], int], kept: Callable[[], Retention]) -> None:
        self._store = store
        self._now_ms = now_ms
        self._kept = kept
        self.reads = Reads(store, now_ms)
        # The first part of a page is read at once; of what goes on longer there is one part at a time in all.
        self._turn = DeferredLock()

    async def messages(self, query: MessageQuery, by: str | None, what: str) -> Found[Dossier]:
        """Messages without attempts and pushes; ``what`` is what the audit log calls it. A text that is not kept, or no
        longer, is empty, and is not found."""
        kept, now = self._kept(), self._now_ms()

        def shows(sender: str, class_: str | None, final_at: int | None) -> bool:
            return kept.shows(sender, class_, final_at, now)

        def look(db: Db, after: str | None, limit: int) -> Window[Dossier]:
            return search.find(db, replace(query, after=after, limit=limit), shows)

        items, last, more = await self._page(look, query.after, query.limit, _length)
        after = items[-1].message.id if more else last
        if by is not None:
            await self.reads.note(by, what, query, len(items))
        elif not more and last is not None and query.sender is not None:
            # The last row that was looked at may be somebody else's.
            own, before = query.sender, last
            after = await self._store.read(lambda db: search.next_own(db, own, before))
        return Found(items, after)

    async def inbound(self, query: InboundSearch, by: str, what: str) -> Found[ArchivedInbound]:
        """Texts from outside, one for each place that they went to; ``what`` as above."""
        oldest = self._now_ms() - self._kept().inbound_ms

        def look(db: Db, after: str | None, limit: int) -> Window[ArchivedInbound]:
            return search.find_inbound(db, replace(query, after=after, limit=limit), oldest)

        items, last, more = await self._page(look, query.after, query.limit, lambda one: len(one.text or ""))
        await self.reads.note(by, what, query, len(items))
        return Found(items, str(items[-1].seq) if more else last)

    async def dead(self, after: MessageId | None, limit: int, by: str) -> Found[Dossier]:
        """Messages that ended failed or unknown."""
        found = await self._store.read(lambda db: messages.dead(db, after, limit + 1))
        await self.reads.note(by, "dead messages listed", MessageQuery(), min(limit, len(found)))
        return Found(found[:limit], found[limit - 1].message.id if len(found) > limit else None)

    async def _page(
        self, look: _Look[T], after: str | None, limit: int, length: Callable[[T], int]
    ) -> tuple[tuple[T, ...], str | None, bool]:
        """At most ``limit``; the last row that was looked at, None at the end; whether there is one more that fits."""
        ends = self._now_ms() + LONGEST_MS
        window = await self._store.read(lambda db: look(db, after, limit + 1))
        found = list(window.found)
        while (
            len(found) <= limit
            and window.last is not None
            and self._now_ms() < ends
            and sum(map(length, found)) <= search.MOST_CHARACTERS
        ):
            behind, wanted = window.last, limit + 1 - len(found)
            window = await self._turn.run(self._store.read, lambda db, b=behind, w=wanted: look(db, b, w))
            found += window.found
        return tuple(found[:limit]), window.last, len(found) > limit


def _length(dossier: Dossier) -> int:
    return len(dossier.message.text)
