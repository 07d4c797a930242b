"""Quotas of senders and the flood guard: refused whole, counted once, for as long as they say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace
from twisted.internet.defer import Deferred

from datasms_daemon.config.kinds import Duration
from datasms_daemon.config.limits import Flood
from datasms_daemon.config.records import Sender, SenderGroup, SenderOptions
from datasms_daemon.model import (
    AcceptedSubmission,
    Draft,
    Idempotency,
    KeyReused,
    Limited,
    Person,
    PersonId,
    Recipient,
    Refused,
    Submission,
)
from datasms_daemon.store import directory
from datasms_daemon.store import statements as sql
from datasms_daemon.store.store import Db
from tests.fakes.daemon import NUMBER, START_MS, FakeDaemon, FakeTime, configuration, done, draft
from tests.fakes.lines import FakeLine

OTHER = "+420603000001"
MIDNIGHT = START_MS - START_MS % 86_400_000 + 86_400_000
Answer = AcceptedSubmission | Refused | Limited | KeyReused


class World:
    """A daemon with one SMS line."""

    def __init__(self, directory: Path) -> None:
        self.time = FakeTime()
        self.daemon = FakeDaemon(configuration(directory), {"sms-a": FakeLine("sms-a", self.time.reactor)}, self.time)

    def configure(self, **tables: object) -> None:
        """A reload with these tables instead."""
        self.daemon.parts.configure(replace(self.daemon.parts.config, **tables), {})

    def send(self, *drafts: Draft, sender: str = "crm", key: str | None = None) -> Answer:
        """What the core answers."""
        asked = None if key is None else Idempotency(key, "hash")
        submission = Submission(sender, drafts or (draft(),), idempotency=asked)
        return done(Deferred.fromCoroutine(self.daemon.parts.core.accept(submission)))

    def send_many(self, count: int, **more: str) -> list[bool]:
        """Whether each of so many single messages was accepted."""
        return [isinstance(self.send(**more), AcceptedSubmission) for _ in range(count)]

    def stored(self) -> int:
        """How many messages there are."""
        count: int = done(self.daemon.store.read(lambda db: db.execute("SELECT count(*) FROM messages").fetchone()[0]))
        return count


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Without limits."""
    return World(tmp_path)


def test_a_day_quota_ends_with_the_day(world: World) -> None:
    world.configure(sender={"crm": Sender(day_quota=3)})
    assert world.send_many(4) == [True, True, True, False]
    answer = world.send()
    assert answer == Limited("quota", "crm may send 3 messages a day; 0 are left and 1 were asked for", MIDNIGHT)
    world.time.advance((MIDNIGHT - START_MS) / 1000)
    assert world.send_many(4) == [True, True, True, False]


def test_a_month_quota_counts_over_days(world: World) -> None:
    world.configure(sender={"crm": Sender(month_quota=3)})
    assert world.send_many(2) == [True, True]
    world.time.advance(86_400)
    assert world.send_many(2) == [True, False]
    answer = world.send()
    assert isinstance(answer, Limited)
    assert "a month" in answer.detail
    world.time.advance((answer.until - world.daemon.now) / 1000)
    assert world.send_many(1) == [True]


def test_a_submission_that_does_not_fit_whole_is_refused_whole(world: World) -> None:
    """I3."""
    world.configure(sender={"crm": Sender(day_quota=3)})
    two = draft(recipients=(Recipient("/to/0", number=NUMBER), Recipient("/to/1", number=OTHER)))
    assert isinstance(world.send(two), AcceptedSubmission)
    assert isinstance(world.send(two), Limited)
    assert world.stored() == 2
    assert world.send_many(2) == [True, False]


def test_a_repeat_of_an_answered_request_is_answered_and_not_counted(world: World) -> None:
    """I5."""
    world.configure(sender={"crm": Sender(day_quota=2)})
    answers = [world.send(key="k") for _ in range(5)]
    assert all(isinstance(answer, AcceptedSubmission) for answer in answers)
    assert world.send_many(2) == [True, False]
    assert isinstance(world.send(key="k"), AcceptedSubmission)


def test_each_sender_has_the_quota_of_its_group_for_itself(world: World) -> None:
    world.configure(sender_group={"machines": SenderGroup(members=("crm", "plc"), day_quota=1)})
    assert [world.send_many(2, sender=name) for name in ("crm", "plc")] == [[True, False], [True, False]]
    assert world.send_many(3, sender="monitoring") == [True, True, True]


def test_a_quota_that_is_new_counts_what_was_sent_before(world: World) -> None:
    world.send_many(3)
    world.configure(sender={"crm": Sender(day_quota=4)})
    assert world.send_many(2) == [True, False]


