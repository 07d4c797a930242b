"""A line's day limit: a word at half of it, a stop at the whole, until an operator or the next day."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from twisted.internet.defer import Deferred

from datasms_daemon.config.kinds import Duration
from datasms_daemon.config.records import StepOptions
from datasms_daemon.model import LineName, LineReceipt, LineState, LineView, MessageId, MessageState, ReceiptState
from datasms_daemon.store import messages
from tests.fakes.daemon import START_MS, FakeDaemon, FakeTime, configuration, done, draft
from tests.fakes.lines import FakeLine

SMS = StepOptions(line=LineName("sms-a"), wait=Duration(2 * 86_400_000))
HOUR = 3600
UNTIL_MIDNIGHT_UTC = (86_400_000 - START_MS % 86_400_000) / 1000


class World:
    """One SMS line that may send four messages a day."""

    def __init__(self, directory: Path, timezone: str = "UTC") -> None:
        self.time = FakeTime()
        plain = configuration(directory, SMS)
        lines = tuple(replace(line, day_limit=4) for line in plain.line)
        self.config = replace(plain, line=lines, daemon=replace(plain.daemon, timezone=timezone))
        self.line = FakeLine("sms-a", self.time.reactor)
        self.daemon = FakeDaemon(self.config, {"sms-a": self.line}, self.time)

    def send(self, count: int) -> list[MessageId]:
        """Submits so many messages that are worth delivering for three days."""
        return [MessageId(self.daemon.submit(draft(priority="low"))[0]) for _ in range(count)]

    def view(self) -> LineView:
        """The line as operators see it."""
        (view,) = done(Deferred.fromCoroutine(self.daemon.parts.core.lines()))
        return view

    def resume(self) -> None:
        """An operator lets the line go on."""
        done(Deferred.fromCoroutine(self.daemon.parts.core.resume("sms-a", "operator")))

    def told(self) -> list[str]:
        """What the audit log has of the limit."""
        rows = self.daemon.store.read(
            lambda db: db.execute("SELECT who, what, object FROM audit ORDER BY seq").fetchall()
        )
        return [" ".join(row) for row in done(rows)]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Days are those of UTC."""
    return World(tmp_path)


def test_half_and_whole_of_the_limit_are_told_once_a_day(world: World) -> None:
    world.send(2)
    assert world.told() == ["datasms day limit half used sms-a"]
    world.send(5)
    assert world.told()[1:] == ["datasms day limit whole used sms-a"]
    marks = world.daemon.parts.metrics.day_limits
    assert [marks.labels("sms-a", mark)._value.get() for mark in ("half", "whole")] == [1, 1]


def test_at_the_limit_nothing_more_leaves_until_the_line_is_resumed(world: World) -> None:
    world.send(6)
    assert len(world.line.sends) == 4
    view = world.view()
    assert (view.state, view.sent_today, view.day_limit, view.waiting) == (LineState.PAUSED, 4, 4, 2)
    assert not view.limit_lifted
    world.resume()
    assert len(world.line.sends) == 6
    assert world.view().limit_lifted
    world.send(1)
    assert len(world.line.sends) == 7


def test_a_line_that_was_resumed_stops_again_on_another_day(world: World) -> None:
    world.send(6)
    world.resume()
    world.time.advance(24 * HOUR)
    world.send(6)
    assert len(world.line.sends) == 6 + 4


def test_the_next_day_starts_by_itself(world: World) -> None:
    world.send(6)
    world.time.advance(UNTIL_MIDNIGHT_UTC - 0.01)
    assert len(world.line.sends) == 4
    world.time.advance(0.02)
    assert len(world.line.sends) == 6
    assert world.view().sent_today == 2


def test_the_day_is_that_of_the_configured_zone(tmp_path: Path) -> None:
    """In New York it ends five hours after UTC's."""
    world = World(tmp_path, "America/New_York")
    world.send(6)
    world.time.advance((UNTIL_MIDNIGHT_UTC + 5 * HOUR - 1) % (24 * HOUR))
    assert len(world.line.sends) == 4
    world.time.advance(2)
    assert len(world.line.sends) == 6


def test_a_restart_does_not_forget_what_was_sent(world: World) -> None:
    world.send(6)
    world.daemon.die()
    world.daemon = FakeDaemon(world.config, {"sms-a": world.line}, world.time)
    world.time.advance(1)
    assert len(world.line.sends) == 4
    assert len(world.told()) == 2


def test_a_stopped_line_still_takes_receipts(world: World) -> None:
    first, *_ = world.send(6)
    receipt = LineReceipt(LineName("sms-a"), (f"{first}/1",), ReceiptState.DELIVERED, world.daemon.now)
    done(Deferred.fromCoroutine(world.daemon.parts.receipts.from_line(receipt)))
    progress = done(world.daemon.store.read(lambda db: messages.progress(db, first)))
    assert progress is not None
    assert progress.state is MessageState.DELIVERED
