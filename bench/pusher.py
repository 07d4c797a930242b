"""``python -m bench.pusher DIRECTORY ENDPOINT ROUNDS SECONDS``: pushes by every channel; tells at the end how dear they
were, in one JSON object. CPU time is this process's own.
"""

from __future__ import annotations

import itertools
import random
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

import msgspec
from msgspec.structs import replace
from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorCore
from twisted.internet.task import deferLater

from bench.kinds import TEXT, TITLE, TTL_MS, Kinds, orders
from bench.measure import MICRO, percentile
from bench.serve import serve
from datasms_daemon.channels._policy import Governed
from datasms_daemon.config.records import DatasmsLine
from datasms_daemon.https.client import Answer, Method, SafeClient
from datasms_daemon.https.connect import Reactor
from datasms_daemon.lines.datasms import DatasmsDriver
from datasms_daemon.model import Accepted, Device, Handover, LineName, PushOrder
from datasms_daemon.ops.clock import wall_ms
from datasms_daemon.rules.addresses import Hosts

CONCURRENCY = 50
WAITING = 1_000
RATE = 100
WARM_UP_S = 1.0
TURNS = 10
HANG_TURNS = 15
HANG_TURN_S = 2.0
TOKENS = ("FCM", "WNS")
# Nothing; as many pushes through another channel, to devices whose service answers, or to such whose service hangs.
BESIDE = {"nothing": None, "answers": "Web Push", "hangs": "hanging"}


class Measured(msgspec.Struct):
    """A value a round."""

    costs: dict[str, list[float]]
    """µs of CPU a push."""
    p99_ms: dict[str, list[float]]
    """p99 of a hand-over through a channel, by what else there is (BESIDE)."""
    fetched: dict[str, list[float]]
    """Token requests for WAITING pushes at once without a token."""
    renewed: dict[str, list[float]]
    """The same when the token was good no more."""


class Closed:
    """A closed loop of CONCURRENCY pushes through one channel; each must be accepted."""

    def __init__(self, channel: Governed, devices: list[Device]) -> None:
        self._channel = channel
        self._orders = orders(channel, devices)
        self._until = 0.0
        self._pushed = 0
        self._cpu_s = 0.0

    async def run(self, seconds: float) -> None:
        """For so long."""
        self._until = time.monotonic() + seconds
        began = time.process_time()
        await gatherResults([Deferred.fromCoroutine(self._one_by_one()) for _ in range(CONCURRENCY)])
        self._cpu_s += time.process_time() - began

    def cost(self) -> float:
        """µs of CPU a push since this was asked last."""
        cost = self._cpu_s * MICRO / self._pushed
        self._cpu_s, self._pushed = 0.0, 0
        return cost

    async def _one_by_one(self) -> None:
        while time.monotonic() < self._until:
            await push(self._channel, next(self._orders))
            self._pushed += 1


class Steady:
    """An open loop of RATE hand-overs a second through the driver, however long each takes; the moment of each is
    anywhere in its share of the second, so that two loops do not run in step."""

    def __init__(self, driver: DatasmsDriver, to: Iterator[PushOrder], reactor: Reactor) -> None:
        self.took_ms: list[float] = []
        self._driver = driver
        self._orders = to
        self._reactor = reactor
        self._begun: list[Deferred[None]] = []

    async def run(self, seconds: float) -> None:
        """Begins them for so long; does not wait for their ends."""
        began = time.monotonic()
        for index in range(int(seconds * RATE)):
            at = began + (index + random.random()) / RATE
            await deferLater(self._reactor, max(0.0, at - time.monotonic()))
            self._begun.append(Deferred.fromCoroutine(self._one(next(self._orders))))

    async def ended(self) -> None:
        """All that was begun is over."""
        await gatherResults(self._begun)

    async def _one(self, order: PushOrder) -> None:
        began = time.perf_counter()
        result = await self._driver.send(_handover(order))
        if isinstance(result.outcome, Accepted):
            self.took_ms.append((time.perf_counter() - began) * 1000)


