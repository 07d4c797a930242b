"""Reports that we ask for (protocols/infobip-omni.md §§ 3.3, 4.2). Infobip hands each of them out once."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from datasms_daemon.channels._omni_reports import Report, Told
from datasms_daemon.https.client import Answer, Failed
from datasms_daemon.https.retry_after import retry_at

PULL_S = 15.0
MAX_PAUSE_S = 300.0
PAGE = 100

log = Logger()


class Pull:
    """Asks with ``ask`` every PULL_S, more and more seldom while that fails, reads the answer and tells each report.

    Nothing more is asked for until all reports of the last answer are told: what ``tell`` raised for is told again.
    ``read`` answers None for a body that is none of reports.
    """

    def __init__(
        self,
        name: str,
        ask: Callable[[], Awaitable[Answer | Failed]],
        read: Callable[[bytes], Told | None],
        tell: Callable[[Report], Awaitable[None]],
        clock: IReactorTime,
        now_ms: Callable[[], int],
    ) -> None:
        self._name = name
        self._ask = ask
        self._read = read
        self._tell = tell
        self._clock = clock
        self._now_ms = now_ms
        self._kept: deque[Report] = deque()
        self._pause_s = PULL_S
        self._nap: Deferred[None] | None = None
        self._loop: Deferred[None] | None = None
        self._stopped = False

    def start(self) -> None:
        """The first question comes at once."""
        self._loop = Deferred.fromCoroutine(self._run())

    async def stop(self) -> None:
        """No question any more; returns when the reports that are there are told, or cannot be."""
        self._stopped = True
        if self._nap is not None:
            self._nap.cancel()
        if self._loop is not None:
            await self._loop

    async def _run(self) -> None:
        while not self._stopped:
            try:
                wait_s = await self._turn()
            except Exception:
                # The reports are still kept; only whoever told us could not be told.
                log.failure("channel {name}: a report could not be committed, it will be told again", name=self._name)
                wait_s = self._back_off()
            await self._sleep(wait_s)
        if self._kept:
            log.warn("channel {name}: {count} reports are lost", name=self._name, count=len(self._kept))

    async def _turn(self) -> float:
        """Seconds until the next turn."""
        is_full = False
        if not self._kept:
            answer = await self._ask()
            told = self._read(answer.body) if isinstance(answer, Answer) and answer.status == 200 else None
            if told is None:
                return self._failed(answer)
            self._kept.extend(told.reports)
            is_full = told.results >= PAGE
        while self._kept:
            await self._tell(self._kept[0])
            self._kept.popleft()
        self._pause_s = PULL_S
        return 0.0 if is_full else PULL_S

    def _failed(self, answer: Answer | Failed) -> float:
        if self._stopped:
            return 0.0
        reason = f"status {answer.status}" if isinstance(answer, Answer) else answer.reason
        log.warn("channel {name}: no reports from Infobip: {reason}", name=self._name, reason=reason)
        wait_s = self._back_off()
        now_ms = self._now_ms()
        named = retry_at(answer.headers, now_ms) if isinstance(answer, Answer) else None
        return wait_s if named is None else max(wait_s, (named - now_ms) / 1000)

    def _back_off(self) -> float:
        self._pause_s = min(self._pause_s * 2, MAX_PAUSE_S)
        return self._pause_s

    async def _sleep(self, seconds: float) -> None:
        if self._stopped:
            return
        self._nap = deferLater(self._clock, seconds)
        try:
            await self._nap
        except defer.CancelledError:
            log.debug("channel {name}: no more reports are asked for", name=self._name)
        finally:
            self._nap = None
