"""The bot's webhook: where Viber calls us. Without one Viber sends nothing (viber.md § 2)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from datasms_daemon.channels import _viber_content as content
from datasms_daemon.channels._viber_answers import OURS, described, explanation_of, status_of
from datasms_daemon.https.client import Answer, Failed
from datasms_daemon.model import Later, LineDown, Secret

FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 600.0

log = Logger()

Ask = Callable[[bytes], Awaitable[Answer | Failed]]


class Webhook:
    """Registers ``url`` with Viber, at the start and whenever it is asked to; ``set_webhook`` posts the call's body.

    ``name`` is the channel's, for the log, which never shows ``token``.
    """

    def __init__(self, name: str, url: str, token: Secret, set_webhook: Ask, clock: IReactorTime) -> None:
        self.url = url
        self._name = name
        self._token = token
        self._set_webhook = set_webhook
        self._clock = clock
        self._waiting: list[Deferred[Later | LineDown | None]] = []
        self._life: Deferred[None] | None = None

    def start(self) -> None:
        """Registers after this turn of the reactor, so that our own door is open when Viber tries it; again with
        pauses of 5 s, doubled up to 10 min, until it succeeds."""
        self._life = Deferred.fromCoroutine(self._live())
        self._life.addErrback(lambda failure: log.failure("webhook registration failed", failure))

    def stop(self) -> None:
        """No more tries of its own. May be called twice."""
        life, self._life = self._life, None
        if life is not None:
            life.cancel()

    async def register(self, timeout_s: float | None = None) -> Later | LineDown | None:
        """None: Viber took it. Later or LineDown: why not, or not within ``timeout_s``. All who ask at the same time
        share one call."""
        waiter: Deferred[Later | LineDown | None] = Deferred()
        self._waiting.append(waiter)
        if len(self._waiting) == 1:
            call = Deferred.fromCoroutine(self._call())
            call.addErrback(lambda failure: log.failure("set_webhook failed", failure))
        if timeout_s is not None:
            waiter.addTimeout(timeout_s, self._clock)
        try:
            return await waiter
        except defer.TimeoutError:
            return Later("no answer to set_webhook in time")

    async def _live(self) -> None:
        pause_s = 0.0
        try:
            while True:
                await deferLater(self._clock, pause_s)
                if await self.register() is None:
                    return
                pause_s = min(max(pause_s * 2, FIRST_PAUSE_S), LONGEST_PAUSE_S)
        except defer.CancelledError:
            return

    async def _call(self) -> None:
        result: Later | LineDown | None = Later("set_webhook failed")
        try:
            result = self._result(await self._set_webhook(content.webhook(self.url)))
        finally:
            waiting, self._waiting = self._waiting, []
            for waiter in waiting:
                if not waiter.called:
                    waiter.callback(result)

    def _result(self, answer: Answer | Failed) -> Later | LineDown | None:
        if isinstance(answer, Failed):
            return self._refused(answer.reason, answer.lasting)
        status = status_of(answer.body)
        if status is None:
            return self._refused(f"HTTP {answer.status}", lasting=False)
        if status == 0:
            log.info("channel {name}: Viber calls {url}", name=self._name, url=self.url)
            return None
        return self._refused(described(status), status in OURS, explanation_of(answer.body, self._token))

    def _refused(self, reason: str, lasting: bool, words: str = "") -> Later | LineDown:
        log.warn(
            "channel {name}: Viber does not take {url}: {reason} {words}",
            name=self._name,
            url=self.url,
            reason=reason,
            words=words,
        )
        reason = f"set_webhook: {reason}"
        return LineDown(reason) if lasting else Later(reason)
