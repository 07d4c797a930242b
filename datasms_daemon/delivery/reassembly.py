"""Long texts from outside: each part is stored before it is acknowledged, the whole is passed on once.

A text that does not get whole in time is passed on as far as it came, marked incomplete.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from twisted.logger import Logger

from datasms_daemon.errors import DatasmsError
from datasms_daemon.model import InboundPart, InboundText
from datasms_daemon.rules.parts import joined
from datasms_daemon.store import inbound_parts
from datasms_daemon.store.inbound_parts import Whole
from datasms_daemon.store.store import Store

BATCH = 50
PAUSE_MS = 600_000


class Reassembly:
    """Puts parts together."""

    _log = Logger()

    def __init__(
        self, store: Store, timeout_ms: Callable[[], int], received: Callable[[InboundText], Awaitable[None]]
    ) -> None:
        """``received`` takes a whole text and returns once it is committed; a repeat must change nothing."""
        self._store = store
        self._timeout_ms = timeout_ms
        self._received = received
        self.pull: Callable[[int], None] = lambda at: None

    async def part(self, part: InboundPart) -> None:
        """Returns once the part is committed, and if it is the last one the whole text too."""
        due_at = part.at + self._timeout_ms()
        closed = await self._store.write(lambda db: inbound_parts.add(db, part, due_at))
        self.pull(due_at)
        for whole in closed:
            await self._pass_on(whole)

    async def work(self, now: int) -> int | None:
        """Passes on what is overdue; the moment of the next."""
        for whole in await self._store.write(lambda db: inbound_parts.close_due(db, now, BATCH)):
            try:
                await self._pass_on(whole)
            except DatasmsError:
                raise
            except Exception:  # whatever is wrong with one text, the others go on (I35)
                self._log.failure("a text in parts could not be passed on now")
                await self._store.write(partial(inbound_parts.close, whole=whole, due_at=now + PAUSE_MS))
        return await self._store.read(inbound_parts.next_due)

    async def _pass_on(self, whole: Whole) -> None:
        parts = await self._store.read(lambda db: inbound_parts.parts_of(db, whole))
        if not parts:
            return
        text = joined(parts, f"parts-{whole[1]}")
        if text.incomplete:
            self._log.warn("only {came} of {total} parts of a text came", came=len(parts), total=parts[0].total)
        await self._received(text)
        await self._store.write(lambda db: inbound_parts.done(db, whole))
