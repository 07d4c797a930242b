"""Asking Infobip for reports: each is handed out once, so none may be lost on our side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from datasms_daemon.channels._omni_pull import MAX_PAUSE_S, PAGE, PULL_S, Pull
from datasms_daemon.channels._omni_reports import Report, Told
from datasms_daemon.https.client import Answer, Failed
from datasms_daemon.model import ReceiptState


class World:
    """Answers that are given in order, and what was told."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.answers: list[Answer | Failed] = []
        self.asked: list[float] = []
        self.told: list[str] = []
        self.broken = False
        self.commit: Deferred[None] | None = None
        self.pull = Pull("infobip", self.ask, read, self.tell, self.clock, lambda: int(self.clock.seconds() * 1000))

    async def ask(self) -> Answer | Failed:
        self.asked.append(self.clock.seconds())
        return self.answers.pop(0) if self.answers else page()

    async def tell(self, report: Report) -> None:
        if self.broken:
            raise OSError("disk")
        if self.commit is not None:
            await self.commit
        self.told.append(report.message_id)

    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)


def read(body: bytes) -> Told | None:
    if not body:
        return None
    ids = body.decode().split()[1:]
    return Told(tuple(Report(one, ReceiptState.DELIVERED) for one in ids if one != "-"), (), ids.count("-"))


def page(*ids: str) -> Answer:
    return Answer(200, {}, " ".join(["page", *ids]).encode())


def stopped(world: World) -> bool:
    """Whether stopping has come to its end."""
    done: list[None] = []
    Deferred.fromCoroutine(world.pull.stop()).addCallback(done.append)
    return bool(done)


@pytest.fixture
def world() -> World:
    return World()


def test_it_asks_at_once_and_then_every_fifteen_seconds(world: World) -> None:
    world.answers = [page("a"), page(), page("b", "c")]
    world.pull.start()
    world.wait(PULL_S)
    world.wait(PULL_S)
    assert world.asked == [0, 15, 30]
    assert world.told == ["a", "b", "c"]
    assert stopped(world)
    assert not world.clock.getDelayedCalls()


def test_a_full_page_is_followed_by_the_next_at_once(world: World) -> None:
    world.answers = [page(*["x"] * (PAGE - 1), "-"), page("last")]
    world.pull.start()
    world.wait(0)
    assert world.told[-1] == "last"
    assert world.asked == [0, 0]
    assert stopped(world)


def test_reports_that_could_not_be_committed_are_told_again_before_more_is_asked_for(
    world: World, logged_failures: list[dict[str, Any]]
) -> None:
    """I24: Infobip does not say it twice."""
    world.answers = [page("a", "b"), page("c")]
    world.broken = True
    world.pull.start()
    world.wait(30)
    assert world.asked == [0]
    world.broken = False
    world.wait(60)
    assert world.told == ["a", "b"]
    assert world.asked == [0]
    world.wait(PULL_S)
    assert world.told == ["a", "b", "c"]
    assert len(logged_failures) == 2
    logged_failures.clear()
    assert stopped(world)


FAILURES: list[Callable[[], Answer | Failed]] = [
    lambda: Failed("nothing_sent", "refused"),
    lambda: Failed("maybe_sent", "time limit"),
    lambda: Answer(500, {}, b"page a"),
    lambda: Answer(401, {}, b""),
    lambda: Answer(200, {}, b""),
]


@pytest.mark.parametrize("failure", FAILURES)
def test_it_asks_more_and_more_seldom_while_that_fails(world: World, failure: Callable[[], Answer | Failed]) -> None:
    world.answers = [failure() for _ in range(7)]
    world.pull.start()
    for _ in range(1000):
        world.wait(1)
    assert world.asked[:8] == [0, 30, 90, 210, 450, 750, *world.asked[6:8]]
    assert world.asked[5] - world.asked[4] == MAX_PAUSE_S
    assert world.told == []
    assert stopped(world)


def test_after_a_success_it_asks_as_often_as_before(world: World) -> None:
    refused = Failed("nothing_sent", "refused")
    world.answers = [refused, page("a"), page("b"), refused, page("c")]
    world.pull.start()
    for wait in (30, PULL_S, PULL_S, 30):
        world.wait(wait)
    assert world.asked == [0, 30, 45, 60, 90]
    assert world.told == ["a", "b", "c"]
    assert stopped(world)


def test_infobip_may_name_the_time_to_come_again(world: World) -> None:
    world.answers = [Answer(429, {"retry-after": "200"}, b"")]
    world.pull.start()
    world.wait(199)
    assert world.asked == [0]
    world.wait(1)
    assert world.asked == [0, 200]
    assert stopped(world)


def test_stopping_waits_for_the_reports_that_are_being_committed(world: World) -> None:
    world.answers = [page("a", "b")]
    commit: Deferred[None] = Deferred()
    world.commit = commit
    world.pull.start()
    assert not stopped(world)
    world.commit = None
    commit.callback(None)
    assert world.told == ["a", "b"]
    assert world.asked == [0]
    assert not world.clock.getDelayedCalls()


def test_stopping_without_having_started_and_twice_is_harmless(world: World) -> None:
    assert stopped(world)
    world.pull.start()
    assert stopped(world)
    assert stopped(world)
    assert world.asked == []
