"""Who is connected right now, and what they are told; nothing here outlives the process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from datasms_daemon.model import DeviceId, MessageId

log = Logger()

T = TypeVar("T")


class Presence:
    """Connected clients by device."""

    def __init__(self) -> None:
        self._inboxes: _Listeners[bool] = _Listeners()
        self._withdrawals: _Listeners[MessageId] = _Listeners()
        self._waiting: dict[tuple[DeviceId, MessageId], list[Deferred[bool]]] = {}

    def watch(self, device: DeviceId, changed: Callable[[bool], None]) -> Callable[[], None]:
        """Calls ``changed(True)`` when there may be something new, ``changed(False)`` once when the device is revoked.

        The answer ends the watch; calling it again is harmless.
        """
        return self._inboxes.add(device, changed)

    def watch_withdrawals(self, device: DeviceId, withdrawn: Callable[[MessageId], None]) -> Callable[[], None]:
        """Calls ``withdrawn`` with each message that is over for this device; the answer ends that."""
        return self._withdrawals.add(device, withdrawn)

    def notify(self, device: DeviceId) -> None:
        """Tell everybody who watches ``device`` that there may be something new."""
        self._inboxes.tell(device, True)

    def withdraw(self, device: DeviceId, message: MessageId) -> None:
        """Tell everybody who listens for ``device`` that the message is over."""
        self._withdrawals.tell(device, message)

    def revoke(self, device: DeviceId) -> None:
        """Tell everybody who watches ``device`` that it is over, and forget them."""
        for changed in self._inboxes.take(device):
            _call(changed, False)

    def connected(self, device: DeviceId) -> bool:
        """Whether anybody watches ``device``."""
        return device in self._inboxes

    def confirmed(self, device: DeviceId, message: MessageId) -> None:
        """The device's receipt for the message is committed."""
        for waiter in self._waiting.pop((device, message), ()):
            waiter.callback(True)

    async def confirms(self, device: DeviceId, message: MessageId, seconds: float, clock: IReactorTime) -> bool:
        """Whether a connected client of the device confirms the message within ``seconds``; False at once when there is
        none."""
        if not seconds or not self.connected(device):
            return False
        waiter: Deferred[bool] = Deferred()
        self._waiting.setdefault((device, message), []).append(waiter)
        timer = clock.callLater(seconds, self._give_up, (device, message), waiter)
        confirmed = await waiter
        if timer.active():
            timer.cancel()
        return confirmed

    def _give_up(self, key: tuple[DeviceId, MessageId], waiter: Deferred[bool]) -> None:
        waiters = self._waiting[key]
        waiters.remove(waiter)
        if not waiters:
            del self._waiting[key]
        waiter.callback(False)


class _Listeners(Generic[T]):
    """Callbacks by device."""

    def __init__(self) -> None:
        self._of: dict[DeviceId, dict[object, Callable[[T], None]]] = {}

    def __contains__(self, device: DeviceId) -> bool:
        return device in self._of

    def add(self, device: DeviceId, call: Callable[[T], None]) -> Callable[[], None]:
        key = object()
        self._of.setdefault(device, {})[key] = call

        def end() -> None:
            calls = self._of.get(device, {})
            if calls.pop(key, None) is not None and not calls:
                del self._of[device]

        return end

    def tell(self, device: DeviceId, news: T) -> None:
        for call in tuple(self._of.get(device, {}).values()):
            _call(call, news)

    def take(self, device: DeviceId) -> tuple[Callable[[T], None], ...]:
        return tuple(self._of.pop(device, {}).values())


def _call(call: Callable[[T], None], news: T) -> None:
    try:
        call(news)
    except Exception:
        # One client's broken connection must not keep the news from the others.
        log.failure("a watcher failed")
