"""A channel whose service is the test: what it answers, what it was given."""

from __future__ import annotations

from zope.interface import implementer

from datasms_daemon.interfaces import IChannelHost, IHookedChannel, IOperatedChannel
from datasms_daemon.model import Accepted, ChannelView, HookAnswer, HookCall, LineState, Outcome, PushOrder, Verdict


@implementer(IHookedChannel, IOperatedChannel)
class FakeChannel:
    """Answers each push with the next of ``outcomes``, then with Accepted under an id of its own."""

    def __init__(self, name: str, *outcomes: Outcome, carries_text: bool = True) -> None:
        self.name = name
        self.carries_text = carries_text
        self.outcomes = list(outcomes)
        self.orders: list[PushOrder] = []
        self.withdrawn: list[PushOrder] = []
        self.host: IChannelHost | None = None
        self.stops = 0
        self.under_way = 0

    def start(self, host: IChannelHost) -> None:
        """See IChannel."""
        self.host = host

    async def stop(self) -> None:
        """See IChannel."""
        self.stops += 1

    async def push(self, order: PushOrder) -> Outcome:
        """See IChannel."""
        self.orders.append(order)
        return self.outcomes.pop(0) if self.outcomes else Accepted((f"{self.name}-{len(self.orders)}",))

    async def withdraw(self, order: PushOrder) -> None:
        """See IChannel."""
        self.withdrawn.append(order)

    def status(self) -> ChannelView:
        """See IOperatedChannel."""
        return ChannelView(self.name, "fake", LineState.UP, None, len(self.orders), 0, None)

    async def check(self) -> Verdict:
        """See IChannel."""
        return Verdict(True, ("the test is the service",))

    def link(self, number: str) -> str | None:
        """See IHookedChannel."""
        return f"{self.name}:{number}"

    async def hook(self, call: HookCall) -> HookAnswer:
        """See IHookedChannel."""
        return HookAnswer(200, call.body)