class Pusher:
    """All that is measured."""

    def __init__(self, kinds: Kinds, reactor: Reactor, seconds: float) -> None:
        self._kinds = kinds
        self._reactor = reactor
        self._seconds = seconds
        self._devices = {name: kinds.devices(name) for name in (*kinds.makers, "hanging")}
        self._control = SafeClient(
            reactor,
            hosts=Hosts((kinds.place,)),
            allow_private=True,
            ca_file=kinds.ca_file,
            concurrency=1,
            total_timeout_s=10,
        )

    async def measure(self, rounds: int) -> Measured:
        """Each round measures everything once."""
        channels = {name: make() for name, make in self._kinds.makers.items()}
        loops = {name: Closed(channel, self._devices[name]) for name, channel in channels.items()}
        for loop in loops.values():
            await loop.run(WARM_UP_S)
            loop.cost()
        measured = Measured(_for(loops), _for(BESIDE), _for(TOKENS), _for(TOKENS))
        for _ in range(rounds):
            # In turns much shorter than what else goes on in the machine.
            for _, loop in itertools.product(range(TURNS), loops.values()):
                await loop.run(self._seconds / TURNS)
            for name, loop in loops.items():
                measured.costs[name].append(loop.cost())
            for beside, p99_ms in (await self._latencies(channels["FCM"])).items():
                measured.p99_ms[beside].append(p99_ms)
            for name in TOKENS:
                fetched, renewed = await self._token_requests(name)
                measured.fetched[name].append(fetched)
                measured.renewed[name].append(renewed)
        return measured

    async def _latencies(self, good: Governed) -> dict[str, float]:
        """p99 of the good channel's hand-overs in ms, by what else there is."""
        took_ms: dict[str, list[float]] = {beside: [] for beside in BESIDE}
        for _, beside in itertools.product(range(HANG_TURNS), BESIDE):
            took_ms[beside] += await self._turn(good, BESIDE[beside])
        return {beside: percentile(took, 0.99) for beside, took in took_ms.items()}

    async def _turn(self, good: Governed, to: str | None) -> list[float]:
        other = self._kinds.hanging()
        options = DatasmsLine(name=LineName("datasms"))
        driver = DatasmsDriver(options, {"FCM": good, "hanging": other}, lambda _: None, wall_ms)
        # It did well until now: its connections stand.
        await Closed(other, self._devices["Web Push"]).run(WARM_UP_S / 4)
        well = Steady(driver, orders(good, self._devices["FCM"]), self._reactor)
        loads = [well]
        if to is not None:
            # By the same channel, whatever their service does.
            devices = [replace(device, channel=other.name) for device in self._devices[to]]
            loads.append(Steady(driver, orders(other, devices), self._reactor))
        await gatherResults([Deferred.fromCoroutine(load.run(HANG_TURN_S)) for load in loads])
        await well.ended()
        # What is under way there ends with the channel, and nothing is measured meanwhile.
        await other.stop()
        await gatherResults([Deferred.fromCoroutine(load.ended()) for load in loads])
        assert len(well.took_ms) == int(HANG_TURN_S * RATE), "every push was accepted"
        if to == "hanging":
            assert not loads[1].took_ms, "it hangs"
        return well.took_ms

    async def _token_requests(self, name: str) -> tuple[int, int]:
        """For WAITING pushes of a new channel, and for as many when its token is good no more."""
        channel = self._kinds.makers[name]()
        to = orders(channel, self._devices[name])
        before = await self._tell("GET", "/tokens")
        await gatherResults([Deferred.fromCoroutine(push(channel, next(to))) for _ in range(WAITING)])
        fetched = await self._tell("POST", "/forget")
        await gatherResults([Deferred.fromCoroutine(push(channel, next(to))) for _ in range(WAITING)])
        renewed = await self._tell("GET", "/tokens")
        await channel.stop()
        return fetched - before, renewed - fetched

    async def _tell(self, method: Method, path: str) -> int:
        answer = await self._control.ask(method, self._kinds.endpoint + path, {})
        assert isinstance(answer, Answer), answer
        return int(answer.body)


def _for(names: Iterable[str]) -> dict[str, list[float]]:
    return {name: [] for name in names}


async def push(channel: Governed, order: PushOrder) -> None:
    """One, which the far end takes."""
    outcome = await channel.push(order)
    assert isinstance(outcome, Accepted), outcome


def _handover(order: PushOrder) -> Handover:
    now = wall_ms()
    return Handover(order.message, 1, None, TITLE, TEXT, "high", True, now, now + TTL_MS, (order.device,))


async def start(directory: Path, endpoint: str, rounds: int, seconds: float) -> None:
    """Measures and tells."""
    reactor = cast(Reactor, global_reactor)
    kinds = Kinds(directory, endpoint, reactor)
    measured = await Pusher(kinds, reactor, seconds).measure(rounds)
    print(msgspec.json.encode(measured).decode(), flush=True)
    cast(IReactorCore, global_reactor).stop()


if __name__ == "__main__":
    serve(start(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
