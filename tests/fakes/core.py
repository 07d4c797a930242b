"""The core as the gateway sees it, in memory: no rules, no lines, and verbs for what happens behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec.structs import replace
from twisted.internet.defer import Deferred

from datasms_daemon.config.records import Config, DatasmsLine, SenderOptions, SmppLine
from datasms_daemon.delivery.readers import Readers
from datasms_daemon.gateway.ports import Core
from datasms_daemon.model import (
    RIGHTS,
    AcceptedMessage,
    AcceptedSubmission,
    Allowance,
    ArchivedInbound,
    AuditEntry,
    AuditQuery,
    Conflict,
    Dossier,
    Draft,
    Event,
    ExplainedStep,
    Explanation,
    FloodUse,
    Found,
    Inbound,
    InboundSearch,
    Key,
    KeyReused,
    Limited,
    Limits,
    LineName,
    LineStanding,
    LineState,
    LineView,
    Message,
    MessageId,
    MessageQuery,
    MessageState,
    Problem,
    Progress,
    QuotaUse,
    Recipient,
    Refused,
    Report,
    ReportQuery,
    ReportRow,
    SkippedLine,
    Step,
    Submission,
    Success,
    Sums,
    WhenClosed,
)
from datasms_daemon.rules import numbers
from datasms_daemon.rules.search import occur
from datasms_daemon.rules.senders import Account, Senders
from tests.fakes.attachments import DAY, NOW, FakeAttachments
from tests.fakes.core_directory import FakeDirectory
from tests.fakes.core_parts import (
    FakeApplications,
    FakeArchive,
    FakeChannels,
    FakeConfiguration,
    FakeHold,
    FakeTargets,
    FakeTexts,
)

LINES = (LineName("datasms"), LineName("sms-o2"))
_STANDING = LineStanding(10, 10, False, "day limit reached", 5)
LIMITS = Limits(
    (QuotaUse("day", "2026-09-21", NOW, NOW + DAY, 100, "sender.crm", 99),),
    FloodUse(3, 20, 600_000, False),
    {"lines": Allowance(("sms-o2",), "sender_defaults"), "numbers": Allowance(None, None)},
    None,
    Limited("flood", "too many", NOW + 1000, (Problem("/to/0", "has had 20 messages lately"),)),
)


class FakeSearch:
    """Finds among what the fake core has; keeps what it was asked for, by whom."""

    def __init__(self, core: FakeCore) -> None:
        self.messages = core.messages
        self.dead = core.dead
        self._core = core

    async def inbound(self, query: InboundSearch, by: str, what: str) -> Found[ArchivedInbound]:
        self._core.looked_for.append((query, by, what))
        return Found(tuple(self._core.archived), None)


class FakeCore(FakeDirectory):
    """Keys are named by their rights: ``dsk_send`` may send, ``dsk_send-read`` both, ``dsk_all`` everything."""

    def __init__(self) -> None:
        super().__init__()
        self.channels = FakeChannels()
        self.configuration = FakeConfiguration()
        self.inbound_texts = FakeTexts()
        self.applications = FakeApplications()
        self.targets = FakeTargets()
        self.attachments = FakeAttachments()
        self.archive = FakeArchive()
        self.hold = FakeHold()
        self.config = Config(line=(DatasmsLine(name=LINES[0]), SmppLine(name=LINES[1], host="smsc", system_id="x")))
        self.dossiers: dict[MessageId, Dossier] = {}
        self.texts: list[Inbound] = []
        self.readers = Readers()
        self.secrets: dict[str, Key] = {"dsk_all": _key("all", RIGHTS)}
        self.states = dict.fromkeys(LINES, LineState.UP)
        self.acts = [AuditEntry(n, NOW + n, "crm", "line paused", "sms-o2", bytes([n])) for n in (1, 2, 3)]
        self.archived: list[ArchivedInbound] = []
        self.looked_for: list[tuple[MessageQuery | InboundSearch, str | None, str]] = []
        self.submissions: list[Submission] = []
        self.explained_at: int | None = None
        self.explained_for: Submission | None = None
        self.unready: str | None = None
        self.failure: Exception | None = None
        self.stalled: Deferred[None] | None = None
        self.limited: Limited | None = None
        self.asked: ReportQuery | None = None
        self._answered: dict[tuple[str, str], tuple[str, AcceptedSubmission]] = {}
        self._watching: dict[MessageId, list[Callable[[], None]]] = {}
        self._made = 0

    def move(self, id_: MessageId, state: MessageState) -> None:
        """The message gets into another state; watchers are told."""
        dossier = self.dossiers[id_]
        progress = replace(dossier.progress, state=state, gen=dossier.progress.gen + 1)
        self.dossiers[id_] = replace(dossier, progress=progress)
        for changed in tuple(self._watching.get(id_, ())):
            changed()

    def receive(self, text: Inbound, sender: str = "all") -> None:
        """A text from outside comes for a sender."""
        self.texts.append(text)
        self.readers.tell([f"account:{sender}"])

    def watched(self, id_: MessageId) -> int:
        """How many watch a message."""
        return len(self._watching.get(id_, ()))

    def key(self, *rights: str, **fields: object) -> str:
        """The secret of a key with these rights."""
        name = "-".join(rights)
        self.secrets[f"dsk_{name}"] = replace(_key(name, rights), **fields)
        return f"dsk_{name}"

    @property
    def search(self) -> FakeSearch:
        """The fake looks for itself."""
        return FakeSearch(self)

    @property
    def directory(self) -> FakeCore:
        """The fake is its own directory."""
        return self

    def sender_of(self, secret: str) -> Key | None:
        return self.secrets.get(secret)

    async def keys(self) -> tuple[Key, ...]:
        return tuple(self.secrets.values())

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
        key = Key(self._new_id(), name, rights, top_priority, lines, rate, NOW, expires_at)
        secret = f"dsk_{key.id}"
        self.secrets[secret] = key
        return key, secret

    async def delete_key(self, id_: str, by: str = "operator") -> bool:
        # The key of the tests themselves stays, so that whatever they send they can go on.
        found = [secret for secret, key in self.secrets.items() if key.id == id_ and key.name != "all"]
        for secret in found:
            del self.secrets[secret]
        return bool(found)

    async def accept(self, submission: Submission) -> AcceptedSubmission | Refused | Limited | KeyReused:
        if self.failure is not None:
            raise self.failure
        if self.stalled is not None:
            await self.stalled
        if self.limited is not None:
            return self.limited
        self.submissions.append(submission)
        asked = submission.idempotency
        if asked is not None and (before := self._answered.get((submission.sender, asked.key))) is not None:
            return replace(before[1], replayed=True) if before[0] == asked.body_hash else KeyReused()
        problems = tuple(self._unknown(submission))
        if problems:
            return Refused(problems)
        messages = [self._take(submission, draft, to) for draft in submission.drafts for to in draft.recipients]
        accepted = AcceptedSubmission(self._new_id(), tuple(messages))
        if asked is not None:
            self._answered[submission.sender, asked.key] = asked.body_hash, accepted
        return accepted

    async def explain(self, submission: Submission, at: int | None = None) -> tuple[Explanation, ...] | Refused:
        self.explained_at, self.explained_for = at, submission
        problems = tuple(self._unknown(submission))
        if problems:
            return Refused(problems)
        skipped = (SkippedLine(LineName("mail"), "no address"),)
        return tuple(
            Explanation(to.number, to.person, ("everybody",), _steps(draft.text), skipped, "o2", "default", LIMITS)
            for draft in submission.drafts
            for to in draft.recipients
        )

    async def dossier(self, id_: MessageId, sender: str | None) -> Dossier | None:
        dossier = self.dossiers.get(id_)
        return dossier if dossier is not None and sender in (None, dossier.message.sender) else None

    async def messages(self, query: MessageQuery, by: str | None, what: str) -> Found[Dossier]:
        self.looked_for.append((query, by, what))
        newest = [self.dossiers[id_] for id_ in sorted(self.dossiers, reverse=True)]
        found = [
            dossier
            for dossier in newest
            if query.sender in (None, dossier.message.sender)
            and (not query.status or dossier.progress.state in query.status)
            and query.to in (None, dossier.message.to)
            and query.reference in (None, dossier.message.reference)
            and (not query.words or occur(query.words, dossier.message.title, dossier.message.text))
            and (query.after is None or dossier.message.id < query.after)
        ]
        shown = tuple(found[: query.limit])
        return Found(shown, shown[-1].message.id if len(found) > query.limit else None)

    async def trace(self, id_: MessageId, sender: str | None) -> tuple[Event, ...] | None:
        dossier = await self.dossier(id_, sender)
        return None if dossier is None else (Event(NOW, "accepted", {"rule": "everybody"}),)

    async def cancel(self, id_: MessageId, sender: str | None, by: str) -> Dossier | Conflict | None:
        return await self._change(id_, sender, MessageState.CANCELLED)

    async def reschedule(
        self, id_: MessageId, sender: str | None, by: str, send_at: int | None
    ) -> Dossier | Conflict | None:
        state = MessageState.QUEUED if send_at is None else MessageState.SCHEDULED
        return await self._change(id_, sender, state)

    async def dead(self, after: MessageId | None, limit: int, by: str) -> Found[Dossier]:
        return await self.messages(MessageQuery(status=(MessageState.FAILED,), after=after, limit=limit), by, "dead")

    async def resend(self, id_: MessageId, by: str) -> MessageId | Conflict | None:
        dossier = await self.dossier(id_, None)
        if dossier is None:
            return None
        if dossier.progress.state is not MessageState.FAILED:
            return Conflict(dossier.progress.state, "it is not dead")
        return MessageId(self._new_id())

    async def inbound(self, sender: str, after: int, limit: int) -> tuple[Inbound, ...]:
        return tuple(text for text in self.texts if text.seq > after)[:limit]

    def watch_inbound(self, sender: str, arrived: Callable[[], None]) -> Callable[[], None] | None:
        return self.readers.watch(sender, arrived)

    def watch(self, id_: MessageId, changed: Callable[[], None]) -> Callable[[], None]:
        watching = self._watching.setdefault(id_, [])
        watching.append(changed)
        return lambda: watching.remove(changed)

    async def report(self, query: ReportQuery) -> Report:
        self.asked = query
        keys = tuple({"day": "2026-09-21", "cost_centre": None}.get(name, name) for name in query.by)
        sums = Sums(3, 4, 2, 1, 3_600_000, 1, 2, 1_800_000)
        return Report(query.since or NOW - DAY, query.until or NOW, (ReportRow(keys, sums),))

    async def lines(self) -> tuple[LineView, ...]:
        return tuple(map(self._line, LINES))

    async def pause(self, line: str, by: str) -> LineView | None:
        return self._turn(line, LineState.PAUSED)

    async def resume(self, line: str, by: str) -> LineView | None:
        return self._turn(line, LineState.UP)

    def account(self, sender: str) -> Account[SenderOptions] | None:
        senders = Senders(self.config.sender_defaults, self.config.sender, self.config.sender_group)
        return senders.of(sender) if sender in senders else None

    async def audit(self, query: AuditQuery) -> tuple[AuditEntry, ...]:
        newest = [entry for entry in reversed(self.acts) if query.before is None or entry.seq < query.before]
        return tuple(entry for entry in newest if query.who in (None, entry.who))[: query.limit]

    def not_ready(self) -> str | None:
        return self.unready

    def now(self) -> int:
        return NOW

    def normalise(self, number: str) -> str | None:
        return numbers.normalise(number, "CZ")

    def _new_id(self) -> str:
        self._made += 1
        return f"01900000-0000-7000-8000-{self._made:012x}"

    def _unknown(self, submission: Submission) -> Iterable[Problem]:
        for draft in submission.drafts:
            for index, id_ in enumerate(draft.attachments):
                if (submission.sender, id_) not in self.attachments.kept:
                    pointer = f"{draft.pointer}/attachments/{index}"
                    yield Problem(pointer, "there is no such attachment, or it has expired")
            for to in draft.recipients:
                if to.person is not None and to.person not in self.people:
                    yield Problem(to.pointer, f"there is no person {to.person}")
                if to.group is not None and to.group not in self.teams:
                    yield Problem(to.pointer, f"there is no group {to.group}")

    def _take(self, submission: Submission, draft: Draft, to: Recipient) -> AcceptedMessage:
        id_ = MessageId(self._new_id())
        valid_until = NOW + (draft.ttl_ms or DAY)
        message = Message(
            id_, "1", submission.sender, to.number, to.person, draft.priority, draft.class_, draft.title, draft.text,
            draft.reference, NOW, draft.send_at, valid_until, draft.per_line, None, None, False,
            tuple(self.attachments.kept[submission.sender, one][0].attachment for one in draft.attachments),
            None, draft.buttons,
        )  # fmt: skip
        progress = Progress(id_, 1, MessageState.QUEUED, (Step(LINES[0], 60_000),), valid_until)
        self.dossiers[id_] = Dossier(message, progress)
        return AcceptedMessage(id_, to.number, progress.state)

    async def _change(self, id_: MessageId, sender: str | None, state: MessageState) -> Dossier | Conflict | None:
        dossier = await self.dossier(id_, sender)
        if dossier is None:
            return None
        if dossier.progress.state.is_final:
            return Conflict(dossier.progress.state, "it is over")
        self.move(id_, state)
        return self.dossiers[id_]

    def _line(self, name: LineName) -> LineView:
        return LineView(name, "datasms" if name == LINES[0] else "smpp", self.states[name], None, 0, None, 0)

    def _turn(self, name: str, state: LineState) -> LineView | None:
        line = LineName(name)
        if line not in self.states:
            return None
        self.states[line] = state
        return self._line(line)


def _steps(text: str) -> tuple[ExplainedStep, ...]:
    closed = (("office",), WhenClosed.SKIP, NOW, "is left out: closed")
    return (
        ExplainedStep(LINES[0], 60_000, Success.DELIVERED, None, *closed, text),
        ExplainedStep(LINES[1], 600_000, Success.SENT, 1, text=text, standing=_STANDING, goes_after=("high",)),
    )


def _key(name: str, rights: tuple[str, ...]) -> Key:
    return Key(id=f"k-{name}", name=name, rights=rights, rate=100_000)


def _is_core(core: FakeCore) -> Core:
    """What mypy says about this function is whether the fake has the real signatures."""
    return core
