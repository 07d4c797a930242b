"""A thousand rules, asked at once: which of them may match a message, as the bits of one number.

Most conditions name words: senders, groups, operators, the beginnings of phone numbers. For each word the rules that
name it are known beforehand, so that finding those that fit takes a look-up a word and no walk over all rules. What is
left (patterns, lists, calendars) is asked rule by rule, in the order of the rules and until one matches.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from datasms_daemon.model import Record, WhenClosed
from datasms_daemon.rules.calendars import Calendar
from datasms_daemon.rules.conditions import calendar_check, number_check, split_not, text_check
from datasms_daemon.rules.facts import Facts
from datasms_daemon.rules.planning import StepOptions

_BEGINNING = re.compile(r"\^\\(\+[0-9]+)")


class When(Protocol):
    """The conditions of a rule."""

    @property
    def priority(self) -> Sequence[str]: ...
    @property
    def sender(self) -> Sequence[str]: ...
    @property
    def sender_group(self) -> Sequence[str]: ...
    @property
    def recipient(self) -> Sequence[str]: ...
    @property
    def operator(self) -> Sequence[str]: ...
    @property
    def recipient_group(self) -> Sequence[str]: ...
    @property
    def class_(self) -> Sequence[str]: ...
    @property
    def calendar(self) -> Sequence[str]: ...
    @property
    def has_device(self) -> bool | None: ...
    @property
    def text(self) -> Sequence[str]: ...


class RuleOptions(Protocol):
    """A rule as the configuration says it."""

    @property
    def name(self) -> str: ...
    @property
    def when(self) -> When: ...
    @property
    def steps(self) -> Sequence[StepOptions]: ...
    @property
    def set(self) -> str: ...
    @property
    def enabled(self) -> bool: ...
    @property
    def continue_(self) -> bool: ...
    @property
    def calendar(self) -> str | None: ...
    @property
    def when_closed(self) -> WhenClosed: ...


class Named(Record, frozen=True):
    """What conditions call by name."""

    aliases: Mapping[str, Sequence[str]]
    lists: Mapping[str, Container[str]]
    calendars: Mapping[str, Calendar]


Check = Callable[[Facts], bool]


class CompiledRule:
    """A rule ready to be asked; ``checks`` are those of its conditions that no index answers, the cheap ones first.

    PatternError or KeyError: conditions that the loader would have refused.
    """

    def __init__(self, rule: RuleOptions, named: Named) -> None:
        self.name = rule.name
        self.when = rule.when
        self.set = rule.set
        self.steps = rule.steps
        self.continues = rule.continue_
        self.calendar = rule.calendar
        self.when_closed = rule.when_closed
        self.beginnings = beginnings(rule.when.recipient, named.aliases)
        self.checks = tuple(_checks(rule.when, named, asks_number=self.beginnings is None))


class Alternatives:
    """Many conditions of one kind, asked at once: bit n of an answer is condition n."""

    def __init__(self, conditions: Iterable[Sequence[str]]) -> None:
        self._free = 0
        self._listed: dict[str, int] = {}
        self._excluded: dict[str, int] = {}
        for n, alternatives in enumerate(conditions):
            wanted, unwanted = split_not(alternatives)
            if not wanted:
                self._free |= 1 << n
            for words, known in ((wanted, self._listed), (unwanted, self._excluded)):
                for word in words:
                    known[word] = known.get(word, 0) | 1 << n
        self.is_asked = bool(self._listed or self._excluded)
        """False: none of the conditions says anything."""

    def holding(self, words: Iterable[str]) -> int:
        """Those that hold for whoever has all these words."""
        found, excluded = self._free, 0
        for word in words:
            found |= self._listed.get(word, 0)
            excluded |= self._excluded.get(word, 0)
        return found & ~excluded


class RuleIndex:
    """Rules in the order in which they are looked at."""

    def __init__(self, rules: Sequence[CompiledRule]) -> None:
        self._rules = rules
        self._all = (1 << len(rules)) - 1
        kinds: tuple[tuple[Callable[[CompiledRule], Sequence[str]], Callable[[Facts], Iterable[str]]], ...] = (
            (lambda rule: rule.when.priority, lambda facts: (facts.priority,)),
            (lambda rule: rule.when.sender, lambda facts: (facts.sender,)),
            (lambda rule: rule.when.sender_group, lambda facts: facts.sender_groups),
            (lambda rule: rule.when.operator, lambda facts: (facts.operator,)),
            (lambda rule: rule.when.recipient_group, lambda facts: facts.groups),
            (lambda rule: rule.when.class_, lambda facts: () if facts.class_ is None else (facts.class_,)),
            (lambda rule: _device_words(rule.when.has_device), lambda facts: ("device",) if facts.has_device else ()),
            (lambda rule: rule.beginnings or (), lambda facts: beginnings_of(facts.to)),
        )
        indices = [(Alternatives([words(rule) for rule in rules]), of) for words, of in kinds]
        self._kinds = [(alternatives.holding, of) for alternatives, of in indices if alternatives.is_asked]

    def matching(self, facts: Facts) -> Iterator[CompiledRule]:
        """The rules that match, in their order."""
        left = self._all
        for holding, words in self._kinds:
            left &= holding(words(facts))
        while left:
            lowest = left & -left
            rule = self._rules[lowest.bit_length() - 1]
            if all(check(facts) for check in rule.checks):
                yield rule
            left ^= lowest


def _device_words(has_device: bool | None) -> Sequence[str]:
    if has_device is None:
        return ()
    return ("device",) if has_device else ("!device",)


def beginnings_of(number: str | None) -> Sequence[str]:
    """All that a number begins with, as far as conditions can ask for it."""
    return () if number is None else [number[:length] for length in range(2, len(number) + 1)]


def beginnings(alternatives: Sequence[str], aliases: Mapping[str, Sequence[str]]) -> list[str] | None:
    """The beginnings of numbers that a condition asks for, with their ``!``; None: it asks for something else too."""
    found = []
    for alternative in alternatives:
        sign, word = ("!", alternative[1:]) if alternative.startswith("!") else ("", alternative)
        for pattern in aliases.get(word[1:], ()) if word.startswith("$") else (word,):
            plain = _BEGINNING.fullmatch(pattern)
            if plain is None:
                return None
            found.append(sign + plain[1])
        if word.startswith("$") and not aliases.get(word[1:]):
            # A list, or an alias of nothing: nobody is meant, and not everybody.
            return None
    return found


def _checks(when: When, named: Named, *, asks_number: bool) -> Iterator[Check]:
    if when.calendar:
        is_time = calendar_check(when.calendar, named.calendars)
        yield lambda facts: is_time(facts.now)
    if when.recipient and asks_number:
        recipient = number_check(when.recipient, named.aliases, named.lists)
        yield lambda facts: recipient(facts.to)
    if when.text:
        text = text_check(when.text)
        yield lambda facts: text(facts.text)
