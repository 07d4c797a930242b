"""Verbs on how much was taken: of a sender in a day and a month, for a recipient lately."""

from __future__ import annotations

from datasms_daemon.model import PersonId, QuotaUse
from datasms_daemon.ops.ids import first_id
from datasms_daemon.store import statements as sql
from datasms_daemon.store.writer import Db

ALWAYS = (1 << 48) - 1
"""UTC ms that no message is accepted after."""


def used(db: Db, sender: str, quota: QuotaUse) -> int:
    """Messages of a sender in the span of a quota; from now on they are counted."""
    kept = _kept(db, sender, quota)
    if kept is not None:
        return kept
    # The first one of the span, or there was no quota before: then it is counted this once.
    count = _count(db, sender, quota)
    db.execute(sql.INSERT_USAGE, {"sender": sender, "span": quota.name, "used": count})
    return count


def seen(db: Db, sender: str, quota: QuotaUse) -> int:
    """As ``used``, for who only wants to know."""
    kept = _kept(db, sender, quota)
    return _count(db, sender, quota) if kept is None else kept


def use(db: Db, sender: str, span: str, count: int) -> None:
    """Counts messages of a span that ``used`` was asked for in the same unit."""
    db.execute(sql.ADD_USAGE, {"sender": sender, "span": span, "count": count})


def forget(db: Db, before: str) -> None:
    """Forgets spans that began before that month or day."""
    db.execute(sql.PURGE_USAGE, {"before": before})


def blocking(db: Db, to: str | None, person: PersonId | None, since: int, until: int, limit: int) -> int | None:
    """When the ``limit``-th newest message for a recipient between those moments was accepted (UTC ms); None: there are
    fewer."""
    values = _recipient(to, person, since, until) | {"skip": limit - 1}
    row = db.execute(sql.SELECT_RECENT if to is not None else sql.SELECT_RECENT_NUMBERLESS, values).fetchone()
    return None if row is None else int(row[0])


def had(db: Db, to: str | None, person: PersonId | None, since: int, until: int) -> int:
    """How many messages for a recipient were accepted between those moments (UTC ms)."""
    statement = sql.COUNT_RECENT if to is not None else sql.COUNT_RECENT_NUMBERLESS
    return int(db.execute(statement, _recipient(to, person, since, until)).fetchone()[0])


def _recipient(to: str | None, person: PersonId | None, since: int, until: int) -> dict[str, str | int | None]:
    return {"to": to, "person": person, "first": first_id(since), "end": first_id(until)}


def _kept(db: Db, sender: str, quota: QuotaUse) -> int | None:
    row = db.execute(sql.SELECT_USAGE, {"sender": sender, "span": quota.name}).fetchone()
    return None if row is None else int(row[0])


def _count(db: Db, sender: str, quota: QuotaUse) -> int:
    values = {"sender": sender, "first": first_id(quota.begins_at), "end": first_id(quota.ends_at)}
    return int(db.execute(sql.COUNT_SENDER, values).fetchone()[0])