def test_what_is_refused_for_another_reason_is_not_counted(world: World) -> None:
    world.configure(sender={"crm": Sender(day_quota=1)})
    assert isinstance(world.send(draft(recipients=(Recipient("/to/0", person=PersonId("no")),))), Refused)
    assert world.send_many(1) == [True]


def test_the_quotas_of_everybody_do_not_bind_what_the_daemon_itself_has_to_tell(world: World) -> None:
    """A notice of a taken address must not wait for tomorrow; a quota of its own binds it."""
    world.configure(sender_defaults=SenderOptions(day_quota=1, month_quota=1))
    assert (world.send_many(2), world.send_many(2, sender="datasms")) == ([True, False], [True, True])
    world.configure(sender={"datasms": Sender(day_quota=3)})
    assert world.send_many(2, sender="datasms") == [True, False]


def test_old_spans_are_forgotten_and_the_present_ones_are_not(world: World) -> None:
    world.configure(sender={"crm": Sender(day_quota=9, month_quota=99)})
    world.send()
    for days in (0, 75):
        world.time.advance(days * 86_400)
        world.send()
        world.daemon.beat()
    spans = done(world.daemon.store.read(lambda db: db.execute("SELECT span FROM usage ORDER BY span").fetchall()))
    assert spans == [("2027-03",), ("2027-03-31",)]


# --- floods ----------------------------------------------------------------------------------------------------------


def flooding(world: World, **options: object) -> None:
    """At most three messages in ten minutes for one recipient."""
    world.configure(flood=Flood(**{"per_recipient": 3, "window": Duration(600_000)} | options))  # type: ignore[arg-type]


def test_a_recipient_gets_no_more_than_the_guard_lets_through(world: World) -> None:
    flooding(world)
    assert world.send_many(4) == [True, True, True, False]
    assert isinstance(world.send(draft(number=OTHER)), AcceptedSubmission)


def test_it_says_who_and_until_when(world: World) -> None:
    flooding(world)
    for _ in range(3):
        world.send()
        world.time.advance(100)
    drafts = draft(recipients=(Recipient("/to/0", number=OTHER), Recipient("/to/1", number=NUMBER)))
    answer = world.send(drafts)
    assert isinstance(answer, Limited)
    assert [problem.pointer for problem in answer.problems] == ["/to/1"]
    assert answer.until == START_MS + 600_000
    assert world.stored() == 3
    world.time.advance((answer.until - world.daemon.now) / 1000 + 0.001)
    assert isinstance(world.send(drafts), AcceptedSubmission)


def test_what_one_submission_brings_counts_together(world: World) -> None:
    """I3."""
    flooding(world)
    assert isinstance(world.send(*[draft()] * 4), Limited)
    assert isinstance(world.send(*[draft()] * 3), AcceptedSubmission)


def test_all_senders_count_together(world: World) -> None:
    flooding(world)
    assert [world.send_many(2, sender=name) for name in ("crm", "plc")] == [[True, True], [True, False]]


@pytest.mark.parametrize(("exempt", "passes"), [(True, True), (False, False)])
def test_urgent_priorities_pass_if_the_guard_says_so(world: World, exempt: bool, passes: bool) -> None:
    flooding(world, exempt_urgent=exempt)
    world.send_many(3)
    assert isinstance(world.send(draft(priority="high")), AcceptedSubmission) is passes


def test_a_person_without_a_number_is_guarded_too(world: World) -> None:
    flooding(world)
    done(world.daemon.store.write(lambda db: directory.put_persons(db, [Person(PersonId("a")), Person(PersonId("b"))])))
    to: Callable[[str], Draft] = lambda who: draft(recipients=(Recipient("/to/0", person=PersonId(who)),))  # noqa: E731
    assert [isinstance(world.send(to("a")), AcceptedSubmission) for _ in range(4)] == [True, True, True, False]
    assert isinstance(world.send(to("b")), AcceptedSubmission)


def test_the_guard_and_a_new_quota_look_where_an_index_leads(world: World) -> None:
    texts = (
        sql.SELECT_RECENT, sql.SELECT_RECENT_NUMBERLESS, sql.COUNT_SENDER, sql.COUNT_RECENT,
        sql.COUNT_RECENT_NUMBERLESS,
    )  # fmt: skip
    values = {"to": NUMBER, "person": "a", "sender": "crm", "first": "0", "end": "1", "skip": 1}

    def plan(db: Db) -> list[str]:
        return [row[3] for text in texts for row in db.execute(f"EXPLAIN QUERY PLAN {text}", values)]

    used = done(world.daemon.store.read(plan))
    assert [one.partition("INDEX ")[2].split()[0] for one in used] == [
        "messages_recipient", "messages_numberless", "messages_sender", "messages_recipient", "messages_numberless",
    ]  # fmt: skip
