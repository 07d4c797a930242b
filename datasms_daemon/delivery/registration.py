"""Registration numbers given out: to a client that will prove a phone (flow A), or to a person we know (flow B)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from datasms_daemon.config.records import Config
from datasms_daemon.crypto import tokens
from datasms_daemon.model import IssuedRegistration, NewRegistration, PersonId
from datasms_daemon.rules import registration as rules
from datasms_daemon.store import directory, operations, registrations
from datasms_daemon.store.store import Db, Store

NOBODY_YET = NewRegistration(channel="", address={}, keys={}, name="", platform="", app="", remote="")


class RegistrationNumbers:
    """Makes numbers; only their slow hash is kept. ``in_thread`` runs the hash."""

    def __init__(
        self,
        config: Callable[[], Config],
        store: Store,
        now_ms: Callable[[], int],
        new_id: Callable[[], str],
        random: Callable[[int], bytes],
        pepper: bytes,
        in_thread: Callable[[Callable[[], str]], Awaitable[str]],
    ) -> None:
        self._config = config
        self._store = store
        self._now_ms = now_ms
        self._new_id = new_id
        self._random = random
        self._pepper = pepper
        self._in_thread = in_thread

    async def for_client(self, new: NewRegistration) -> IssuedRegistration:
        """For a client; whoever sends it by SMS proves his phone number and becomes the device's person (flow A)."""
        issued = await self._issued(new, None, None)
        assert issued is not None, "it names no person who could be missing"
        return issued

    async def for_person(self, person: PersonId, by: str) -> IssuedRegistration | None:
        """For a person; the channel in which he writes it becomes a device of his (flow B). None: no such person."""
        return await self._issued(NOBODY_YET, person, by)

    async def _issued(self, new: NewRegistration, person: PersonId | None, by: str | None) -> IssuedRegistration | None:
        number = rules.make(self._random(rules.RANDOM_BYTES))
        parsed = rules.parse(rules.sms_text(number))
        assert parsed is not None, "a number we made reads back"
        verifier = await self._in_thread(lambda: tokens.hash_number(parsed.secret, self._pepper, self._random))
        id_, secret = self._new_id(), tokens.new_token("dsr_", self._random)
        now = self._now_ms()
        expires_at = now + self._config().mxservice.registration_ttl

        def unit(db: Db) -> bool:
            if person is not None:
                if directory.person(db, person) is None:
                    return False
                operations.audit(db, now, by or "", "registration number issued", person)
            secret_hash = tokens.hash_token(secret)
            registrations.insert(db, id_, secret_hash, parsed.selector, verifier, new, person, now, expires_at)
            return True

        if not await self._store.write(unit):
            return None
        return IssuedRegistration(id_, secret, number, rules.sms_text(number), expires_at)
