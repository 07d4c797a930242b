"""Persons, groups and devices, as operators keep them; every change is in the audit log."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from msgspec import structs

from datasms_daemon.delivery.registration import RegistrationNumbers
from datasms_daemon.delivery.retirement import alarm
from datasms_daemon.model import Device, DeviceId, Group, GroupId, IssuedRegistration, Person, PersonId, Problem
from datasms_daemon.store import directory, operations
from datasms_daemon.store.retirement import Retirement, retire_address
from datasms_daemon.store.store import Db, Store


class Directory:
    """``revoked`` is told of every device that may do nothing any more, ``changed`` of one that stays what it is."""

    def __init__(
        self,
        store: Store,
        now_ms: Callable[[], int],
        revoked: Callable[[DeviceId], None],
        changed: Callable[[DeviceId], None],
        numbers: RegistrationNumbers,
        links: Callable[[str], dict[str, str]],
        calendars: Callable[[], Collection[str]],
    ) -> None:
        self._store = store
        self._now_ms = now_ms
        self._revoked = revoked
        self._changed = changed
        self._numbers = numbers
        self._links = links
        self._calendars = calendars

    async def persons(self, after: str | None, limit: int) -> tuple[Person, ...]:
        """A page of persons in the order of their ids."""
        return await self._store.read(lambda db: directory.persons(db, after or "", limit))

    async def person(self, id_: PersonId) -> Person | None:
        """One person."""
        return await self._store.read(lambda db: directory.person(db, id_))

    async def put_persons(self, persons: tuple[Person, ...], by: str) -> tuple[Problem, ...]:
        """All or none; a problem for each number that another person has, and each calendar that does not exist."""
        now, unknown = self._now_ms(), self._unknown_calendars(persons)

        def unit(db: Db) -> tuple[Problem, ...]:
            problems = unknown or directory.put_persons(db, persons)
            if not problems:
                _audit(db, now, by, "person written", [one.id for one in persons])
            return problems

        return await self._store.write(unit)

    async def delete_person(self, id_: PersonId, by: str) -> bool:
        """Removes a person with numbers and devices; False when there was none."""
        now = self._now_ms()

        def unit(db: Db) -> tuple[bool, tuple[Device, ...]]:
            devices = directory.devices(db, id_)
            found = directory.delete_person(db, id_)
            if found:
                _audit(db, now, by, "person deleted", [id_])
            return found, devices

        found, devices = await self._store.write(unit)
        for device in devices:
            self._revoked(device.id)
        return found

    async def groups(self, after: str | None, limit: int) -> tuple[Group, ...]:
        """A page of groups in the order of their ids."""
        return await self._store.read(lambda db: directory.groups(db, after or "", limit))

    async def group(self, id_: GroupId) -> Group | None:
        """One group."""
        return await self._store.read(lambda db: directory.group(db, id_))

    async def put_groups(self, groups: tuple[Group, ...], by: str) -> tuple[Problem, ...]:
        """All or none; a problem for each member, parent or calendar that does not exist."""
        now, unknown = self._now_ms(), self._unknown_calendars(groups)

        def unit(db: Db) -> tuple[Problem, ...]:
            problems = unknown or directory.put_groups(db, groups)
            if not problems:
                _audit(db, now, by, "group written", [one.id for one in groups])
            return problems

        return await self._store.write(unit)

    async def put_all(self, persons: tuple[Person, ...], groups: tuple[Group, ...], by: str) -> tuple[Problem, ...]:
        """Persons, then groups that may name them, all or nothing; problems point to ``/persons/<index>/…`` and
        ``/groups/<index>/…``."""
        now = self._now_ms()
        unknown = _under("/persons", self._unknown_calendars(persons)) + _under(
            "/groups", self._unknown_calendars(groups)
        )

        def unit(db: Db) -> None:
            problems = unknown or _under("/persons", directory.put_persons(db, persons))
            problems = problems or _under("/groups", directory.put_groups(db, groups))
            if problems:
                raise _FaultyError(problems)
            _audit(db, now, by, "person written", [one.id for one in persons])
            _audit(db, now, by, "group written", [one.id for one in groups])

        try:
            await self._store.write(unit)
        except _FaultyError as faulty:
            return faulty.problems
        return ()

    async def delete_group(self, id_: GroupId, by: str) -> bool:
        """Removes a group, not its members; False when there was none."""
        now = self._now_ms()

        def unit(db: Db) -> bool:
            found = directory.delete_group(db, id_)
            if found:
                _audit(db, now, by, "group deleted", [id_])
            return found

        return await self._store.write(unit)

    def _unknown_calendars(self, entries: Iterable[Person | Group]) -> tuple[Problem, ...]:
        known = self._calendars()
        return tuple(
            Problem(f"/{index}/calendar", f"there is no calendar {one.calendar}")
            for index, one in enumerate(entries)
            if one.calendar is not None and one.calendar not in known
        )

    async def register(self, person: PersonId, by: str) -> IssuedRegistration | None:
        """A registration number for a person, to be written in a channel (flow B). None: no such person."""
        issued = await self._numbers.for_person(person, by)
        return issued and structs.replace(issued, links=self._links(issued.number))

    async def devices(self, person: PersonId) -> tuple[Device, ...]:
        """All devices of a person, revoked ones too."""
        return await self._store.read(lambda db: directory.devices(db, person))

    async def revoke(self, device: DeviceId, by: str) -> bool:
        """Ends a device; its open streams close. False when there was none."""
        now = self._now_ms()

        def unit(db: Db) -> bool:
            found = directory.revoke(db, device)
            if found:
                _audit(db, now, by, "device revoked", [device])
            return found

        found = await self._store.write(unit)
        self._revoked(device)
        return found

    async def retire(self, channel: str, address: dict[str, str], reason: str) -> None:
        """The service of a channel says that an address is gone: its device is reached by its other channels, and by
        none until it comes back where it has no other; it stays as it is while the channel's deletions are held."""
        now = self._now_ms()

        def unit(db: Db) -> Retirement:
            retirement = retire_address(db, channel, address, now)
            _audit(db, now, f"channel:{channel}", f"address gone: {reason}", retirement.retired)
            return retirement

        retirement = await self._store.write(unit)
        for device in retirement.retired:
            self._changed(device)
        if retirement.hold is not None:
            alarm(retirement.hold)


def _audit(db: Db, now: int, who: str, what: str, objects: Sequence[str]) -> None:
    for object_ in objects:
        operations.audit(db, now, who, what, object_)


class _FaultyError(Exception):
    """Takes back what a unit has written."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__()
        self.problems = problems


def _under(prefix: str, problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
    return tuple(Problem(prefix + problem.pointer, problem.detail) for problem in problems)
