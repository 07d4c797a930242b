"""Long polls: waiting for a change, for so long, or until the client is gone."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from datasms_daemon.web.request import Request

Unwatch = Callable[[], None]
Watch = Callable[[Callable[[], None]], Unwatch]


class Signal:
    """A change that a request waits for, for at most ``seconds``. Watch first and look then, so that none is missed::

        with Signal(reactor, request, seconds, watch) as signal:
            while nothing_new(found := await look()) and await signal.wait():
                pass

    ``watch`` gets what to call at a change and answers how to end that; what it raises is passed on.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        request: Request,
        seconds: float,
        watch: Watch,
    ) -> None:
        self._reactor = reactor
        self._until = reactor.seconds() + seconds
        self._changed = False
        self._gone = False
        self._waiter: Deferred[None] | None = None
        request.notifyFinish().addErrback(lambda _: self._leave())
        self._unwatch = watch(self._change)

    def __enter__(self) -> Signal:
        return self

    def __exit__(self, *_: object) -> None:
        self._unwatch()

    async def wait(self) -> bool:
        """True when it is time to look again; False when the time is over or the client is gone."""
        left = self._until - self._reactor.seconds()
        if not self._changed and not self._gone and left > 0:
            self._waiter = Deferred()
            timer = self._reactor.callLater(left, self._wake)
            await self._waiter
            self._waiter = None
            if timer.active():
                timer.cancel()
        changed, self._changed = self._changed, False
        return changed and not self._gone

    def _change(self) -> None:
        self._changed = True
        self._wake()

    def _leave(self) -> None:
        self._gone = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.called:
            self._waiter.callback(None)
