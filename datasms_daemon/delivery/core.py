"""The core as the gateway sees it: what applications and operators may ask, in the words of the model."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred

from datasms_daemon.config.records import Config, SenderOptions
from datasms_daemon.delivery.accept import NO_LINES, Acceptance, Taken
from datasms_daemon.delivery.applications import Applications
from datasms_daemon.delivery.archive import Archive
from datasms_daemon.delivery.attachments import Attachments
from datasms_daemon.delivery.changes import Changes
from datasms_daemon.delivery.channels import ChannelOperations, Channels
from datasms_daemon.delivery.configuration import Configuration
from datasms_daemon.delivery.directory import Directory
from datasms_daemon.delivery.dispatch import Dispatch
from datasms_daemon.delivery.explaining import Moment
from datasms_daemon.delivery.hold import REFUSES, Hold
from datasms_daemon.delivery.inbound import InboundTexts
from datasms_daemon.delivery.keys import Keys
from datasms_daemon.delivery.number_files import NumberFiles, PortedNumbers
from datasms_daemon.delivery.portability import Portability
from datasms_daemon.delivery.reports import report
from datasms_daemon.delivery.resending import again, unfit, why_not
from datasms_daemon.delivery.search import Search
from datasms_daemon.delivery.targets import Targets
from datasms_daemon.errors import DiskFull, StoreHeld
from datasms_daemon.model import (
    AcceptedSubmission,
    AuditEntry,
    AuditQuery,
    Conflict,
    Dossier,
    Event,
    Explanation,
    Inbound,
    Key,
    KeyReused,
    Limited,
    LineName,
    LineView,
    MessageId,
    Progress,
    Refused,
    Report,
    ReportQuery,
    Submission,
)
from datasms_daemon.ops.metrics import Metrics
from datasms_daemon.ops.shield import shield
from datasms_daemon.rules import lifecycle
from datasms_daemon.rules.decisions import Decision
from datasms_daemon.rules.numbers import normalise
from datasms_daemon.rules.openings import Openings
from datasms_daemon.rules.operators import Operators
from datasms_daemon.rules.routing import Router
from datasms_daemon.rules.senders import Account
from datasms_daemon.store import audit, inbound, messages, operations
from datasms_daemon.store.store import Db, Store
from datasms_daemon.store.usage import ALWAYS


class Core:
    """Messages, lines and keys. ``sender`` None means: may see everybody's."""

    # Given by the assembly, because they need the core themselves.
    configuration: Configuration
    archive: Archive
    search: Search
    hold: Hold
    targets: Targets

    def __init__(
        self,
        config: Config,
        store: Store,
        now_ms: Callable[[], int],
        new_id: Callable[[], str],
        mac_key: bytes,
        keys: Keys,
        directory: Directory,
        dispatch: Dispatch,
        channels: Channels,
        texts: InboundTexts,
        applications: Applications,
        attachments: Attachments,
        changes: Changes,
        metrics: Metrics,
        has_room: Callable[[], bool],
        router: Router,
        openings: Callable[[], Openings],
        numbers: NumberFiles,
        portability: Portability,
    ) -> None:
        self._store = store
        self._now_ms = now_ms
        self._new_id = new_id
        self._mac_key = mac_key
        self._keys = keys
        self.directory = directory
        self._dispatch = dispatch
        self.channels = ChannelOperations(store, now_ms, channels)
        self.inbound_texts = texts
        self.applications = applications
        self.attachments = attachments
        self._changes = changes
        self._metrics = metrics
        self._has_room = has_room
        self._openings = openings
        self._not_ready: str | None = "starting"
        self._portability = portability
        self.configure(config, router, numbers)

    def configure(self, config: Config, router: Router, numbers: NumberFiles) -> None:
        """From now on these rules and priorities hold; what was accepted keeps its plan."""
        self._config = config
        self._portability.use(None if config.portability.file is None else PortedNumbers(numbers))
        self.operators = operators = Operators(config.operator, self._portability.operator)
        openings = self._openings()
        self._acceptance = Acceptance(config, router, openings, operators, numbers.lists, self._new_id, self._mac_key)

    @property
    def acceptance(self) -> Acceptance:
        """The rules that hold now."""
        return self._acceptance

    @property
    def config(self) -> Config:
        """The configuration that holds now."""
        return self._config

    def now(self) -> int:
        """UTC ms."""
        return self._now_ms()

    def normalise(self, number: str) -> str | None:
        """E.164; None when it is no valid number in the configured country or with a prefix."""
        return normalise(number, self._config.daemon.country)

    def not_ready(self) -> str | None:
        """None when everything works; else the reason."""
        return self._not_ready or (REFUSES if self.hold.refuses else None)

    def set_ready(self, why_not: str | None) -> None:
        """What ``not_ready`` answers from now on."""
        self._not_ready = why_not

    async def audit(self, query: AuditQuery) -> tuple[AuditEntry, ...]:
        """A page of the audit log, newest first."""
        return await self._store.read(lambda db: audit.find(db, query))

    # --- keys --------------------------------------------------------------------------------------------------------

    def sender_of(self, secret: str) -> Key | None:
        """The key a secret proves; None: unknown or expired."""
        return self._keys.of(secret)

    async def keys(self) -> tuple[Key, ...]:
        """All keys, without their secrets."""
        return self._keys.all()

    async def add_key(
        self,
        name: str,
        rights: tuple[str, ...],
        top_priority: str | None = None,
        lines: tuple[str, ...] | None = None,
        rate: int = 50,
        expires_at: int | None = None,
        by: str = "operator",
    ) -> tuple[Key, str]:
        """A new key and its secret, shown once."""
        return await self._keys.add(name, rights, top_priority, lines, rate, expires_at, by)

    async def delete_key(self, id_: str, by: str = "operator") -> bool:
        """False when there was no such key."""
        return await self._keys.delete(id_, by)

    def account(self, sender: str) -> Account[SenderOptions] | None:
        """What holds for a sender; None when neither the configuration nor a key names it."""
        senders = self._acceptance.senders
        is_known = sender in senders or any(key.name == sender for key in self._keys.all())
        return senders.of(sender) if is_known else None

    # --- messages ----------------------------------------------------------------------------------------------------

    async def accept(self, submission: Submission) -> AcceptedSubmission | Refused | Limited | KeyReused:
        """Commits the whole submission and sets it going, whether or not the caller waits for the answer.

        DiskFull: no room for new work. StoreFailed: nothing was taken.
        """
        if self.hold.refuses:
            raise StoreHeld(REFUSES)
        if not self._has_room():
            raise DiskFull("too little room on the disk for new messages")
        return await shield(Deferred.fromCoroutine(self._accept(submission)))

    async def _accept(self, submission: Submission) -> AcceptedSubmission | Refused | Limited | KeyReused:
        acceptance = self._acceptance
        if acceptance.reads_operator:
            await self._learn(acceptance, submission)
            acceptance = self._acceptance
        now = self._now_ms()
        lines = {name: way.facts for name, way in self._dispatch.ways.items()}
        wanted = sum(len(draft.recipients) for draft in submission.drafts)
        day = self._dispatch.day(now)
        reserved = self._dispatch.reserve(wanted, day.name, now)
        unusable = self._dispatch.unusable(day.name) if acceptance.reads_unusable else NO_LINES

        def unit(db: Db) -> Taken:
            return acceptance.take(db, submission, now, day, lines, reserved, unusable)

        try:
            taken = await self._store.write(unit)
        finally:
            self._dispatch.release(reserved)
        for name, begun in taken.begun.items():
            self._dispatch.begin(name, begun)
        self._changes.applied(taken.placed)
        self._metrics.commit_wait.observe((self._now_ms() - now) / 1000)
        if isinstance(taken.answer, AcceptedSubmission):
            self._metrics.accepted.inc(len(taken.placed))
        else:
            self._metrics.refused.inc()
        return taken.answer

    async def _learn(self, acceptance: Acceptance, submission: Submission) -> None:
        if self._portability.is_used:
            numbers = await self._store.read(lambda db: acceptance.numbers(db, submission))
            await self._portability.learn(numbers)

    async def explain(self, submission: Submission, at: int | None = None) -> tuple[Explanation, ...] | Refused:
        """How each message would go if it were accepted at that time (UTC ms; None: now), and why."""
        acceptance = self._acceptance
        await self._learn(acceptance, submission)
        moment = self._moment(submission, at)
        return await self._store.read(lambda db: acceptance.explain(db, submission, moment))

    def _moment(self, submission: Submission, at: int | None) -> Moment:
        now = self._now_ms() if at is None else at
        day = self._dispatch.day(now)
        starts = {now, *(max(now, draft.send_at or now) for draft in submission.drafts)}
        held = None if self.hold.reason is None else f"nothing is sent: {self.hold.reason}"
        standings = {start: self._dispatch.standings(self._dispatch.day(start).name, held) for start in starts}
        return Moment(now, day, standings, self._dispatch.unusable(day.name), ALWAYS if at is None else at)

    async def dossier(self, id_: MessageId, sender: str | None) -> Dossier | None:
        """All of one message; None when there is none that this sender may see."""
        found = await self._store.read(lambda db: messages.dossier(db, id_))
        return found if found is not None and sender in (None, found.message.sender) else None

    async def trace(self, id_: MessageId, sender: str | None) -> tuple[Event, ...] | None:
        """Every decision about a message, oldest first."""
        if await self.dossier(id_, sender) is None:
            return None
        return await self._store.read(lambda db: messages.trace(db, id_))

    async def cancel(self, id_: MessageId, sender: str | None, by: str) -> Dossier | Conflict | None:
        """Nothing more of it is sent; a Conflict when it is final."""
        now = self._now_ms()
        return await self._change(
            id_,
            sender,
            lambda dossier: lifecycle.cancel(dossier.progress, now, by),
            "it is final already",
            (by, "message cancelled"),
        )

    async def reschedule(
        self, id_: MessageId, sender: str | None, by: str, send_at: int | None
    ) -> Dossier | Conflict | None:
        """Another time, None for now; a Conflict once anything was tried."""
        now = self._now_ms()

        def decide(dossier: Dossier) -> Decision | None:
            message = dossier.message
            ttl = message.valid_until - max(message.created_at, message.send_at or 0)
            priority = self._config.priority.get(message.priority)
            ndr_ms = None if priority is None else priority.ndr_after
            return lifecycle.reschedule(dossier.progress, now, send_at, ttl, by, self._openings(), ndr_ms)

        # Kept also when it is now: its validity counts from there.
        starts = max(now, send_at or now)
        return await self._change(id_, sender, decide, "it was tried already", (by, "message put off"), starts)

    async def resend(self, id_: MessageId, by: str) -> MessageId | Conflict | None:
        """A new message with the content of one that ended; a Conflict while that is under way."""
        found = await self.dossier(id_, None)
        if found is None:
            return None
        if not found.progress.state.is_final:
            return Conflict(found.progress.state, "it is still under way")
        if (fault := await self._store.read(lambda db: unfit(db, id_, self._mac_key))) is not None:
            return Conflict(found.progress.state, fault)
        answer = await self.accept(again(found))
        if not isinstance(answer, AcceptedSubmission):
            return Conflict(found.progress.state, why_not(answer))
        now = self._now_ms()
        await self._store.write(lambda db: operations.audit(db, now, by, "resent", id_))
        return answer.messages[0].id

    async def inbound(self, sender: str, after: int, limit: int) -> tuple[Inbound, ...]:
        """Texts from outside for an account."""
        return await self._store.read(lambda db: inbound.texts_for(db, f"account:{sender}", after, limit))

    def watch_inbound(self, sender: str, arrived: Callable[[], None]) -> Callable[[], None] | None:
        """Calls ``arrived`` at each text for an account; the answer ends it. None: too many wait for them already."""
        return self.inbound_texts.readers.watch(sender, arrived)

    def watch(self, id_: MessageId, changed: Callable[[], None]) -> Callable[[], None]:
        """Calls ``changed`` at each change of the message; the answer ends it."""
        return self._changes.watch(id_, changed)

    async def _change(
        self,
        id_: MessageId,
        sender: str | None,
        decide: Callable[[Dossier], Decision | None],
        conflict: str,
        act: tuple[str, str],
        send_at: int | None = None,
    ) -> Dossier | Conflict | None:
        now = self._now_ms()

        def unit(db: Db) -> tuple[Dossier | Conflict | None, list[Progress]]:
            found = messages.dossier(db, id_)
            if found is None or sender not in (None, found.message.sender):
                return None, []
            decision = decide(found)
            if decision is None:
                return Conflict(found.progress.state, conflict), []
            applied = messages.apply(db, [decision], now)
            # What a sender does with his own is in the message's trace.
            if sender is None:
                operations.audit(db, now, *act, id_)
            if send_at is not None:
                messages.set_send_at(db, id_, send_at)
            return messages.dossier(db, id_), applied

        answer, applied = await self._store.write(unit)
        self._changes.applied(applied)
        return answer

    async def report(self, query: ReportQuery) -> Report:
        """Traffic and money of a span; read beside the writer."""
        now, config, senders = self._now_ms(), self._config, self._acceptance.senders
        return await self._store.read(lambda db: report(db, query, now, config, senders))

    # --- lines -------------------------------------------------------------------------------------------------------

    async def lines(self) -> tuple[LineView, ...]:
        """Every line with its state, today's count and what waits for it."""
        waiting = await self._store.read(messages.ready_lines)
        today = self._dispatch.today()
        views = []
        for name, way in self._dispatch.ways.items():
            status = way.status(today)
            views.append(
                LineView(
                    name, way.facts.driver, status.state, status.reason, way.sent_on(today), way.facts.day_limit,
                    waiting.get(name, 0), way.is_lifted(today),
                )
            )  # fmt: skip
        return tuple(views)

    async def pause(self, line: str, by: str) -> LineView | None:
        """Nothing more goes out on the line until it is resumed, restarts included; None: no such line."""
        return await self._hold(LineName(line), True, by)

    async def resume(self, line: str, by: str) -> LineView | None:
        """Ends a pause, and lifts a day limit that stopped the line, for this day."""
        return await self._hold(LineName(line), False, by)

    async def _hold(self, line: LineName, paused: bool, by: str) -> LineView | None:
        way = self._dispatch.ways.get(line)
        if way is None:
            return None
        now, today = self._now_ms(), self._dispatch.today()
        lifts = not paused and way.is_exhausted(today)

        def unit(db: Db) -> None:
            operations.set_paused(db, line, paused)
            if lifts:
                operations.resume_limit(db, line)
            operations.audit(db, now, by, "line paused" if paused else "line resumed", line)

        await self._store.write(unit)
        # A reload may have put another one in its place.
        way = self._dispatch.ways.get(line, way)
        way.paused = paused
        way.resumed = way.resumed or lifts
        self._dispatch.wake(line)
        return next((view for view in await self.lines() if view.name == line), None)
