"""The problems of a configuration file, collected so that all are told at once."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable

from datasms_daemon.model import Secret

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SHOWN = 60


def below(place: str, key: str | int) -> str:
    """The place of a key within a table, spelled as TOML spells it."""
    name = str(key)
    if not _BARE.fullmatch(name):
        name = json.dumps(name, ensure_ascii=False)
    return f"{place}.{name}" if place else name


class Problems:
    """What is wrong with one file; ``lines`` are fit for the operator and hold no secret.

    A place is told of once: what follows from a fault there, above or below it is not worth a line of its own.
    """

    def __init__(self, file: str) -> None:
        self.lines: list[str] = []
        self._file = file
        self._places: list[str] = []

    def add(self, place: str, wrong: str, right: str, value: object = None) -> None:
        """One problem; ``value`` is what the file says there, if that may be shown."""
        if any(_same_branch(place, other) for other in self._places):
            return
        self._places.append(place)
        shown = "" if value is None else f" = {_shown(value)}"
        self.whole(f"[{place}]{shown}: {wrong}; {right}")

    def whole(self, wrong: str) -> None:
        """A problem of the file as a whole."""
        # A file may hold what would move the cursor or turn the writing round.
        line = f"{self._file}: {wrong}"
        self.lines.append("".join(each if each.isprintable() else ascii(each)[1:-1] for each in line))


def nearest(word: str, known: Iterable[str], otherwise: str) -> str:
    """``did you mean "x"?`` when one of the known words is near, else ``otherwise``."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f'did you mean "{near[0]}"?' if near else otherwise


def _same_branch(place: str, other: str) -> bool:
    return place == other or place.startswith(other + ".") or other.startswith(place + ".")


def _shown(value: object) -> str:
    if isinstance(value, Secret):
        return "***"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
