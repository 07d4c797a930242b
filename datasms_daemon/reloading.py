"""How another configuration takes the place of the running one: checked first, then all of it at once, or nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from twisted.internet.defer import Deferred, DeferredLock, gatherResults
from twisted.logger import Logger

from datasms_daemon.assembly import Parts, lines_of
from datasms_daemon.config.calendars import calendars_of
from datasms_daemon.config.changes import changes, names
from datasms_daemon.config.load import Loaded, changes_needing_restart, load_with_warnings
from datasms_daemon.delivery.applications import Makers
from datasms_daemon.delivery.inbound_rules import inbound_router
from datasms_daemon.delivery.number_files import NumberFiles
from datasms_daemon.delivery.targets import Drivers
from datasms_daemon.delivery.ways import Way
from datasms_daemon.errors import ConfigError, DatasmsError
from datasms_daemon.interfaces import ILine, IOperatedChannel
from datasms_daemon.listeners import Listeners
from datasms_daemon.model import LineName, Reloaded, RunningConfiguration
from datasms_daemon.ops.collector import uncollected
from datasms_daemon.ops.systemd import Notifier
from datasms_daemon.rules.calendars import Calendar
from datasms_daemon.rules.inbound import InboundRouter
from datasms_daemon.rules.routing import Router
from datasms_daemon.store import operations
from datasms_daemon.store.operations import LineRow

Step = Callable[[str, Callable[[], Awaitable[None]]], Awaitable[None]]


class _Made(NamedTuple):
    """All that a new configuration needs, made before anything of the old one is given up."""

    loaded: Loaded
    drivers: Mapping[LineName, ILine]
    channels: dict[str, IOperatedChannel]
    calendars: Mapping[str, Calendar]
    numbers: NumberFiles
    router: Router
    inbound: InboundRouter
    makers: Makers
    targets: Drivers


class Reloading:
    """The running configuration of one daemon; ``step`` does what may fail without stopping the rest."""

    _log = Logger()

    def __init__(
        self,
        path: Path | None,
        env: Mapping[str, str],
        loaded: Loaded,
        parts: Parts,
        listeners: Listeners,
        notifier: Notifier,
        step: Step,
    ) -> None:
        self._path = path
        self._env = env
        self._config = loaded.config
        self._parts = parts
        self._listeners = listeners
        self._notifier = notifier
        self._step = step
        self._lock = DeferredLock()
        self._noted = (loaded.hash, parts.clock.now_ms(), "daemon")

    def running(self) -> RunningConfiguration:
        """The one in use."""
        return RunningConfiguration(None if self._path is None else str(self._path), *self._noted, names(self._config))

    async def reload(self, by: str) -> Reloaded:
        """Takes the file anew: all of it, or nothing and every problem. Both are in the audit log. One at a time."""
        if (why_not := self._parts.core.not_ready()) is not None:
            return Reloaded(problems=(f"the daemon is {why_not}",), hash=self._noted[0])
        await self._lock.acquire()
        self._notifier.tell("RELOADING=1")
        try:
            return await self._reload(by)
        finally:
            self._notifier.tell("READY=1")
            self._lock.release()

    async def _reload(self, by: str) -> Reloaded:
        try:
            with uncollected():
                made = await self._make()
        except DatasmsError as error:
            problems = tuple(error.problems) if isinstance(error, ConfigError) else (str(error),)
            self._log.error("the new configuration is not used, the old one stays: {why}", why="; ".join(problems))
            await self._note(by, "configuration refused", str(self._path))
            return Reloaded(problems=problems, hash=self._noted[0])
        loaded = made.loaded
        for warning in loaded.warnings:
            self._log.warn("{warning}", warning=warning)
        different = changes(self._config, loaded.config)
        await self._use(made)
        await self._step("looking again at what is held", self._look_again)
        await self._parts.applications.use(loaded.config.application, made.makers)
        await self._parts.targets.use(loaded.config, made.targets)
        self._noted = (loaded.hash, self._parts.clock.now_ms(), by)
        await self._note(by, "configuration loaded", loaded.hash)
        self._log.info("the new configuration is in use")
        return Reloaded(changes=different, warnings=loaded.warnings, hash=loaded.hash)

    async def _make(self) -> _Made:
        # A thousand rules take a second to read and to compile: meanwhile the reactor goes on.
        loaded = await self._parts.in_thread(lambda: load_with_warnings(self._path, self._env))
        config = loaded.config
        if fixed := changes_needing_restart(self._config, config):
            raise DatasmsError(f"these need a restart: {', '.join(fixed)}")
        numbers = await self._parts.numbers_of(config)
        calendars = await self._parts.in_thread(lambda: calendars_of(config))
        router = await self._parts.in_thread(lambda: Router(config, calendars, numbers.lists))
        inbound = await self._parts.in_thread(lambda: inbound_router(config, numbers))
        old = lines_of(self._config)
        drivers = {
            name: self._parts.line(options) for name, options in lines_of(config).items() if old.get(name) != options
        }
        makers = self._parts.applications.makers(config.application)
        channels, targets = self._parts.channels_of(config), self._parts.targets.drivers(config)
        made = _Made(loaded, drivers, channels, calendars, numbers, router, inbound, makers, targets)
        self._listeners.reload_certificates()
        return made

    async def _use(self, made: _Made) -> None:
        parts, config = self._parts, made.loaded.config
        kept = await parts.store.read(operations.lines)
        wanted = lines_of(config)
        self._config = config
        parts.channels.use(made.channels)
        parts.configure(config, made.calendars, made.numbers, made.router, made.inbound)
        leaving = [way for name, way in parts.dispatch.ways.items() if name not in wanted or name in made.drivers]
        coming = [parts.way(driver, wanted[name], kept.get(name, LineRow())) for name, driver in made.drivers.items()]
        for way in leaving:
            if way.facts.name not in wanted:
                parts.dispatch.remove(way.facts.name)
        for way in coming:
            parts.dispatch.add(way)
        self._start(way for way in coming if way.facts.to_devices)
        # An SMSC may take one bind at a time, and call a second one bad credentials.
        await self._stop(way for way in leaving if not way.facts.to_devices)
        self._start(way for way in coming if not way.facts.to_devices)
        await self._stop(way for way in leaving if way.facts.to_devices)

    async def _look_again(self) -> None:
        await self._parts.look_again()

    def _start(self, ways: Iterable[Way]) -> None:
        for way in ways:
            way.line.start(self._parts.host)
            self._parts.dispatch.wake(way.facts.name)

    async def _stop(self, ways: Iterable[Way]) -> None:
        async def stop(line: ILine) -> None:
            await self._step(f"stopping line {line.name}", line.stop)

        await gatherResults([Deferred.fromCoroutine(stop(way.line)) for way in ways])

    async def _note(self, by: str, what: str, object_: str) -> None:
        now = self._parts.clock.now_ms()
        await self._parts.store.write(lambda db: operations.audit(db, now, by, what, object_))
