"""All applications of the configuration: who runs, who has work, what operators see."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from datasms_daemon.config.applications import Application
from datasms_daemon.delivery.application import Supervised
from datasms_daemon.delivery.application_host import Services
from datasms_daemon.interfaces import IApplication
from datasms_daemon.model import ApplicationView, MessageId, Progress
from datasms_daemon.ops.metrics import Metrics
from datasms_daemon.rules.inbound import APP
from datasms_daemon.store import application_messages, inbound
from datasms_daemon.store.store import Store

Makers = Mapping[str, Callable[[], IApplication]]
"""By name: what makes an application anew."""
Make = Callable[[Application], Callable[[], IApplication]]
"""What makes new applications of these options. ConfigError: they cannot be used."""


class Applications:
    """Runs applications, and wakes those that have work."""

    _log = Logger()

    def __init__(
        self,
        store: Store,
        make: Make,
        services: Services,
        reactor: IReactorTime,
        now_ms: Callable[[], int],
        jitter: Callable[[], float],
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._make = make
        self._services = services
        self._reactor = reactor
        self._now_ms = now_ms
        self._jitter = jitter
        self._metrics = metrics
        self._running: dict[str, Supervised] = {}
        self._senders: dict[MessageId, str] = {}

    def makers(self, applications: tuple[Application, ...]) -> Makers:
        """What makes each of them that is enabled. ConfigError: the options of one cannot be used."""
        return {options.name: self._make(options) for options in applications if options.enabled}

    async def start(self) -> None:
        """Reads what is not told yet; before anything is used."""
        self._senders = await self._store.read(application_messages.all_)

    async def use(self, applications: tuple[Application, ...], makers: Makers) -> None:
        """From now on these run; those that did not change go on."""
        wanted = {options.name: options for options in applications if options.enabled}
        for name, running in tuple(self._running.items()):
            if wanted.get(name) != running.options:
                del self._running[name]
                await running.stop()
        for name, options in wanted.items():
            if name not in self._running:
                self._running[name] = Supervised(
                    options, makers[name], self._services, self._reactor, self._now_ms, self._jitter, self._metrics
                )
                self._running[name].start()

    async def stop(self) -> None:
        """Ends all of them; what they did not acknowledge stays for later."""
        running, self._running = tuple(self._running.values()), {}
        stopping = [Deferred.fromCoroutine(one.stop()) for one in running]
        for each in stopping:
            each.addErrback(self._not_stopped)
            await each

    async def work(self, now: int) -> int | None:
        """Wakes those who may have texts; when there are more."""
        for running in self._running.values():
            running.wake()
        return await self._store.read(lambda db: inbound.next_due(db, inbound.all_of(APP), after=now))

    def sent(self, message: MessageId, application: str) -> None:
        """The application is told when this message ends."""
        self._senders[message] = application
        # It may have ended while this was written down.
        self._wake(application)

    def ended(self, progress: Progress) -> None:
        """A message has ended, whoever sent it."""
        application = self._senders.pop(progress.id, None)
        if application is not None:
            self._wake(application)

    def told(self, message: MessageId) -> None:
        """The application knows how it ended."""
        self._senders.pop(message, None)

    async def all(self) -> tuple[ApplicationView, ...]:
        """Every application that runs."""
        counts = await self._store.read(inbound.count_waiting)
        return tuple(
            ApplicationView(
                name, "plugin" if one.options.plugin else "command", one.state, one.reason, one.restarts,
                counts.get(APP + name, 0),
            )
            for name, one in self._running.items()
        )  # fmt: skip

    def _wake(self, application: str) -> None:
        if application in self._running:
            self._running[application].wake()

    def _not_stopped(self, failure: Failure) -> None:
        self._log.failure("an application did not end", failure=failure)
