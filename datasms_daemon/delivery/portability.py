"""Which operator a ported number belongs to now: a driver's answers, remembered for a while.

The answers are there before an acceptance begins, so that no transaction waits for a look-up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.defer import TimeoutError as TookTooLong
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from datasms_daemon.interfaces import IPortability

LIMIT_S = 2.0
"""So long may an acceptance wait for look-ups; a number that is not known then goes by its prefix."""
_REMEMBERED = 65_536


class Portability:
    """Answers of the configured driver; without one nothing is known and nothing is asked."""

    _log = Logger()

    def __init__(self, reactor: IReactorTime, now_ms: Callable[[], int]) -> None:
        self._reactor = reactor
        self._now_ms = now_ms
        self._driver: IPortability | None = None
        self._known: dict[str, tuple[str | None, int]] = {}

    def use(self, driver: IPortability | None) -> None:
        """From now on this driver is asked; what another one said is forgotten."""
        self._driver = driver
        self._known = {}

    @property
    def is_used(self) -> bool:
        """Whether there is a driver."""
        return self._driver is not None

    def operator(self, number: str) -> str | None:
        """What is remembered of a number; None: not ported, or not known. May be called from any thread."""
        return self._known.get(number, (None, 0))[0]

    async def learn(self, numbers: Iterable[str]) -> None:
        """Asks for those of which nothing is remembered; returns after ``LIMIT_S`` at the latest. Never raises."""
        driver, now = self._driver, self._now_ms()
        if driver is None:
            return
        missing = [number for number in dict.fromkeys(numbers) if self._known.get(number, (None, 0))[1] <= now]
        if missing:
            await DeferredList([self._asked(driver, number) for number in missing])

    def _asked(self, driver: IPortability, number: str) -> Deferred[None]:
        async def ask() -> None:
            operator = await driver.operator(number)
            if driver is self._driver:
                while len(self._known) >= _REMEMBERED:
                    del self._known[next(iter(self._known))]
                self._known[number] = operator, self._now_ms() + driver.keeps_ms

        asking = Deferred.fromCoroutine(ask())
        asking.addTimeout(LIMIT_S, self._reactor)
        return asking.addErrback(self._failed)

    def _failed(self, failure: Failure) -> None:
        why = f"no answer within {LIMIT_S:g} s" if failure.check(TookTooLong) else failure.getErrorMessage()
        self._log.warn("the look-up of a ported number failed: {why}", why=why)
