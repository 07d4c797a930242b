"""What the daemon does for one application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Protocol

from zope.interface import implementer

from datasms_daemon.config.applications import Application
from datasms_daemon.config.records import Config
from datasms_daemon.interfaces import IApplicationHost
from datasms_daemon.model import (
    AcceptedSubmission,
    Draft,
    Idempotency,
    KeyReused,
    Limited,
    MessageId,
    Person,
    PersonId,
    Recipient,
    Refused,
    Submission,
)
from datasms_daemon.rules.inbound import APP, PERSON
from datasms_daemon.rules.numbers import normalise
from datasms_daemon.store import application_messages, directory, inbound
from datasms_daemon.store.inbound import Waiting
from datasms_daemon.store.store import Db, Store

Accept = Callable[[Submission], Awaitable[AcceptedSubmission | Refused | Limited | KeyReused]]
MOST_TEXT = 65_536


class CompletesRegistration(Protocol):
    """Completes a registration by a stored text; whether its number was good."""

    def __call__(self, waiting: Waiting, number: str) -> Awaitable[bool]: ...


class Services:
    """What all hosts share; ``sent`` is told of each message that an application sent, ``told`` of each whose end it
    knows."""

    def __init__(
        self,
        store: Store,
        accept: Accept,
        config: Callable[[], Config],
        complete: CompletesRegistration,
        sent: Callable[[MessageId, str], None],
        told: Callable[[MessageId], None],
    ) -> None:
        self.store = store
        self.accept = accept
        self.config = config
        self.complete = complete
        self.sent = sent
        self.told = told


@implementer(IApplicationHost)
class ApplicationHost:
    """See IApplicationHost."""

    def __init__(self, options: Application, services: Services, failed: Callable[[str], None]) -> None:
        self.name = options.name
        self._target = f"{APP}{options.name}"
        self._priority = options.priority
        self._services = services
        self.failed = failed

    async def send(
        self, to: str, text: str, priority: str | None = None, key: str | None = None, reference: str | None = None
    ) -> str:
        """See IApplicationHost."""
        known_by = None if key is None else Idempotency(f"key-{key}", sha256(f"{to}\0{text}".encode()).hexdigest())
        return await self._send(self._recipient(to), text, priority, known_by, reference)

    async def reply(self, text_id: int, text: str) -> str:
        """See IApplicationHost."""
        waiting = await self._waiting(text_id)
        to = waiting.text.from_ if waiting.person is None else f"{PERSON}{waiting.person}"
        # One text has one answer, whatever is in it.
        return await self._send(self._recipient(to), text, None, Idempotency(f"reply-{text_id}", ""), None)

    async def person(self, who: str) -> Person | None:
        """See IApplicationHost."""
        if who.startswith(PERSON):
            return await self._services.store.read(lambda db: directory.person(db, PersonId(who.removeprefix(PERSON))))
        number = normalise(who, self._services.config().daemon.country)

        def unit(db: Db) -> Person | None:
            owner = None if number is None else directory.owner(db, number)
            return None if owner is None else directory.person(db, owner)

        return await self._services.store.read(unit)

    async def complete_registration(self, text_id: int, number: str) -> bool:
        """See IApplicationHost."""
        waiting = await self._waiting(text_id)
        if waiting.text.address is not None or not waiting.text.from_.startswith("+"):
            raise ValueError("only an SMS from a phone number proves a registration")
        return await self._services.complete(waiting, number)

    async def _waiting(self, text_id: int) -> Waiting:
        found = await self._services.store.read(lambda db: inbound.waiting(db, text_id, self._target))
        if found is None:
            raise ValueError(f"there is no text {text_id} for this application, or it was acknowledged")
        return found

    def _recipient(self, to: str) -> Recipient:
        if to.startswith(PERSON):
            return Recipient("/to/0", person=PersonId(to.removeprefix(PERSON)))
        number = normalise(to, self._services.config().daemon.country)
        if number is None:
            raise ValueError("there is no phone number to send to")
        return Recipient("/to/0", number=number)

    async def _send(
        self, to: Recipient, text: str, priority: str | None, known_by: Idempotency | None, reference: str | None
    ) -> str:
        priority = priority or self._priority
        if priority not in self._services.config().priority:
            raise ValueError(f"there is no priority {priority}")
        if not 0 < len(text) <= MOST_TEXT:
            raise ValueError(f"a text has 1 to {MOST_TEXT} characters")
        submission = Submission(
            self._target, (Draft((to,), text, priority, reference=reference),), idempotency=known_by
        )
        answer = await self._services.accept(submission)
        if isinstance(answer, KeyReused):
            raise ValueError("the key stood for another message before")
        if isinstance(answer, Limited):
            raise ValueError(answer.detail)
        if isinstance(answer, Refused):
            raise ValueError("; ".join(problem.detail for problem in answer.problems))
        message = answer.messages[0].id
        await self._services.store.write(lambda db: application_messages.add(db, message, self.name))
        self._services.sent(message, self.name)
        return message
