"""Which lines a message takes, in which order: rules become a plan (original.md § 2.5).

The first matching rule wins; one that says ``continue`` adds the steps of the next match. All of it depends on the
arguments only. What is read of the configuration stands in protocols, because rules lie below it.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from datasms_daemon.rules.calendars import Calendar
from datasms_daemon.rules.facts import Facts
from datasms_daemon.rules.planning import (
    DATASMS,
    Circumstances,
    LineOptions,
    Planner,
    PriorityOptions,
    Routed,
    backup_of,
)
from datasms_daemon.rules.rule_index import CompiledRule, Named, RuleIndex, RuleOptions

__all__ = ["DATASMS", "DEFAULT_SET", "Facts", "Routed", "Router", "RoutingOptions"]

DEFAULT_SET = "default"
"""The set of rules without another name."""


class _RuleSet(Protocol):
    @property
    def then(self) -> str | None: ...


class _Operator(Protocol):
    @property
    def rules(self) -> str: ...


class RoutingOptions(Protocol):
    """The parts of the configuration that routing reads; ``config.Config`` has them."""

    @property
    def rule(self) -> Sequence[RuleOptions]: ...
    @property
    def priority(self) -> Mapping[str, PriorityOptions]: ...
    @property
    def line(self) -> Sequence[LineOptions]: ...
    @property
    def rule_set(self) -> Mapping[str, _RuleSet]: ...
    @property
    def operator(self) -> Mapping[str, _Operator]: ...
    @property
    def alias(self) -> Mapping[str, Sequence[str]]: ...


class Router:
    """The rules of one configuration. Built once, never changes; a reload builds another one.

    ``calendars`` and number ``lists`` are those that conditions may name; lists count as they are when a message is
    routed. PatternError or KeyError from the constructor: options that the loader would have refused.
    """

    def __init__(
        self,
        options: RoutingOptions,
        calendars: Mapping[str, Calendar] = MappingProxyType({}),
        lists: Mapping[str, Container[str]] = MappingProxyType({}),
    ) -> None:
        named = Named(options.alias, lists, calendars)
        enabled = [rule for rule in options.rule if rule.enabled]
        rules = [CompiledRule(rule, named) for rule in enabled]
        self._set_of = {name: operator.rules for name, operator in options.operator.items()}
        self._sets = {
            name: RuleIndex([rule for each in _followed(name, options.rule_set) for rule in rules if rule.set == each])
            for name in {DEFAULT_SET, *self._set_of.values()}
        }
        self._priorities = options.priority
        self._planner = Planner(options.line, options.priority)
        self.reads_groups = any(rule.when.recipient_group for rule in enabled)
        """Whether ``Facts.groups`` makes a difference; looking them up costs as much as the rest of a decision."""
        self.reads_operator = set(self._sets) != {DEFAULT_SET} or any(rule.when.operator for rule in enabled)
        """Whether ``Facts.operator`` makes a difference."""
        self.reads_unusable = any(backup_of(line) is not None for line in options.line)
        """Whether ``Facts.unusable`` makes a difference."""

    def rule_set(self, operator: str) -> str:
        """The set of rules that numbers of this operator begin with."""
        return self._set_of.get(operator, DEFAULT_SET)

    def plan(self, facts: Facts) -> Routed:
        """The way of one message. Equal ways are the same object. KeyError: no such priority."""
        if facts.priority not in self._priorities:
            raise KeyError(facts.priority)
        matched = []
        for rule in self._sets[self.rule_set(facts.operator)].matching(facts):
            matched.append(rule)
            if not rule.continues:
                break
        circumstances = Circumstances(
            facts.priority, facts.to is not None, facts.has_device, facts.lines, facts.allowed_lines, facts.calendars,
            facts.unusable, facts.confined,
        )  # fmt: skip
        return self._planner.plan(tuple(matched), circumstances)


def _followed(name: str, sets: Mapping[str, _RuleSet]) -> Iterator[str]:
    """The set and those that follow it."""
    following: str | None = name
    while following is not None:
        yield following
        following = sets[following].then if following in sets else None
