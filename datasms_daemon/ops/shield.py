"""Awaiting what must go on although nobody waits for it any more."""

from __future__ import annotations

from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

T = TypeVar("T")
_log = Logger()


def shield(work: Deferred[T]) -> Deferred[T]:
    """Fires as ``work`` does; cancelling it ends the waiting and not the work.

    Klein cancels what a handler awaits when the client hangs up; an accepted message must not depend on that.
    """
    answer: Deferred[T] = Deferred()

    def done(result: T | Failure) -> None:
        if not answer.called:
            answer.callback(result)
        elif isinstance(result, Failure):
            _log.failure("work that nobody waited for any more failed", failure=result)

    work.addBoth(done)
    return answer
