"""The directory of the real core: what is put is put whole, and every change of it is in the audit log."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.internet.defer import Deferred

from datasms_daemon.model import DeviceId, Group, GroupId, Person, PersonId, Problem
from datasms_daemon.store import directory
from tests.fakes.daemon import FakeDaemon, FakeTime, configuration, done

NOVAK = Person(PersonId("novak"), numbers=("+420603123456",))
NIGHT = Group(GroupId("night"), members=(NOVAK.id,))


class World:
    """A daemon without lines."""

    def __init__(self, directory_: Path) -> None:
        self.directory = directory_
        self.time = FakeTime()
        self.begin()

    def begin(self) -> None:
        """A (new) life."""
        self.daemon = FakeDaemon(configuration(self.directory), {}, self.time)

    def put(self, *persons: Person, groups: tuple[Group, ...] = ()) -> tuple[Problem, ...]:
        """As one request."""
        return done(Deferred.fromCoroutine(self.daemon.parts.core.directory.put_all(persons, groups, "erp")))

    def told(self) -> list[tuple[str, ...]]:
        """The audit log."""
        read = "SELECT who, what, object FROM audit ORDER BY seq"
        return done(self.daemon.store.read(lambda db: db.execute(read).fetchall()))

    def there(self) -> tuple[list[str], list[str]]:
        """The ids of all persons and groups."""
        core = self.daemon.parts.core.directory
        persons = done(Deferred.fromCoroutine(core.persons(None, 100)))
        groups = done(Deferred.fromCoroutine(core.groups(None, 100)))
        return [one.id for one in persons], [one.id for one in groups]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Nobody is in it."""
    return World(tmp_path)


def test_groups_may_name_persons_of_the_same_request(world: World) -> None:
    assert world.put(NOVAK, groups=(NIGHT,)) == ()
    assert world.there() == (["novak"], ["night"])
    assert world.told() == [("erp", "person written", "novak"), ("erp", "group written", "night")]


def test_a_faulty_group_keeps_all_persons_out(world: World) -> None:
    faulty = Group(GroupId("day"), members=(PersonId("nobody"),))
    assert world.put(NOVAK, groups=(NIGHT, faulty)) == (Problem("/groups/1/members/0", "there is no person nobody"),)
    assert (world.there(), world.told()) == (([], []), [])


def test_faults_of_persons_and_unknown_calendars_point_to_where_they_stand(world: World) -> None:
    world.put(NOVAK)
    other = Person(PersonId("svoboda"), numbers=NOVAK.numbers)
    (problem,) = world.put(NOVAK, other)
    assert problem.pointer == "/persons/1/numbers/0"
    found = world.put(Person(PersonId("x"), calendar="no"), groups=(Group(GroupId("y"), calendar="no"),))
    assert [one.pointer for one in found] == ["/persons/0/calendar", "/groups/0/calendar"]


def test_a_crash_between_persons_and_groups_leaves_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """All or nothing, also when the daemon dies in the middle."""

    def dies(*_: object) -> None:
        raise RuntimeError("kill -9")

    with monkeypatch.context() as crashing:
        crashing.setattr(directory, "put_groups", dies)
        with pytest.raises(RuntimeError, match="kill -9"):
            world.put(NOVAK, groups=(NIGHT,))
    world.daemon.die()
    world.begin()
    assert (world.there(), world.told()) == (([], []), [])
    assert world.put(NOVAK, groups=(NIGHT,)) == ()


def test_what_was_not_there_is_not_said_to_be_deleted(world: World) -> None:
    core = world.daemon.parts.core.directory
    for deleting in (core.delete_person(NOVAK.id, "erp"), core.delete_group(NIGHT.id, "erp")):
        assert done(Deferred.fromCoroutine(deleting)) is False
    assert done(Deferred.fromCoroutine(core.revoke(DeviceId("d1"), "erp"))) is False
    assert world.told() == []
