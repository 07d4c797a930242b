"""What files with phone numbers say: lists of numbers, and tables of ported ones."""

from __future__ import annotations

import re
from collections.abc import Iterator

from datasms_daemon.rules.numbers import normalise
from datasms_daemon.rules.operators import slug

# Reading a number as people write it costs a hundred times as much.
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")


class ListFault(ValueError):
    """A line that cannot be used; the text says which, and never the number in it."""


def numbers_in(text: str, country: str) -> frozenset[str]:
    """The numbers, in E.164, of a file with one a line, ``#`` for comments. ListFault: a line with something else."""
    return frozenset(_number(entry, country, line) for line, entry in _entries(text))


def ported_in(text: str, country: str) -> dict[str, str]:
    """The operators by number of a file with lines ``NUMBER,OPERATOR``. ListFault: a line with something else."""
    found = {}
    for line, entry in _entries(text):
        number, _, name = entry.partition(",")
        operator = slug(name)
        if not operator:
            raise ListFault(f"line {line} names no operator")
        found[_number(number.strip(), country, line)] = operator
    return found


def _entries(text: str) -> Iterator[tuple[int, str]]:
    for line, content in enumerate(text.splitlines(), start=1):
        entry = content.partition("#")[0].strip()
        if entry:
            yield line, entry


def _number(entry: str, country: str, line: int) -> str:
    number = entry if _E164.fullmatch(entry) else normalise(entry, country)
    if number is None:
        raise ListFault(f"line {line} holds no valid phone number")
    return number
