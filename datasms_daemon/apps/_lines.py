"""What an external program and the daemon write to each other: one JSON object a line (docs/applications.rst)."""

from __future__ import annotations

from typing import Any

import msgspec

LONGEST_LINE = 512 * 1024
"""Octets; a text of 64 Ki characters fits, however it is escaped."""


class _Call(msgspec.Struct, frozen=True, tag_field="call", forbid_unknown_fields=True):
    id: int | str


class Send(_Call, frozen=True, tag="send"):
    """Send a message."""

    to: str
    text: str
    priority: str | None = None
    key: str | None = None
    reference: str | None = None


class Reply(_Call, frozen=True, tag="reply"):
    """Answer a text, once."""

    text_id: int
    text: str


class PersonOf(_Call, frozen=True, tag="person"):
    """Look a person up."""

    who: str


class Complete(_Call, frozen=True, tag="complete_registration"):
    """Complete a registration by a text."""

    text_id: int
    number: str


Asked = Send | Reply | PersonOf | Complete


class Answered(msgspec.Struct, frozen=True):
    """The answer to a call of ours; ``error`` None: it is done."""

    id: int
    error: str | None = None


class Garbage(ValueError):
    """A line that no program that works would write."""


class Malformed(msgspec.Struct, frozen=True):
    """A call that can be answered, but only with what is wrong with it."""

    id: int | str
    error: str


def read(line: bytes) -> Asked | Answered | Malformed:
    """What a line of a program says. Garbage: nothing that could be answered."""
    try:
        said = msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Garbage("it wrote a line that is no JSON object") from error
    id_ = said.get("id")
    if isinstance(id_, bool) or not isinstance(id_, int | str) or len(str(id_)) > 64:
        raise Garbage("it wrote a line without an id")
    try:
        if "call" in said:
            asked: Asked = msgspec.convert(said, Asked)
            return asked
        return msgspec.convert(said, Answered)
    except msgspec.ValidationError as error:
        if "call" not in said:
            raise Garbage("it wrote an answer that is none") from error
        return Malformed(id_, str(error))


def write(said: dict[str, Any]) -> bytes:
    """A line for a program."""
    return msgspec.json.encode(said) + b"\n"
