"""What applications send and what they are answered (interfaces.md § 2).

The same records decode requests and make the OpenAPI document, so that both always agree.
"""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta

from datasms_daemon.config.attachments import MOST_A_MESSAGE
from datasms_daemon.gateway.shapes import (
    END,
    MAX_BUTTONS,
    MAX_MESSAGES,
    Address,
    AttachmentId,
    BodyText,
    ButtonReply,
    ButtonText,
    CostCentre,
    Cursor,
    Duration,
    Email,
    FileName,
    Id,
    Known,
    Name,
    Number,
    PageSize,
    Reference,
    SenderName,
    Time,
    TimeText,
    Title,
    Wait,
    WebAddress,
    Word,
    Words,
)
from datasms_daemon.model import AcceptedMessage, AttemptState, DeviceState, LineName, MessageState, PersonId

T = TypeVar("T")


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what is sent to us."""


class Answer(msgspec.Struct, frozen=True):
    """Base of what we answer."""


class LineTextRequest(Request, frozen=True, kw_only=True):
    """What goes out on one line in place of the text."""

    text: BodyText


class ButtonRequest(Request, frozen=True, kw_only=True):
    """Pressed, it writes ``reply`` to us or opens ``url``; without both it writes its text."""

    text: ButtonText
    reply: ButtonReply | None = None
    url: WebAddress | None = None


class MessageRequest(Request, frozen=True, kw_only=True):
    """One text for one or many recipients."""

    to: Annotated[tuple[Address, ...], Meta(min_length=1, max_length=MAX_MESSAGES)]
    text: BodyText
    title: Title | None = None
    priority: Known | None = None
    send_at: Time | None = None
    ttl: Duration | None = None
    class_: Word | None = msgspec.field(default=None, name="class")
    attachments: Annotated[
        tuple[AttachmentId, ...], Meta(max_length=MOST_A_MESSAGE, description="Ids from POST /v1/attachments")
    ] = ()
    buttons: Annotated[tuple[ButtonRequest, ...], Meta(max_length=MAX_BUTTONS)] = ()
    reference: Reference | None = None
    cost_centre: CostCentre | None = None
    per_line: Annotated[dict[Known, LineTextRequest], Meta(max_length=64)] = {}
    lines: Annotated[tuple[Known, ...], Meta(min_length=1, max_length=64)] | None = None
    nomodify: Annotated[
        bool | None,
        Meta(description="The text leaves byte for byte, whatever a line does to others; null: the sender's"),
    ] = None
    receipts: Annotated[tuple[Literal["delivered", "read"], ...], Meta(max_length=2)] = ()


class BatchRequest(Request, frozen=True, kw_only=True):
    """Many messages: all of them are accepted or none."""

    messages: Annotated[tuple[MessageRequest, ...], Meta(min_length=1, max_length=MAX_MESSAGES)]


At = Annotated[Time | None, Meta(description="As if it were accepted at this time; null: now")]
As = Annotated[SenderName | None, Meta(description="As if this sender sent it (operate, admin); null: the key's own")]


class ExplainRequest(MessageRequest, frozen=True, kw_only=True):
    """A message that is not sent."""

    at: At = None
    sender: As = None


class ExplainBatchRequest(BatchRequest, frozen=True, kw_only=True):
    """Messages that are not sent."""

    at: At = None
    sender: As = None


class TextQuery(Request, frozen=True, kw_only=True):
    """What may stand beside a bare text, in the query or in headers of the same names."""

    title: Title | None = None
    priority: Known | None = None
    ttl: Duration | None = None
    reference: Reference | None = None


class AttachmentQuery(Request, frozen=True, kw_only=True):
    """What is said of a file beside its content."""

    name: FileName = ""


class RescheduleRequest(Request, frozen=True, kw_only=True):
    """When to send instead."""

    send_at: Annotated[
        str,
        Meta(
            max_length=40,
            extra_json_schema={"anyOf": [{"const": "now"}, {"format": "date-time"}]},
            examples=["now", "2026-11-24T08:00:00+01:00"],
        ),
    ]


class PageQuery(Request, frozen=True, kw_only=True):
    """Which part of a list; ``after`` is ``next`` of the part before."""

    limit: PageSize = 50
    after: Cursor | None = None


class MessagesQuery(PageQuery, frozen=True, kw_only=True):
    """Which messages; a status may be given several times."""

    q: Words | None = None
    status: tuple[MessageState, ...] = ()
    sender: Id | None = None
    to: Number | None = None
    person: Id | None = None
    priority: Known | None = None
    line: Known | None = None
    reference: Reference | None = None
    class_: Word | None = msgspec.field(default=None, name="class")
    code: Word | None = None
    cost_centre: CostCentre | None = None
    since: TimeText | None = None
    until: TimeText | None = None


class WaitQuery(Request, frozen=True, kw_only=True):
    """How long to wait for a change of something that is not final."""

    wait: Wait = 0


class PersonRequest(Request, frozen=True, kw_only=True):
    """A person; ``id`` may be left out where the path says it."""

    id: Id | None = None
    name: Name = ""
    numbers: Annotated[tuple[Number, ...], Meta(max_length=10)] = ()
    email: Email | None = None
    groups: Annotated[tuple[Id, ...], Meta(max_length=1000)] = ()
    language: Annotated[str, Meta(pattern=rf"^[A-Za-z]{{2,8}}(-[A-Za-z0-9]{{1,8}})*{END}", max_length=35)] | None = None
    calendar: Id | None = None


class GroupRequest(Request, frozen=True, kw_only=True):
    """A group; ``id`` may be left out where the path says it."""

    id: Id | None = None
    name: Name = ""
    members: Annotated[tuple[Id, ...], Meta(max_length=10_000)] = ()
    parent: Id | None = None
    calendar: Id | None = None


class DirectoryRequest(Request, frozen=True, kw_only=True):
    """Many persons and groups at once, each with its ``id``."""

    persons: Annotated[tuple[PersonRequest, ...], Meta(max_length=10_000)] = ()
    groups: Annotated[tuple[GroupRequest, ...], Meta(max_length=10_000)] = ()


class KeyRequest(Request, frozen=True, kw_only=True):
    """A new key; without ``lines`` all of them are allowed."""

    name: Id
    rights: Annotated[
        tuple[Literal["send", "read", "inbound", "directory", "operate", "admin"], ...],
        Meta(min_length=1, max_length=6, extra_json_schema={"uniqueItems": True}),
    ]
    top_priority: Known | None = None
    lines: Annotated[tuple[Known, ...], Meta(min_length=1, max_length=64)] | None = None
    rate: Annotated[int, Meta(ge=1, le=100_000, description="Requests a second")] = 50
    expires_at: Time | None = None


class AcceptedAnswer(Answer, frozen=True):
    """What was committed."""

    id: str
    messages: tuple[AcceptedMessage, ...]


class PushView(Answer, frozen=True):
    """One push to one device."""

    device: str
    channel: str
    state: str


class AttemptView(Answer, frozen=True):
    """One try on one line."""

    step: int
    line: LineName
    state: AttemptState
    sent_at: str | None
    deadline: str | None
    finished_at: str | None
    outcome: str | None
    reason: str | None
    late: bool
    pushes: tuple[PushView, ...]


class MessageItem(Answer, frozen=True):
    """A message as a list shows it."""

    id: str
    to: str | None
    person: str | None
    sender: str
    priority: str
    reference: str | None
    status: MessageState
    line: str | None
    created_at: str
    send_at: str | None
    delivered_at: str | None
    read_at: str | None
    valid_until: str
    held_until: str | None
    ndr_at: str | None
    code: str | None
    cost_centre: str | None
    class_: str | None = msgspec.field(name="class")


class AttachmentView(Answer, frozen=True):
    """A file as it was found to be."""

    id: str
    name: str
    type: str
    size: int
    sha256: str


class StoredAttachmentView(AttachmentView, frozen=True):
    """A file that messages may name; it is removed at ``expires_at`` when none needs it then."""

    expires_at: str


class MessageView(MessageItem, frozen=True):
    """A message with what was tried."""

    attempts: tuple[AttemptView, ...]
    attachments: tuple[AttachmentView, ...]


class Page(Answer, Generic[T], frozen=True):
    """A part of a list; ``next`` is the cursor of the following part."""

    items: tuple[T, ...]
    next: str | None


class Items(Answer, Generic[T], frozen=True):
    """A whole list."""

    items: tuple[T, ...]


class EventView(Answer, frozen=True):
    """One decision."""

    at: str
    kind: str
    detail: dict[str, str | int | bool | None]


class DeviceView(Answer, frozen=True):
    """A device and its channels in order of preference; its addresses and keys are nobody's business."""

    id: str
    person: PersonId
    channel: str
    channels: tuple[str, ...]
    name: str
    platform: str
    state: DeviceState
    last_seen_at: str | None


