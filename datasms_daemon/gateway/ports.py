"""What the gateway asks of the core; ``delivery.core.Core`` is the real one, the tests have another."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Protocol

from datasms_daemon.config.records import Config, SenderOptions
from datasms_daemon.delivery.configuration import Configuration
from datasms_daemon.model import (
    AcceptedSubmission,
    ApplicationView,
    ArchivedInbound,
    AuditEntry,
    AuditQuery,
    ChannelView,
    Conflict,
    DeadText,
    Device,
    DeviceId,
    Dossier,
    Due,
    Erased,
    Event,
    Explanation,
    Found,
    Group,
    GroupId,
    Inbound,
    InboundExplanation,
    InboundSearch,
    InboundText,
    IssuedRegistration,
    Key,
    KeyReused,
    Limited,
    LineView,
    MessageId,
    MessageQuery,
    Person,
    PersonId,
    Problem,
    QuotaReached,
    Refused,
    Report,
    ReportQuery,
    StoredAttachment,
    Submission,
    Verdict,
    WebhookView,
)
from datasms_daemon.rules.senders import Account


class Keys(Protocol):
    """Senders' keys."""

    def sender_of(self, secret: str) -> Key | None:
        """The live key with this secret, from memory; logs a failure itself."""

    async def keys(self) -> tuple[Key, ...]:
        """All keys."""

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
        """A new key and its secret, which is shown this once."""

    async def delete_key(self, id_: str, by: str = "operator") -> bool:
        """Whether there was such a key; it no longer works."""


class Messages(Protocol):
    """Messages; a ``sender`` of None sees everybody's."""

    async def accept(self, submission: Submission) -> AcceptedSubmission | Refused | Limited | KeyReused:
        """Commits all of it or nothing. Raises DiskFull or StoreFailed. Cancelling the caller changes nothing."""

    async def explain(self, submission: Submission, at: int | None = None) -> tuple[Explanation, ...] | Refused:
        """The plans that ``accept`` would make; stores nothing."""

    async def dossier(self, id_: MessageId, sender: str | None) -> Dossier | None:
        """All of one message; None when there is none for this sender."""

    async def trace(self, id_: MessageId, sender: str | None) -> tuple[Event, ...] | None:
        """What was decided and why, oldest first."""

    async def cancel(self, id_: MessageId, sender: str | None, by: str) -> Dossier | Conflict | None:
        """Cancels what is not yet handed over."""

    async def reschedule(
        self, id_: MessageId, sender: str | None, by: str, send_at: int | None
    ) -> Dossier | Conflict | None:
        """A new time while nothing was tried; None: now."""

    async def resend(self, id_: MessageId, by: str) -> MessageId | Conflict | None:
        """A new message with the content of a dead one."""

    async def inbound(self, sender: str, after: int, limit: int) -> tuple[Inbound, ...]:
        """Texts from outside for this sender, oldest first."""

    def watch_inbound(self, sender: str, arrived: Callable[[], None]) -> Callable[[], None] | None:
        """Calls ``arrived`` at each text for the sender; the answer ends that. None: too many wait for them already."""

    def watch(self, id_: MessageId, changed: Callable[[], None]) -> Callable[[], None]:
        """Calls ``changed`` at each change of the message; the answer ends that."""


class Directory(Protocol):
    """Persons, groups and their devices. What is put is put whole or not at all; problems point to ``/<index>/…``."""

    async def persons(self, after: str | None, limit: int) -> tuple[Person, ...]:
        """In the order of their ids."""

    async def person(self, id_: PersonId) -> Person | None:
        """One person."""

    async def put_persons(self, persons: tuple[Person, ...], by: str) -> tuple[Problem, ...]:
        """Creates or replaces them; what is wrong otherwise."""

    async def delete_person(self, id_: PersonId, by: str) -> bool:
        """Whether there was such a person."""

    async def groups(self, after: str | None, limit: int) -> tuple[Group, ...]:
        """In the order of their ids."""

    async def group(self, id_: GroupId) -> Group | None:
        """One group."""

    async def put_groups(self, groups: tuple[Group, ...], by: str) -> tuple[Problem, ...]:
        """Creates or replaces them; what is wrong otherwise."""

    async def put_all(self, persons: tuple[Person, ...], groups: tuple[Group, ...], by: str) -> tuple[Problem, ...]:
        """The two above in one; problems point to ``/persons/<index>/…`` and ``/groups/<index>/…``."""

    async def delete_group(self, id_: GroupId, by: str) -> bool:
        """Whether there was such a group."""

    async def register(self, person: PersonId, by: str) -> IssuedRegistration | None:
        """A registration number for a person; None when there is no such person."""

    async def devices(self, person: PersonId) -> tuple[Device, ...]:
        """The devices of a person."""

    async def revoke(self, device: DeviceId, by: str) -> bool:
        """Whether there was such a device; it is out at once."""


