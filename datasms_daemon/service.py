"""The daemon as a service: what starts and stops in which order, what a reload changes, what is fatal."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from datasms_daemon import __version__
from datasms_daemon.assembly import Parts, Reactor, lines_of
from datasms_daemon.config.load import Loaded
from datasms_daemon.crypto.tls_check import five_certificate_check
from datasms_daemon.delivery import housekeeping, recovery
from datasms_daemon.errors import DatasmsError, StoreHeld
from datasms_daemon.listeners import Listeners
from datasms_daemon.ops import collector
from datasms_daemon.ops.clock import Clock, wall_ms
from datasms_daemon.ops.systemd import Notifier
from datasms_daemon.reloading import Reloading
from datasms_daemon.store import operations
from datasms_daemon.store.opening import old_sqlite
from datasms_daemon.store.operations import LineRow
from datasms_daemon.store.store import Store, ThreadStore

DRAIN_S = 10.0
HEARTBEAT_S = 10.0
STALLED_MS = 120_000


class DaemonService(Service):
    """One daemon. ``fatal`` ends the process with exit 1 after an orderly stop."""

    _log = Logger()

    def __init__(
        self,
        loaded: Loaded,
        config_file: Path | None,
        env: Mapping[str, str],
        reactor: Reactor,
        fatal: Callable[[str], None],
        notifier: Notifier,
    ) -> None:
        self._loaded = loaded
        self._config = loaded.config
        self._config_file = config_file
        self._env = env
        self._reactor = reactor
        self._fatal = fatal
        self._notifier = notifier
        self._store: Store | None = None
        self._parts: Parts | None = None
        self._listeners: Listeners | None = None
        self._reloading: Reloading | None = None
        self._heart = LoopingCall(self._beat)
        self._heart.clock = reactor
        self._starting: Deferred[None] | None = None

    # --- start -------------------------------------------------------------------------------------------------------

    def startService(self) -> None:
        """Opens the store at once, so that what is wrong with it is said before anything else; the rest follows."""
        super().startService()  # type: ignore[no-untyped-call]
        state_dir = self._config.daemon.state_dir
        assert state_dir is not None, "the loader fills it in"
        try:
            state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            five_certificate_check(wall_ms())
            self._store = ThreadStore(housekeeping.database_path(self._config), self._reactor, self._store_failed)
        except (DatasmsError, OSError) as error:
            self._fatal(f"the daemon could not start: {error}")
            return
        self._starting = Deferred.fromCoroutine(self._start(self._store))
        self._starting.addErrback(self._could_not_start)

    async def _start(self, store: Store) -> None:
        last_alive = await store.read(lambda db: operations.meta(db, housekeeping.HEARTBEAT))
        clock = Clock(not_before=int(last_alive or 0))
        parts = self._parts = Parts(self._config, store, self._reactor, clock, os.urandom)
        await self._prepare(parts)
        kept = await store.read(operations.lines)
        drivers = {name: parts.line(options) for name, options in lines_of(self._config).items()}
        channels = parts.channels_of(self._config)
        makers = parts.applications.makers(self._config.application)
        targets = parts.targets.drivers(self._config)
        self._listeners = Listeners(self._config, parts, self._reactor)
        self._reloading = Reloading(
            self._config_file, self._env, self._loaded, parts, self._listeners, self._notifier, self._step
        )
        parts.core.configuration = self._reloading
        await self._listeners.open()
        # From here on messages are taken, and a line to devices hands them over: it must know the channels by then.
        parts.channels.use(channels)
        for name, options in lines_of(self._config).items():
            parts.dispatch.add(parts.way(drivers[name], options, kept.get(name, LineRow())))
        interrupted = await recovery.recover(
            parts.store, clock.now_ms, parts.dispatch.ways, parts.openings, parts.backoff, parts.changes
        )
        if interrupted:
            self._log.warn("{count} hand-overs were interrupted by the last stop", count=interrupted)
        for driver in drivers.values():
            driver.start(parts.host)
        await parts.applications.start()
        await parts.applications.use(self._config.application, makers)
        await parts.targets.use(self._config, targets)
        await self._wake(parts)
        self._heart.start(HEARTBEAT_S).addErrback(self._heart_failed)
        await store.write(lambda db: operations.audit(db, clock.now_ms(), "daemon", "started", self._loaded.hash))
        parts.core.set_ready(None)
        self._watch_for_reload()
        collector.settle()
        self._announce()

    async def _prepare(self, parts: Parts) -> None:
        """What must be known and done before anything comes in or goes out."""
        await parts.hold.load()
        await parts.integrity.sample()
        await parts.erasure.catch_up()
        await parts.keys.load()
        await parts.attachments.sweep()

    async def _wake(self, parts: Parts) -> None:
        """What waited over the stop goes on."""
        await parts.look_again()
        parts.deadlines.pull(parts.clock.now_ms())
        for name in await parts.store.read(recovery.waiting_lines):
            parts.dispatch.wake(name)

    def _announce(self) -> None:
        assert self._listeners is not None
        for name, where in self._listeners.addresses():
            self._log.info("{name} listens on {where}", name=name, where=where)
        if self._parts is not None and not self._parts.keys.all():
            self._log.info("no application has a key yet; make the first one: datasms key add NAME --rights send,read")
        if warning := old_sqlite():
            self._log.warn("{warning}", warning=warning)
        self._log.info("datasms {version} is ready", version=__version__)
        self._notifier.tell("READY=1", f"STATUS=datasms {__version__}")

    def _could_not_start(self, failure: Failure) -> None:
        if not failure.check(DatasmsError):
            self._log.failure("the daemon could not start", failure=failure)
        self._fatal(f"the daemon could not start: {failure.getErrorMessage()}")

    # --- running -----------------------------------------------------------------------------------------------------

    async def _beat(self) -> None:
        parts = self._parts
        if parts is None:
            return
        parts.refresh_numbers()
        await parts.keep_house()
        if parts.clock.now_ms() - parts.deadlines.last_run_ms < STALLED_MS:
            self._notifier.tell("WATCHDOG=1")

    def _heart_failed(self, failure: Failure) -> None:
        self._log.failure("housekeeping failed", failure=failure)
        if self.running and not self._heart.running:
            self._heart.start(HEARTBEAT_S, now=False).addErrback(self._heart_failed)

    def _store_failed(self, failure: Failure) -> None:
        """Nothing may be acknowledged or sent any more; the supervisor starts us again (I27)."""
        if self._parts is not None and failure.check(StoreHeld):
            # A damaged file is not mended by a start (I28).
            self._parts.hold.damaged(failure.getErrorMessage())
            return
        self._log.critical("the store failed: {why}", why=failure.getErrorMessage())
        self._fatal("the store failed")

    # --- reload ------------------------------------------------------------------------------------------------------

    def _watch_for_reload(self) -> None:
        signal.signal(signal.SIGHUP, lambda *_: self._reactor.callFromThread(self.reload))

    def reload(self) -> None:
        """Takes the configuration file anew: all of it, or nothing and a word about why."""
        if self._reloading is None or not self.running:
            return
        done = Deferred.fromCoroutine(self._reloading.reload("signal"))
        done.addErrback(lambda failure: self._log.failure("the reload failed", failure=failure))

    # --- stop --------------------------------------------------------------------------------------------------------

    async def _stop(self) -> None:
        """In order: no new work in, no new work out, what is under way ends, lines, store. A fault stops no step."""
        self._notifier.tell("STOPPING=1")
        parts, listeners, store = self._parts, self._listeners, self._store
        if self._heart.running:
            self._heart.stop()
        if listeners is not None:
            await self._step("closing listeners", listeners.close)
        if parts is not None:
            parts.core.set_ready("stopping")
            await self._step("ending the look at the database", parts.integrity.stop)
            await self._step("stopping deadlines", parts.deadlines.stop)
            await self._step("stopping applications", parts.applications.stop)
            await self._step("stopping webhooks and mail", parts.targets.stop)
            parts.withdrawals.stop()
            await self._step("draining", lambda: parts.dispatch.stop(DRAIN_S))
            for way in tuple(parts.dispatch.ways.values()):
                await self._step(f"stopping line {way.facts.name}", way.line.stop)
            await self._step("stopping channels", parts.channels.stop)
            await self._step("noting devices", parts.backend.write_seen)
            await self._step("noting what was read", lambda: parts.core.search.reads.flush(everything=True))
        if store is not None:
            await self._step("closing the store", store.stop)

    def stopService(self) -> Deferred[None]:
        """Fires when everything is written down and closed."""
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._stop())

    async def _step(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except StoreHeld:
            self._log.warn("{what}: nothing of it can be written to a damaged database", what=what)
        except Exception:
            self._log.failure("{what} failed", what=what)
