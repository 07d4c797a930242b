"""One application under supervision: it is started, given work, and started again after a pause when it fails."""

from __future__ import annotations

import math
import traceback
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from datasms_daemon.config.applications import Application
from datasms_daemon.delivery.application_host import ApplicationHost, Services
from datasms_daemon.interfaces import IApplication
from datasms_daemon.model import MessageId, ReceivedText
from datasms_daemon.ops.metrics import Metrics
from datasms_daemon.rules.inbound import APP
from datasms_daemon.rules.registration import is_registration
from datasms_daemon.rules.restart import STEADY_MS, pause_ms, text_pause_ms
from datasms_daemon.store import application_messages, inbound
from datasms_daemon.store.inbound import Waiting

BATCH = 20
LEASE_MARGIN_MS = 10_000

T = TypeVar("T")


class _FailedError(Exception):
    """The application said so itself, or was told to end."""


class Supervised:
    """Keeps one application running. ``state`` and ``reason`` are for operators, ``restarts`` counts."""

    _log = Logger()

    def __init__(
        self,
        options: Application,
        make: Callable[[], IApplication],
        services: Services,
        reactor: IReactorTime,
        now_ms: Callable[[], int],
        jitter: Callable[[], float],
        metrics: Metrics,
    ) -> None:
        self.options = options
        self.state = "starting"
        self.reason: str | None = None
        self.restarts = 0
        self._make = make
        self._services = services
        self._reactor = reactor
        self._now_ms = now_ms
        self._jitter = jitter
        self._metrics = metrics
        self._failures = 0
        self._sleep: Deferred[None] | None = None
        self._broken: str | None = None
        self._living: IApplication | None = None
        self._has_work = True
        self._stopping = False
        self._done: Deferred[None] | None = None

    def start(self) -> None:
        """Begins; nothing of it is ever raised."""
        self._done = Deferred.fromCoroutine(self._run())

    def wake(self) -> None:
        """There may be work."""
        self._has_work = True
        if self._sleep is not None and self.state == "running":
            self._sleep.callback(None)

    async def stop(self) -> None:
        """Ends it after what it is doing, within its time-out; texts that it did not acknowledge stay for later."""
        self._stopping = True
        if self._sleep is not None:
            self._sleep.callback(None)
        if self._done is not None:
            await self._done

    # --- its life ----------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while not self._stopping:
            self.state, began = "starting", self._now_ms()
            reason = await self._live()
            self._living = self._broken = None
            if self._now_ms() - began >= STEADY_MS:
                self._failures = 0
            self._metrics.application_up.labels(self.options.name).set(0)
            if not self._stopping:
                await self._pause(reason)
        self.state = "stopped"

    async def _pause(self, reason: str) -> None:
        self._failures += 1
        self.restarts += 1
        pause = pause_ms(self._failures, self._jitter())
        self.state, self.reason = "waiting", reason
        self._metrics.application_restarts.labels(self.options.name).inc()
        self._log.error(
            "application {name} failed and is started again in {seconds} s: {reason}",
            name=self.options.name, seconds=pause / 1000, reason=reason,
        )  # fmt: skip
        await self._wait(pause / 1000)

    async def _live(self) -> str:
        """One life of it, from init to shutdown; why it ended."""
        application: IApplication | None = None
        reason = "stopped"
        try:
            application = self._living = self._make()
            host = ApplicationHost(self.options, self._services, partial(self._failed, application))
            await self._timed(application.init(host))
            self.state = "running"
            self._metrics.application_up.labels(self.options.name).set(1)
            await self._serve(application)
        except Exception as error:  # a fault of an application must not become one of the daemon
            reason = _told(error)
        if application is not None:
            try:
                await self._timed(application.shutdown())
            except Exception as error:  # as above; there is nothing left to be lost
                self._log.warn(
                    "application {name} did not end in order: {why}", name=self.options.name, why=_told(error)
                )
        return reason

    async def _serve(self, application: IApplication) -> None:
        idle_at = self._reactor.seconds() + self.options.idle / 1000
        while not self._stopping:
            self._check()
            self._has_work = False
            if await self._texts(application) or await self._notices(application):
                idle_at = self._reactor.seconds() + self.options.idle / 1000
                continue
            if self._has_work:
                continue
            due_ms = await self._next_text_ms()
            # Who is woken for nothing has been idle all the same.
            left_s = max(0.0, idle_at - self._reactor.seconds())
            if not await self._wait(min(left_s, due_ms / 1000)) and not self._stopping and left_s <= due_ms / 1000:
                self._check()
                await self._timed(application.idle())
                idle_at = self._reactor.seconds() + self.options.idle / 1000

    async def _next_text_ms(self) -> float:
        """How long until a text is due that it failed on before."""
        target, now = APP + self.options.name, self._now_ms()
        due = await self._services.store.read(lambda db: inbound.next_due(db, (target, target), after=now))
        return math.inf if due is None else due - now

    async def _texts(self, application: IApplication) -> bool:
        """Hands over texts that are due; whether there were any."""
        target = APP + self.options.name
        store, now = self._services.store, self._now_ms()
        found = await store.read(lambda db: inbound.due(db, (target, target), now, BATCH))
        for waiting in found:
            if self._stopping:
                break
            self._check()
            lease = self._now_ms() + self.options.timeout + LEASE_MARGIN_MS
            claimed = await self._defer(waiting, lease, tried=True)
            if claimed is not None:
                await self._text(application, claimed)
        return bool(found)

    async def _text(self, application: IApplication, waiting: Waiting) -> None:
        try:
            await self._timed(application.received(_received(waiting)))
        except Exception:
            await self._defer(waiting, self._now_ms() + text_pause_ms(waiting.tries, self._jitter()), tried=False)
            raise
        # What does its work now and then is worth being started at once.
        self._failures = 0
        # A registration number must never be archived.
        forget = is_registration(waiting.text.text)
        await self._services.store.write(lambda db: inbound.settle(db, waiting, "handled", forget=forget))

    async def _defer(self, waiting: Waiting, until: int, *, tried: bool) -> Waiting | None:
        return await self._services.store.write(lambda db: inbound.defer(db, waiting, until, tried=tried))

    async def _notices(self, application: IApplication) -> bool:
        """Tells of messages that have ended; whether there were any."""
        store, name = self._services.store, self.options.name
        found = await store.read(lambda db: application_messages.ended(db, name, BATCH))
        for notice in found:
            if self._stopping:
                break
            self._check()
            await self._timed(application.notification(notice))
            await self._told(notice.message)
        return bool(found)

    async def _told(self, message: MessageId) -> None:
        await self._services.store.write(lambda db: application_messages.told(db, message))
        # It may have ended before it was known whose it is.
        self._services.told(message)

    # --- time --------------------------------------------------------------------------------------------------------

    async def _timed(self, work: Awaitable[T]) -> T:
        deferred: Deferred[T] = Deferred.fromCoroutine(_awaited(work))
        return await deferred.addTimeout(self.options.timeout / 1000, self._reactor)

    async def _wait(self, seconds: float) -> bool:
        """Until there is work or it is to stop (True), or the time is over (False)."""
        if self._stopping or self._broken is not None:
            return True
        sleep = self._sleep = Deferred()
        call = self._reactor.callLater(seconds, sleep.callback, None)
        try:
            await sleep
        finally:
            self._sleep = None
        if call.active():
            call.cancel()
            return True
        return False

    def _failed(self, application: IApplication, reason: str) -> None:
        if application is not self._living:
            return
        self._broken = self._broken or reason
        if self._sleep is not None and self.state == "running":
            self._sleep.callback(None)

    def _check(self) -> None:
        if self._broken is not None:
            raise _FailedError(self._broken)


def _received(waiting: Waiting) -> ReceivedText:
    text = waiting.text
    return ReceivedText(
        waiting.seq, text.line, text.from_, text.to, waiting.destination.text, text.at, waiting.person,
        text.incomplete, waiting.tries,
    )  # fmt: skip


async def _awaited(work: Awaitable[T]) -> T:
    return await work


def _told(error: Exception) -> str:
    """Why, without what may hold a text or a number: only what we said ourselves."""
    if isinstance(error, defer.TimeoutError | defer.CancelledError):
        return "it took too long"
    if isinstance(error, _FailedError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    return type(error).__name__ + where