class Operations(Protocol):
    """Lines, configuration and state."""

    async def lines(self) -> tuple[LineView, ...]:
        """All lines."""

    async def pause(self, line: str, by: str) -> LineView | None:
        """Stops hand-overs to the line."""

    async def resume(self, line: str, by: str) -> LineView | None:
        """Ends a pause or a reached day limit."""

    def account(self, sender: str) -> Account[SenderOptions] | None:
        """What holds for a sender and where that stands; None when nothing knows such a sender."""

    async def audit(self, query: AuditQuery) -> tuple[AuditEntry, ...]:
        """At most ``query.limit`` entries of the audit log, newest first."""

    async def report(self, query: ReportQuery) -> Report:
        """Traffic and money of a span."""

    def not_ready(self) -> str | None:
        """Why no messages are taken; None when they are."""

    @property
    def config(self) -> Config:
        """The running configuration; another object after each reload."""

    def now(self) -> int:
        """UTC milliseconds."""

    def normalise(self, number: str) -> str | None:
        """The number in E.164; None when it is no valid one."""


class Channels(Protocol):
    """The internet services that reach devices."""

    async def all(self) -> tuple[ChannelView, ...]:
        """All channels."""

    async def test(self, name: str) -> Verdict | None:
        """Whether its credentials and settings are good; None when there is no such channel."""

    async def resume(self, name: str, by: str) -> ChannelView | None:
        """Believes the service again that addresses are gone."""


class InboundTexts(Protocol):
    """Texts from outside."""

    async def explain(self, inbound: InboundText) -> InboundExplanation:
        """Where a text would go and why; stores nothing."""


class Applications(Protocol):
    """What texts from outside are handed to."""

    async def all(self) -> tuple[ApplicationView, ...]:
        """All that run."""


class Targets(Protocol):
    """Webhooks and the mail relay: where texts from outside are handed on to."""

    async def webhooks(self) -> tuple[WebhookView, ...]:
        """All webhooks."""

    async def test(self, name: str) -> Verdict | None:
        """Whether it answers well; None when there is no such webhook, or it is off."""

    async def resume(self, name: str, by: str) -> WebhookView | None:
        """Calls it again after a 410; None as above."""

    async def dead(self, after: int | None, limit: int) -> tuple[DeadText, ...]:
        """Texts that are not tried any more, newest first."""

    async def resend(self, seq: int, by: str) -> bool | None:
        """Tries one again. None: there is no such dead text; False: its target is gone."""


class Attachments(Protocol):
    """Files for messages to come."""

    async def take(
        self, sender: str, name: str, pieces: AsyncIterable[bytes], expected: int | None
    ) -> StoredAttachment | QuotaReached | None:
        """Keeps a file, ``expected`` bytes long if that is known; None: it is empty. Raises DiskFull, and what
        ``pieces`` raises."""

    async def of_sender(self, sender: str, id_: str) -> StoredAttachment | None:
        """One of the sender's own that it may still use."""


class Archive(Protocol):
    """What is over."""

    async def due(self) -> tuple[Due, ...]:
        """What a purge would forget now."""

    async def purge_all(self, by: str) -> int:
        """Forgets it; how many rows."""

    @property
    def erase(self) -> Callable[[PersonId, str], Awaitable[Erased | None]]:
        """Erases a person, by whom; None when there is no such person."""

    @property
    def erase_number(self) -> Callable[[str, str], Awaitable[Erased | PersonId]]:
        """Erases what there is of a number, by whom; the person that it belongs to, if it does."""


class Search(Protocol):
    """What is kept, newest first. ``by`` is who reads what is not his own, and ``what`` what the audit log calls it."""

    async def messages(self, query: MessageQuery, by: str | None, what: str) -> Found[Dossier]:
        """Messages without attempts and pushes. A text that is not kept, or no longer, is empty, and is not found."""

    async def inbound(self, query: InboundSearch, by: str, what: str) -> Found[ArchivedInbound]:
        """Texts from outside, one for each place that they went to."""

    async def dead(self, after: MessageId | None, limit: int, by: str) -> Found[Dossier]:
        """Messages that ended failed or unknown."""


class Hold(Protocol):
    """What keeps a database that was restored, is damaged or in doubt from sending."""

    @property
    def reason(self) -> str | None:
        """Why nothing is sent; None when it is."""

    @property
    def is_damaged(self) -> bool:
        """Whether nothing can be written, so that it cannot be released."""

    async def release(self, by: str) -> bool:
        """Lets everything go; False when nothing was held. StoreHeld: it cannot be."""


class Core(Keys, Messages, Operations, Protocol):
    """All of it."""

    @property
    def directory(self) -> Directory:
        """Persons, groups and devices."""

    @property
    def channels(self) -> Channels:
        """The channels."""

    @property
    def configuration(self) -> Configuration:
        """The configuration in use."""

    @property
    def inbound_texts(self) -> InboundTexts:
        """Texts from outside."""

    @property
    def applications(self) -> Applications:
        """What they are handed to."""

    @property
    def targets(self) -> Targets:
        """Where else they are handed on to."""

    @property
    def attachments(self) -> Attachments:
        """Files for messages to come."""

    @property
    def archive(self) -> Archive:
        """What is over."""

    @property
    def search(self) -> Search:
        """What is kept."""

    @property
    def hold(self) -> Hold:
        """What keeps all messages back."""
