"""How a stand-in runs: until it is killed, or at once to its end when it cannot start."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import cast

from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorCore
from twisted.python.failure import Failure


def serve(start: Coroutine[Deferred[object], object, None]) -> None:
    """Runs the reactor with ``start`` in it."""
    reactor = cast(IReactorCore, global_reactor)

    def failed(failure: Failure) -> None:
        failure.printTraceback()
        reactor.stop()

    starting = Deferred.fromCoroutine(start)
    reactor.callWhenRunning(starting.addErrback, failed)
    reactor.run()
