"""Texts from outside that go out again as messages: each becomes one message, however often it is tried."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container
from hashlib import sha256

from twisted.logger import Logger

from datasms_daemon.errors import DatasmsError, DiskFull
from datasms_daemon.model import (
    AcceptedSubmission,
    Draft,
    Idempotency,
    KeyReused,
    Limited,
    PersonId,
    Recipient,
    Refused,
    Submission,
)
from datasms_daemon.rules.inbound import FORWARD, FORWARDER, PERSON
from datasms_daemon.store import inbound
from datasms_daemon.store.inbound import Waiting
from datasms_daemon.store.store import Store

BATCH = 50
RETRY_MS = 10_000
PAUSE_MS = 600_000

Accept = Callable[[Submission], Awaitable[AcceptedSubmission | Refused | Limited | KeyReused]]


class Forwarding:
    """Makes messages of texts that rules forward."""

    _log = Logger()

    def __init__(self, store: Store, accept: Accept, priorities: Callable[[], Container[str]]) -> None:
        """``priorities`` are those that are configured now."""
        self._store = store
        self._accept = accept
        self._priorities = priorities

    async def work(self, now: int) -> int | None:
        """Forwards what is due; when there is more."""
        for waiting in await self._store.read(lambda db: inbound.due(db, inbound.all_of(FORWARD), now, BATCH)):
            try:
                effect = await self._forward(waiting)
            except DiskFull:
                return now + RETRY_MS
            except DatasmsError:
                raise
            except Exception:  # whatever is wrong with one text, the others go on (I35)
                self._log.failure("a text could not be forwarded now")
                effect = now + PAUSE_MS
            if isinstance(effect, int):
                await self._defer(waiting, effect)
            else:
                await self._settle(waiting, effect)
        return await self._store.read(lambda db: inbound.next_due(db, inbound.all_of(FORWARD), after=0))

    async def _settle(self, waiting: Waiting, effect: str) -> None:
        await self._store.write(lambda db: inbound.settle(db, waiting, effect))

    async def _defer(self, waiting: Waiting, until: int) -> None:
        await self._store.write(lambda db: inbound.defer(db, waiting, until, tried=True))

    async def _forward(self, waiting: Waiting) -> str | int:
        """What became of it, as one word that is kept; UTC ms: a quota or the flood guard lets it go then."""
        destination = waiting.destination
        # Its own may be gone from the configuration by now.
        priority = destination.priority if destination.priority in self._priorities() else "normal"
        draft = Draft((_recipient(destination.target),), destination.text, priority)
        # The row names the text; should the answer be lost, the same message is meant.
        known_by = Idempotency(f"inbound-{waiting.seq}", sha256(destination.text.encode()).hexdigest())
        answer = await self._accept(Submission(FORWARDER, (draft,), idempotency=known_by))
        if isinstance(answer, AcceptedSubmission):
            return "forwarded"
        if isinstance(answer, Limited):
            return answer.until
        self._log.error("a text of {why} could not be forwarded: it is kept and goes nowhere", why=destination.why)
        return "refused"


def _recipient(target: str) -> Recipient:
    to = target.removeprefix(FORWARD)
    if to.startswith(PERSON):
        return Recipient("/to/0", person=PersonId(to.removeprefix(PERSON)))
    return Recipient("/to/0", number=to)
