"""A sender is told, once, when there is no success after a while; and what a priority says of other tries."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from twisted.internet.defer import Deferred

from datasms_daemon.config.calendars import CalendarOptions
from datasms_daemon.config.kinds import Duration
from datasms_daemon.config.records import Retry, Rule, StepOptions
from datasms_daemon.model import (
    DeviceId,
    DeviceReceipt,
    Dossier,
    Event,
    Later,
    LineName,
    MessageId,
    MessageState,
    ReceiptState,
    Success,
)
from datasms_daemon.store import messages
from tests.fakes.daemon import START_MS, FakeDaemon, FakeTime, add_person, configuration, done, draft
from tests.fakes.lines import FakeLine

MINUTE = 60.0
HOUR_MS = 3_600_000
PUSH = StepOptions(line=LineName("datasms"), wait=Duration(6 * HOUR_MS))


class World:
    """A daemon whose senders are told after 15 minutes; the office is open from 08:00, now, to 17:00."""

    def __init__(self, tmp_path: Path, rule: Rule = Rule(name="all", steps=(PUSH,))) -> None:  # noqa: B008
        self.time = FakeTime()
        self.push = FakeLine("datasms", self.time.reactor, drops_repeats=True)
        base = configuration(tmp_path, rules=(rule,))
        normal = replace(
            base.priority["normal"],
            ndr_after=Duration(900_000),
            ttl=Duration(7 * 24 * HOUR_MS),
            retry=Retry(first=Duration(100_000), cap=Duration(150_000)),
        )
        office = CalendarOptions(timezone="UTC", hours={"mon-fri": ("08:00-17:00",)})
        self.config = replace(base, priority={**base.priority, "normal": normal}, calendar={"office": office})
        self.daemon = FakeDaemon(self.config, {"datasms": self.push}, self.time)
        add_person(self.daemon, "phone")

    def send(self, **more: object) -> MessageId:
        """Submits one message."""
        return MessageId(self.daemon.submit(draft(**more))[0])  # type: ignore[arg-type]

    def look(self, id_: MessageId) -> Dossier:
        """What is stored of a message."""
        found = done(self.daemon.store.read(lambda db: messages.dossier(db, id_)))
        assert found is not None
        return found

    def told(self, id_: MessageId) -> list[Event]:
        """What the trace says of it."""
        found = done(Deferred.fromCoroutine(self.daemon.parts.core.trace(id_, None)))
        return [event for event in found or () if event.kind == "ndr"]

    def confirm(self, id_: MessageId) -> None:
        """The device's own word."""
        receipts = (DeviceReceipt(id_, ReceiptState.DELIVERED, self.daemon.now),)
        done(Deferred.fromCoroutine(self.daemon.parts.receipts.from_device(DeviceId("phone"), receipts)))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_the_sender_is_told_once_and_the_message_goes_its_way(world: World) -> None:
    id_ = world.send()
    world.time.advance(15 * MINUTE - 0.001)
    assert world.told(id_) == []
    before = world.look(id_).progress
    world.time.advance(0.002)
    after = world.look(id_).progress
    assert replace(before, gen=0, ndr_due=None) == replace(after, gen=0, ndr_at=None)
    assert after.ndr_at == START_MS + 900_000
    world.time.advance(600 * MINUTE)
    assert [event.detail for event in world.told(id_)] == [{"line": "datasms", "state": "waiting"}]


def test_a_success_in_time_leaves_nothing_to_tell_and_a_later_one_still_counts(world: World) -> None:
    quick, late = world.send(), world.send()
    world.confirm(quick)
    world.time.advance(16 * MINUTE)
    world.confirm(late)
    assert (world.told(quick), len(world.told(late))) == ([], 1)
    assert world.look(late).progress.state is MessageState.DELIVERED


def test_what_has_ended_is_told_by_its_end(world: World) -> None:
    id_ = world.send(ttl_ms=60_000)
    world.time.advance(60 * MINUTE)
    assert world.told(id_) == []


def test_a_step_that_is_content_with_acceptance_has_its_success(tmp_path: Path) -> None:
    world = World(tmp_path, Rule(name="all", steps=(replace(PUSH, success=Success.ACCEPTED),)))
    id_ = world.send()
    world.time.advance(60 * MINUTE)
    assert world.told(id_) == []


def test_only_open_time_counts_where_calendars_are_respected(tmp_path: Path) -> None:
    world = World(tmp_path, Rule(name="all", steps=(PUSH,), calendar="office"))
    world.time.advance(8 * 3600 + 50 * MINUTE)
    id_ = world.send()
    assert world.look(id_).progress.ndr_due == START_MS + 72 * HOUR_MS + 300_000


def test_it_counts_from_send_at_and_another_time_moves_it(world: World) -> None:
    id_ = world.send(send_at=START_MS + HOUR_MS)
    assert world.look(id_).progress.ndr_due == START_MS + HOUR_MS + 900_000
    later = START_MS + 2 * HOUR_MS
    done(Deferred.fromCoroutine(world.daemon.parts.core.reschedule(id_, None, "me", later)))
    world.time.advance(2 * 3600 + 15 * MINUTE)
    assert len(world.told(id_)) == 1
    assert world.look(id_).progress.ndr_at == later + 900_000


def test_a_daemon_that_was_away_tells_it_at_the_start(world: World) -> None:
    id_ = world.send()
    world.daemon.die()
    world.time.advance(20 * MINUTE)
    world.daemon = FakeDaemon(world.config, {"datasms": world.push}, world.time)
    world.time.advance(0.1)
    assert len(world.told(id_)) == 1


def test_another_try_comes_when_the_priority_says(world: World) -> None:
    world.push.script = lambda handover: (Later("busy"), 0.0, False)
    world.send()
    world.time.advance(49.9)
    assert len(world.push.sends) == 1
    # 50 to 100 s after the first, then 75 to 150 s at the cap, again and again.
    world.time.advance(50.1)
    assert len(world.push.sends) == 2
    world.time.advance(4 * 150)
    assert 6 <= len(world.push.sends) <= 10
