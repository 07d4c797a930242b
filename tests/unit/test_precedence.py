"""Who leaves first when a line is busy, with the real store and dispatch."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from datasms_daemon.config.records import Config, StepOptions
from datasms_daemon.model import LineName
from datasms_daemon.store import statements as sql
from datasms_daemon.store.store import Db
from tests.fakes.daemon import FakeDaemon, FakeTime, add_person, configuration, done, draft
from tests.fakes.lines import FakeLine, accept_at_once

SMS = StepOptions(line=LineName("sms-a"))
PUSH = StepOptions(line=LineName("datasms"))


class World:
    """One line with room for one message at a time, each of which takes a second."""

    def __init__(self, directory: Path, step: StepOptions, **options: object) -> None:
        self.time = FakeTime()
        self.line = FakeLine(step.line, self.time.reactor, window=1)
        self.line.script = lambda handover: (accept_at_once(handover)[0], 1.0, True)
        self.daemon = FakeDaemon(_with(configuration(directory, step), **options), {step.line: self.line}, self.time)

    def send(self, count: int, priority: str) -> None:
        """Submits so many messages."""
        for _ in range(count):
            self.daemon.submit(draft(priority, priority=priority))

    def sent(self) -> str:
        """The first letters of the priorities that left, in their order."""
        return "".join(handover.priority[0] for handover in self.line.sends)


def _with(config: Config, **options: object) -> Config:
    return replace(config, line=tuple(replace(line, **options) for line in config.line))


@pytest.fixture
def world(tmp_path: Path) -> World:
    """With a share of one in four."""
    return World(tmp_path, SMS, share=4)


def test_an_alarm_leaves_before_all_that_wait(world: World) -> None:
    world.send(20, "low")
    world.time.advance(5)
    world.send(1, "high")
    world.time.advance(1)
    assert world.sent() == "llllllh"


def test_bulk_gets_its_share_while_alarms_wait(world: World) -> None:
    """I37."""
    world.send(8, "low")
    world.send(12, "high")
    world.time.advance(30)
    assert world.sent() == "lhhhlhhhlhhhlhhhllll"


def test_the_place_of_the_share_goes_to_who_waits_longest(world: World) -> None:
    """I37: a flood of one rank does not starve the one below it, though a better one takes its places too."""
    world.send(1, "low")
    world.send(2, "low")
    world.send(9, "normal")
    world.send(9, "high")
    world.time.advance(30)
    assert world.sent() == "lhhhlhhhlhhhnnnnnnnnn"


def test_a_new_message_does_not_pass_those_that_wait_for_the_devices(tmp_path: Path) -> None:
    world = World(tmp_path, PUSH)
    add_person(world.daemon, "phone")
    world.line.window = 0
    world.send(2, "high")
    world.line.window = 1
    world.send(1, "low")
    world.time.advance(10)
    assert world.sent() == "hhl"


def test_no_claim_reads_more_than_it_has_places_for(world: World) -> None:
    """Each question of a claim is a search in an index that has its order."""

    def plans(db: Db) -> list[str]:
        values = {"line": "sms-a", "after": -1, "rank": 20, "limit": 1}
        questions = (sql.SELECT_READY, sql.SELECT_NEXT_READY_RANK, sql.SELECT_READY_IDS)
        return [row[3] for text in questions for row in db.execute(f"EXPLAIN QUERY PLAN {text}", values)]

    found = done(world.daemon.store.read(plans))
    assert all(
        re.fullmatch(r"SEARCH messages USING (COVERING )?INDEX messages_ready \(ready=\?.*\)", one) for one in found
    )
