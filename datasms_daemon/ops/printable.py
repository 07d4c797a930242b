"""Foreign texts that cannot move a terminal's cursor, turn the direction of writing, pretend to be another line, or be
calculated by a spreadsheet."""

from __future__ import annotations

import json
import re

# In the widths of East Asian writing too; what begins with a line's end or a tab comes to the same in some programs.
_FORMULA = re.compile(r"[\t\r\n]|\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]\d+(\.\d+)?", re.ASCII)


def printable(text: str) -> str:
    """``text`` for people: what does not print, control and bidi characters above all, is written as ``\\x1b``."""
    return text if text.isprintable() else "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def printable_json(document: str) -> str:
    """The same JSON (without white space but spaces), all that does not print escaped as JSON escapes it."""
    if document.isprintable():
        return document
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in document)


def cell(value: object) -> object:
    """``value`` for a cell of a CSV file: a text that a spreadsheet would take for a formula gets an apostrophe before
    it. Numbers, those of phones too, stay as they are."""
    if not isinstance(value, str) or _FORMULA.match(value) is None or _NUMBER.fullmatch(value) is not None:
        return value
    return f"'{value}"
