"""The core's directory as the gateway sees it, in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from msgspec.structs import replace

from datasms_daemon.model import (
    Device,
    DeviceId,
    DeviceState,
    Group,
    GroupId,
    IssuedRegistration,
    Person,
    PersonId,
    Problem,
)

T = TypeVar("T")


class FakeDirectory:
    """Persons, groups and devices that know nothing of each other but who has which number."""

    def __init__(self) -> None:
        self.people: dict[PersonId, Person] = {}
        self.teams: dict[GroupId, Group] = {}
        self.phones: dict[DeviceId, Device] = {}

    async def persons(self, after: str | None, limit: int) -> tuple[Person, ...]:
        return _part(self.people.values(), lambda person: person.id, after, limit)

    async def person(self, id_: PersonId) -> Person | None:
        return self.people.get(id_)

    async def put_persons(self, persons: tuple[Person, ...], by: str) -> tuple[Problem, ...]:
        owners = {number: person.id for person in self.people.values() for number in person.numbers}
        problems = tuple(
            Problem(f"/{index}/numbers/{n}", f"belongs to {owners[number]}")
            for index, person in enumerate(persons)
            for n, number in enumerate(person.numbers)
            if owners.setdefault(number, person.id) != person.id
        )
        if not problems:
            self.people.update((person.id, person) for person in persons)
        return problems

    async def delete_person(self, id_: PersonId, by: str) -> bool:
        return self.people.pop(id_, None) is not None

    async def groups(self, after: str | None, limit: int) -> tuple[Group, ...]:
        return _part(self.teams.values(), lambda group: group.id, after, limit)

    async def group(self, id_: GroupId) -> Group | None:
        return self.teams.get(id_)

    async def put_groups(self, groups: tuple[Group, ...], by: str) -> tuple[Problem, ...]:
        self.teams.update((group.id, group) for group in groups)
        return ()

    async def put_all(self, persons: tuple[Person, ...], groups: tuple[Group, ...], by: str) -> tuple[Problem, ...]:
        problems = await self.put_persons(persons, by)
        if not problems:
            await self.put_groups(groups, by)
        return tuple(Problem(f"/persons{problem.pointer}", problem.detail) for problem in problems)

    async def delete_group(self, id_: GroupId, by: str) -> bool:
        return self.teams.pop(id_, None) is not None

    async def register(self, person: PersonId, by: str) -> IssuedRegistration | None:
        if person not in self.people:
            return None
        text = "DATASMS ABCD-EFGH-JKLMN"
        return IssuedRegistration("r1", "", "ABCD-EFGH-JKLMN", text, 1_800_000_000_000, {"viber": "viber://pa"})

    async def devices(self, person: PersonId) -> tuple[Device, ...]:
        return tuple(device for device in self.phones.values() if device.person == person)

    async def revoke(self, device: DeviceId, by: str) -> bool:
        if device not in self.phones:
            return False
        self.phones[device] = replace(self.phones[device], state=DeviceState.REVOKED)
        return True


def _part(items: Iterable[T], id_of: Callable[[T], str], after: str | None, limit: int) -> tuple[T, ...]:
    rest = sorted((item for item in items if after is None or id_of(item) > after), key=id_of)
    return tuple(rest[:limit])
