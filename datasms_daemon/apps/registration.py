"""The application behind ``DATASMS <registration number>``: a text message proves whose phone it is.

The text never reaches the archive, the event does. A wrong number, an expired and a used one look the same from outside
and take the same time; tries are counted for the number, for the sender and over all, and fail closed.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable

import msgspec
from twisted.logger import Logger

from datasms_daemon.crypto import tokens
from datasms_daemon.model import (
    Destination,
    Device,
    DeviceId,
    DeviceState,
    Draft,
    InboundText,
    Person,
    PersonId,
    Reach,
)
from datasms_daemon.rules import registration as rules
from datasms_daemon.rules.registration import RegistrationNumber
from datasms_daemon.rules.takeovers import notices
from datasms_daemon.store import directory, operations, registrations
from datasms_daemon.store import inbound as inbound_texts
from datasms_daemon.store.inbound import Waiting
from datasms_daemon.store.registrations import Pending
from datasms_daemon.store.store import Db, Store


class Completed(msgspec.Struct, frozen=True):
    """A registration that was proved, its new device, and the devices that lost their address to it (I40).

    ``former`` are the persons they belong to.
    """

    registration: str
    device: DeviceId
    retired: tuple[DeviceId, ...]
    person: PersonId
    former: tuple[PersonId, ...] = ()


class RegistrationApp:
    """Completes registrations. ``in_thread`` runs the slow hash; ``notify`` writes messages to persons in the unit that
    completes one and answers what to call after its commit; ``completed`` tells those who wait for it."""

    _log = Logger()

    def __init__(
        self,
        store: Store,
        now_ms: Callable[[], int],
        new_id: Callable[[], str],
        pepper: bytes,
        in_thread: Callable[[Callable[[], bool]], Awaitable[bool]],
        pause: Callable[[int], Awaitable[None]],
        notify: Callable[[Db, tuple[Draft, ...]], Callable[[], None]],
        completed: Callable[[Completed], None],
    ) -> None:
        self._store = store
        self._now_ms = now_ms
        self._new_id = new_id
        self._pepper = pepper
        self._in_thread = in_thread
        self._pause = pause
        self._notify = notify
        self._completed = completed

    async def received(self, inbound: InboundText) -> None:
        """Handles one text; returns once what it led to is committed: the event without the text, and what it leads
        to, once however often it is delivered."""
        event = msgspec.structs.replace(inbound, text="")
        await self._process(
            inbound, inbound.text, lambda db: inbound_texts.add(db, event, _HERE, directory.owner(db, inbound.from_))
        )

    async def complete(self, waiting: Waiting, number: str) -> bool:
        """Whether the number was good that an application found in a stored SMS; always the same answer."""
        if waiting.effect is not None:
            return waiting.effect == _GOOD

        def is_first(db: Db) -> bool:
            now_waiting = inbound_texts.waiting(db, waiting.seq, waiting.destination.target)
            if now_waiting is None or now_waiting.effect is not None:
                return False
            inbound_texts.set_effect(db, waiting.seq, _WRONG)
            return True

        text = number if rules.is_registration(number) else rules.sms_text(number)
        completed = await self._process(
            waiting.text, text, is_first, lambda db: inbound_texts.set_effect(db, waiting.seq, _GOOD)
        )
        return completed is not None

    async def _process(
        self,
        inbound: InboundText,
        text: str,
        is_first: Callable[[Db], bool],
        good: Callable[[Db], None] = lambda db: None,
    ) -> Completed | None:
        number = rules.parse(text)
        sender_hash = hmac.digest(self._pepper, inbound.from_.encode(), "sha256").hex()
        found = await self._verified(number, sender_hash, is_sms=inbound.address is None)
        now = self._now_ms()

        def unit(db: Db) -> tuple[Completed | None, Callable[[], None] | None]:
            completed = self._conclude(db, found, inbound, sender_hash, now) if is_first(db) else None
            if completed is None:
                return None, None
            good(db)
            told = notices(completed.person, completed.former)
            return completed, self._notify(db, told) if told else None

        completed, notified = await self._store.write(unit)
        if notified is not None:
            notified()
        if completed is not None:
            self._log.info("registration {id} completed", id=completed.registration)
            self._completed(completed)
        return completed

    def _conclude(
        self, db: Db, found: Pending | None, inbound: InboundText, sender_hash: str, now: int
    ) -> Completed | None:
        completed = None if found is None else self._complete(db, found, inbound, now)
        if completed is None:
            registrations.wrong_try(db, sender_hash, now)
        return completed

    async def _verified(self, number: RegistrationNumber | None, sender_hash: str, *, is_sms: bool) -> Pending | None:
        """An SMS proves the phone it comes from, for numbers that clients asked for; a channel proves its own address,
        for numbers that persons were given. Never the one for the other."""
        now = self._now_ms()
        selector = "" if number is None else number.selector
        candidates, by_sender, over_all = await self._store.read(
            lambda db: (registrations.pending(db, selector, now), *registrations.wrong_tries(db, sender_hash, now))
        )
        candidate = candidates[0] if candidates else None
        verdict = rules.allowed(0 if candidate is None else candidate.tries, by_sender, over_all)
        if verdict.alarm:
            self._log.warn("many wrong registration numbers in the last hour: {count}", count=over_all)
        if verdict.delay_ms:
            await self._pause(verdict.delay_ms)
        if not verdict.allowed or number is None:
            return None
        for one in candidates:
            if (one.person is None) == is_sms and await self._matches(number, one.verifier):
                return one
        if candidate is None:
            # As slow as a comparison, so that nobody learns by the clock which numbers exist.
            await self._matches(number, _NOBODY)
        else:
            await self._store.write(lambda db: registrations.count_try(db, candidate.id, rules.TRIES_PER_NUMBER))
        return None

    async def _matches(self, number: RegistrationNumber, verifier: str) -> bool:
        return await self._in_thread(lambda: tokens.verify_number(number.secret, self._pepper, verifier))

    def _complete(self, db: Db, found: Pending, inbound: InboundText, now: int) -> Completed | None:
        """A device for the person, the registration done; None when it came too late."""
        id_ = DeviceId(self._new_id())
        if not registrations.complete(db, found.id, id_, now):
            return None
        person = found.person or self._owner(db, inbound.from_)
        if inbound.address is None:
            preferred, *others = _proved((Reach(found.channel, dict(found.address)), *found.others), inbound.from_)
            device = Device(
                id_, person, preferred.channel, preferred.address, dict(found.keys), found.name, found.platform,
                found.app, DeviceState.ACTIVE, now, None, tuple(others),
            )  # fmt: skip
        else:
            device = Device(id_, person, inbound.line, inbound.address, created_at=now)
        retired = directory.add_device(db, device)
        operations.audit(db, now, "registration", "device registered", id_)
        return Completed(found.id, id_, tuple(retired), person, directory.persons_of(db, retired))

    def _owner(self, db: Db, number: str) -> PersonId:
        """Whose phone it is, from now on somebody's."""
        known = directory.owner(db, number)
        if known is not None:
            return known
        person = PersonId(self._new_id())
        directory.put_persons(db, [Person(person, numbers=(number,))])
        return person


def _proved(asked: tuple[Reach, ...], phone: str) -> list[Reach]:
    """Where an address is a phone, only the one that was proved will do; that may make two of them the same."""
    proved: list[Reach] = []
    for reach in asked:
        one = Reach(reach.channel, {"phone": phone}) if "phone" in reach.address else reach
        if one not in proved:
            proved.append(one)
    return proved


_GOOD = "registered"
_WRONG = "not registered"
_HERE = Destination("app:registration", "", "registration")
_NOBODY = f"scrypt${'0' * 32}${'0' * 64}"
