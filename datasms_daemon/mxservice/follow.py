"""One device's inbox from a cursor on: the backlog, then what comes, each item once and in order."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from datasms_daemon.interfaces import IBackend
from datasms_daemon.model import DeviceId, InboxItem, MessageId


@implementer(IPushProducer)
class Follow:
    """Reads an inbox batch by batch for one reader; ``close`` it when the reader has gone.

    The watch begins before the first read and every notice leads to a read after the cursor, so nothing falls between
    the backlog and what is live, and nothing comes twice. Notices are only hints; several are as good as one. At most
    one batch is in memory, and no read begins while the reader is paused. ``revoked`` is called at once, in the
    middle of whatever goes on, when the device is revoked; ``withdrawn`` with each message that is over.
    """

    def __init__(
        self,
        backend: IBackend,
        device: DeviceId,
        after: int,
        *,
        batch: int = 20,
        revoked: Callable[[], None] = lambda: None,
        withdrawn: Callable[[MessageId], None] = lambda message: None,
    ) -> None:
        self._backend = backend
        self._device = device
        self._after = after
        self._batch = batch
        self._tell_revoked = revoked
        self._maybe_more = True
        self._over = False
        self._waiter: Deferred[None] | None = None
        self.paused = False
        self._end_watch = backend.watch_inbox(device, self._changed)
        self._end_withdrawals = backend.watch_withdrawals(device, withdrawn)

    async def next(self) -> tuple[InboxItem, ...] | None:
        """The next items, one at least, as soon as there are some and the reader takes them. None: it is over,
        because the device was revoked or this was closed."""
        while not self._is_over():
            if self.paused or not self._maybe_more:
                await self._wait()
                continue
            self._maybe_more = False
            items = await self._backend.inbox(self._device, self._after, self._batch)
            if items and not self._is_over():
                # A short answer does not say that this was all: what is over meanwhile is left out of it.
                self._maybe_more = True
                self._after = items[-1].seq
                return items
        return None

    def pauseProducing(self) -> None:
        """The reader takes no more for now."""
        self.paused = True

    def resumeProducing(self) -> None:
        """The reader takes more."""
        self.paused = False
        self._wake()

    def stopProducing(self) -> None:
        """The reader's connection is lost."""
        self.close()

    def close(self) -> None:
        """Ends the watch; ``next`` answers None from now on."""
        if not self._is_over():
            self._over = True
            self._end_watch()
            self._end_withdrawals()
        self._wake()

    def _is_over(self) -> bool:
        return self._over

    def _changed(self, is_active: bool) -> None:
        if is_active:
            self._maybe_more = True
            self._wake()
        elif not self._is_over():
            self.close()
            self._tell_revoked()

    async def _wait(self) -> None:
        self._waiter = Deferred()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.callback(None)
