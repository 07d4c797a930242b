"""Devices that stay connected to MxService or ask it, without any push service."""

from __future__ import annotations

from zope.interface import implementer

from datasms_daemon.channels.presence import Presence
from datasms_daemon.config.channels import DirectChannel
from datasms_daemon.interfaces import IChannelHost, IOperatedChannel
from datasms_daemon.model import Accepted, ChannelView, LineState, Outcome, PushOrder, Verdict


@implementer(IOperatedChannel)
class Direct:
    """The channel of devices that come to us."""

    carries_text = False
    under_way = 0

    def __init__(self, options: DirectChannel, presence: Presence) -> None:
        self.name = options.name
        self._presence = presence

    def start(self, host: IChannelHost) -> None:
        """Nothing to do."""

    async def stop(self) -> None:
        """Nothing to do: MxService closes its own connections."""

    async def push(self, order: PushOrder) -> Outcome:
        """Always Accepted: the inbox keeps the message until the device asks, and whoever is connected is told now."""
        self._presence.notify(order.device.id)
        return Accepted()

    def status(self) -> ChannelView:
        """Always up."""
        return ChannelView(self.name, "direct", LineState.UP, None, 0, 0, None)

    async def withdraw(self, order: PushOrder) -> None:
        """Whoever is connected looks at the inbox again, where the message is over."""
        self._presence.notify(order.device.id)

    async def check(self) -> Verdict:
        """Always good: there is nobody else in it."""
        return Verdict(True, ("devices connect to MxService; no other service is needed",))
