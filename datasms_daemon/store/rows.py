"""What stands in the tables of messages as the model has it, and the other way round."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from operator import itemgetter
from typing import Any

import msgspec

from datasms_daemon.model import (
    Attachment,
    Attempt,
    AttemptState,
    Button,
    Event,
    LineText,
    Message,
    MessageId,
    MessageState,
    Plan,
    Progress,
    Step,
)
from datasms_daemon.rules.decisions import AttemptChange
from datasms_daemon.store import statements as sql

_PARAMETER = re.compile(r":(\w+)")
_encode = msgspec.json.Encoder().encode
decode_events = msgspec.json.Decoder(tuple[Event, ...]).decode
_decode_attachments = msgspec.json.Decoder(tuple[Attachment, ...]).decode
_decode_buttons = msgspec.json.Decoder(tuple[Button, ...]).decode
_decode_lines = msgspec.json.Decoder(tuple[str, ...]).decode
_decode_per_line = msgspec.json.Decoder(dict[str, LineText]).decode


MESSAGE_WIDTH = len(sql.MESSAGE.split(","))
PROGRESS_WIDTH = len(sql.PROGRESS.split(","))


class Wide:
    """A statement of many values, written by their places: for each that is named SQLite walks through all names."""

    def __init__(self, named: str) -> None:
        self.text = _PARAMETER.sub("?", named)
        self.values: Callable[[Mapping[str, object]], tuple[object, ...]] = itemgetter(*_PARAMETER.findall(named))


INSERT_MESSAGE = Wide(sql.INSERT_MESSAGE)
UPDATE_PROGRESS = Wide(sql.UPDATE_PROGRESS)


class Sealed(msgspec.Struct, frozen=True):
    """A message with the code that binds its recipient and text together (I39)."""

    message: Message
    mac: bytes


class NewMessage(msgspec.Struct, frozen=True):
    """All that one accepted message writes: ``opened`` when it was claimed for its line in the same transaction."""

    sealed: Sealed
    rank: int
    progress: Progress
    events: tuple[Event, ...]
    opened: AttemptChange | None = None


def of_attempt(id_: MessageId, change: AttemptChange, now: int) -> dict[str, object]:
    """The values of an attempt that is opened."""
    return {
        "message": id_,
        "n": change.n,
        "step": change.step,
        "line": change.line,
        "state": AttemptState.SENDING.value,
        "started_at": now,
        "deadline": change.deadline,
    }


def of_message(new: NewMessage) -> dict[str, object]:
    """The values of a message that was accepted."""
    message = new.sealed.message
    return of_progress(new.progress, message.created_at) | {
        "submission": message.submission,
        "sender": message.sender,
        "to": message.to,
        "person": message.person,
        "priority": message.priority,
        "rank": new.rank,
        "class_": message.class_,
        "title": message.title,
        "text": message.text,
        "reference": message.reference,
        "per_line": json(message.per_line) if message.per_line else None,
        "resend_of": message.resend_of,
        "cost_centre": message.cost_centre,
        "nomodify": int(message.nomodify),
        "attachments": json(message.attachments) if message.attachments else None,
        "lines": None if message.lines is None else json(message.lines),
        "buttons": json(message.buttons) if message.buttons else None,
        "created_at": message.created_at,
        "send_at": message.send_at,
        "mac": new.sealed.mac,
        "plan": _plan_text(new.progress.plan),
    }


def of_progress(progress: Progress, now: int) -> dict[str, object]:
    """The values of where a message stands."""
    return {
        "id": progress.id,
        "gen": progress.gen,
        "state": progress.state.value,
        "valid_until": progress.valid_until,
        "step": progress.step,
        "tries": progress.tries,
        "crashes": progress.crashes,
        "attempt": progress.attempt,
        "attempt_state": progress.attempt_state and progress.attempt_state.value,
        "due_at": progress.due_at,
        "deadline": progress.deadline,
        "ready": progress.ready,
        "code": progress.code,
        "delivered_at": progress.delivered_at,
        "read_at": progress.read_at,
        "held": int(progress.held),
        "ndr_due": progress.ndr_due,
        "ndr_at": progress.ndr_at,
        "unsure": int(progress.unsure),
        "final_at": now if progress.state.is_final else None,
    }


def progress(row: tuple[Any, ...]) -> Progress:
    """Where a message stands, of a row that begins with it."""
    (id_, gen, state, plan, valid_until, step, tries, crashes, attempt_n, attempt_state, *rest) = row[:PROGRESS_WIDTH]
    due_at, deadline, ready, code, delivered_at, read_at, held, ndr_due, ndr_at, unsure = rest
    return Progress(
        id_, gen, MessageState(state), _plan(plan), valid_until, step, tries, crashes, attempt_n,
        None if attempt_state is None else AttemptState(attempt_state), due_at, deadline, ready, code, delivered_at,
        read_at, bool(held), ndr_due, ndr_at, bool(unsure),
    )  # fmt: skip


def unfinished(row: tuple[Any, ...]) -> Progress:
    """Of a message that goes on; ValueError when it stands at no step of its plan."""
    found = progress(row)
    if not 0 <= found.step < len(found.plan):
        raise ValueError("no such step")
    return found


def sealed(row: Any) -> Sealed:
    """A message and what binds it, of a row that begins with it."""
    per_line, resend_of, cost_centre, nomodify, attached, lines, shown, mac = row[MESSAGE_WIDTH - 8 : MESSAGE_WIDTH]
    texts = {} if per_line is None else _decode_per_line(per_line)
    attachments = () if attached is None else _decode_attachments(attached)
    narrowed = None if lines is None else _decode_lines(lines)
    buttons = () if shown is None else _decode_buttons(shown)
    fields = (*row[: MESSAGE_WIDTH - 8], texts, resend_of, cost_centre, bool(nomodify), attachments, narrowed, buttons)
    return Sealed(Message(*fields), mac)


def attempt(row: tuple[Any, ...]) -> Attempt:
    """An attempt."""
    n, step, line, state, started_at, sent_at, deadline, finished_at, outcome, reason, late = row
    return Attempt(
        n, step, line, AttemptState(state), started_at, sent_at, deadline, finished_at, outcome, reason, bool(late)
    )


@lru_cache(maxsize=4096)
def _plan_text(plan: Plan) -> str:
    return _encode(plan).decode()


@lru_cache(maxsize=4096)
def _plan(text: str) -> Plan:
    return tuple(msgspec.json.decode(text, type=list[Step]))


def json(value: object) -> str:
    """As it stands in a column of text."""
    return _encode(value).decode()
