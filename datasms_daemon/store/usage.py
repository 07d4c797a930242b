"""Verbs on how much was taken: of a sender in a day and a month, for a recipient lately."""

from __future__ import annotations

from datasms_daemon.model import PersonId
from datasms_daemon.ops.ids import first_id
from datasms_daemon.store import statements as sql
from datasms_daemon.store.writer import Db


def used(db: Db, sender: str, span: str, begins_at: int) -> int:
    """Messages of a sender in a day or month that began at that moment (UTC ms)."""
    row = db.execute(sql.SELECT_USAGE, {"sender": sender, "span": span}).fetchone()
    if row is None:
        # The first one of the span, or there was no quota before: then it is counted this once.
        row = db.execute(sql.COUNT_SENDER, {"sender": sender, "first": first_id(begins_at)}).fetchone()
        db.execute(sql.INSERT_USAGE, {"sender": sender, "span": span, "used": row[0]})
    return int(row[0])


def use(db: Db, sender: str, span: str, count: int) -> None:
    """Counts messages of a span that ``used`` was asked for in the same unit."""
    db.execute(sql.ADD_USAGE, {"sender": sender, "span": span, "count": count})


def forget(db: Db, before: str) -> None:
    """Forgets spans that began before that month or day."""
    db.execute(sql.PURGE_USAGE, {"before": before})


def blocking(db: Db, to: str | None, person: PersonId | None, since: int, limit: int) -> int | None:
    """When the ``limit``-th newest message for a recipient since then was accepted (UTC ms); None: there are fewer."""
    values = {"to": to, "person": person, "first": first_id(since), "skip": limit - 1}
    row = db.execute(sql.SELECT_RECENT if to is not None else sql.SELECT_RECENT_NUMBERLESS, values).fetchone()
    return None if row is None else int(row[0])
