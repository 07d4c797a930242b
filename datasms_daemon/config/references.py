"""Names and patterns in the configuration, and what is told about those that cannot be used."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from datasms_daemon.config.problems import Problems, below, nearest
from datasms_daemon.config.records import Config
from datasms_daemon.rules.conditions import split_not
from datasms_daemon.rules.operators import UNKNOWN, built_in_names
from datasms_daemon.rules.patterns import NUMBER_REACH, TEXT_REACH, PatternError, compile_pattern
from datasms_daemon.rules.routing import DEFAULT_SET

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SHOWN = 40
_IS_NAME = "1 to 64 letters, digits, '.', '_' and '-'"


def is_name(name: str) -> bool:
    """Whether it may stand for a line, a sender, a group …"""
    return _NAME.fullmatch(name) is not None


def check_name(place: str, name: str, problems: Problems) -> None:
    """Adds a problem when the name cannot be used."""
    if not _NAME.fullmatch(name):
        problems.add(place, "is no name", _IS_NAME, name)


def each(place: str, alternatives: Sequence[str], look: Callable[[str, str], None]) -> None:
    """Calls ``look`` with the place and the word of each alternative, its ``!`` taken away."""
    for number, alternative in enumerate(alternatives, start=1):
        wanted, unwanted = split_not((alternative,))
        look(below(place, number), (wanted or unwanted)[0])


def check_references(
    place: str, alternatives: Sequence[str], known: Iterable[str] | None, what: str, problems: Problems
) -> None:
    """Adds a problem for each alternative that is empty or no ``known`` name of ``what``; None: any name is good."""

    def look(here: str, word: str) -> None:
        if not word:
            problems.add(here, "is empty", "a name, or ! and a name")
        elif known is not None and word not in known:
            problems.add(here, f"there is no such {what}", one_of(word, known), word)

    each(place, alternatives, look)


def check_numbers(place: str, alternatives: Sequence[str], config: Config, problems: Problems) -> None:
    """Adds every problem of patterns, aliases and lists for phone numbers."""
    known = {*config.alias, *config.number_list}

    def look(here: str, pattern: str) -> None:
        if not pattern.startswith("$"):
            check_pattern(here, pattern, NUMBER_REACH, problems)
        elif pattern[1:] not in known:
            problems.add(here, "there is no such alias or number list", one_of(pattern[1:], known), pattern)

    each(place, alternatives, look)


def check_texts(place: str, alternatives: Sequence[str], problems: Problems) -> None:
    """Adds every problem of patterns for texts."""
    each(place, alternatives, lambda here, pattern: check_pattern(here, pattern, TEXT_REACH, problems))


def check_pattern(place: str, pattern: str, reach: int, problems: Problems) -> None:
    """Adds a problem when the pattern cannot be used, or not safely, on texts of ``reach`` characters."""
    if not pattern:
        problems.add(place, "is empty", "a regular expression, or ! and one")
        return
    try:
        compile_pattern(pattern, reach)
    except PatternError as error:
        problems.add(place, error.wrong, error.right, pattern)


def check_operators(place: str, alternatives: Sequence[str], config: Config, problems: Problems) -> None:
    """Adds a problem for each operator that neither the configuration nor the built-in table knows."""
    known = {*config.operator, UNKNOWN}
    if not known.issuperset(word.removeprefix("!") for word in alternatives):
        known |= built_in_names()
    check_references(place, alternatives, known, "operator", problems)


def sets_of(config: Config) -> set[str]:
    """The sets of rules that there are, empty ones too."""
    return {DEFAULT_SET, *config.rule_set, *(rule.set for rule in config.rule)}


def leads_back(name: str, following: Mapping[str, str | None]) -> bool:
    """Whether one comes to ``name`` again by following from it."""
    seen: set[str] = set()
    now = following.get(name)
    while now is not None and now not in seen:
        if now == name:
            return True
        seen.add(now)
        now = following.get(now)
    return False


def one_of(word: str, known: Iterable[str]) -> str:
    """What would be right instead of ``word``: the one that is near, else all."""
    names = sorted(known)
    shown = ", ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")
    return nearest(word, names, "known: " + (shown or "none"))
