"""The conditions of rules, compiled: what ``when`` says becomes a tuple of cheap checks.

A list of alternatives holds when none of its ``!x`` applies and, if it names anything without ``!``, one of those does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Container, Mapping, Sequence

from datasms_daemon.rules.calendars import Calendar
from datasms_daemon.rules.patterns import NUMBER_REACH, TEXT_REACH, compile_pattern

TextCheck = Callable[[str | None], bool]
"""Whether a condition holds for a value; None is a value that nothing applies to."""


def split_not(alternatives: Sequence[str]) -> tuple[list[str], list[str]]:
    """What is asked for and what is excluded (without its ``!``)."""
    wanted = [each for each in alternatives if not each.startswith("!")]
    unwanted = [each[1:] for each in alternatives if each.startswith("!")]
    return wanted, unwanted


def word_check(alternatives: Sequence[str]) -> TextCheck:
    """Whether a word is one of those asked for."""
    listed, excluded = split_not(alternatives)
    wanted, unwanted = frozenset(listed), frozenset(excluded)
    if wanted:
        return (wanted - unwanted).__contains__
    return lambda word: word not in unwanted


def groups_check(alternatives: Sequence[str]) -> Callable[[Collection[str]], bool]:
    """Whether one who is in these groups is among those asked for."""
    listed, excluded = split_not(alternatives)
    wanted, unwanted = frozenset(listed), frozenset(excluded)

    def holds(groups: Collection[str]) -> bool:
        return unwanted.isdisjoint(groups) and (not wanted or not wanted.isdisjoint(groups))

    return holds


def calendar_check(alternatives: Sequence[str], calendars: Mapping[str, Calendar]) -> Callable[[int], bool]:
    """Whether one of the calendars asked for is open at a moment, and none of those excluded. KeyError: no such one."""
    listed, excluded = split_not(alternatives)
    wanted, unwanted = [calendars[name] for name in listed], [calendars[name] for name in excluded]

    def holds(at: int) -> bool:
        if any(calendar.is_open(at) for calendar in unwanted):
            return False
        return not wanted or any(calendar.is_open(at) for calendar in wanted)

    return holds


def number_check(
    alternatives: Sequence[str], aliases: Mapping[str, Sequence[str]], lists: Mapping[str, Container[str]]
) -> TextCheck:
    """Whether an E.164 number matches one of the patterns or aliases, or is in one of the lists as they are then.

    KeyError: no such alias or list.
    """
    listed, excluded = split_not(alternatives)
    wanted, unwanted = _numbers(listed, aliases, lists), _numbers(excluded, aliases, lists)

    def holds(number: str | None) -> bool:
        if number is None:
            return not listed
        return not unwanted(number) and (not listed or wanted(number))

    return holds


def _numbers(
    words: Sequence[str], aliases: Mapping[str, Sequence[str]], lists: Mapping[str, Container[str]]
) -> Callable[[str], bool]:
    patterns: list[re.Pattern[str]] = []
    names: list[str] = []
    for word in words:
        name = word[1:]
        if not word.startswith("$"):
            patterns.append(compile_pattern(word, NUMBER_REACH))
        elif name in lists:
            names.append(name)
        else:
            patterns += [compile_pattern(each, NUMBER_REACH) for each in aliases[name]]

    def holds(number: str) -> bool:
        # By name each time: a list that is read again is another object.
        return any(number in lists[name] for name in names) or _any(patterns, number[:NUMBER_REACH])

    return holds


def text_check(alternatives: Sequence[str]) -> TextCheck:
    """Whether one of the patterns is found in the first ``TEXT_REACH`` characters, whatever their case."""
    listed, excluded = split_not(alternatives)
    wanted = [compile_pattern(each, TEXT_REACH) for each in listed]
    unwanted = [compile_pattern(each, TEXT_REACH) for each in excluded]

    def holds(value: str | None) -> bool:
        seen = None if value is None else value[:TEXT_REACH]
        return not _any(unwanted, seen) and (not wanted or _any(wanted, seen))

    return holds


def _any(patterns: list[re.Pattern[str]], value: str | None) -> bool:
    return value is not None and any(pattern.search(value) for pattern in patterns)
