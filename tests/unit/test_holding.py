"""Calendars that hold messages back, on the whole core: an office in UTC, from Friday 08:00 on."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from twisted.internet.defer import Deferred

from datasms_daemon.config.calendars import CalendarOptions, calendars_of
from datasms_daemon.config.kinds import Duration
from datasms_daemon.config.records import Config, Rule, SenderOptions, StepOptions
from datasms_daemon.config.senders import Sender
from datasms_daemon.delivery import handover, held
from datasms_daemon.model import (
    Accepted,
    Dossier,
    Explanation,
    Group,
    GroupId,
    Later,
    LineDown,
    LineName,
    MessageId,
    MessageState,
    Person,
    Refused,
    Submission,
    WhenClosed,
)
from datasms_daemon.store import messages
from tests.fakes.daemon import NUMBER, PERSON, START_MS, FakeDaemon, FakeTime, add_person, configuration, done, draft
from tests.fakes.lines import FakeLine, accept_at_once

HOUR, DAY = 3600.0, 86_400.0
OFFICE = CalendarOptions(timezone="UTC", hours={"mon-fri": ("08:00-17:00",)})
NIGHT = CalendarOptions(timezone="UTC", hours={"mon-sun": ("22:00-06:00",)})
PUSH = StepOptions(line=LineName("datasms"), wait=Duration(600_000))
SMS = StepOptions(line=LineName("sms-a"), wait=Duration(600_000))


class World:
    """A daemon with a person who has one device; calendars *office* and *night*."""

    def __init__(self, tmp_path: Path, *rules: Rule) -> None:
        self.time = FakeTime()
        self.push = FakeLine("datasms", self.time.reactor, drops_repeats=True)
        self.sms = FakeLine("sms-a", self.time.reactor)
        base = configuration(tmp_path, rules=rules or (Rule(name="office", steps=(PUSH, SMS), calendar="office"),))
        self.config = replace(base, calendar={"office": OFFICE, "night": NIGHT})
        self.daemon = self.begin()
        add_person(self.daemon, "phone")

    def begin(self) -> FakeDaemon:
        """A (new) life of the daemon."""
        self.daemon = FakeDaemon(self.config, {"datasms": self.push, "sms-a": self.sms}, self.time)
        return self.daemon

    def reload(self, config: Config) -> int:
        """As the service does; how many messages that changed."""
        self.config = config
        self.daemon.parts.configure(config, calendars_of(config))
        return done(Deferred.fromCoroutine(self.daemon.parts.look_again()))

    def until(self, hours: float) -> None:
        """To so many hours after Friday 08:00."""
        self.time.advance(hours * HOUR - self.time.reactor.seconds())

    def send(self, **more: object) -> MessageId:
        """Submits one message that is good for a week."""
        return MessageId(self.daemon.submit(draft(**{"ttl_ms": 7 * 86_400_000} | more))[0])  # type: ignore[arg-type]

    def look(self, id_: MessageId) -> Dossier:
        """What is stored of a message."""
        found = done(self.daemon.store.read(lambda db: messages.dossier(db, id_)))
        assert found is not None
        return found

    def trace(self, id_: MessageId) -> list[str]:
        """The kinds of events of a message."""
        found = done(Deferred.fromCoroutine(self.daemon.parts.core.trace(id_, None)))
        return [event.kind for event in found or ()]

    def sent_at(self, line: FakeLine) -> list[float]:
        """When the line was handed something, in hours after Friday 08:00."""
        return [round((at - START_MS) / 3_600_000, 3) for at in self.handed[line.name]]

    @property
    def handed(self) -> dict[str, list[int]]:
        """When lines were handed messages."""
        rows = done(self.daemon.store.read(lambda db: db.execute("SELECT line, started_at FROM attempts").fetchall()))
        found: dict[str, list[int]] = {"datasms": [], "sms-a": []}
        for line, at in rows:
            found[line].append(at)
        return found


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


MONDAY = 72.0


def test_a_message_accepted_after_hours_is_held_and_sent_when_the_office_opens(world: World) -> None:
    """I12: held, it has its opening for a next event."""
    world.until(10)
    id_ = world.send()
    progress = world.look(id_).progress
    assert (progress.state, progress.held, progress.ready) == (MessageState.QUEUED, True, None)
    assert progress.due_at == START_MS + 72 * 3_600_000
    world.until(MONDAY - 0.001)
    assert world.push.sends == []
    world.until(MONDAY)
    assert world.sent_at(world.push) == [MONDAY]
    assert world.trace(id_) == ["accepted", "held", "opened", "sent"]


def test_a_wait_of_ten_minutes_begun_at_five_to_five_ends_at_five_past_eight_on_monday(world: World) -> None:
    world.until(8 + 55 / 60)
    world.send()
    assert world.sent_at(world.push) == [8.917]
    world.until(MONDAY + 4.9 / 60)
    assert world.sms.sends == []
    world.until(MONDAY + 5.1 / 60)
    assert world.sent_at(world.sms) == [round(MONDAY + 5 / 60, 3)]


def test_a_priority_that_ignores_calendars_is_never_held(world: World) -> None:
    world.until(10)
    world.send(priority="high")
    world.until(10 + 10 / 60)
    assert (world.sent_at(world.push), world.sent_at(world.sms)) == ([10.0], [10.167])


def test_what_waits_for_room_when_the_office_closes_is_not_claimed_any_more(world: World) -> None:
    """A claim races a closing: the claim looks at the calendar itself."""
    world.push.window = 0
    world.until(8.9)
    ids = [world.send() for _ in range(3)]
    world.until(9)
    world.push.window = 10
    world.daemon.parts.dispatch.wake(LineName("datasms"))
    assert world.push.sends == []
    assert all(world.look(id_).progress.held for id_ in ids)
    world.until(MONDAY)
    assert len(world.push.sends) == 3


def test_a_mass_that_waits_for_a_slow_line_is_held_when_the_office_closes_and_an_alarm_still_leaves(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "SWEEP", 5)
    world.push.window = 0
    world.until(8.9)
    ids = [world.send() for _ in range(31)]
    alarm = world.send(priority="high", ttl_ms=86_400_000)
    world.until(9)
    world.push.window = 1
    world.daemon.parts.dispatch.wake(LineName("datasms"))
    assert [sent.message for sent in world.push.sends] == [alarm]
    assert all(world.look(id_).progress.held for id_ in ids)


def test_another_try_waits_for_the_opening_too_and_its_deadline_stands(world: World) -> None:
    world.until(8.999)
    world.push.script = lambda _: (Later("busy"), 0.0, False)
    id_ = world.send()
    world.until(MONDAY - 0.001)
    assert len(world.push.sends) == 1
    before = world.look(id_).progress.deadline
    world.push.script = lambda _: (Accepted(), 0.0, True)
    world.until(MONDAY + 0.001)
    assert len(world.push.sends) == 2
    assert world.look(id_).progress.deadline == before


@pytest.mark.parametrize("when_closed", list(WhenClosed))
def test_a_line_that_is_down_does_not_give_way_to_a_step_that_is_closed(
    tmp_path: Path, when_closed: WhenClosed
) -> None:
    """The line may be back in a minute, the office opens in days or never."""
    first = Rule(name="first", steps=(replace(PUSH, wait=Duration(3_600_000)),), continue_=True)
    world = World(tmp_path, first, Rule(name="office", steps=(SMS,), calendar="office", when_closed=when_closed))
    world.until(10)
    world.push.script = lambda handover: (LineDown("refused"), 0.0, False)
    id_ = world.send()
    assert (world.look(id_).progress.step, world.look(id_).progress.state) == (0, MessageState.QUEUED)
    world.push.script = accept_at_once
    world.until(10.9)
    assert (len(world.push.sends), world.look(id_).progress.state) == (2, MessageState.WAITING)


def test_held_messages_outlive_a_restart(world: World) -> None:
    world.until(10)
    world.send()
    world.daemon.die()
    world.begin()
    world.until(MONDAY)
    assert world.sent_at(world.push) == [MONDAY]


def test_a_rule_that_skips_passes_closed_steps_over_and_says_so(tmp_path: Path) -> None:
    office = Rule(name="office", steps=(PUSH,), calendar="office", when_closed=WhenClosed.SKIP, continue_=True)
    world = World(tmp_path, office, Rule(name="sms", steps=(SMS,)))
    world.until(10)
    id_ = world.send()
    assert (world.push.sends, len(world.sms.sends)) == ([], 1)
    assert world.trace(id_) == ["accepted", "skipped", "sent"]


def test_a_message_all_of_whose_steps_are_passed_over_has_failed(tmp_path: Path) -> None:
    world = World(tmp_path, Rule(name="only", steps=(PUSH, SMS), calendar="office", when_closed=WhenClosed.SKIP))
    world.until(10)
    progress = world.look(world.send()).progress
    assert (progress.state, progress.code) == (MessageState.FAILED, "closed")


def test_a_step_that_is_passed_over_at_a_deadline_leads_to_the_one_after_it(tmp_path: Path) -> None:
    push = Rule(name="push", steps=(PUSH,), continue_=True)
    sms = Rule(name="sms", steps=(SMS,), calendar="office", when_closed=WhenClosed.SKIP)
    world = World(tmp_path, push, sms)
    world.until(8.9)
    id_ = world.send()
    world.until(9.1)
    assert world.trace(id_)[-3:] == ["deadline", "skipped", "failed"]
    assert world.look(id_).progress.code == "deadline"


def test_a_message_that_would_expire_before_the_opening_takes_the_step_that_is_open(tmp_path: Path) -> None:
    held_back = Rule(name="office", steps=(PUSH,), calendar="office", continue_=True)
    world = World(tmp_path, held_back, Rule(name="sms", steps=(SMS,)))
    world.until(10)
    id_ = world.send(ttl_ms=3_600_000)
    assert len(world.sms.sends) == 1
    assert world.trace(id_) == ["accepted", "skipped", "sent"]
    # One that lives long enough waits for the step that comes first.
    assert world.look(world.send()).progress.held


def test_without_such_a_step_it_expires(world: World) -> None:
    world.until(10)
    id_ = world.send(ttl_ms=3_600_000)
    assert world.look(id_).progress.held
    world.until(11)
    assert world.look(id_).progress.state is MessageState.EXPIRED


def test_lines_and_senders_have_calendars_too_and_all_must_be_open(tmp_path: Path) -> None:
    world = World(tmp_path, Rule(name="all", steps=(PUSH,)))
    push, *others = world.config.line
    lines = (replace(push, calendar="office"), *others)
    world.reload(replace(world.config, line=lines, sender_defaults=SenderOptions(calendar="night")))
    id_ = world.send()
    assert world.look(id_).progress.plan[0].calendars == ("office", "night")
    assert world.look(id_).progress.held
    world.reload(replace(world.config, sender={"crm": Sender(calendar="")}))
    assert world.look(world.send()).progress.plan[0].calendars == ("office",)
    assert len(world.push.sends) == 1


def test_persons_and_groups_have_calendars_too(tmp_path: Path) -> None:
    world = World(tmp_path, Rule(name="all", steps=(PUSH,)))
    core = world.daemon.parts.core
    above = Group(GroupId("all"), calendar="night")
    plant = Group(GroupId("plant"), members=(PERSON,), parent=GroupId("all"))
    assert done(Deferred.fromCoroutine(core.directory.put_groups((above, plant), "me"))) == ()
    person = Person(PERSON, numbers=(NUMBER,), groups=(GroupId("plant"),), calendar="office")
    assert done(Deferred.fromCoroutine(core.directory.put_persons((person,), "me"))) == ()
    plan = world.look(world.send()).progress.plan
    assert plan[0].calendars == ("night", "office")
    assert done(Deferred.fromCoroutine(core.directory.person(PERSON))) == person
    assert done(Deferred.fromCoroutine(core.directory.group(GroupId("all")))) == above


def test_a_calendar_that_does_not_exist_is_refused_in_the_directory(world: World) -> None:
    core = world.daemon.parts.core
    (problem,) = done(Deferred.fromCoroutine(core.directory.put_persons((Person(PERSON, calendar="x"),), "me")))
    assert (problem.pointer, problem.detail) == ("/0/calendar", "there is no calendar x")
    group = Group(GroupId("plant"), calendar="x")
    assert len(done(Deferred.fromCoroutine(core.directory.put_groups((group,), "me")))) == 1


# --- another calendar ------------------------------------------------------------------------------------------------


def test_a_calendar_that_is_open_now_after_a_reload_lets_go_at_once(world: World) -> None:
    world.until(10)
    id_ = world.send()
    always = CalendarOptions(timezone="UTC", hours={"mon-sun": ("00:00-24:00",)})
    assert world.reload(replace(world.config, calendar={"office": always})) == 1
    assert len(world.push.sends) == 1
    assert world.trace(id_) == ["accepted", "held", "calendars_changed", "sent"]


def test_a_calendar_that_vanished_holds_nothing(world: World) -> None:
    world.until(10)
    world.send()
    rules = (Rule(name="all", steps=(PUSH,)),)
    assert world.reload(replace(world.config, calendar={}, rule=rules)) == 1
    assert len(world.push.sends) == 1


def test_a_calendar_that_opens_later_after_a_reload_holds_longer_and_one_that_is_the_same_changes_nothing(
    world: World,
) -> None:
    world.until(10)
    id_ = world.send()
    assert world.reload(world.config) == 0
    later = CalendarOptions(timezone="UTC", hours={"tue": ("10:00-12:00",)})
    assert world.reload(replace(world.config, calendar={"office": later})) == 1
    assert world.look(id_).progress.due_at == START_MS + (4 * 24 + 2) * 3_600_000


def test_calendars_that_changed_while_the_daemon_was_away_count_at_the_start(world: World) -> None:
    world.until(10)
    world.send()
    world.daemon.die()
    world.config = replace(world.config, calendar={"office": NIGHT})
    world.begin()
    world.until(14)
    assert world.sent_at(world.push) == [14.0]


def test_more_messages_than_a_batch_are_let_go(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "BATCH", 7)
    world.until(10)
    ids = [world.send() for _ in range(21)]
    assert world.reload(replace(world.config, calendar={})) == 21
    world.time.advance(1)
    assert all(world.push.taken[id_] == 1 for id_ in ids)


# --- scheduling ------------------------------------------------------------------------------------------------------


def rescheduled(world: World, id_: MessageId, send_at: int | None) -> Dossier:
    """Asks for another time."""
    found = done(Deferred.fromCoroutine(world.daemon.parts.core.reschedule(id_, None, "me", send_at)))
    assert isinstance(found, Dossier), found
    return found


def test_send_at_comes_first_and_then_the_calendar(world: World) -> None:
    id_ = world.send(send_at=START_MS + 11 * 3_600_000)
    world.until(12)
    assert world.look(id_).progress.held
    world.until(MONDAY)
    assert world.sent_at(world.push) == [MONDAY]
    assert world.trace(id_) == ["accepted", "due", "held", "opened", "sent"]


def test_a_held_message_can_be_given_another_time_and_now_does_not_break_the_calendar(world: World) -> None:
    world.until(10)
    id_ = world.send()
    assert rescheduled(world, id_, None).progress.held
    moved = rescheduled(world, id_, START_MS + 100 * 3_600_000).progress
    assert (moved.state, moved.held) == (MessageState.SCHEDULED, False)
    world.until(MONDAY + 27)
    assert world.push.sends == []
    # Tuesday noon
    world.until(100)
    assert world.sent_at(world.push) == [100.0]


def test_a_message_held_at_a_later_step_can_still_be_given_another_time(tmp_path: Path) -> None:
    skipped = Rule(name="night", steps=(PUSH,), calendar="night", when_closed=WhenClosed.SKIP, continue_=True)
    world = World(tmp_path, skipped, Rule(name="office", steps=(SMS,), calendar="office"))
    world.until(10)
    id_ = world.send()
    assert (world.look(id_).progress.step, world.look(id_).progress.held) == (1, True)
    assert rescheduled(world, id_, START_MS + 73 * 3_600_000).progress.state is MessageState.SCHEDULED
    world.until(73)
    assert world.sent_at(world.sms) == [73.0]


def test_a_message_keeps_its_ttl_however_often_it_is_given_another_time(world: World) -> None:
    hour = 3_600_000
    world.until(10)
    id_ = world.send(send_at=START_MS + 100 * hour, ttl_ms=5 * hour)
    for at, send_at in ((11, None), (12, 40), (13, None), (14, 73)):
        world.until(at)
        found = rescheduled(world, id_, None if send_at is None else START_MS + send_at * hour)
        assert found.progress.valid_until == START_MS + ((send_at or at) + 5) * hour
    world.until(73)
    assert world.sent_at(world.push) == [73.0]


def test_a_held_message_can_be_cancelled(world: World) -> None:
    world.until(10)
    id_ = world.send()
    done(Deferred.fromCoroutine(world.daemon.parts.core.cancel(id_, None, "me")))
    world.until(MONDAY + 1)
    assert world.push.sends == []
    assert world.look(id_).progress.state is MessageState.CANCELLED


# --- explain ---------------------------------------------------------------------------------------------------------


def explained(world: World, **more: object) -> Explanation:
    """How one message would go."""
    found = done(Deferred.fromCoroutine(world.daemon.parts.core.explain(Submission("crm", (draft(**more),)))))  # type: ignore[arg-type]
    assert not isinstance(found, Refused)
    return found[0]


def test_explain_says_when_each_step_opens_and_what_becomes_of_it_until_then(world: World) -> None:
    assert [(step.opens_at, step.note) for step in explained(world).steps] == [(world.daemon.now, None)] * 2
    world.until(10)
    opens = START_MS + 72 * 3_600_000
    steps = explained(world, ttl_ms=7 * 86_400_000).steps
    assert [(step.calendars, step.opens_at, step.note) for step in steps] == [
        (("office",), opens, "waits until it opens")
    ] * 2
    assert {step.note for step in explained(world).steps} == {"opens after the message has expired"}
    at_noon = explained(world, send_at=START_MS + 76 * 3_600_000)
    assert at_noon.steps[0].opens_at == START_MS + 76 * 3_600_000


def test_a_number_without_a_person_is_held_like_any_other(tmp_path: Path) -> None:
    world = World(tmp_path, Rule(name="sms", steps=(SMS,), calendar="office"))
    world.until(10)
    world.send(number=NUMBER[:-1] + "9")
    world.until(MONDAY)
    assert world.sent_at(world.sms) == [MONDAY]
