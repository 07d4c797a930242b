"""Verbs that forget what was kept long enough, a bounded number of rows at a time.

A text goes before the rest; then the number and the person are keyed hashes, so that figures stay right and nobody can
be found. Only what is over is touched: what may still be sent is whole (I39).
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from datasms_daemon.model import MessageId
from datasms_daemon.rules import audit as chain
from datasms_daemon.store import retention_statements as sql
from datasms_daemon.store.writer import Db

WHOLE, TEXTLESS, NAMELESS = 0, 1, 2


class Kind(Struct, frozen=True):
    """Messages that are kept alike: how much of them is gone already, whose they are, their class."""

    purged: int
    sender: str
    class_: str | None


def kinds(db: Db) -> list[Kind]:
    """Every kind of which there is a message that is over."""
    found: list[Kind] = []
    after = {"purged": -1, "sender": "", "class_": ""}
    # One step in the index a kind, however many messages are kept.
    while (row := db.execute(sql.SELECT_NEXT_KIND, after).fetchone()) is not None:
        found.append(Kind(row[0], row[1], row[2] or None))
        after = {"purged": row[0], "sender": row[1], "class_": row[2]}
    return found


def count(db: Db, kind: Kind, before: int) -> int:
    """How many of a kind were over before that moment."""
    found: int = db.execute(sql.COUNT_KIND, _of(kind) | {"before": before}).fetchone()[0]
    return found


def is_due(db: Db, kind: Kind, before: int) -> bool:
    """Whether one of a kind was over before that moment."""
    return db.execute(sql.SELECT_KIND, _of(kind) | {"before": before, "most": 1}).fetchone() is not None


def purge_texts(db: Db, kind: Kind, before: int, most: int) -> int:
    """Forgets the texts of at most so many messages that were over before that moment."""
    return db.execute(sql.PURGE_TEXTS, _of(kind) | {"before": before, "most": most}).rowcount


def purge_names(db: Db, kind: Kind, before: int, most: int) -> int:
    """Forgets who they were for, and their traces."""
    rows = db.execute(sql.SELECT_KIND, _of(kind) | {"before": before, "most": most}).fetchall()
    hide(db, [MessageId(row[0]) for row in rows])
    return len(rows)


def hide(db: Db, ids: Iterable[MessageId]) -> None:
    """Nothing of these messages tells any more what they said and to whom."""
    for id_ in ids:
        recipient, person = db.execute(sql.SELECT_NAMES, {"id": id_}).fetchone()
        values = {"id": id_, "recipient": _hidden(db, recipient), "person": _hidden(db, person)}
        db.execute(sql.HIDE_MESSAGE, values)
        for statement in sql.FORGET_TRACE:
            db.execute(statement, {"id": id_})


def is_whole(db: Db, id_: MessageId) -> bool:
    """Whether the message's text is still there."""
    row = db.execute(sql.SELECT_PURGED, {"id": id_}).fetchone()
    return row is not None and row[0] == WHOLE


def count_inbound(db: Db, before: int) -> int:
    """How many texts from outside are older, and not still to be handed on."""
    found: int = db.execute(sql.COUNT_OLD_INBOUND, {"before": before}).fetchone()[0]
    return found


def purge_inbound(db: Db, before: int, most: int) -> int:
    """Forgets at most so many of the oldest texts from outside; what is still to be handed on stays."""
    return db.execute(sql.PURGE_INBOUND, {"before": before, "most": most}).rowcount


def purge_dead_inbound(db: Db, before: int, most: int) -> int:
    """Forgets at most so many of the texts that could not be handed on and were given up before that moment."""
    return db.execute(sql.PURGE_DEAD_INBOUND, {"before": before, "most": most}).rowcount


def purge_registrations(db: Db, before: int, most: int) -> int:
    """Forgets registrations that were over before."""
    return db.execute(sql.PURGE_REGISTRATIONS, {"before": before, "most": most}).rowcount


def _of(kind: Kind) -> dict[str, object]:
    return {"purged": kind.purged, "sender": kind.sender, "class_": kind.class_ or ""}


def _hidden(db: Db, value: str | None) -> str | None:
    return value if value is None or value.startswith("#") else chain.erased(db.audit_key, value)
