"""What every channel keeps to: circuit breaker, rate, time limit."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from zope.interface.verify import verifyObject

from datasms_daemon.channels import _policy
from datasms_daemon.channels._policy import GRACE_S
from datasms_daemon.interfaces import IChannel, IHookedChannel
from datasms_daemon.model import (
    Accepted,
    AddressGone,
    ChannelView,
    HookAnswer,
    HookCall,
    Later,
    LineDown,
    LineState,
    NotSent,
    Outcome,
    Unknown,
    Verdict,
)
from tests.fakes.governed import BUSY, DOWN, LOST, START_MS, TIMEOUT_S, CallingService, World, order


@pytest.fixture
def world() -> World:
    return World()


def test_it_is_a_channel_and_takes_calls_only_if_the_one_inside_does(world: World) -> None:
    assert verifyObject(IChannel, world.channel)
    assert not IHookedChannel.providedBy(world.channel)
    calling = world.govern(CallingService())
    assert verifyObject(IHookedChannel, calling)


def test_everything_else_is_handed_through(world: World) -> None:
    calling = CallingService()
    channel: Any = world.govern(calling)
    answers: list[object] = []
    Deferred.fromCoroutine(channel.hook(HookCall("fcm", "", {}, b"word"))).addCallback(answers.append)
    Deferred.fromCoroutine(channel.check()).addCallback(answers.append)
    Deferred.fromCoroutine(channel.withdraw(order())).addCallback(answers.append)
    assert answers == [HookAnswer(200, b"word"), Verdict(True, ("good",)), None]
    assert channel.link("7") == "https://fcm.example/7"
    assert calling.withdrawn == [order()]
    assert (channel.name, channel.carries_text) == ("fcm", False)


@pytest.mark.parametrize(
    "outcome", [Accepted(("x",)), AddressGone("404"), DOWN, BUSY, LOST, NotSent("limit"), NotSent("odd", final=True)]
)
def test_an_outcome_comes_back_as_it_was(world: World, outcome: Outcome) -> None:
    assert world.pushed(outcome) == outcome


@pytest.mark.parametrize("failure", [BUSY, LOST])
def test_an_open_circuit_is_later_at_the_next_probe_and_asks_nobody(
    world: World, failure: Outcome, opening: list[dict[str, Any]]
) -> None:
    world.break_(failure)
    world.clock.advance(5)
    assert world.push() == [Later("the channel's circuit is open", world.now_ms() + 10_000)]
    assert len(world.service.orders) == 10
    assert len(opening) == 1


def test_a_service_that_refuses_us_stays_the_lines_fault_so_that_the_next_line_takes_over(
    world: World, opening: list[dict[str, Any]]
) -> None:
    world.break_(DOWN)
    assert world.push() == [LineDown("the channel's circuit is open: 401")]
    assert len(world.service.orders) == 10


def test_one_probe_each_15_seconds_and_its_success_closes_the_circuit(
    world: World, opening: list[dict[str, Any]]
) -> None:
    world.break_()
    world.clock.advance(15)
    assert [world.pushed(BUSY) == BUSY for _ in range(3)] == [True, False, False]
    assert len(world.service.orders) == 11
    world.clock.advance(15)
    assert world.pushed(AddressGone("404")) == AddressGone("404")
    assert world.pushed(Accepted()) == Accepted()
    assert world.channel.status().state is LineState.UP
    assert len(opening) == 1


def test_operators_see_how_it_stands(world: World, opening: list[dict[str, Any]]) -> None:
    world.pushed(Accepted())
    assert world.channel.status() == ChannelView("fcm", "fcm", LineState.UP, None, 1, 0, None)
    world.pushed(BUSY)
    assert world.channel.status() == ChannelView("fcm", "fcm", LineState.DEGRADED, "503", 2, 1, None)
    opened_at = world.now_ms()
    for _ in range(9):
        world.pushed(BUSY)
    reason = "circuit open, 10 failures in a row; last: 503"
    assert world.channel.status() == ChannelView("fcm", "fcm", LineState.DOWN, reason, 11, 10, opened_at)


def test_one_host_that_fails_on_purpose_ends_no_pushes_to_others(world: World, opening: list[dict[str, Any]]) -> None:
    """Devices name the host themselves where addresses are URLs, as with Web Push."""
    for n in range(20):
        world.pushed(LOST, f"https://evil.example/{n}")
    assert [event["name"] for event in opening] == ["fcm to evil.example"]
    assert world.pushed(Accepted(), "https://push.example/1") == Accepted()
    assert isinstance(world.pushed(Accepted(), "https://evil.example/1"), Later)
    world.clock.advance(1)
    world.pushed(Accepted(), "https://push.example/1")
    assert world.channel.status().state is LineState.DEGRADED


def test_what_is_kept_of_hosts_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_policy, "MOST_CIRCUITS", 3)
    for n in range(10):
        world.pushed(LOST, f"https://{n}.example/")
    assert len(world.channel._circuits) == 3


def test_withdrawals_wait_for_no_service_that_is_down(world: World, opening: list[dict[str, Any]]) -> None:
    world.break_()
    Deferred.fromCoroutine(world.channel.withdraw(order()))
    assert world.service.withdrawn == []


def test_a_push_waits_for_its_turn_in_the_order_of_asking() -> None:
    world = World(rate=2.0)
    world.service.answer = Accepted()
    pushes = [world.push() for _ in range(6)]
    assert [bool(outcome) for outcome in pushes] == [True, True, False, False, False, False]
    for passed in (3, 4, 5, 6):
        world.clock.advance(0.5)
        assert [bool(outcome) for outcome in pushes] == [True] * passed + [False] * (6 - passed)
    assert not world.clock.getDelayedCalls()


def test_a_push_whose_turn_would_come_too_late_is_told_so_at_once_and_when_to_come() -> None:
    world = World(rate=1.0)
    world.service.answer = Accepted()
    pushes = [world.push() for _ in range(20)]
    assert sum(map(bool, pushes)) == 1 + 4
    assert pushes[-1] == [Later("the channel's rate is used up", START_MS + 16_000)]
    world.clock.pump([1.0] * 15)
    assert [outcome[0] for outcome in pushes[:16]] == [Accepted()] * 16


def test_a_used_up_rate_is_no_failure_of_the_service() -> None:
    world = World(rate=1.0)
    world.service.answer = Accepted()
    for _ in range(40):
        world.push()
    assert world.channel.status().state is LineState.UP
    Deferred.fromCoroutine(world.channel.stop())


def test_whoever_stops_waiting_gives_the_turn_to_the_next() -> None:
    world = World(rate=1.0)
    world.service.answer = Accepted()
    world.push()
    impatient = Deferred.fromCoroutine(world.channel.push(order()))
    patient = world.push()
    impatient.cancel()
    impatient.addErrback(lambda failure: failure.trap(CancelledError))
    world.clock.advance(1)
    assert patient == [Accepted()]


def test_stopping_ends_who_waits_and_what_is_under_way_and_leaves_no_timer() -> None:
    world = World(rate=1.0)
    under_way, waiting = world.push(), world.push()
    for _ in range(2):
        Deferred.fromCoroutine(world.channel.stop())
    assert (under_way, waiting) == ([Unknown("stopped")], [Later("the channel is stopping")])
    assert world.push() == [Later("the channel is stopping")]
    assert not world.clock.getDelayedCalls()


def test_what_our_own_stop_ended_is_no_fault_of_the_service(world: World) -> None:
    pushes = [world.push() for _ in range(20)]
    Deferred.fromCoroutine(world.channel.stop())
    assert pushes == [[Unknown("stopped")]] * 20
    assert world.channel.status().failures == 0


def test_a_push_ends_even_if_the_channel_forgets_its_time_limit(world: World) -> None:
    outcome = world.push()
    world.clock.advance(TIMEOUT_S + GRACE_S)
    assert outcome == [LOST]
    assert world.channel.status().failures == 1


def test_a_fault_in_the_channel_is_no_answer_of_its_service(world: World) -> None:
    for _ in range(20):
        failing = Deferred.fromCoroutine(world.channel.push(order()))
        world.service.pending[-1].errback(ZeroDivisionError())
        failing.addErrback(lambda failure: failure.trap(ZeroDivisionError))
    assert world.channel.status().state is LineState.UP
