"""Verbs that look through what is kept, newest first, a bounded number of rows at a time.

There is no index of words: what a text said would stay in it after the text was forgotten. So rows are read in the
order of their numbers, at most ``WINDOW`` of them and so many characters of text in one go; who wants more comes again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any, Generic, TypeVar

from msgspec import Struct, structs

from datasms_daemon.model import ArchivedInbound, Dossier, InboundSearch, MessageQuery
from datasms_daemon.ops.ids import first_id
from datasms_daemon.rules.registration import is_registration
from datasms_daemon.rules.search import occur
from datasms_daemon.store import messages
from datasms_daemon.store import search_statements as sql
from datasms_daemon.store.writer import Db

T = TypeVar("T")
WINDOW = 5_000
MOST_CHARACTERS = 1 << 20
"""Of the texts that are looked at in one go."""
LAST_SEQ = (1 << 63) - 1
LAG_MS = 600_000
"""An id may be so much younger than the moment the message was accepted: the writer was busy."""

Shows = Callable[[str, str | None, int | None], bool]
"""Whether the text of a message of that sender, of that class and over at that time may be looked at."""


class Window(Struct, Generic[T], frozen=True):
    """What was found, and the number of the last row that was looked at; None: there is none behind it."""

    found: tuple[T, ...]
    last: str | None


def all_texts(sender: str, class_: str | None, final_at: int | None) -> bool:
    """Shows what there is."""
    return True


def find(db: Db, query: MessageQuery, shows: Shows = all_texts) -> Window[Dossier]:
    """Of the next ``WINDOW`` rows those that fit, at most ``query.limit``, without attempts and pushes; a text that may
    not be shown is empty."""
    near = next((condition for name, condition in sql.NEAR.items() if getattr(query, name) is not None), "")
    values, chosen = _conditions(query, sql.REST)
    if query.status:
        names = {f"state{i}": state.value for i, state in enumerate(query.status)}
        values |= names
        chosen.append(f"state IN ({', '.join(':' + name for name in names)})")
    ends = (query.after, None if query.until is None else first_id(query.until + LAG_MS))
    values["first"] = "" if query.since is None else first_id(query.since)
    values["end"] = min((end for end in ends if end is not None), default="~")

    def fits(row: Any) -> Dossier | None:
        id_, sender, class_, final_at, title, text = row
        shown = shows(sender, class_, final_at)
        if query.words and not (shown and occur(query.words, title, text)):
            return None
        found = messages.content(db, id_)
        return found if shown else _textless(found)

    # Only fixed texts are joined; every value is a parameter.
    last, texts = sql.SELECT_LAST.format(near=near), sql.SELECT_TEXTS.format(near=near, rest=_all(chosen))
    return _look(db, last, texts, values, fits, query.limit)


def newest(db: Db, query: MessageQuery) -> Iterator[Dossier]:
    """Every message that fits, up to ``query.limit``, however many rows have to be looked at."""
    while query.limit > 0:
        window = find(db, query)
        yield from window.found
        if window.last is None:
            return
        query = structs.replace(query, after=window.last, limit=query.limit - len(window.found))


def find_inbound(db: Db, query: InboundSearch, kept: int) -> Window[ArchivedInbound]:
    """As ``find``, of texts from outside that came at ``kept`` (UTC ms) or later; what registers a device has no text
    here."""
    values, chosen = _conditions(query, sql.INBOUND_REST)
    values |= {"kept": kept, "end": LAST_SEQ if query.after is None else int(query.after)}

    def fits(row: Any) -> ArchivedInbound | None:
        seq, line, from_, to, at, person, incomplete, target, why, effect, text = row
        shown = None if not text or is_registration(text) else text
        if query.words and (shown is None or not occur(query.words, None, shown)):
            return None
        return ArchivedInbound(seq, line, from_, to, shown, at, person, bool(incomplete), target, why, effect)

    texts = sql.SELECT_INBOUND.format(rest=_all(chosen))
    return _look(db, sql.SELECT_LAST_INBOUND, texts, values, fits, query.limit)


def next_own(db: Db, sender: str, before: str) -> str | None:
    """A cursor behind which the next of the sender's own messages is found that is older than ``before``."""
    row = db.execute(sql.SELECT_NEXT_OWN, {"sender": sender, "before": before}).fetchone()
    # Sorts behind the id itself and before every other one.
    return None if row[0] is None else f"{row[0]}-"


def _textless(dossier: Dossier) -> Dossier:
    message = structs.replace(dossier.message, title=None, text="", per_line={}, buttons=())
    return structs.replace(dossier, message=message)


def _conditions(query: MessageQuery | InboundSearch, known: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    values = structs.asdict(query)
    return values, [condition for name, condition in known.items() if values[name] is not None]


def _all(conditions: list[str]) -> str:
    return sql.ALL.format(" AND ".join(conditions) or "1 = 1")


def _look(
    db: Db, last_of: str, texts: str, values: Mapping[str, Any], fits: Callable[[Any], T | None], limit: int
) -> Window[T]:
    count, last = db.execute(last_of, {**values, "most": WINDOW}).fetchone()
    found: list[T] = []
    characters = 0
    # A statement that is not read to its end would keep the log from being checkpointed.
    with closing(db.execute(texts, {**values, "last": last})) as rows:
        for row in rows:
            # What goes with a row is read here, where it is of the same moment.
            if (one := fits(row)) is not None:
                found.append(one)
            characters += len(row[-1] or "") + len(row[-2] or "")
            if len(found) >= limit or characters > MOST_CHARACTERS:
                return Window(tuple(found), str(row[0]))
    return Window(tuple(found), str(last) if count == WINDOW else None)