class DirectoryAnswer(Answer, frozen=True):
    """How many were put."""

    persons: int
    groups: int


class IssuedAnswer(Answer, frozen=True):
    """``text`` is what the person writes before ``expires_at``; ``links`` do it with one tap, by channel."""

    number: str
    text: str
    expires_at: TimeText
    links: dict[str, str]


class KeyView(Answer, frozen=True):
    """A key without its secret."""

    id: str
    name: str
    rights: tuple[str, ...]
    top_priority: str | None
    lines: tuple[str, ...] | None
    rate: int
    created_at: str
    expires_at: str | None


class NewKeyView(KeyView, frozen=True):
    """A new key; the secret is shown this once."""

    secret: str


Value = bool | int | float | str | tuple[str, ...] | None


class SettingView(Answer, frozen=True):
    """What holds for one option, as the configuration writes it, and the table that says it; null: nothing does."""

    value: Value
    from_: str | None = msgspec.field(name="from")


class SenderView(Answer, frozen=True):
    """What holds for a sender; its groups with their parents, nearest first."""

    name: str
    groups: tuple[str, ...]
    options: dict[str, SettingView]


class ResendAnswer(Answer, frozen=True):
    """The new message."""

    id: str


class StateAnswer(Answer, frozen=True):
    """Whether the daemon is well."""

    status: Literal["ok"] = "ok"


class VersionAnswer(Answer, frozen=True):
    """Which daemon this is."""

    version: str
