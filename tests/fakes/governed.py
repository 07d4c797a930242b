"""A channel under its policy on virtual time, whose service is the test."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from zope.interface import implementer

from datasms_daemon.channels._policy import Governed, governed
from datasms_daemon.config.channels import PushChannel
from datasms_daemon.config.kinds import Duration
from datasms_daemon.interfaces import IChannel, IChannelHost, IHookedChannel
from datasms_daemon.model import (
    Device,
    DeviceId,
    HookAnswer,
    HookCall,
    Later,
    LineDown,
    LineState,
    MessageId,
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
