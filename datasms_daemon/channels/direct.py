"""Devices that stay connected to MxService or ask it, without any push service."""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import Logger
from zope.interface import implementer

from datasms_daemon.config.channels import DirectChannel
from datasms_daemon.interfaces import IChannel, IChannelHost
from datasms_daemon.model import Accepted, DeviceId, Outcome, PushOrder, Verdict

log = Logger()

Watcher = Callable[[bool], None]


class Presence:
    """Who listens for which device right now; nothing here outlives the process."""

    def __init__(self) -> None:
        self._watchers: dict[DeviceId, dict[object, Watcher]] = {}

    def watch(self, device: DeviceId, changed: Watcher) -> Callable[[], None]:
        """Calls ``changed(True)`` when there may be something new, ``changed(False)`` once when the device is revoked.

        The answer ends the watch; calling it again is harmless.
        """
        key = object()
        self._watchers.setdefault(device, {})[key] = changed

        def end() -> None:
            watchers = self._watchers.get(device, {})
            if watchers.pop(key, None) is not None and not watchers:
                del self._watchers[device]

        return end

    def notify(self, device: DeviceId) -> None:
        """Tell everybody who watches ``device`` that there may be something new."""
        self._tell(tuple(self._watchers.get(device, {}).values()), True)

    def revoke(self, device: DeviceId) -> None:
        """Tell everybody who watches ``device`` that it is over, and forget them."""
        self._tell(tuple(self._watchers.pop(device, {}).values()), False)

    def connected(self, device: DeviceId) -> bool:
        """Whether anybody watches ``device``."""
        return device in self._watchers

    def _tell(self, watchers: tuple[Watcher, ...], news: bool) -> None:
        for changed in watchers:
            try:
                changed(news)
            except Exception:
                # One client's broken connection must not keep the news from the others.
                log.failure("a watcher failed")


@implementer(IChannel)
class Direct:
    """The channel of devices that come to us."""

    carries_text = False

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

    async def withdraw(self, order: PushOrder) -> None:
        """Whoever is connected looks at the inbox again, where the message is over."""
        self._presence.notify(order.device.id)

    async def check(self) -> Verdict:
        """Always good: there is nobody else in it."""
        return Verdict(True, ("devices connect to MxService; no other service is needed",))
