"""Verbs on what operators own: keys, lines, the audit log, small facts."""

from __future__ import annotations

import msgspec

from datasms_daemon.model import Idempotency, Key, LineName
from datasms_daemon.store import audit as audit_log
from datasms_daemon.store import statements as sql
from datasms_daemon.store.writer import Db

HOLD = "hold"
"""Why nothing may be sent; not there: nothing is held."""
EPOCH = "epoch"
"""How often a copy was put in the place of this database."""


class LineRow(msgspec.Struct, frozen=True):
    """What is kept of a line: an operator's pause, and the count of the day it was last used on."""

    paused: bool = False
    day: str | None = None
    sent: int = 0
    resumed: bool = False


def keys(db: Db) -> dict[str, Key]:
    """All keys by the hash of their secret."""
    found = {}
    for id_, name, rights, top, lines, rate, created_at, expires_at, hash_ in db.execute(sql.SELECT_KEYS):
        allowed = None if lines is None else tuple(lines.split())
        found[hash_] = Key(id_, name, tuple(rights.split()), top, allowed, rate, created_at, expires_at)
    return found


def add_key(db: Db, key: Key, hash_: str) -> None:
    """Stores a key under the hash of its secret."""
    db.execute(
        sql.INSERT_KEY,
        {
            "id": key.id,
            "name": key.name,
            "hash": hash_,
            "rights": " ".join(key.rights),
            "top_priority": key.top_priority,
            "lines": None if key.lines is None else " ".join(key.lines),
            "rate": key.rate,
            "created_at": key.created_at,
            "expires_at": key.expires_at,
        },
    )


def delete_key(db: Db, id_: str) -> bool:
    """False when there was no such key."""
    return db.execute(sql.DELETE_KEY, {"id": id_}).rowcount > 0


def answered(db: Db, sender: str, asked: Idempotency) -> tuple[bool, str] | None:
    """What the same key was answered before, and whether its body was the same; None when it is new."""
    row = db.execute(sql.SELECT_IDEMPOTENCY, {"sender": sender, "key": asked.key}).fetchone()
    return None if row is None else (row[0] == asked.body_hash, row[1])


def remember(db: Db, sender: str, asked: Idempotency, submission: str, answer: str, now: int) -> None:
    """Keeps the answer in the transaction that stores what it answers (I5)."""
    db.execute(
        sql.INSERT_IDEMPOTENCY,
        {
            "sender": sender,
            "key": asked.key,
            "body_hash": asked.body_hash,
            "submission": submission,
            "answer": answer,
            "created_at": now,
        },
    )


def lines(db: Db) -> dict[LineName, LineRow]:
    """What is kept of each line."""
    return {
        LineName(name): LineRow(bool(paused), day, sent, bool(resumed))
        for name, paused, day, sent, resumed in db.execute(sql.SELECT_LINES)
    }


def set_paused(db: Db, line: LineName, paused: bool) -> None:
    """An operator's pause outlives the daemon."""
    db.execute(sql.SET_PAUSED, {"name": line, "paused": int(paused)})


def resume_limit(db: Db, line: LineName) -> None:
    """The operator lets a line go on over its day limit for the rest of the day."""
    db.execute(sql.RESUME_LIMIT, {"name": line})


def count_sent(db: Db, line: LineName, day: str, sent: int) -> int:
    """Counts hand-overs of a day; how many it has had with these."""
    total: int = db.execute(sql.COUNT_SENT, {"name": line, "day": day, "sent": sent}).fetchone()[0]
    return total


def audit(db: Db, now: int, who: str, what: str, object_: str) -> None:
    """Who did what to which; never a text, a number or a token."""
    audit_log.add(db, now, who, what, object_)


def meta(db: Db, name: str) -> str | None:
    """A small fact about this database."""
    row = db.execute(sql.SELECT_META, {"name": name}).fetchone()
    return None if row is None else str(row[0])


def forget_meta(db: Db, name: str) -> None:
    """Keeps it no more."""
    db.execute(sql.DELETE_META, {"name": name})


def set_meta(db: Db, name: str, value: str) -> None:
    """Keeps a small fact."""
    db.execute(sql.SET_META, {"name": name, "value": value})


def purge(db: Db, now: int, idempotency_ms: int, unmatched_ms: int) -> None:
    """Forgets answered keys and unmatched receipts that are old enough."""
    db.execute(sql.PURGE_IDEMPOTENCY, {"before": now - idempotency_ms})
    db.execute(sql.PURGE_UNMATCHED, {"before": now - unmatched_ms})
