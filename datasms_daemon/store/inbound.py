"""Verbs on texts from outside: a row for each destination of a text."""

from __future__ import annotations

import msgspec
from msgspec import structs

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
    effect: str | None = None


Targets = tuple[str, str]
"""The first and the last of some targets, in the order of their letters."""


def all_of(kind: str) -> Targets:
    """All targets that begin so."""
    return kind, f"{kind}\U0010ffff"


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
        "address": None if text.address is None else msgspec.json.encode(text.address).decode(),
        "incomplete": int(text.incomplete),
        "due_at": due_at,
    }
    return db.execute(sql.INSERT, row).rowcount > 0


def texts_for(db: Db, target: str, after: int, limit: int) -> tuple[Inbound, ...]:
    """Texts for a target behind a cursor, as they were passed on to it."""
    rows = db.execute(sql.SELECT_FOR, {"target": target, "after": after, "limit": limit})
    return tuple(Inbound(*row) for row in rows)


def sent_to(db: Db, number: str | None, person: PersonId | None) -> list[tuple[str, int]]:
    """The newest messages that were tried for this number or this person: sender and when, the last one first."""
    found: list[tuple[str, int]] = []
    if number is not None:
        found += db.execute(sql.SELECT_SENT, {"number": number, "limit": NEWEST})
    if person is not None:
        found += db.execute(sql.SELECT_SENT_TO_PERSON, {"person": person, "limit": NEWEST})
    return sorted(found, key=lambda sent: sent[1], reverse=True)


def due(db: Db, targets: Targets, now: int, limit: int) -> list[Waiting]:
    """Texts for these targets whose time has come."""
    rows = db.execute(sql.SELECT_DUE, {"first": targets[0], "last": targets[1], "now": now, "limit": limit})
    return [_waiting(*row) for row in rows]


def waiting(db: Db, seq: int, target: str) -> Waiting | None:
    """One text that is to be handed on to this target; None: there is no such text, or it was."""
    row = db.execute(sql.SELECT_WAITING, {"seq": seq, "target": target}).fetchone()
    return None if row is None else _waiting(*row)


def next_due(db: Db, targets: Targets, after: int) -> int | None:
    """When the next text for these targets is due, later than ``after`` (UTC ms)."""
    row = db.execute(sql.SELECT_NEXT_DUE, {"first": targets[0], "last": targets[1], "after": after}).fetchone()
    return None if row is None else row[0]


def count_waiting(db: Db) -> dict[str, int]:
    """By target: how many texts are to be handed on."""
    return dict(db.execute(sql.COUNT_WAITING).fetchall())


def settle(db: Db, waiting: Waiting, effect: str, *, forget: bool = False) -> bool:
    """It was handed on, or never will be; ``effect`` says which. ``forget`` its words. False: somebody else has it."""
    row = {"seq": waiting.seq, "due_at": waiting.due_at, "effect": effect}
    is_mine = db.execute(sql.SETTLE, row).rowcount > 0
    if is_mine and forget:
        db.execute(sql.FORGET_TEXT, {"seq": waiting.seq})
    return is_mine


def defer(db: Db, waiting: Waiting, until: int, *, tried: bool) -> Waiting | None:
    """It is due again at ``until``: the text as it waits from now on; None: somebody else has it."""
    row = {"seq": waiting.seq, "due_at": waiting.due_at, "until": until, "tried": int(tried)}
    is_mine = db.execute(sql.DEFER, row).rowcount > 0
    return structs.replace(waiting, due_at=until, tries=waiting.tries + tried) if is_mine else None


def set_effect(db: Db, seq: int, effect: str) -> None:
    """Keeps what a text led to."""
    db.execute(sql.SET_EFFECT, {"seq": seq, "effect": effect})


def _waiting(
    seq: int, line: str, sender: str, recipient: str, text: str, passed: str | None, at: int, key: str,
    incomplete: int, target: str, why: str, priority: str, person: str | None, tries: int, due_at: int,
    address: str | None, effect: str | None,
) -> Waiting:  # fmt: skip
    reached = None if address is None else msgspec.json.decode(address, type=dict[str, str])
    inbound = InboundText(LineName(line), sender, recipient, text, at, key, reached, bool(incomplete))
    destination = Destination(target, text if passed is None else passed, why, priority)
    return Waiting(seq, inbound, destination, None if person is None else PersonId(person), tries, due_at, effect)
