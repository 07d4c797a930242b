"""Foreign texts that cannot move a terminal's cursor, turn the direction of writing, or pretend to be another line."""

from __future__ import annotations

import json


def printable(text: str) -> str:
    """``text`` for people: what does not print, control and bidi characters above all, is written as ``\\x1b``."""
    return text if text.isprintable() else "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def printable_json(document: str) -> str:
    """The same JSON (without white space but spaces), all that does not print escaped as JSON escapes it."""
    if document.isprintable():
        return document
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in document)
