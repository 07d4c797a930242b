"""Verbs on texts from outside: a row for each destination of a text."""

from __future__ import annotations

from collections.abc import Collection

from datasms_daemon.model import Destination, Inbound, InboundText, LineName, PersonId, Record
from datasms_daemon.store import inbound_statements as sql
from datasms_daemon.store.writer import Db


class Waiting(Record, frozen=True):
    """A stored text that is to be handed on to ``destination``; ``due_at`` is when, and what a claim compares."""

    seq: int
    text: InboundText
    destination: Destination
    person: PersonId | None
    tries: int
    due_at: int


NEWEST = 20
"""So many messages to a number are looked at for who wrote to it last."""


def is_known(db: Db, line: LineName, key: str) -> bool:
    """Whether the same delivery was stored before."""
    return db.execute(sql.IS_KNOWN, {"line": line, "key": key}).fetchone() is not None


def add(
    db: Db,
    text: InboundText,
    destination: Destination | None,
    person: PersonId | None,
    n: int = 0,
    due_at: int | None = None,
) -> bool:
    """Stores a text for its ``n``-th destination, None for nobody's; False when that was stored before.

    ``due_at`` is when it must be handed on, None when whoever it is for will fetch it.
    """
    passed = None if destination is None or destination.text == text.text else destination.text
    row = {
        "line": text.line,
        "sender": text.from_,
        "recipient": text.to,
        "text": text.text,
        "at": text.at,
        "key": text.key,
        "n": n,
        "target": None if destination is None else destination.target,
        "why": "nobody" if destination is None else destination.why,
        "passed": passed,
        "priority": None if destination is None else destination.priority,
        "person": person,
        "incomplete": int(text.incomplete),
        "due_at": due_at,
    }
    return db.execute(sql.INSERT, row).rowcount > 0


def texts_for(db: Db, target: str, after: int, limit: int) -> tuple[Inbound, ...]:
    """Texts for a target behind a cursor, as they were passed on to it."""
    rows = db.execute(sql.SELECT_FOR, {"target": target, "after": after, "limit": limit})
    return tuple(Inbound(*row) for row in rows)


def sent_to(db: Db, numbers: Collection[str], person: PersonId | None) -> list[tuple[str, int]]:
    """The newest messages that were tried for these numbers, or for the person if he has none: sender and when, the
    last one first."""
    found: list[tuple[str, int]] = []
    for number in numbers:
        found += db.execute(sql.SELECT_SENT, {"number": number, "limit": NEWEST})
    if person is not None:
        found += db.execute(sql.SELECT_SENT_TO_PERSON, {"person": person, "limit": NEWEST})
    return sorted(found, key=lambda sent: sent[1], reverse=True)


def due(db: Db, target: str, now: int, limit: int) -> list[Waiting]:
    """Texts for targets that begin so, whose time has come."""
    rows = db.execute(sql.SELECT_DUE, {"like": f"{target}%", "now": now, "limit": limit})
    return [_waiting(*row) for row in rows]


def next_due(db: Db, target: str) -> int | None:
    """When the next text for targets that begin so is due (UTC ms)."""
    row = db.execute(sql.SELECT_NEXT_DUE, {"like": f"{target}%"}).fetchone()
    return None if row is None else row[0]


def settle(db: Db, waiting: Waiting, effect: str) -> bool:
    """It was handed on, or never will be; ``effect`` says which. False: somebody else has it."""
    row = {"seq": waiting.seq, "due_at": waiting.due_at, "effect": effect}
    return db.execute(sql.SETTLE, row).rowcount > 0


def defer(db: Db, waiting: Waiting, until: int, *, tried: bool) -> bool:
    """It is due again at ``until``; False: somebody else has it."""
    row = {"seq": waiting.seq, "due_at": waiting.due_at, "until": until, "tried": int(tried)}
    return db.execute(sql.DEFER, row).rowcount > 0


def _waiting(
    seq: int, line: str, sender: str, recipient: str, text: str, passed: str | None, at: int, key: str,
    incomplete: int, target: str, why: str, priority: str, person: str | None, tries: int, due_at: int,
) -> Waiting:  # fmt: skip
    inbound = InboundText(LineName(line), sender, recipient, text, at, key, incomplete=bool(incomplete))
    destination = Destination(target, text if passed is None else passed, why, priority)
    return Waiting(seq, inbound, destination, None if person is None else PersonId(person), tries, due_at)
