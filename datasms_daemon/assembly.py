"""The parts of one daemon, wired together. When they start and stop is :mod:`datasms_daemon.service`'s business."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import TypeVar

from msgspec import structs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorCore, IReactorProcess, IReactorThreads, IReactorUNIX
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from datasms_daemon.apps.external import ExternalProgram
from datasms_daemon.apps.registration import Completed, RegistrationApp
from datasms_daemon.channels.presence import Presence
from datasms_daemon.config.applications import Application
from datasms_daemon.config.calendars import calendars_of
from datasms_daemon.config.load import zone_of
from datasms_daemon.config.plugins import plugin
from datasms_daemon.config.records import Config, DatasmsLine, LineOptions, SmppLine
from datasms_daemon.crypto.certificates import write_private
from datasms_daemon.delivery import held, housekeeping
from datasms_daemon.delivery.accept import Acceptance
from datasms_daemon.delivery.application_host import Services as Hosts
from datasms_daemon.delivery.applications import Applications
from datasms_daemon.delivery.archive import Archive
from datasms_daemon.delivery.attachments import Attachments
from datasms_daemon.delivery.backend import Backend
from datasms_daemon.delivery.changes import Changes
from datasms_daemon.delivery.channels import ChannelHost, Channels
from datasms_daemon.delivery.core import Core
from datasms_daemon.delivery.costs import Costs
from datasms_daemon.delivery.deadlines import Deadlines
from datasms_daemon.delivery.directory import Directory
from datasms_daemon.delivery.dispatch import Dispatch
from datasms_daemon.delivery.downloads import Downloads
from datasms_daemon.delivery.erasure import Erasure
from datasms_daemon.delivery.forwarding import Forwarding
from datasms_daemon.delivery.handover import LineFacts
from datasms_daemon.delivery.hold import Hold
from datasms_daemon.delivery.host import LineHost
from datasms_daemon.delivery.inbound import InboundTexts
from datasms_daemon.delivery.inbound_rules import inbound_router, registers, suffixes_of
from datasms_daemon.delivery.integrity import Integrity
from datasms_daemon.delivery.keys import Keys
from datasms_daemon.delivery.notices import Notices
from datasms_daemon.delivery.number_files import NumberFiles
from datasms_daemon.delivery.portability import Portability
from datasms_daemon.delivery.reassembly import Reassembly
from datasms_daemon.delivery.receipts import Receipts
from datasms_daemon.delivery.registration import RegistrationNumbers
from datasms_daemon.delivery.search import Search
from datasms_daemon.delivery.targets import Targets
from datasms_daemon.delivery.ways import Way
from datasms_daemon.delivery.withdrawal import Withdrawals
from datasms_daemon.delivery.wording import wordings
from datasms_daemon.errors import ConfigError, StoreHeld
from datasms_daemon.https.connect import Reactor as ChannelReactor
from datasms_daemon.interfaces import IApplication, ILine, IOperatedChannel
from datasms_daemon.lines.datasms import DatasmsDriver
from datasms_daemon.lines.smpp import smpp_line
from datasms_daemon.model import (
    AcceptedSubmission,
    Attachment,
    DeviceId,
    KeyReused,
    Limited,
    LineName,
    MessageId,
    Progress,
    Refused,
    Submission,
)
from datasms_daemon.ops.clock import Clock
from datasms_daemon.ops.disk import DiskRoom
from datasms_daemon.ops.ids import IdSource
from datasms_daemon.ops.metrics import Metrics
from datasms_daemon.rules.calendars import Calendar
from datasms_daemon.rules.days import Days
from datasms_daemon.rules.inbound import InboundRouter
from datasms_daemon.rules.openings import Openings
from datasms_daemon.rules.retry import Backoff
from datasms_daemon.rules.routing import Router
from datasms_daemon.services import Services, TargetDrivers
from datasms_daemon.store.erasure import ErasureList
from datasms_daemon.store.files import Files
from datasms_daemon.store.operations import LineRow
from datasms_daemon.store.store import Store
from datasms_daemon.store.writer import Reactor as StoreReactor

T = TypeVar("T")
RandomBytes = Callable[[int], bytes]
SECRET_BYTES = 32
ATTACHMENTS = "attachments"


class Reactor(ChannelReactor, StoreReactor, IReactorCore, IReactorProcess, IReactorThreads, IReactorUNIX):
    """What the parts need of a reactor."""


class Parts:
    """One daemon. The store is open; nothing runs yet."""

    _log = Logger()

    def __init__(self, config: Config, store: Store, reactor: Reactor, clock: Clock, random: RandomBytes) -> None:
        state_dir = config.daemon.state_dir
        assert state_dir is not None, "the loader fills it in"
        now = clock.now_ms
        self.config = config
        self.days = Days(zone_of(config))
        calendars = calendars_of(config)
        self.openings = Openings(calendars)
        self.store = store
        self.clock = clock
        self.wordings = wordings(config)
        self.metrics = Metrics()
        self.changes = Changes()
        self.presence = Presence()
        self._reactor = reactor
        self.services = Services(reactor, clock, random, self.presence, self.metrics, self._ticket)
        # For jitter and reference numbers only; what must not be guessed is made of ``random`` itself.
        self._random = Random(int.from_bytes(random(16), "big"))  # noqa: S311
        new_id = IdSource(now, random)
        mac_key, pepper = (_secret(state_dir / name, random) for name in ("mac.key", "pepper.key"))
        self.keys = Keys(store, now, new_id, random)
        self._outbound(mac_key)
        self._files = files = Files(state_dir / ATTACHMENTS)
        numbers = self._registering(new_id, random, pepper)
        self.backend = self._backend(numbers, random, mac_key)
        self.number_files = NumberFiles(config)
        self.portability = Portability(reactor, now)
        directory = self._inbound(numbers, new_id)
        room = DiskRoom(state_dir, config.store.min_free, now)
        self.attachments = Attachments(
            store, files, now, random, self.in_thread, room.has_room, lambda: self.config.attachments,
        )  # fmt: skip
        self.core = Core(
            config, store, now, new_id, mac_key, self.keys, directory, self.dispatch, self.channels, self.texts,
            self.applications, self.attachments, self.changes, self.metrics, room.has_room,
            Router(config, calendars, self.number_files.lists), self._openings,
            self.number_files, self.portability,
        )  # fmt: skip
        self.core.targets = self.targets
        self._forgetting(mac_key)

    def _acceptance(self) -> Acceptance:
        return self.core.acceptance

    def _accept(self, asked: Submission) -> Awaitable[AcceptedSubmission | Refused | Limited | KeyReused]:
        return self.core.accept(asked)

    def _outbound(self, mac_key: bytes) -> None:
        """The way of a message: hand-over, receipts, deadlines, withdrawal, what it costs."""
        store, now = self.store, self.clock.now_ms
        self.costs = Costs(self.config, self.wordings, self._operator_of)
        self.receipts = Receipts(store, now, self._openings, self.changes, self.metrics)
        self.deadlines = Deadlines(store, self._reactor, now, self._openings, self.changes, self.metrics)
        self.dispatch = Dispatch(
            store, self._reactor, now, lambda at: self.days.at(at), self._random.random, mac_key, self._is_urgent,
            self._shows_text, self._openings, self.backoff, self.changes, self.metrics, self._forget,
        )  # fmt: skip
        self.withdrawals = Withdrawals(store, lambda: self.channels, now, self.presence.withdraw)
        self.changes.connect(self.dispatch.wake, self.deadlines.pull, self._finished, self.withdrawals.applied)

    def _ticket(self, channel: str, attachment: Attachment, ttl_ms: int) -> str:
        return self.downloads.ticket(channel, attachment, ttl_ms)

    def _registering(self, new_id: Callable[[], str], random: RandomBytes, pepper: bytes) -> RegistrationNumbers:
        """How devices register, and who is told."""
        now = self.clock.now_ms
        self.notices = Notices(self._acceptance, now, self.dispatch.day, self.changes, self.metrics)
        self.registration = RegistrationApp(
            self.store, now, new_id, pepper, self.in_thread, self._pause, self.notices.write, self._registered,
        )  # fmt: skip
        return RegistrationNumbers(lambda: self.config, self.store, now, new_id, random, pepper, self.in_thread)

    def _backend(self, numbers: RegistrationNumbers, random: RandomBytes, mac_key: bytes) -> Backend:
        """What clients are told."""
        self.downloads = Downloads(
            self.store, self._files, self.clock.now_ms, self.in_thread, mac_key, self._shows_content
        )
        return Backend(
            lambda: self.config, self.store, self.clock.now_ms, random, numbers, mac_key, self.receipts, self.presence,
            lambda: self.services.server_keys, lambda call: self.channels.hook(call), lambda: self.wordings,
            self.downloads, self.notices.write,
        )  # fmt: skip

    def _forgetting(self, mac_key: bytes) -> None:
        """What is kept and whether it is whole, how it is looked through, and what is not kept any longer."""
        listed = ErasureList(housekeeping.database_path(self.config))
        now = self.clock.now_ms
        self.hold = self.core.hold = Hold(self.store, now, self.dispatch, self.deadlines, self.metrics)
        self.integrity = Integrity(
            self.store, now, mac_key, lambda: self.config.store, lambda: self.days, self.hold, self.metrics
        )
        self.erasure = Erasure(self.store, now, listed, self.in_thread, self._files.remove, self.changes, self._revoked)
        self.archive = self.core.archive = Archive(self.store, now, lambda: self.config, self.erasure)
        self.core.search = Search(self.store, now, self.archive.kept)

    def _inbound(self, numbers: RegistrationNumbers, new_id: Callable[[], str]) -> Directory:
        """What comes from outside: texts, receipts, services that call."""
        now = self.clock.now_ms
        self.applications = Applications(
            self.store, self._application,
            Hosts(
                self.store, self._accept, lambda: self.config, self.registration.complete, self._sent_by,
                lambda message: self.applications.told(message),
            ),
            self._reactor, now, self._random.random, self.metrics,
        )  # fmt: skip
        drivers = TargetDrivers(self._reactor, now, new_id)
        self.targets = Targets(self.store, drivers, self._reactor, now, self._random.random, self.metrics)
        self.targets.due = self.deadlines.add(self.targets.work)
        forwarding = Forwarding(self.store, self._accept, lambda: self.config.priority)
        self.texts = InboundTexts(
            self.store, now, inbound_router(self.config, self.number_files), self.registration.received,
            self.keys.readers, self.metrics, self._forget,
            *(self.deadlines.add(chore) for chore in (forwarding.work, self.applications.work)), self.targets.due,
        )  # fmt: skip
        self.texts.registers = registers(self.config)
        reassembly = Reassembly(self.store, lambda: self.config.inbound_routing.reassembly_timeout, self.texts.received)
        reassembly.pull = self.deadlines.add(reassembly.work)
        self.host = LineHost(self.dispatch, self.receipts, self.texts, reassembly, self.metrics)
        directory = Directory(
            self.store, now, self._revoked, self._forget, numbers, lambda number: self.channels.links(number),
            lambda: self.config.calendar,
        )  # fmt: skip
        self.channels = Channels(ChannelHost(self.receipts, self.texts, directory), self._reactor)
        return directory

    def line(self, options: LineOptions) -> ILine:
        """The driver of a configured line. ConfigError: its options cannot be used."""
        if isinstance(options, SmppLine):
            return smpp_line(options, self._reactor, self.clock, self._random)
        return DatasmsDriver(options, self.channels, self.presence.notify, self.clock.now_ms)

    def way(self, line: ILine, options: LineOptions, kept: LineRow) -> Way:
        """A line as dispatch keeps it."""
        to_devices = isinstance(options, DatasmsLine)
        wording, sources = self.wordings[options.name], suffixes_of(self.config).sources(options.name)
        facts = LineFacts(
            options.name,
            options.driver,
            to_devices,
            line.lease_ms,
            options.share,
            wording,
            options.day_limit,
            sources,
            self.costs,
        )
        # SMPP paces itself, part by part.
        rate = options.rate if to_devices else None
        return Way(line, facts, rate, kept)

    def configure(
        self,
        config: Config,
        calendars: Mapping[str, Calendar],
        numbers: NumberFiles | None = None,
        router: Router | None = None,
        inbound: InboundRouter | None = None,
    ) -> None:
        """From now on this configuration holds, with these calendars, number lists and these routers of it (None: they
        are made here, which takes its time); its lines are the caller's business."""
        numbers = NumberFiles(config) if numbers is None else numbers
        self.config = config
        self.days = Days(zone_of(config))
        self.openings = Openings(calendars)
        self.wordings = wordings(config)
        self.costs = Costs(config, self.wordings, self._operator_of)
        self.texts.router = inbound or inbound_router(config, numbers)
        self.texts.registers = registers(config)
        suffixes = suffixes_of(config)
        for name, way in self.dispatch.ways.items():
            way.facts = structs.replace(way.facts, sources=suffixes.sources(name))
            if name in self.wordings:
                way.facts = structs.replace(way.facts, wording=self.wordings[name], costs=self.costs)
        self.number_files = numbers
        self.core.configure(config, router or Router(config, calendars, numbers.lists), numbers)

    def numbers_of(self, config: Config) -> Awaitable[NumberFiles]:
        """The number lists and ported numbers of a configuration. ConfigError: a file cannot be used."""
        return self.in_thread(lambda: NumberFiles(config))

    def refresh_numbers(self) -> None:
        """Sees to it that files with numbers are read again if they changed; waits for nothing."""
        refreshing = Deferred.fromCoroutine(self.number_files.refresh(self.clock.now_ms(), self.in_thread))
        refreshing.addCallback(lambda _: self.number_files.show(self.metrics))
        refreshing.addErrback(lambda failure: self._log.failure("number files were not read again", failure=failure))

    async def keep_house(self) -> None:
        """To be called time and again. A damaged database is only read, so that there is less to do."""
        self.integrity.look()
        await self.core.search.reads.flush()
        with suppress(StoreHeld):
            await housekeeping.beat(self.store, self.clock, self.metrics)
            await self.attachments.purge()
            await self.archive.purge()
            await self.backend.write_seen()
            await self.targets.count()

    async def look_again(self) -> int:
        """Applies the calendars that hold now to what is held back; how many messages that changed."""
        return await held.look_again(self.store, self.clock.now_ms, self._openings, self.changes)

    def channels_of(self, config: Config) -> dict[str, IOperatedChannel]:
        """A configuration's channels, unchanged ones as they are in use. ConfigError: its options cannot be used."""
        former = {options.name: options for options in self.config.channel}
        if config.mxservice.public_url != self.config.mxservice.public_url:
            # Services are told to call us there, and to fetch there.
            former = {}
        return {
            options.name: self.channels[options.name]
            if options.name in self.channels and former.get(options.name) == options
            else self.services.channel(options, config)
            for options in config.channel
            if options.enabled
        }

    def _openings(self) -> Openings:
        return self.openings

    def backoff(self, priority: str) -> Backoff:
        """When messages of this priority are tried again; the default for one that is gone from the configuration."""
        known = self.config.priority.get(priority)
        return Backoff() if known is None else Backoff(known.retry.first, known.retry.cap)

    def _operator_of(self, number: str | None) -> str:
        return self.core.operators.of(number)

    def _is_urgent(self, priority: str) -> bool:
        known = self.config.priority.get(priority)
        return known is not None and known.urgent

    def _shows_text(self, channel: str) -> bool:
        # One that is gone from the configuration: better not repeated.
        known = self.channels.get(channel)
        return known is None or known.carries_text

    def _shows_content(self, channel: str) -> bool:
        known = self.channels.get(channel)
        return known is not None and known.carries_text

    def in_thread(self, work: Callable[[], T]) -> Awaitable[T]:
        """What would hold the reactor up."""
        return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), work)

    def _pause(self, ms: int) -> Awaitable[None]:
        return deferLater(self._reactor, ms / 1000, lambda: None)

    def _sent_by(self, message: MessageId, application: str) -> None:
        self.applications.sent(message, application)

    def _application(self, options: Application) -> Callable[[], IApplication]:
        """What makes applications of these options. ConfigError: they are unusable."""
        if options.plugin is None:
            return lambda: ExternalProgram(options.command, options.options, self._reactor, self._reactor)
        try:
            found = plugin(options.plugin)
            if found is None:
                raise ValueError("there is no such plugin")
            found.application(options.options)
        except ValueError as error:
            raise ConfigError([f"application {options.name}: {error}"]) from error
        maker = found.application
        return lambda: maker(options.options)

    def _finished(self, progress: Progress) -> None:
        self.applications.ended(progress)
        self.metrics.finished(progress.state.value, progress.code or "").inc()

    def _forget(self, device: DeviceId) -> None:
        self.backend.forget(device)

    def _revoked(self, device: DeviceId) -> None:
        self.backend.forget(device)
        self.presence.revoke(device)

    def _registered(self, completed: Completed) -> None:
        self.backend.forget(*completed.retired)
        self.backend.registered(completed.registration)


def _secret(path: Path, random: RandomBytes) -> bytes:
    """A key of the daemon's own, made at the first start; kept outside the database."""
    if not path.exists():
        write_private(path, random(SECRET_BYTES))
    return path.read_bytes()


def lines_of(config: Config) -> dict[LineName, LineOptions]:
    """The lines that are to run."""
    return {options.name: options for options in config.line if options.enabled}
