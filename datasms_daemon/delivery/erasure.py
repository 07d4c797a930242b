"""Erasing a person, or a number that is nobody's: first what is under way is stopped, then all that tells of it is
gone, from the disk too."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from msgspec import Struct
from twisted.logger import Logger

from datasms_daemon.delivery.changes import Changes
from datasms_daemon.model import Device, DeviceId, Erased, PersonId
from datasms_daemon.store import directory, erasure, operations
from datasms_daemon.store.erasure import ErasedMessages, ErasureList
from datasms_daemon.store.store import Db, Store

BY = "erasures.list"
MOST = 100
"""Messages a transaction, so that nobody else waits long for the disk."""


class _Target(Struct, frozen=True):
    """Who is erased: a person, or numbers only, and what is remembered of it; ``is_bare``: a number by itself."""

    person: PersonId | None
    numbers: tuple[str, ...]
    hashes: tuple[str, ...]
    is_bare: bool = False


class Erasure:
    """``revoked`` is told of every device that may do nothing any more; ``in_thread`` does what waits for the disk,
    such as ``remove``, which removes files of attachments."""

    _log = Logger()

    def __init__(
        self,
        store: Store,
        now_ms: Callable[[], int],
        listed: ErasureList,
        in_thread: Callable[[Callable[[], None]], Awaitable[None]],
        remove: Callable[[list[str]], None],
        changes: Changes,
        revoked: Callable[[DeviceId], None],
    ) -> None:
        self._store = store
        self._now_ms = now_ms
        self._list = listed
        self._in_thread = in_thread
        self._remove = remove
        self._changes = changes
        self._revoked = revoked

    async def erase(self, person: PersonId, by: str) -> Erased | None:
        """What there was of the person; None: no such person. A crash on the way is made good by the next start."""

        def target(db: Db) -> _Target | None:
            found = directory.person(db, person)
            return None if found is None else _Target(person, found.numbers, erasure.hashes(db, person, found.numbers))

        found = await self._store.write(target)
        return None if found is None else await self._erase(found, by)

    async def erase_number(self, number: str, by: str) -> Erased | PersonId:
        """What there was of a number that is nobody's; the person that it belongs to, who is erased as a whole."""

        def target(db: Db) -> _Target | PersonId:
            return directory.owner(db, number) or _bare(db, number)

        found = await self._store.write(target)
        return await self._erase(found, by) if isinstance(found, _Target) else found

    async def catch_up(self) -> int:
        """Erases again what the list names and this database, a restored one, does not know of; how many.

        A person who has a number that was erased with somebody else, later, stays: the audit log names him.
        """
        listed = self._list.read()
        # In the writer, whose connection has the key.
        missing, found = await self._store.write(lambda db: _missing(db, listed, self._now_ms()))
        for target in found:
            await self._erase(target, BY)
        if missing:
            now = self._now_ms()
            await self._store.write(lambda db: erasure.remember(db, missing, now))
            self._log.warn("{count} erasures were done again in an older database", count=len(found))
        return len(found)

    async def _erase(self, target: _Target, by: str) -> Erased:
        await self._in_thread(lambda: self._list.add(target.hashes))
        hidden, cancelled = 0, 0
        while True:
            erased, devices = await self._step(target, by)
            hidden, cancelled = hidden + erased.count, cancelled + len(erased.cancelled)
            self._changes.applied(erased.cancelled)
            if erased.files:
                await self._in_thread(partial(self._remove, erased.files))
            if devices is not None:
                break
        for device in devices:
            self._revoked(device.id)
        is_clean = await self._store.checkpoint()
        if not is_clean:
            self._log.warn("somebody reads the database; what was erased leaves its log a little later")
        return Erased(hidden, cancelled, len(devices))

    async def _step(self, target: _Target, by: str) -> tuple[ErasedMessages, tuple[Device, ...] | None]:
        """The next messages; the devices once no message was left and the rest is gone in the same transaction."""
        now = self._now_ms()

        def unit(db: Db) -> tuple[ErasedMessages, tuple[Device, ...] | None]:
            if target.is_bare:
                ids = erasure.messages_to(db, target.numbers[0], MOST)
            else:
                ids = erasure.messages_of(db, target.person, target.numbers, MOST)
            return erasure.erase_messages(db, ids, now, by), None if ids else _finish(db, target, now, by)

        return await self._store.write(unit)


def _missing(db: Db, listed: frozenset[str], now: int) -> tuple[frozenset[str], list[_Target]]:
    missing = erasure.unknown(db, listed)
    if not missing:
        return missing, []
    known = [one for id_ in erasure.persons_of(db, missing) if (one := directory.person(db, id_)) is not None]
    found = [_Target(one.id, one.numbers, erasure.hashes(db, one.id, one.numbers)) for one in known]
    owned = erasure.owned(db, missing)
    found += [_Target(None, (number,), ()) for number in set(erasure.recipients_of(db, missing)) - owned.keys()]
    for person in sorted(set(owned.values()).difference(one.id for one in known)):
        operations.audit(db, now, BY, "has a number that was erased with another person", person)
    return missing, [*found, *(_bare(db, number) for number in erasure.bare_numbers_of(db, missing))]


def _bare(db: Db, number: str) -> _Target:
    return _Target(None, (number,), (erasure.bare_hash(db, number),), is_bare=True)


def _finish(db: Db, target: _Target, now: int, by: str) -> tuple[Device, ...]:
    for number in target.numbers:
        erasure.erase_number(db, number)
    erasure.remember(db, target.hashes, now)
    devices: tuple[Device, ...] = ()
    if target.is_bare:
        erasure.disown(db, target.numbers[0])
    if target.person is not None:
        devices = erasure.erase_person(db, target.person)
    # The same hash as in the entries about it from before.
    who = target.numbers[0] if target.person is None else target.person
    (hash_,) = erasure.hashes(db, PersonId(who), ())
    operations.audit(db, now, by, "number erased" if target.is_bare else "person erased", hash_)
    return devices
