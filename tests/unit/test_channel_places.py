"""One channel must not hold up another, nor one host the others: places, and the line that many channels share."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from zope.interface import implementer

from datasms_daemon.channels._places import STUCK_S, WAIT_S
from datasms_daemon.channels._policy import GRACE_S
from datasms_daemon.config.records import DatasmsLine
from datasms_daemon.interfaces import ILineHost
from datasms_daemon.lines.datasms import DatasmsDriver
from datasms_daemon.model import (
    Accepted,
    Device,
    DeviceId,
    Handover,
    HandoverResult,
    InboundPart,
    InboundText,
    Later,
    LineName,
    LineReceipt,
    LineState,
    MessageId,
    Outcome,
    PersonId,
    PushOrder,
    Unknown,
)
from tests.fakes.governed import LOST, START_MS, TIMEOUT_S, Service, World, order

PLACES = 50
FULL = Later("the channel has no room")
CUT = Unknown("no answer, the circuit opened")
GAVE_WAY = Unknown("no answer in time, its place was needed")
TICK_S = 0.01


class SlowService(Service):
    """Takes everything, each time after so many seconds; after ``hangs_from`` it never answers."""

    def __init__(self, name: str, world: World, takes_s: float = 0.1, hangs_from: float = float("inf")) -> None:
        super().__init__(name)
        self._clock = world.clock
        self._takes_s = takes_s
        self._hangs_from = hangs_from

    async def push(self, order: PushOrder) -> Outcome:
        if self._clock.seconds() >= self._hangs_from:
            return await super().push(order)
        await deferLater(self._clock, self._takes_s)
        return Accepted()


@implementer(ILineHost)
class Queue:
    """The line, and before it what waits in the store: handed over in its order, when there is room, and never else."""

    def __init__(self, world: World, *services: Service) -> None:
        self.world = world
        channels = {service.name: world.govern(service) for service in services}
        self.line = DatasmsDriver(DatasmsLine(name=LineName("datasms")), channels, lambda _: None, world.now_ms, 60_000)
        self.line.start(self)
        self.took_s: dict[str, list[float]] = {service.name: [] for service in services}
        self.results: dict[str, list[HandoverResult]] = {service.name: [] for service in services}
        self.most_under_way = 0
        self._under_way = 0
        self._waiting: deque[tuple[str, float]] = deque()
        self._is_pulling = False

    def room(self, line: LineName) -> None:
        if self._is_pulling:
            return
        self._is_pulling = True
        while self._waiting and self.line.room():
            Deferred.fromCoroutine(self._hand_over(*self._waiting.popleft()))
        self._is_pulling = False

    async def receipt(self, receipt: LineReceipt) -> None:
        raise AssertionError(receipt)

    async def inbound(self, inbound: InboundText) -> None:
        raise AssertionError(inbound)

    async def part(self, part: InboundPart) -> None:
        raise AssertionError(part)

    def run(self, seconds: float, **a_second: int) -> None:
        """So many messages to each channel, evenly."""
        began = {name: len(self.took_s[name]) for name in a_second}
        assert all(began[name] >= 0 for name in a_second)
        for tick in range(round(seconds / TICK_S)):
            for name, rate in a_second.items():
                share = rate * TICK_S
                for _ in range(int((tick + 1) * share) - int(tick * share)):
                    self._waiting.append((name, self.world.clock.seconds()))
            self.room(self.line.name)
            self.world.clock.advance(TICK_S)

    async def _hand_over(self, channel: str, since: float) -> None:
        self._under_way += 1
        self.most_under_way = max(self.most_under_way, self._under_way)
        self.results[channel].append(await self.line.send(handover(channel)))
        self.took_s[channel].append(self.world.clock.seconds() - since)
        self._under_way -= 1
        self.room(self.line.name)


def handover(channel: str) -> Handover:
    """A message to one device there."""
    return Handover(
        message=MessageId("m1"),
        attempt=1,
        to=None,
        title=None,
        text="Pump 3 stopped",
        priority="high",
        urgent=True,
        created_at=0,
        valid_until=START_MS + 10**9,
        devices=(Device(DeviceId("d1"), PersonId("novak"), channel, {"token": "t"}),),
    )


@pytest.mark.parametrize("rate", [10, 100, 150])
def test_a_channel_that_hangs_delays_no_push_of_another(rate: int, opening: list[dict[str, Any]]) -> None:
    """As many messages a second to each for half a minute; one stops answering after two seconds."""
    world = World()
    queue = Queue(world, SlowService("good", world), SlowService("bad", world, hangs_from=2.0))
    queue.run(30, good=rate, bad=rate)
    assert len(queue.took_s["good"]) > 29 * rate
    assert max(queue.took_s["good"]) < 0.1 + 2 * TICK_S
    assert len(opening) == 1
    world.clock.advance(TIMEOUT_S + GRACE_S)
    assert queue.line.room() == 100


def test_several_channels_that_hang_delay_no_push_of_another(opening: list[dict[str, Any]]) -> None:
    world = World()
    bad = [SlowService(name, world, hangs_from=1.0) for name in ("one", "two", "three")]
    queue = Queue(world, SlowService("good", world), *bad)
    queue.run(20, good=100, one=60, two=60, three=60)
    assert max(queue.took_s["good"]) < 0.1 + 2 * TICK_S
    assert len(opening) == 3


def test_a_flood_to_a_channel_that_hangs_delays_others_for_a_moment_and_once(opening: list[dict[str, Any]]) -> None:
    """2,000 messages a second fill every place of the line before anybody can know that the channel hangs."""
    world = World()
    queue = Queue(world, SlowService("good", world), SlowService("bad", world, hangs_from=0.0))
    queue.run(20, good=50, bad=2_000)
    assert max(queue.took_s["good"]) < 0.1 + WAIT_S + 2 * TICK_S
    assert sum(took > 0.2 for took in queue.took_s["good"]) <= 50
    assert queue.most_under_way <= 100 + 2 * PLACES
    assert len(opening) == 1


def test_a_burst_to_a_channel_in_good_health_waits_its_turn_and_nothing_is_turned_away() -> None:
    world = World()
    queue = Queue(world, SlowService("good", world))
    queue.run(TICK_S, good=200_000)
    for _ in range(500):
        world.clock.advance(TICK_S)
    assert [result.outcome for result in queue.results["good"]] == [Accepted()] * 2_000
    assert queue.most_under_way <= 101 + PLACES
    assert max(queue.took_s["good"]) == pytest.approx(2_000 / PLACES * 0.1, rel=0.1)


def test_who_waits_for_a_place_is_turned_away_after_a_moment_and_then_at_once(world: World) -> None:
    under_way = [world.push() for _ in range(PLACES)]
    waiting = [world.push() for _ in range(3)]
    world.clock.advance(WAIT_S - 0.1)
    late = world.push()
    assert waiting == [[]] * 3
    world.clock.advance(0.1)
    assert (waiting, late, world.push()) == ([[FULL]] * 3, [FULL], [FULL])
    assert len(world.service.orders) == PLACES
    world.service.pending[0].callback(Accepted())
    following = world.push()
    assert (under_way[0], following, len(world.service.orders)) == ([Accepted()], [], PLACES + 1)
    waits = world.push()
    assert waits == []
    world.service.pending[1].callback(Accepted())
    assert len(world.service.orders) == PLACES + 2
    assert world.channel.status().failures == 0


def test_a_service_that_is_slow_keeps_them_waiting_but_nobody_longer_than_five_seconds(world: World) -> None:
    for _ in range(PLACES):
        world.push()
    waiting = [world.push() for _ in range(20)]
    for n in range(12):
        world.clock.advance(WAIT_S - 0.1)
        world.service.pending[n].callback(Accepted())
    assert len(world.service.orders) == PLACES + 12
    assert waiting == [[]] * 20
    world.clock.advance(STUCK_S + 0.01 - 12 * (WAIT_S - 0.1))
    assert waiting == [[]] * 12 + [[FULL]] * 8


def test_a_place_that_was_taken_away_is_no_sign_of_health(world: World) -> None:
    hosts = [f"https://{n}.evil.example/" for n in range(PLACES)]
    old = [world.push(host) for host in hosts]
    world.push()
    world.clock.advance(STUCK_S)
    young = [world.push(host) for host in hosts]
    assert (old, young) == ([[GAVE_WAY]] * PLACES, [[]] * PLACES)
    assert world.push() == [FULL]


def test_when_the_circuit_of_a_channel_that_hangs_opens_what_is_under_way_ends(
    world: World, opening: list[dict[str, Any]]
) -> None:
    """Uncertain, for the bytes may have left (I26); who came later has as long, the probe its whole time."""
    old = [world.push() for _ in range(12)]
    world.clock.advance(STUCK_S - 1)
    young = world.push()
    world.clock.advance(1)
    refused = world.push()
    assert isinstance(refused[0], Later)
    assert old == [[CUT]] * 12
    assert young == []
    world.clock.advance(STUCK_S - 1)
    assert young == [CUT]
    world.clock.advance(15)
    probe = world.push()
    world.clock.advance(TIMEOUT_S)
    assert probe == []
    world.clock.advance(GRACE_S)
    assert probe == [LOST]
    assert len(opening) == 1


def test_what_was_surely_not_sent_when_the_circuit_opened_is_not_uncertain(
    world: World, opening: list[dict[str, Any]]
) -> None:
    pushes = [world.push() for _ in range(10)]
    for pending in world.service.pending:
        pending._canceller = lambda ended: ended.callback(Later("CancelledError"))
    world.clock.advance(STUCK_S)
    world.push()
    assert pushes == [[Later("CancelledError")]] * 10


def test_failures_in_a_row_end_nothing_that_is_under_way(world: World, opening: list[dict[str, Any]]) -> None:
    under_way = world.push()
    world.break_()
    world.clock.advance(STUCK_S)
    world.push()
    assert under_way == []
    world.service.pending[0].callback(Accepted())
    assert under_way == [Accepted()]


def test_a_channel_that_shows_the_text_gets_what_the_circuit_ended_no_second_time(
    opening: list[dict[str, Any]],
) -> None:
    world = World()
    viber = Service("viber")
    viber.carries_text = True
    queue = Queue(world, viber)
    queue.run(STUCK_S + 1, viber=20)
    assert {result.once for result in queue.results["viber"] if result.outcome == CUT} == {True}


def test_many_hosts_that_each_hang_a_little_hold_no_place_for_long(world: World) -> None:
    """Too few pushes at each host to open its circuit; the channel's places are bounded all the same."""
    hanging = [world.push(f"https://{n}.evil.example/") for n in range(PLACES)]
    turned_away = [world.push(f"https://{n}.evil.example/") for n in range(PLACES)]
    world.clock.advance(WAIT_S)
    assert turned_away == [[FULL]] * PLACES
    assert world.channel.under_way == PLACES
    world.clock.advance(STUCK_S - WAIT_S)
    world.service.answer = Accepted()
    assert world.push("https://push.example/1") == [Accepted()]
    assert hanging[0] == [GAVE_WAY]
    assert hanging[1:] == [[]] * (PLACES - 1)
    assert world.channel.under_way == PLACES - 1


