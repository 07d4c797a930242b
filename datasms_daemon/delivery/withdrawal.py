"""A message that is over for its devices is withdrawn: connected clients are told, and services that still hold a push
of it replace or drop it as far as they can. All of it is a courtesy; nothing depends on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from msgspec.structs import replace
from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger

from datasms_daemon.errors import DiskFull
from datasms_daemon.interfaces import IChannel
from datasms_daemon.model import DeviceId, MessageId, Progress, PushOrder
from datasms_daemon.rules.lifecycle import is_passed_on
from datasms_daemon.store import pushes
from datasms_daemon.store.pushes import OpenPush
from datasms_daemon.store.store import Store

BATCH = 50
MOST_WAITING = 10_000


class Withdrawals:
    """``told`` tells the connected clients of a device. One batch at a time, so that a mass of deadlines does not
    become a mass of requests; beyond MOST_WAITING messages are left out."""

    _log = Logger()

    def __init__(
        self,
        store: Store,
        channels: Callable[[], Mapping[str, IChannel]],
        now_ms: Callable[[], int],
        told: Callable[[DeviceId, MessageId], None],
    ) -> None:
        self._store = store
        self._channels = channels
        self._now_ms = now_ms
        self._told = told
        self._waiting: dict[MessageId, None] = {}
        self._is_running = False
        self._is_stopped = False

    def applied(self, progress: Progress) -> None:
        """To be called with every change after its commit."""
        if self._is_stopped or not is_passed_on(progress) or len(self._waiting) >= MOST_WAITING:
            return
        self._waiting[progress.id] = None
        if not self._is_running:
            self._is_running = True
            running = Deferred.fromCoroutine(self._run())
            running.addErrback(lambda failure: self._log.failure("withdrawing failed", failure=failure))

    def stop(self) -> None:
        """What still waits is left out."""
        self._is_stopped = True
        self._waiting.clear()

    async def _run(self) -> None:
        try:
            while self._waiting:
                ids = list(self._waiting)[:BATCH]
                for id_ in ids:
                    del self._waiting[id_]
                found = await self._store.read(partial(pushes.still_open, ids=ids))
                if found:
                    await self._mark(found)
                withdrawing = [Deferred.fromCoroutine(self._withdraw(push)) for push in found]
                await gatherResults(withdrawing, consumeErrors=True)
        finally:
            self._is_running = False

    async def _mark(self, found: list[OpenPush]) -> None:
        """A message that is passed on may change many times more, and be cancelled in the end."""
        with suppress(DiskFull):
            await self._store.write(partial(pushes.mark_withdrawn, found=found))

    async def _withdraw(self, push: OpenPush) -> None:
        self._told(push.device.id, push.message)
        channel = self._channels().get(push.channel)
        address = next((reach.address for reach in push.device.reaches if reach.channel == push.channel), None)
        if channel is not None and address is not None:
            device = replace(push.device, channel=push.channel, address=address)
            ttl_ms = max(0, push.valid_until - self._now_ms())
            await channel.withdraw(PushOrder(push.message, device, False, ttl_ms))
