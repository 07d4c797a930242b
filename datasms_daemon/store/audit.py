"""Verbs on the audit log: it is written to, read, purged from its beginning; nothing in it is changed.

The connection carries the key of the seals: what a unit does and the entry about it are one transaction.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator

from datasms_daemon.model import AuditBreak, AuditEntry, AuditMark, AuditQuery
from datasms_daemon.rules import audit as chain
from datasms_daemon.store import audit_statements as sql
from datasms_daemon.store.writer import Db


def add(db: Db, now: int, who: str, what: str, object_: str) -> None:
    """Who did what to which; never a text, a number or a token."""
    last = _mark(db, chain.HEAD) or _mark(db, chain.ANCHOR) or chain.FIRST
    entry = AuditEntry(last.seq + 1, now, who, what, object_)
    seal = chain.entry_seal(db.audit_key, last.seal, entry)
    db.execute(
        sql.INSERT_AUDIT,
        {"seq": entry.seq, "at": now, "who": who, "what": what, "object": object_, "seal": seal},
    )
    _set_mark(db, chain.HEAD, AuditMark(entry.seq, seal))


def find(db: Db, query: AuditQuery) -> tuple[AuditEntry, ...]:
    """A page of the log, newest first."""
    conditions = {
        "who": "who = :who",
        "what": "what = :what",
        "object": "object = :object",
        "since": "at >= :since",
        "until": "at < :until",
        "before": "seq < :before",
    }
    values: dict[str, object] = {name: getattr(query, name) for name in conditions}
    where = " AND ".join(text for name, text in conditions.items() if values[name] is not None) or "1 = 1"
    # Only the fixed texts above are joined; every value is a parameter.
    statement = f"SELECT {sql.AUDIT} FROM audit WHERE {where} ORDER BY seq DESC LIMIT :limit"  # noqa: S608
    return tuple(AuditEntry(*row) for row in db.execute(statement, values | {"limit": query.limit}))


def head(db: Db) -> AuditMark:
    """Where the log ends."""
    return _mark(db, chain.HEAD) or chain.FIRST


def verify(db: Db, noted: AuditMark | None = None) -> AuditBreak | None:
    """The first place where the log is not what it was; ``noted``: an entry that somebody wrote down once."""
    db.execute("BEGIN")
    try:
        for name in (chain.ANCHOR, chain.HEAD):
            row = db.execute(sql.SELECT_AUDIT_MARK, {"name": name}).fetchone()
            if row is not None and not hmac.compare_digest(
                row[2], chain.mark_seal(db.audit_key, name, AuditMark(row[0], row[1]))
            ):
                return AuditBreak(row[0], f"is noted as the log's {name} with a wrong seal")
        found = chain.first_break(db.audit_key, _mark(db, chain.ANCHOR) or chain.FIRST, head(db), _entries(db))
        return found or _never_was(db, noted)
    finally:
        db.execute("ROLLBACK")


def count_before(db: Db, before: int) -> int:
    """How many entries are older."""
    found: int = db.execute("SELECT count(*) FROM audit WHERE at < :before", {"before": before}).fetchone()[0]
    return found


def purge(db: Db, before: int, most: int) -> int:
    """Forgets at most so many of the oldest entries that are older; the rest stays verifiable. How many it forgot."""
    row = db.execute(sql.SELECT_AUDIT_PURGE, {"before": before, "most": most}).fetchone()
    if row is None:
        return 0
    gone = db.execute(sql.PURGE_AUDIT, {"seq": row[0]}).rowcount
    _set_mark(db, chain.ANCHOR, AuditMark(row[0], row[1]))
    return gone


def erase(db: Db, object_: str) -> int:
    """In every entry about it, a keyed hash stands for the object from now on. How many there were."""
    hidden = chain.erased(db.audit_key, object_)
    return db.execute(sql.ERASE_AUDIT, {"object": object_, "hidden": hidden}).rowcount


def _never_was(db: Db, noted: AuditMark | None) -> AuditBreak | None:
    if noted is None:
        return None
    row = db.execute("SELECT seal FROM audit WHERE seq = :seq", {"seq": noted.seq}).fetchone()
    if row is not None and row[0] == noted.seal:
        return None
    reason = "is not in the log any more" if row is None else "is another than was noted"
    return AuditBreak(noted.seq, f"{reason}: an older state may have been put back")


def _entries(db: Db) -> Iterator[AuditEntry]:
    return (AuditEntry(*row) for row in db.execute(sql.SELECT_AUDIT))


def _mark(db: Db, name: str) -> AuditMark | None:
    row = db.execute(sql.SELECT_AUDIT_MARK, {"name": name}).fetchone()
    return None if row is None else AuditMark(row[0], row[1])


def _set_mark(db: Db, name: str, mark: AuditMark) -> None:
    values = {"name": name, "seq": mark.seq, "seal": mark.seal, "proof": chain.mark_seal(db.audit_key, name, mark)}
    db.execute(sql.SET_AUDIT_MARK, values)