def test_a_long_queue_whose_circuit_is_open_by_then_is_sent_away_without_nesting(opening: list[dict[str, Any]]) -> None:
    world = World()
    for n in range(PLACES):
        world.push(f"https://push.example/{n}")
    queue = [world.push("https://evil.example/") for _ in range(2_000)]
    breaker = world.channel._circuits["evil.example"].breaker
    for _ in range(10):
        breaker.end(breaker.begin(world.now_ms()), world.now_ms(), good=False)
    world.service.pending[0].callback(Accepted())
    assert {outcome[0].reason for outcome in queue if isinstance(outcome[0], Later)} == {
        "the channel's circuit is open"
    }
    assert all(queue)


def test_withdrawals_take_no_place_that_a_push_needs(world: World) -> None:
    for _ in range(PLACES):
        world.push()
    Deferred.fromCoroutine(world.channel.withdraw(order()))
    assert world.service.withdrawn == []
    world.service.pending[0].callback(Accepted())
    Deferred.fromCoroutine(world.channel.withdraw(order()))
    assert len(world.service.withdrawn) == 1
    assert world.channel.under_way == PLACES - 1


def test_who_gives_up_waiting_leaves_the_queue(world: World) -> None:
    for _ in range(PLACES):
        world.push()
    impatient = Deferred.fromCoroutine(world.channel.push(order()))
    patient = world.push()
    impatient.cancel()
    impatient.addErrback(lambda failure: failure.trap(CancelledError))
    world.service.answer = Accepted()
    world.service.pending[0].callback(Accepted())
    assert patient == [Accepted()]


def test_stopping_turns_away_who_waits_and_leaves_no_timer(world: World) -> None:
    under_way = [world.push() for _ in range(PLACES)]
    waiting = world.push()
    Deferred.fromCoroutine(world.channel.stop())
    stopping = Later("the channel is stopping")
    assert (waiting, world.push(), under_way) == ([stopping], [stopping], [[Unknown("stopped")]] * PLACES)
    assert not world.clock.getDelayedCalls()
    assert world.channel.status().state is LineState.UP


@pytest.fixture
def world() -> World:
    return World()
