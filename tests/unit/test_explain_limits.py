"""What an explanation says of limits: what acceptance goes by and would answer, counted by neither."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from twisted.internet.defer import Deferred

from datasms_daemon.config.kinds import Duration
from datasms_daemon.config.limits import Flood
from datasms_daemon.config.records import Sender, SenderGroup, SenderOptions
from datasms_daemon.model import (
    AcceptedSubmission,
    Allowance,
    Draft,
    Explanation,
    FloodUse,
    KeyReused,
    Limited,
    LineStanding,
    Recipient,
    Refused,
    Submission,
)
from datasms_daemon.store import operations
from tests.fakes.daemon import NUMBER, START_MS, FakeDaemon, FakeTime, configuration, done, draft
from tests.fakes.lines import FakeLine

DAY = 86_400_000
MIDNIGHT = START_MS - START_MS % DAY + DAY
OTHER = "+420603000001"
BOTH = (Recipient("/to/0", number=NUMBER), Recipient("/to/1", number=OTHER))


class World:
    """A daemon with one SMS line that may send two messages a day."""

    def __init__(self, directory: Path) -> None:
        self.time = FakeTime()
        plain = configuration(directory)
        lines = tuple(replace(line, day_limit=2, share=7) if line.name == "sms-a" else line for line in plain.line)
        self.line = FakeLine("sms-a", self.time.reactor)
        self.daemon = FakeDaemon(replace(plain, line=lines), {"sms-a": self.line}, self.time)

    def configure(self, **tables: object) -> None:
        """A reload with these tables instead."""
        self.daemon.parts.configure(replace(self.daemon.parts.config, **tables), {})

    def send(self, *drafts: Draft) -> AcceptedSubmission | Refused | Limited | KeyReused:
        """What the core answers."""
        return done(Deferred.fromCoroutine(self.daemon.parts.core.accept(Submission("crm", drafts or (draft(),)))))

    def explain(self, *drafts: Draft, at: int | None = None, lines: tuple[str, ...] | None = None) -> Explanation:
        """What is said of the first recipient."""
        submission = Submission("crm", drafts or (draft(),), lines)
        found = done(Deferred.fromCoroutine(self.daemon.parts.core.explain(submission, at)))
        assert not isinstance(found, Refused)
        return found[0]

    def standing(self, at: int | None = None, **more: Any) -> LineStanding:
        """How the SMS line stands for a message then."""
        (step,) = self.explain(draft(**more), at=at).steps
        assert step.standing is not None
        return step.standing

    def stored(self) -> list[tuple[object, ...]]:
        """All that counts anything."""
        read = "SELECT sender, span, used FROM usage UNION ALL SELECT id, recipient, created_at FROM messages"
        return done(self.daemon.store.read(lambda db: db.execute(read).fetchall()))


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Without limits of senders or recipients."""
    return World(tmp_path)


@pytest.mark.parametrize(
    "tables",
    [
        {"sender": {"crm": Sender(day_quota=6)}},
        {"sender": {"crm": Sender(day_quota=90, month_quota=6)}},
        {"flood": Flood(per_recipient=3, window=Duration(600_000))},
        {"flood": Flood(per_recipient=4), "sender": {"crm": Sender(day_quota=5)}},
    ],
)
def test_what_it_says_is_refused_acceptance_refuses_and_nothing_else(world: World, tables: dict[str, object]) -> None:
    world.configure(**tables)
    both, urgent = draft(recipients=BOTH), draft(priority="high")
    was_refused = []
    for drafts in ((draft(),), (both,), (urgent, draft()), (draft(), draft()), (both, both), (urgent,), (draft(),)):
        kept = world.stored()
        foreseen = world.explain(*drafts).limits.refused
        assert world.explain(*drafts, at=world.daemon.now).limits.refused == foreseen
        assert world.stored() == kept
        answer = world.send(*drafts)
        assert (answer if isinstance(answer, Limited) else None) == foreseen
        was_refused.append(foreseen is not None)
        world.time.advance(1)
    assert set(was_refused) == {True, False}


