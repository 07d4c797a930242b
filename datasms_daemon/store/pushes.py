"""Verbs on pushes: what is in which device's inbox, what its channel said of it, what the device said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import msgspec

from datasms_daemon.model import (
    Accepted,
    Attachment,
    Button,
    Device,
    DeviceId,
    LineName,
    LineReceipt,
    LineText,
    MessageId,
    PersonId,
    PushReceipt,
    PushResult,
    Reach,
    ReceiptState,
)
from datasms_daemon.rules.decisions import OUTCOME_NAMES
from datasms_daemon.store import directory, messages
from datasms_daemon.store import statements as sql
from datasms_daemon.store.handovers import Matched, keep_unmatched, take_unmatched
from datasms_daemon.store.reaches import values_of
from datasms_daemon.store.retirement import Retirement, retire
from datasms_daemon.store.writer import Db

T = TypeVar("T")


class InboxRow(msgspec.Struct, frozen=True):
    """One message in a device's inbox, by which line it came there, and what binds it to its recipient."""

    seq: int
    id: MessageId
    created_at: int
    priority: str
    title: str | None
    text: str
    valid_until: int
    to: str | None
    person: PersonId | None
    sender: str
    nomodify: bool
    line: LineName
    per_line: dict[str, LineText]
    attachments: tuple[Attachment, ...]
    buttons: tuple[Button, ...]
    mac: bytes


class OpenPush(msgspec.Struct, frozen=True):
    """A push that was taken, not confirmed and not withdrawn, on a device that is still active; ``channel`` is the one
    it went by."""

    message: MessageId
    device: Device
    channel: str
    valid_until: int


def open_pushes(db: Db, id_: MessageId, n: int, devices: Iterable[Device]) -> None:
    """Puts the message into the devices' inboxes, before any of them is told."""
    rows = [{"message": id_, "n": n, "device": device.id, "channel": device.channel} for device in devices]
    db.executemany(sql.UPSERT_PUSH, rows)


def close_pushes(db: Db, id_: MessageId, results: Iterable[PushResult], now: int) -> list[Retirement]:
    """Keeps what became of each push, of a device's several the last; what became of the addresses that are gone."""
    retirements = []
    for result in results:
        name = OUTCOME_NAMES[type(result.outcome)]
        provider_id = ",".join(result.outcome.provider_ids) if isinstance(result.outcome, Accepted) else None
        reason = None if isinstance(result.outcome, Accepted) else result.outcome.reason
        state = "sent" if name == "accepted" else name
        db.execute(
            sql.UPDATE_PUSH,
            {
                "message": id_,
                "device": result.device,
                "channel": result.channel,
                "state": state,
                "reason": reason,
                "provider_id": provider_id,
            },
        )
        if name == "address_gone":
            retirements.append(retire(db, result.device, Reach(result.channel, result.address), now))
    return retirements


def perhaps_there(db: Db, id_: MessageId) -> set[DeviceId]:
    """The devices that have this message or may have it: every push but those that surely failed."""
    return {DeviceId(row[0]) for row in db.execute(sql.SELECT_PERHAPS_THERE, {"message": id_})}


def still_open(db: Db, ids: Iterable[MessageId]) -> list[OpenPush]:
    """The pushes of some messages that their services took, nobody confirmed and nobody withdrew."""
    found = []
    for id_ in ids:
        for message, device, channel, valid_until in db.execute(sql.SELECT_OPEN_PUSHES, {"message": id_}).fetchall():
            known = directory.device(db, device)
            if known is not None:
                found.append(OpenPush(message, known, channel, valid_until))
    return found


def mark_withdrawn(db: Db, found: Iterable[OpenPush]) -> None:
    """Keeps that they are withdrawn."""
    db.executemany(sql.MARK_WITHDRAWN, [{"message": push.message, "device": push.device.id} for push in found])


def confirm(
    db: Db, id_: MessageId, device: DeviceId, state: ReceiptState, at: int, reason: str | None = None
) -> Matched | None:
    """Keeps that a device confirmed; what that says of the attempt which brought it the message. None: it never was in
    its inbox."""
    rows = db.execute(sql.MARK_PUSH, {"message": id_, "device": device, "state": state.value}).fetchall()
    found = messages.attempt(db, id_, rows[0][0]) if rows else None
    if found is None:
        return None
    attempt, progress = found
    return Matched(progress, attempt, state, at, reason)


def match(db: Db, receipt: PushReceipt) -> tuple[Matched, ...] | None:
    """What a service's word means for the message, its push marked. None: no push has this id.

    Nothing, where one device failed and another may still have it.
    """
    values = {"channel": receipt.channel, "provider_id": receipt.provider_id}
    row = db.execute(sql.SELECT_PUSH_BY_PROVIDER, values).fetchone()
    if row is None:
        return None
    message, device = row
    matched = confirm(db, message, device, receipt.state, receipt.at, receipt.reason)
    if matched is None or (receipt.state is ReceiptState.FAILED and _is_alive(db, message)):
        return ()
    return (matched,)


def keep_early(db: Db, receipt: PushReceipt, now: int) -> None:
    """For the push whose own answer is still to come (I22)."""
    as_line = LineReceipt(
        _source(receipt.channel), (receipt.provider_id,), receipt.state, receipt.at, None, receipt.reason
    )
    keep_unmatched(db, as_line, now)


def take_early(db: Db, channel: str, provider_ids: Iterable[str]) -> list[PushReceipt]:
    """The receipts that were quicker than the answer with their id; they are taken out."""
    early = take_unmatched(db, _source(channel), tuple(provider_ids), None)
    return [PushReceipt(channel, one.provider_ids[0], one.state, one.at, one.reason) for one in early]


def unread(db: Db, channel: str, address: dict[str, str], at: int) -> Iterator[Matched]:
    """Everything delivered to an address before ``at``, marked as read; each as it stands when the one before it was
    applied."""
    values = values_of(Reach(channel, address))
    for message, device in db.execute(sql.SELECT_UNREAD, values | {"at": at}).fetchall():
        matched = confirm(db, message, device, ReceiptState.READ, at)
        if matched is not None:
            yield matched


def _source(channel: str) -> LineName:
    # A line may have the same name.
    return LineName(f"channel:{channel}")


def _is_alive(db: Db, id_: MessageId) -> bool:
    return db.execute(sql.SELECT_LIVE_PUSH, {"message": id_}).fetchone() is not None


def inbox(db: Db, device: DeviceId, after: int, now: int, limit: int) -> list[InboxRow]:
    """What is in a device's inbox behind a cursor, oldest first. Of what is damaged there is less, which its seal
    tells (I39)."""
    values = {"device": device, "after": after, "now": now, "limit": limit}
    return [_inbox_row(row) for row in db.execute(sql.SELECT_INBOX, values)]


def _inbox_row(row: Any) -> InboxRow:
    *plain, nomodify, line, per_line, attached, shown, mac = row
    texts = _read(per_line, dict[str, LineText])
    attachments = _read(attached, tuple[Attachment, ...])
    buttons = _read(shown, tuple[Button, ...])
    fields = (*plain, bool(nomodify), line, texts, attachments, buttons, mac)
    return InboxRow(*fields)


def _read(text: str | None, shape: type[T]) -> T:
    try:
        return shape() if text is None else msgspec.json.decode(text, type=shape)
    except msgspec.DecodeError:
        return shape()
