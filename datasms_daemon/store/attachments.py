"""Verbs on attachments. The files themselves are :mod:`datasms_daemon.store.files`; a row comes after its file and goes
before it, so that none ever points to nothing (I4)."""

from __future__ import annotations

import msgspec

from datasms_daemon.model import Attachment, DeviceId, MessageId, StoredAttachment
from datasms_daemon.store import statements_attachments as sql
from datasms_daemon.store.writer import Db

REMOVED_AT_ONCE = 200


class Use(msgspec.Struct, frozen=True):
    """What a sender keeps here."""

    files: int
    size: int


def add(db: Db, sender: str, attachment: Attachment, expires_at: int) -> None:
    """Stores what is known of a file that is on the disk."""
    db.execute(sql.INSERT, msgspec.structs.asdict(attachment) | {"sender": sender, "expires_at": expires_at})


def use(db: Db, sender: str) -> Use:
    """How much a sender keeps."""
    return Use(*db.execute(sql.SELECT_USE, {"sender": sender}).fetchone())


def of_sender(db: Db, sender: str, id_: str, now: int) -> StoredAttachment | None:
    """One that the sender may use now."""
    row = db.execute(sql.SELECT, {"id": id_, "sender": sender, "now": now}).fetchone()
    return None if row is None else StoredAttachment(Attachment(*row[:5]), row[5])


def of_device(db: Db, device: DeviceId, id_: str, now: int) -> Attachment | None:
    """One that came with a message in the device's inbox."""
    row = db.execute(sql.SELECT_OF_DEVICE, {"id": id_, "device": device, "now": now}).fetchone()
    return None if row is None else Attachment(*row)


def by_id(db: Db, id_: str) -> Attachment | None:
    """Whosesoever it is."""
    row = db.execute(sql.SELECT_BY_ID, {"id": id_}).fetchone()
    return None if row is None else Attachment(*row)


def attach(db: Db, message: MessageId, attachments: tuple[Attachment, ...], keep_until: int) -> None:
    """The message needs them; they are kept until then at least."""
    for one in attachments:
        db.execute(sql.ATTACH, {"message": message, "attachment": one.id})
        db.execute(sql.KEEP_UNTIL, {"id": one.id, "until": keep_until})


def is_any_expired(db: Db, now: int) -> bool:
    """Whether ``remove_expired`` may find something."""
    return db.execute(sql.SELECT_EXPIRED, {"now": now}).fetchone() is not None


def remove_expired(db: Db, now: int) -> list[str]:
    """Forgets those whose time is over and that no message needs, some at once; their files may be removed after the
    commit."""
    return [row[0] for row in db.execute(sql.REMOVE_EXPIRED, {"now": now, "limit": REMOVED_AT_ONCE}).fetchall()]


def sizes(db: Db) -> dict[str, int]:
    """The size of each file that must be there."""
    return dict(db.execute(sql.SELECT_SIZES).fetchall())
