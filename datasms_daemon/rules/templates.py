"""Texts with places for what was found: ``$0`` to ``$9`` of a match, or variables by their names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

WHOLE = "$0"

_MARK = re.compile(r"\$(.?)", re.DOTALL)
_GROUP = re.compile(r"\$([0-9])")
_VARIABLE = re.compile(r"\$([A-Za-z_]+)")


def groups_of(template: str) -> tuple[int, ...]:
    """The groups that ``$0`` to ``$9`` ask for; 0 is the whole of what was found."""
    return tuple(int(found) for found in _GROUP.findall(template))


def variables_of(template: str) -> tuple[str, ...]:
    """The variables that the template names."""
    return tuple(_VARIABLE.findall(template))


def with_groups(template: str, match: re.Match[str]) -> str:
    """The template with the groups of a match; one that took no part is empty. IndexError: there is no such group."""
    return _GROUP.sub(lambda place: match[int(place[1])] or "", template)


def with_variables(template: str, values: Mapping[str, str | None]) -> str:
    """The template with the values of its variables; None is empty. KeyError: there is no such variable."""
    return _VARIABLE.sub(lambda place: values[place[1]] or "", template)


def fill(template: str, values: Sequence[str]) -> str:
    """The template with each ``$n`` replaced by ``values[n]``, by nothing where there is none; ``$$`` is a ``$``."""

    def value(mark: re.Match[str]) -> str:
        if mark[1] == "$":
            return "$"
        number = int(mark[1])
        return values[number] if number < len(values) else ""

    return _MARK.sub(value, template)


def marks(template: str) -> frozenset[int]:
    """The numbers that stand in the template. ValueError: a ``$`` that is followed by none."""
    found = [mark[1] for mark in _MARK.finditer(template)]
    if any(mark != "$" and (not mark.isascii() or not mark.isdigit()) for mark in found):
        raise ValueError("a $ without a number")
    return frozenset(int(mark) for mark in found if mark != "$")
