"""Verbs on messages: what was accepted, where it stands, what was tried. Each runs inside a unit of the writer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import msgspec
from twisted.logger import Logger

from datasms_daemon.errors import StoreHeld
from datasms_daemon.model import (
    Attempt,
    Dossier,
    Event,
    LineName,
    MessageId,
    Progress,
    Push,
)
from datasms_daemon.rules.decisions import AttemptChange, Decision
from datasms_daemon.store import rows
from datasms_daemon.store import statements as sql
from datasms_daemon.store.rows import NewMessage, Sealed
from datasms_daemon.store.writer import Db, leniently

T = TypeVar("T")

_log = Logger()


def insert(db: Db, new: Sequence[NewMessage]) -> None:
    """Stores accepted messages."""
    insert_message = rows.INSERT_MESSAGE
    db.executemany(insert_message.text, [insert_message.values(rows.of_message(one)) for one in new])
    db.executemany(
        sql.INSERT_EVENTS, [{"message": one.progress.id, "gen": 1, "entries": rows.json(one.events)} for one in new]
    )
    opened = [
        rows.of_attempt(one.progress.id, one.opened, one.sealed.message.created_at)
        for one in new
        if one.opened is not None
    ]
    if opened:
        db.executemany(sql.INSERT_ATTEMPT, opened)


def progress(db: Db, id_: MessageId) -> Progress | None:
    """Where one message stands."""
    row = db.execute(sql.SELECT_PROGRESS, {"id": id_}).fetchone()
    return None if row is None else rows.progress(row)


def due(db: Db, now: int, limit: int) -> list[Progress]:
    """The messages whose time has come, longest due first."""
    return _readable(db, _found(db, sql.SELECT_DUE, {"now": now, "limit": limit}), rows.unfinished)


def held(db: Db, after: MessageId, limit: int) -> list[Progress]:
    """Messages that calendars hold back, in the order they were accepted, from after that one on."""
    return _readable(db, _found(db, sql.SELECT_HELD, {"after": after, "limit": limit}), rows.unfinished)


def undelivered(db: Db, now: int, limit: int) -> list[Progress]:
    """The messages whose senders are to be told that there is no success yet."""
    return _readable(db, _found(db, sql.SELECT_UNDELIVERED, {"now": now, "limit": limit}), rows.unfinished)


def next_due(db: Db) -> int | None:
    """When the timer must look next."""
    found = [db.execute(statement).fetchone()[0] for statement in (sql.SELECT_NEXT_DUE, sql.SELECT_NEXT_NDR)]
    return min((at for at in found if at is not None), default=None)


def ready(db: Db, line: LineName, limit: int) -> list[tuple[Sealed, Progress]]:
    """The next messages for a line: by rank, then in the order they were accepted."""
    found = _found(db, sql.SELECT_READY, {"line": line, "limit": limit})
    return _readable(db, found, lambda row: (rows.sealed(row), rows.unfinished(row[rows.MESSAGE_WIDTH :])))


def one(db: Db, id_: MessageId) -> tuple[Sealed, Progress]:
    """One message that was found in this same unit."""
    (row,) = _found(db, sql.SELECT_MESSAGE, {"id": id_})
    return rows.sealed(row), rows.progress(row[rows.MESSAGE_WIDTH :])


def ready_ranks(db: Db, line: LineName) -> list[int]:
    """The ranks that wait for a line, best first."""
    ranks: list[int] = []
    after = -1
    # One step in the index a rank, however many messages wait.
    while (rank := db.execute(sql.SELECT_NEXT_READY_RANK, {"line": line, "after": after}).fetchone()[0]) is not None:
        ranks.append(rank)
        after = rank
    return ranks


def ready_ids(db: Db, line: LineName, rank: int, limit: int) -> list[MessageId]:
    """The oldest of one rank that wait for a line."""
    found = db.execute(sql.SELECT_READY_IDS, {"line": line, "rank": rank, "limit": limit})
    return [MessageId(id_) for (id_,) in found]


def ready_lines(db: Db) -> dict[LineName, int]:
    """How many messages wait for each line."""
    return {LineName(line): count for line, count in db.execute(sql.SELECT_READY_LINES)}


def ready_line_names(db: Db) -> list[LineName]:
    """The lines some message waits for."""
    names: list[LineName] = []
    after = ""
    # One step in the index a line, however many messages wait for it.
    while (found := db.execute(sql.SELECT_NEXT_READY_LINE, {"after": after}).fetchone()[0]) is not None:
        names.append(LineName(found))
        after = found
    return names


def sending(db: Db) -> list[tuple[Progress, str]]:
    """Messages with a hand-over under way, with their priority; at start: those a crash interrupted (I26)."""
    return _readable(db, _found(db, sql.SELECT_SENDING, {}), lambda row: (rows.unfinished(row), row[-1]))


def apply(db: Db, decisions: Iterable[Decision], now: int) -> list[Progress]:
    """Writes what was decided; the messages whose row had not been decided otherwise meanwhile."""
    applied = []
    for decision in decisions:
        after = decision.progress
        values = rows.of_progress(after, now) | {"was": after.gen - 1}
        changed = db.execute(rows.UPDATE_PROGRESS.text, rows.UPDATE_PROGRESS.values(values)).rowcount
        if changed == 0:
            continue
        for change in (decision.attempt, decision.other):
            if change is not None:
                _write_attempt(db, after.id, change, now)
        if decision.events:
            db.execute(
                sql.INSERT_EVENTS, {"message": after.id, "gen": after.gen, "entries": rows.json(decision.events)}
            )
        applied.append(after)
    return applied


def set_send_at(db: Db, id_: MessageId, send_at: int | None) -> None:
    """Keeps what the sender asked for beside the new progress."""
    db.execute(sql.UPDATE_SEND_AT, {"id": id_, "send_at": send_at})


def attempt(db: Db, id_: MessageId, n: int) -> tuple[Attempt, Progress] | None:
    """One attempt of a message, and where the message stands."""
    row = db.execute(sql.SELECT_ATTEMPT, {"message": id_, "n": n}).fetchone()
    return None if row is None else (rows.attempt(row[rows.PROGRESS_WIDTH :]), rows.progress(row))


def dossier(db: Db, id_: MessageId) -> Dossier | None:
    """All that is known of one message."""
    row = db.execute(sql.SELECT_MESSAGE, {"id": id_}).fetchone()
    if row is None:
        return None
    attempts = tuple(rows.attempt(found) for found in db.execute(sql.SELECT_ATTEMPTS, {"message": id_}))
    pushes = tuple(Push(*found) for found in db.execute(sql.SELECT_PUSHES, {"message": id_}))
    return Dossier(rows.sealed(row).message, rows.progress(row[rows.MESSAGE_WIDTH :]), attempts, pushes)


def content(db: Db, id_: MessageId) -> Dossier:
    """One message that was found in this same unit, without attempts and pushes."""
    row = db.execute(sql.SELECT_MESSAGE, {"id": id_}).fetchone()
    return Dossier(rows.sealed(row).message, rows.progress(row[rows.MESSAGE_WIDTH :]))


def sealed(db: Db, id_: MessageId) -> Sealed | None:
    """A message and the code that binds it."""
    row = db.execute(sql.SELECT_MESSAGE, {"id": id_}).fetchone()
    return None if row is None else rows.sealed(row)


def trace(db: Db, id_: MessageId) -> tuple[Event, ...]:
    """Every decision about a message, oldest first."""
    return tuple(
        event for (entries,) in db.execute(sql.SELECT_EVENTS, {"message": id_}) for event in rows.decode_events(entries)
    )


def dead(db: Db, after: MessageId | None, limit: int) -> tuple[Dossier, ...]:
    """Messages that ended failed or unknown, newest first."""
    return _dossiers(db, sql.SELECT_DEAD, {"after": after or "~", "limit": limit})


def counts(db: Db) -> dict[str, int]:
    """How many unfinished messages there are in each state."""
    return dict(db.execute(sql.COUNT_STATES).fetchall())


def overdue(db: Db, before: int) -> int:
    """How many messages should have been looked at before that moment."""
    found: int = db.execute(sql.SELECT_OVERDUE, {"before": before}).fetchone()[0]
    return found


def orphans(db: Db) -> int:
    """Unfinished messages with no next event; must always be none (I12)."""
    found: int = db.execute(sql.SELECT_ORPHANS).fetchone()[0]
    return found


def _found(db: Db, statement: str, values: dict[str, object]) -> list[tuple[Any, ...]]:
    """What the statement finds, the message's id first, however damaged the texts are.

    StoreHeld: it is the id, by which nothing could be written down, so that the row would be found for ever.
    """
    found = leniently(db, lambda db: db.execute(statement, values).fetchall())
    if any("\N{REPLACEMENT CHARACTER}" in row[0] for row in found):
        raise StoreHeld("the database is damaged (the id of a message cannot be read)")
    return found


def _readable(db: Db, found: list[tuple[Any, ...]], read: Callable[[tuple[Any, ...]], T]) -> list[T]:
    """What each row says, the message's id first; one that is damaged has failed by that and stops no other (I35)."""
    read_well = []
    for row in found:
        try:
            read_well.append(read(row))
        except (msgspec.DecodeError, ValueError):
            _log.error("message {id} is damaged and goes nowhere", id=row[0])
            db.execute(sql.GIVE_UP_DAMAGED, {"id": row[0]})
    return read_well


def _dossiers(db: Db, statement: str, values: dict[str, object]) -> tuple[Dossier, ...]:
    return tuple(
        Dossier(rows.sealed(row).message, rows.progress(row[rows.MESSAGE_WIDTH :]))
        for row in db.execute(statement, values)
    )


def _write_attempt(db: Db, id_: MessageId, change: AttemptChange, now: int) -> None:
    if change.opens:
        db.execute(sql.INSERT_ATTEMPT, rows.of_attempt(id_, change, now))
        return
    db.execute(
        sql.UPDATE_ATTEMPT,
        {
            "message": id_,
            "n": change.n,
            "state": change.state and change.state.value,
            "sent_at": change.sent_at,
            "finished_at": change.finished_at,
            "outcome": change.outcome,
            "reason": change.reason,
            "late": int(change.late),
        },
    )
