"""The core's records as applications read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from datasms_daemon.gateway.admin_records import AuditView
from datasms_daemon.gateway.archive_records import ArchivedInboundView, ArchivedMessage
from datasms_daemon.gateway.inbound_records import DeadTextView, InboundView
from datasms_daemon.gateway.records import (
    AttachmentView,
    AttemptView,
    DeviceView,
    EventView,
    KeyView,
    MessageItem,
    MessageView,
    Page,
    PushView,
    StoredAttachmentView,
)
from datasms_daemon.model import (
    ArchivedInbound,
    Attachment,
    Attempt,
    AuditEntry,
    DeadText,
    Device,
    Dossier,
    Event,
    Inbound,
    Key,
    StoredAttachment,
)
from datasms_daemon.web.times import rfc3339, rfc3339_or_none

T = TypeVar("T")


def message_item(dossier: Dossier) -> MessageItem:
    """A message without its attempts."""
    message, progress = dossier.message, dossier.progress
    step = min(progress.step, len(progress.plan) - 1)
    return MessageItem(
        id=message.id,
        to=message.to,
        person=message.person,
        sender=message.sender,
        priority=message.priority,
        reference=message.reference,
        status=progress.state,
        line=progress.plan[step].line if progress.attempt and step >= 0 else None,
        created_at=rfc3339(message.created_at),
        send_at=rfc3339_or_none(message.send_at),
        delivered_at=rfc3339_or_none(progress.delivered_at),
        read_at=rfc3339_or_none(progress.read_at),
        valid_until=rfc3339(progress.valid_until),
        held_until=rfc3339_or_none(progress.due_at if progress.held else None),
        ndr_at=rfc3339_or_none(progress.ndr_at),
        code=progress.code,
        cost_centre=message.cost_centre,
        class_=message.class_,
    )


def archived_message(dossier: Dossier) -> ArchivedMessage:
    """A message with its text, where that is kept."""
    item, message = msgspec.structs.asdict(message_item(dossier)), dossier.message
    return ArchivedMessage(**item, title=message.title, text=message.text or None, buttons=message.buttons)


def message_view(dossier: Dossier) -> MessageView:
    """A message with its attempts and their pushes."""
    attempts = tuple(_attempt(attempt, dossier) for attempt in dossier.attempts)
    attachments = tuple(map(attachment_view, dossier.message.attachments))
    return MessageView(**msgspec.structs.asdict(message_item(dossier)), attempts=attempts, attachments=attachments)


def attachment_view(attachment: Attachment) -> AttachmentView:
    """What is known of a file."""
    return AttachmentView(**msgspec.structs.asdict(attachment))


def stored_attachment_view(stored: StoredAttachment) -> StoredAttachmentView:
    """What is known of a file that may be named, and until when."""
    return StoredAttachmentView(**msgspec.structs.asdict(stored.attachment), expires_at=rfc3339(stored.expires_at))


def event_view(event: Event) -> EventView:
    """One line of a trace."""
    return EventView(rfc3339(event.at), event.kind, event.detail)


def inbound_view(inbound: Inbound) -> InboundView:
    """A text from outside; its id is the cursor."""
    return InboundView(
        id=str(inbound.seq),
        line=inbound.line,
        from_=inbound.from_,
        to=inbound.to,
        text=inbound.text,
        at=rfc3339(inbound.at),
        person=inbound.person,
        incomplete=inbound.incomplete,
    )


def archived_inbound_view(found: ArchivedInbound) -> ArchivedInboundView:
    """A text from outside as the archive has it."""
    fields = msgspec.structs.asdict(found)
    return ArchivedInboundView(id=str(fields.pop("seq")), **fields | {"at": rfc3339(found.at)})


def dead_text_view(text: DeadText) -> DeadTextView:
    """A text that could not be handed on, without what it says."""
    return DeadTextView(
        str(text.seq), text.target, text.why, text.line, rfc3339(text.at), text.tries, rfc3339(text.died_at),
        text.reason,
    )  # fmt: skip


def device_view(device: Device) -> DeviceView:
    """A device without its addresses and keys."""
    return DeviceView(
        id=device.id,
        person=device.person,
        channel=device.channel,
        channels=tuple(reach.channel for reach in device.reaches),
        name=device.name,
        platform=device.platform,
        state=device.state,
        last_seen_at=rfc3339_or_none(device.last_seen_at),
    )


def audit_view(entry: AuditEntry) -> AuditView:
    """One act."""
    return AuditView(entry.seq, rfc3339(entry.at), entry.who, entry.what, entry.object, entry.seal.hex())


def key_view(key: Key) -> KeyView:
    """A key without its secret."""
    return KeyView(
        id=key.id,
        name=key.name,
        rights=key.rights,
        top_priority=key.top_priority,
        lines=key.lines,
        rate=key.rate,
        created_at=rfc3339(key.created_at),
        expires_at=rfc3339_or_none(key.expires_at),
    )


def page(found: Sequence[tuple[str, T]], limit: int) -> Page[T]:
    """A page of at most ``limit`` of the (cursor, item) pairs found; one more than that was asked for."""
    more = len(found) > limit
    shown = found[:limit]
    return Page(tuple(item for _, item in shown), shown[-1][0] if more else None)


def _attempt(attempt: Attempt, dossier: Dossier) -> AttemptView:
    return AttemptView(
        step=attempt.step,
        line=attempt.line,
        state=attempt.state,
        sent_at=rfc3339_or_none(attempt.sent_at),
        deadline=rfc3339_or_none(attempt.deadline),
        finished_at=rfc3339_or_none(attempt.finished_at),
        outcome=attempt.outcome,
        reason=attempt.reason,
        late=attempt.late,
        pushes=tuple(PushView(push.device, push.channel, push.state) for push in dossier.pushes if push.n == attempt.n),
    )
