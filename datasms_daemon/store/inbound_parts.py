"""Verbs on the parts of long texts: kept from the moment they come until their text is whole, or overdue.

A part belongs to the text that is named by the key of its first part; that text is *closed* when nothing more is added
to it, and *done* once it was passed on: from then on only the keys are kept, so that repeats are recognised.
"""

from __future__ import annotations

from datasms_daemon.model import InboundPart, LineName
from datasms_daemon.store import inbound_statements as sql
from datasms_daemon.store.writer import Db

Whole = tuple[LineName, str]
"""A text in parts: its line and the key of its first part."""


def add(db: Db, part: InboundPart, due_at: int) -> list[Whole]:
    """Keeps a part, for ``due_at`` at the latest if it is the first of its text; the texts that are to be passed on.

    They are closed by this. A repeat of a part that was kept changes nothing but answers its text again while that was
    not passed on.
    """
    known = db.execute(sql.SELECT_PART_BY_KEY, {"line": part.line, "key": part.key}).fetchone()
    if known is not None:
        whole, is_waiting = (part.line, known[0]), known[1] is not None
        return [whole] if is_waiting and _is_complete(parts_of(db, whole)) else []
    row = {
        "line": part.line, "key": part.key, "sender": part.from_, "recipient": part.to, "reference": part.reference,
        "total": part.total, "number": part.number, "alphabet": part.alphabet, "coding": part.coding,
        "octets": part.octets, "at": part.at, "whole": part.key, "due_at": due_at,
    }  # fmt: skip
    closed: list[Whole] = []
    present = db.execute(sql.SELECT_OPEN_PARTS, row).fetchall()
    same_place = [octets for _, _, number, octets in present if number == part.number]
    if same_place == [part.octets]:
        # After a crash between commit and answer the key of a repeat may be another one.
        return []
    if same_place or (present and present[0][1] <= part.at):
        # The reference is in use again, or the time is over: what came before will not be completed any more.
        closed.append((part.line, present[0][0]))
        close(db, closed[0], part.at)
        present = []
    if present:
        row |= {"whole": present[0][0], "due_at": present[0][1]}
    db.execute(sql.INSERT_PART, row)
    if len(present) + 1 == part.total:
        closed.append((part.line, str(row["whole"])))
        close(db, closed[-1], part.at)
    return closed


def close(db: Db, whole: Whole, due_at: int) -> None:
    """Nothing more is added to this text; it is to be passed on at ``due_at`` (UTC ms)."""
    db.execute(sql.CLOSE_PARTS, {"line": whole[0], "whole": whole[1], "due_at": due_at})


def parts_of(db: Db, whole: Whole) -> list[InboundPart]:
    """What has come of a text; nothing once it was passed on."""
    rows = db.execute(sql.SELECT_PARTS, {"line": whole[0], "whole": whole[1]})
    return [InboundPart(*row) for row in rows]


def close_due(db: Db, now: int, limit: int) -> list[Whole]:
    """Texts that are overdue or were closed and not passed on; all of them are closed now."""
    found = [(LineName(line), whole) for line, whole in db.execute(sql.SELECT_DUE_PARTS, {"now": now, "limit": limit})]
    for whole in found:
        close(db, whole, now)
    return found


def next_due(db: Db) -> int | None:
    """When the next text is overdue (UTC ms)."""
    row = db.execute(sql.SELECT_NEXT_DUE_PART).fetchone()
    return None if row is None else row[0]


def done(db: Db, whole: Whole) -> None:
    """The text was passed on: its parts are forgotten, their keys are kept."""
    db.execute(sql.PARTS_DONE, {"line": whole[0], "whole": whole[1], "nothing": b""})


def purge(db: Db, before: int) -> None:
    """Forgets the keys of parts that came before (UTC ms)."""
    db.execute(sql.PURGE_PARTS, {"before": before})


def _is_complete(parts: list[InboundPart]) -> bool:
    return bool(parts) and len({part.number for part in parts}) == parts[0].total