def test_quotas_say_what_is_used_of_them_in_the_day_and_month_it_is_for_and_who_sets_them(world: World) -> None:
    group = {"machines": SenderGroup(members=("crm",), month_quota=50)}
    world.configure(sender={"crm": Sender(day_quota=3)}, sender_group=group)

    def uses(at: int | None) -> list[tuple[str, int, int, str | None, int]]:
        quotas = world.explain(at=at).limits.quotas
        return [(use.span, use.used, use.most, use.origin, use.ends_at) for use in quotas]

    end = 1_801_440_000_000
    for _ in range(2):
        world.send()
    now = [("month", 2, 50, "sender_group.machines", end), ("day", 2, 3, "sender.crm", MIDNIGHT)]
    assert uses(None) == uses(world.daemon.now) == now
    assert uses(MIDNIGHT) == [now[0], ("day", 0, 3, "sender.crm", MIDNIGHT + DAY)]
    assert [use[1] for use in uses(end)] == [0, 0]


def test_a_quota_is_counted_for_the_day_alone_that_it_is_asked_for(world: World) -> None:
    """The day before had no quota, and what came after it does not belong to it."""
    world.send()
    world.time.advance(86_400)
    for _ in range(3):
        world.send()
    world.configure(sender={"crm": Sender(day_quota=9)})
    assert [world.explain(at=at).limits.quotas[0].used for at in (START_MS, None, START_MS + 2 * DAY)] == [1, 3, 0]


def test_the_flood_guard_says_what_the_recipient_has_had_within_the_window(world: World) -> None:
    assert world.explain().limits.flood is None
    world.configure(flood=Flood(per_recipient=5, window=Duration(600_000)))
    world.send()
    world.time.advance(300)
    world.send()
    world.send(draft(number=OTHER))
    later = world.daemon.now + 400_000
    had = [world.explain(at=at).limits.flood for at in (None, START_MS + 1, later)]
    assert had == [FloodUse(count, 5, 600_000, False) for count in (2, 1, 1)]
    assert world.explain(draft(priority="high")).limits.flood == FloodUse(2, 5, 600_000, True)


def test_a_line_says_what_of_its_day_limit_is_used_and_that_it_lets_nothing_through(world: World) -> None:
    assert world.standing() == LineStanding(0, 2, False, None, 7)
    world.send()
    world.send()
    reached = LineStanding(2, 2, False, "day limit reached; resume it to go on", 7)
    assert world.standing() == reached
    assert world.standing(at=MIDNIGHT) == world.standing(send_at=MIDNIGHT) == LineStanding(0, 2, False, None, 7)
    assert world.standing(at=START_MS - DAY).sent is None
    done(Deferred.fromCoroutine(world.daemon.parts.core.resume("sms-a", "operator")))
    assert world.standing() == LineStanding(2, 2, True, None, 7)


def test_a_paused_line_and_a_restored_database_let_nothing_through(world: World) -> None:
    done(Deferred.fromCoroutine(world.daemon.parts.core.pause("sms-a", "operator")))
    assert world.standing(at=MIDNIGHT).held == "paused by an operator"
    done(world.daemon.store.write(lambda db: operations.set_meta(db, operations.HOLD, "a copy was put back")))
    done(Deferred.fromCoroutine(world.daemon.parts.hold.load()))
    assert world.standing().held == "nothing is sent: a copy was put back"


def test_precedence_names_the_priorities_that_leave_first(world: World) -> None:
    after = [world.explain(draft(priority=name)).steps[0].goes_after for name in ("high", "normal", "low")]
    assert after == [(), ("high",), ("high", "normal")]


def test_what_is_allowed_comes_with_the_table_that_says_it(world: World) -> None:
    world.configure(
        sender={"crm": Sender(numbers=(r"\+420.*",))},
        sender_group={"machines": SenderGroup(members=("crm",), lines=("!sms-b",))},
        sender_defaults=SenderOptions(lines=("sms-b",), priorities=("!high",)),
    )
    limits = world.explain(lines=("sms-a",)).limits
    assert limits.allowed == {
        "lines": Allowance(("!sms-b",), "sender_group.machines"),
        "numbers": Allowance((r"\+420.*",), "sender.crm"),
        "priorities": Allowance(("!high",), "sender_defaults"),
    }
    assert limits.key_lines == ("sms-a",)
