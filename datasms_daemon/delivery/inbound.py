"""Texts from outside: each is stored, or handled by its application, before the far end is told it was taken."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
from twisted.logger import Logger

from datasms_daemon.delivery.readers import Readers
from datasms_daemon.model import DeviceId, InboundExplanation, InboundText, PersonId
from datasms_daemon.ops.metrics import Metrics
from datasms_daemon.rules.inbound import APP, FORWARD, MAIL, WEBHOOK, InboundFacts, InboundRouter, Sent
from datasms_daemon.rules.registration import is_registration
from datasms_daemon.store import directory
from datasms_daemon.store import inbound as inbound_texts
from datasms_daemon.store.store import Db, Store

HANDED_ON = (APP, FORWARD, MAIL, WEBHOOK)
"""What does not wait to be fetched."""
REGISTRATION = "app:registration"
"""In a channel such a text is caught whatever the inbound rules say: the number must never be archived."""


class Stored(msgspec.Struct, frozen=True):
    """What became of a text: where it went, devices that are back, whether something must be handed on, or that it
    registers."""

    targets: tuple[str, ...] = ()
    back: tuple[DeviceId, ...] = ()
    is_due: bool = False
    registers: bool = False


class InboundTexts:
    """Routes texts from outside."""

    _log = Logger()

    def __init__(
        self,
        store: Store,
        now_ms: Callable[[], int],
        router: InboundRouter,
        register: Callable[[InboundText], Awaitable[None]],
        readers: Callable[[], frozenset[str]],
        metrics: Metrics,
        back: Callable[[DeviceId], None],
        *due: Callable[[int], None],
    ) -> None:
        """``register`` completes registrations, ``readers`` names the senders that can read what comes in, ``back`` is
        told of a device that had been given up and has written, ``due`` of the moment something is to be handed on.
        ``registers`` is False while an application of that name is configured."""
        self._store = store
        self._now_ms = now_ms
        self.router = router
        self.readers = Readers()
        self.registers = True
        self._register = register
        self._readers = readers
        self._metrics = metrics
        self._back = back
        self._due = due

    async def received(self, inbound: InboundText) -> None:
        """Returns once the text, or what was made of it, is committed. A repeat of a delivery changes nothing."""
        self._metrics.inbound.labels(inbound.line).inc()
        if inbound.address is not None and is_registration(inbound.text):
            await self._register(inbound)
            return
        now, router, readers, at_door = self._now_ms(), self.router, self._readers(), self.registers
        stored = await self._store.write(lambda db: _store(db, inbound, router, now, readers, at_door))
        self.readers.tell(stored.targets)
        if stored.registers:
            await self._register(inbound)
        if stored.is_due:
            for pull in self._due:
                pull(now)
        for device in stored.back:
            self._back(device)

    async def explain(self, inbound: InboundText) -> InboundExplanation:
        """Where a text would go and why; nothing is stored."""
        now, router, readers = self._now_ms(), self.router, self._readers()

        def unit(db: Db) -> InboundExplanation:
            person = directory.owner(db, inbound.from_)
            route = router.explain(inbound, _facts(db, inbound, person, now, readers))
            return InboundExplanation(person, route.destinations, route.steps)

        return await self._store.read(unit)


def _store(
    db: Db, inbound: InboundText, router: InboundRouter, now: int, readers: frozenset[str], at_door: bool
) -> Stored:
    if inbound_texts.is_known(db, inbound.line, inbound.key):
        return Stored()
    person = directory.owner(db, inbound.from_)
    back: list[DeviceId] = []
    if inbound.address is not None:
        person, back = directory.writer(db, inbound.line, inbound.address)
    found = router.destinations(inbound, _facts(db, inbound, person, now, readers))
    # A registration goes nowhere else, whatever rules say: the number is nobody's business.
    registration = tuple(one for one in found if one.target == REGISTRATION)
    if registration and at_door:
        return Stored(back=tuple(back), registers=True)
    is_due, kept = False, registration or found
    for n, destination in enumerate(kept or (None,)):
        waits = destination is not None and destination.target.startswith(HANDED_ON)
        inbound_texts.add(db, inbound, destination, person, n, now if waits else None)
        is_due |= waits
    return Stored(tuple(one.target for one in kept), tuple(back), is_due)


def _facts(db: Db, inbound: InboundText, person: PersonId | None, now: int, readers: frozenset[str]) -> InboundFacts:
    number = None if inbound.address else inbound.from_
    sent = tuple(Sent(sender, at) for sender, at in inbound_texts.sent_to(db, number, person))
    return InboundFacts(now, person, sent, readers)
