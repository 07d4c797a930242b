"""Threat "lies: token dead for all" (reliability.md § 3d): deletions are limited, held, and told of once an hour."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.logger import formatEvent

from datasms_daemon.config.kinds import Duration
from datasms_daemon.config.records import StepOptions
from datasms_daemon.model import AddressGone, Device, DeviceId, LineName, MessageId, Reach
from datasms_daemon.rules.retirement import may_retire
from datasms_daemon.store import directory, retirement
from datasms_daemon.store.store import Db
from tests.fakes.daemon import PERSON, FakeDaemon, FakeTime, add_person, configuration, done, draft
from tests.fakes.lines import FakeLine

PUSH = StepOptions(line=LineName("datasms"), wait=Duration(60_000))
SMS = StepOptions(line=LineName("sms-a"), wait=Duration(600_000))


@pytest.mark.parametrize(
    ("active", "gone", "expected"),
    [
        (1, 0, True),
        (1, 49, True),
        (10, 50, False),
        (969, 50, False),
        (970, 50, True),
        (1900, 100, False),
        (1920, 100, True),
        (95_000, 5_000, False),
        (95_001, 4_999, True),
    ],
)
def test_held_is_what_makes_it_more_than_50_and_more_than_5_percent(active: int, gone: int, expected: bool) -> None:
    assert may_retire(active, gone) is expected


@given(st.integers(0, 20_000))
def test_whoever_retires_as_long_as_allowed_loses_50_or_5_percent_and_no_more(addresses: int) -> None:
    gone = 0
    while gone < addresses and may_retire(addresses - gone, gone):
        gone += 1
    assert gone == min(addresses, max(50, addresses * 5 // 100))


class World:
    """A daemon whose push service says of every address that it is gone, and SMS behind it."""

    def __init__(self, tmp_path: Path) -> None:
        self.time = FakeTime()
        self.push = FakeLine("datasms", self.time.reactor, lambda _: (AddressGone("410"), 0.0, False))
        self.sms = FakeLine("sms-a", self.time.reactor)
        self.config = configuration(tmp_path, PUSH, SMS)
        self.daemon = self.begin()
        add_person(self.daemon)

    def begin(self) -> FakeDaemon:
        """A (new) life of the daemon."""
        self.daemon = FakeDaemon(self.config, {"datasms": self.push, "sms-a": self.sms}, self.time)
        return self.daemon

    def add(self, count: int, channel: str = "fcm", first: int = 0) -> None:
        """So many devices, all of one person, so that one message reaches all."""

        def unit(db: Db) -> None:
            for n in range(first, first + count):
                directory.add_device(db, Device(DeviceId(f"{channel}-{n}"), PERSON, channel, {"token": f"{n}"}))

        done(self.daemon.store.write(unit))

    def send(self) -> MessageId:
        """One message to everybody."""
        return MessageId(self.daemon.submit(draft())[0])

    def count(self, query: str, *values: str) -> int:
        """A number from the database."""
        return done(self.daemon.store.read(lambda db: int(db.execute(query, values).fetchone()[0])))

    def retired(self, channel: str = "fcm") -> int:
        """Devices lost."""
        return self.count("SELECT count(*) FROM devices WHERE state = 'retired' AND channel = ?", channel)

    def resume(self) -> bool:
        """An operator believes the service."""
        now = self.daemon.now
        return done(self.daemon.store.write(lambda db: retirement.resume(db, "fcm", now)))

    def is_held(self, channel: str = "fcm") -> bool:
        """Whether deletions are held."""
        now = self.daemon.now
        return done(self.daemon.store.read(lambda db: retirement.is_held(db, channel, now)))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def alarms(logged_failures: list[dict[str, Any]]) -> Iterator[list[str]]:
    """What was told of holds so far; nothing else may be logged as an error."""
    told: list[str] = []
    yield told
    told += [str(formatEvent(event)) for event in logged_failures]
    assert told
    assert all("deletions are held" in text for text in told)
    logged_failures.clear()


@pytest.mark.parametrize(("devices", "lost"), [(60, 50), (1000, 50), (2500, 125)])
def test_lies_token_dead_for_all_deletes_no_more_than_the_limit(
    world: World, devices: int, lost: int, logged_failures: list[dict[str, Any]]
) -> None:
    world.add(devices)
    id_ = world.send()
    assert world.retired() == lost
    assert world.is_held()
    assert world.count("SELECT count(*) FROM pushes WHERE state = 'address_gone'") == devices
    assert world.sms.taken[id_] == 1
    (event,) = logged_failures
    assert f"channel fcm: deletions are held, {lost} of {devices} addresses" in str(formatEvent(event))
    logged_failures.clear()


def test_a_small_installation_may_lose_all_of_its_addresses(world: World) -> None:
    world.add(40)
    world.send()
    assert world.retired() == 40
    assert not world.is_held()


def test_a_restart_does_not_lift_the_hold_and_tells_nothing_new(
    world: World, logged_failures: list[dict[str, Any]]
) -> None:
    world.add(100)
    world.send()
    for _ in range(3):
        world.daemon.die()
        world.begin()
        world.time.advance(600)
        world.send()
    assert world.retired() == 50
    assert len(logged_failures) == 1
    logged_failures.clear()


def test_a_restart_just_before_the_limit_does_not_begin_to_count_anew(world: World, alarms: list[str]) -> None:
    world.add(45)
    world.send()
    assert world.retired() == 45
    world.daemon.die()
    world.begin()
    world.add(45, first=45)
    world.send()
    assert world.retired() == 50


def test_after_an_hour_it_is_lifted_and_the_next_too_many_hold_it_again(
    world: World, logged_failures: list[dict[str, Any]]
) -> None:
    world.add(200)
    world.send()
    world.time.advance(3599)
    world.send()
    assert world.retired() == 50
    world.time.advance(1)
    assert not world.is_held()
    world.send()
    assert world.retired() == 100
    assert world.is_held()
    assert len(logged_failures) == 2
    logged_failures.clear()


def test_an_operator_who_believes_the_service_lifts_it_at_once(world: World, alarms: list[str]) -> None:
    world.add(90)
    assert not world.resume()
    world.send()
    assert world.retired() == 50
    world.time.advance(1)
    assert world.resume()
    assert not world.resume()
    world.send()
    assert world.retired() == 90
    assert not world.is_held()


def test_a_hold_on_one_channel_is_none_on_another(world: World, alarms: list[str]) -> None:
    world.add(80)
    world.add(30, "wns")
    world.send()
    assert (world.retired("fcm"), world.retired("wns")) == (50, 30)
    assert (world.is_held("fcm"), world.is_held("wns")) == (True, False)


def test_what_a_service_says_by_calling_us_is_held_as_well(world: World, alarms: list[str]) -> None:
    world.add(80)
    for n in range(80):
        gone = world.daemon.parts.core.directory.retire("fcm", {"token": f"{n}"}, "unsubscribed")
        done(Deferred.fromCoroutine(gone))
    assert world.retired() == 50
    assert world.is_held()
    assert world.count("SELECT count(*) FROM audit WHERE what = 'address gone: unsubscribed'") == 50


def test_a_device_that_changed_its_address_meanwhile_is_neither_retired_nor_counted(world: World) -> None:
    """I41."""
    world.add(1)
    now = world.daemon.now
    old = Reach("fcm", {"token": "old"})
    former = done(world.daemon.store.write(lambda db: retirement.retire(db, DeviceId("fcm-0"), old, now)))
    assert former == retirement.Retirement()
    assert world.retired() == 0
    assert world.count("SELECT count(*) FROM devices WHERE gone_at IS NOT NULL") == 0


def test_a_device_that_came_back_is_counted_no_more(world: World) -> None:
    world.add(1)
    world.send()
    assert world.count("SELECT count(*) FROM devices WHERE gone_at IS NOT NULL") == 1
    back = world.daemon.parts.backend.update_device(
        DeviceId("fcm-0"), Reach("fcm", {"token": "new"}), None, {}, "phone"
    )
    done(Deferred.fromCoroutine(back))
    assert world.count("SELECT count(*) FROM devices WHERE state = 'active' AND gone_at IS NULL") == 1
