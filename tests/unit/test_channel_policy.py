"""What every channel keeps to: circuit breaker, rate, time limit; and one that hangs holds up no other."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.logger import LogLevel
from zope.interface import implementer
from zope.interface.verify import verifyObject

from datasms_daemon.channels import _policy
from datasms_daemon.channels._policy import GRACE_S, Governed, governed
from datasms_daemon.config.channels import PushChannel
from datasms_daemon.config.kinds import Duration
from datasms_daemon.config.records import DatasmsLine
from datasms_daemon.interfaces import IChannel, IChannelHost, IHookedChannel, ILineHost
from datasms_daemon.lines.datasms import DatasmsDriver
from datasms_daemon.model import (
    Accepted,
    AddressGone,
    ChannelView,
    Device,
    DeviceId,
    Handover,
    HandoverResult,
    HookAnswer,
    HookCall,
    InboundPart,
    InboundText,
    Later,
    LineDown,
    LineName,
    LineReceipt,
    LineState,
    MessageId,
    NotSent,
    Outcome,
    PersonId,
    PushOrder,
    Unknown,
    Verdict,
)

START_MS = 1_790_000_000_000
TIMEOUT_S = 15.0
DOWN, BUSY, LOST = LineDown("401"), Later("503"), Unknown("time limit")


@implementer(IChannel)
class Service:
    """Answers what the test sets; None: when the test says so."""

    carries_text = False

    def __init__(self, name: str = "fcm", answer: Outcome | None = None) -> None:
        self.name = name
        self.answer = answer
        self.orders: list[PushOrder] = []
        self.pending: list[Deferred[Outcome]] = []
        self.withdrawn: list[PushOrder] = []
        self.host: IChannelHost | None = None
        self.stops = 0

    def start(self, host: IChannelHost) -> None:
        self.host = host

    async def stop(self) -> None:
        self.stops += 1
        for pending in self.pending:
            if not pending.called:
                pending.callback(Unknown("stopped"))

    async def push(self, order: PushOrder) -> Outcome:
        self.orders.append(order)
        if self.answer is not None:
            return self.answer
        self.pending.append(Deferred())
        return await self.pending[-1]

    async def withdraw(self, order: PushOrder) -> None:
        self.withdrawn.append(order)

    async def check(self) -> Verdict:
        return Verdict(True, ("good",))


@implementer(IHookedChannel)
class CallingService(Service):
    async def hook(self, call: HookCall) -> HookAnswer:
        return HookAnswer(200, call.body)

    def link(self, number: str) -> str | None:
        return f"https://fcm.example/{number}"


@implementer(ILineHost)
class LineHost:
    def room(self, line: LineName) -> None:
        """Nobody waits."""

    async def receipt(self, receipt: LineReceipt) -> None:
        raise AssertionError(receipt)

    async def inbound(self, inbound: InboundText) -> None:
        raise AssertionError(inbound)

    async def part(self, part: InboundPart) -> None:
        raise AssertionError(part)


class World:
    """A governed channel on virtual time."""

    def __init__(self, service: Service | None = None, rate: float | None = None) -> None:
        self.clock = Clock()
        self.service = Service() if service is None else service
        self.channel = self.govern(self.service, rate)

    def govern(self, service: Service, rate: float | None = None) -> Governed:
        options = PushChannel(name=service.name, rate=rate, timeout=Duration(int(TIMEOUT_S * 1000)))
        return governed(service, "fcm", options, self.clock, self.now_ms)

    def now_ms(self) -> int:
        return START_MS + round(self.clock.seconds() * 1000)

    def push(self, address: str = "d1") -> list[Outcome]:
        """A push that was begun; its outcome is in the list once it is there."""
        outcomes: list[Outcome] = []
        work = Deferred.fromCoroutine(self.channel.push(order(address)))
        work.addCallback(outcomes.append)
        return outcomes

    def pushed(self, answer: Outcome, address: str = "d1") -> Outcome:
        """The outcome of a push that the service answers like this."""
        self.service.answer = answer
        (outcome,) = self.push(address)
        return outcome

    def break_(self, answer: Outcome = BUSY) -> None:
        """The service fails until the circuit is open."""
        for _ in range(10):
            self.pushed(answer)
        assert self.channel.status().state is LineState.DOWN


def order(address: str = "d1") -> PushOrder:
    device = Device(DeviceId("d1"), PersonId("novak"), "fcm", {"token": address})
    return PushOrder(MessageId("m1"), device, False, 1000)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def opening(logged_failures: list[dict[str, Any]]) -> Any:
    """The circuit is meant to open: that is logged as an error, once each time."""
    yield logged_failures
    assert all(event["log_level"] is LogLevel.error for event in logged_failures)
    assert all("circuit opens" in event["log_format"] for event in logged_failures)
    logged_failures.clear()


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


# --- one channel must not hold up another ----------------------------------------------------------------------------


class Line:
    """The datasms line over a channel that never answers and one that does at once."""

    def __init__(self) -> None:
        self.world = World()
        self.silent, self.good = Service("silent"), Service("good", Accepted(("x",)))
        channels = {service.name: self.world.govern(service) for service in (self.silent, self.good)}
        self.line = DatasmsDriver(
            DatasmsLine(name=LineName("datasms")), channels, lambda _: None, self.world.now_ms, 60_000
        )
        self.line.start(LineHost())
        self.least_room = self.line.room()

    def send(self, channel: str) -> list[HandoverResult]:
        """A message to one device there; its result once it is there."""
        device = Device(DeviceId("d1"), PersonId("novak"), channel, {"token": "t"})
        handover = Handover(
            message=MessageId("m1"),
            attempt=1,
            to=None,
            title=None,
            text="Pump 3 stopped",
            priority="high",
            urgent=True,
            created_at=0,
            valid_until=START_MS + 10**9,
            devices=(device,),
        )
        results: list[HandoverResult] = []
        Deferred.fromCoroutine(self.line.send(handover)).addCallback(results.append)
        self.least_room = min(self.least_room, self.line.room())
        return results


def test_a_channel_that_never_answers_delays_no_push_of_another(opening: list[dict[str, Any]]) -> None:
    """Ten messages a second to each for two minutes: the line of 100 is never full, every good push ends at once."""
    bench = Line()
    for _ in range(1200):
        bench.send("silent")
        assert bench.send("good")[0].outcome == Accepted(("x",))
        bench.world.clock.advance(0.1)
    assert bench.least_room > 100 // 3
    assert len(bench.silent.orders) < 51 + 120 // 15
    assert len(opening) == 1
    bench.world.clock.advance(TIMEOUT_S + GRACE_S)
    assert bench.line.room() == 100


def test_a_burst_to_a_channel_that_never_answers_holds_the_line_for_one_time_limit_at_most(
    opening: list[dict[str, Any]],
) -> None:
    bench = Line()
    burst = [bench.send("silent") for _ in range(99)]
    assert bench.send("good")[0].outcome == Accepted(("x",))
    bench.world.clock.advance(TIMEOUT_S + GRACE_S)
    assert {result[0].outcome for result in burst} == {LOST}
    assert bench.line.room() == 100
    again = [bench.send("silent")[0].outcome for _ in range(99)]
    assert {type(outcome) for outcome in again} == {Later}
    assert bench.line.room() == 100
    assert len(opening) == 1
