"""Which lines a message takes, in which order: rules become a plan (original.md § 2.5).

The first matching rule wins; one that says ``continue`` adds the steps of the next match. All of it depends on the
arguments only. What is read of the configuration stands here as protocols, because rules lie below it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Protocol

from msgspec.structs import replace

from datasms_daemon.model import LineName, OnUnknown, Plan, Record, SkippedLine, Step, Success, WhenClosed
from datasms_daemon.rules.calendars import Calendar
from datasms_daemon.rules.conditions import calendar_check, groups_check, number_check, text_check, word_check

DATASMS = "datasms"

# Distinct ways of asking for lines in requests are unbounded; what is remembered of them is not.
_REMEMBERED = 4096


class Facts(Record, frozen=True):
    """All that routing knows of one message for one recipient.

    ``groups`` are the recipient's and ``sender_groups`` the sender's, with their parents. ``lines`` are those the
    request asks for and ``allowed_lines`` those the sender may use; None means all. ``to`` None is a person without a
    phone number; ``now`` is when, in UTC ms. ``calendars`` are the sender's and the recipient's.
    """

    priority: str
    sender: str
    to: str | None
    now: int = 0
    sender_groups: Collection[str] = ()
    person: str | None = None
    groups: frozenset[str] = frozenset()
    class_: str | None = None
    has_device: bool = False
    text: str = ""
    lines: tuple[str, ...] | None = None
    allowed_lines: tuple[str, ...] | None = None
    calendars: tuple[str, ...] = ()


class Routed(Record, frozen=True):
    """The plan (empty: no route), the names of the rules that made it, and what they name that it leaves out."""

    plan: Plan
    rules: tuple[str, ...]
    skipped: tuple[SkippedLine, ...]


class _When(Protocol):
    @property
    def priority(self) -> Sequence[str]: ...
    @property
    def sender(self) -> Sequence[str]: ...
    @property
    def sender_group(self) -> Sequence[str]: ...
    @property
    def recipient(self) -> Sequence[str]: ...
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


class _Step(Protocol):
    @property
    def line(self) -> LineName: ...
    @property
    def wait(self) -> int | None: ...
    @property
    def success(self) -> Success: ...
    @property
    def on_unknown(self) -> OnUnknown | None: ...


class _Rule(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def when(self) -> _When: ...
    @property
    def steps(self) -> Sequence[_Step]: ...
    @property
    def enabled(self) -> bool: ...
    @property
    def continue_(self) -> bool: ...
    @property
    def calendar(self) -> str | None: ...
    @property
    def when_closed(self) -> WhenClosed: ...


class _Priority(Protocol):
    @property
    def wait(self) -> Mapping[str, int]: ...
    @property
    def on_unknown(self) -> OnUnknown: ...
    @property
    def calendar(self) -> str: ...


class _Line(Protocol):
    @property
    def name(self) -> LineName: ...
    @property
    def driver(self) -> str: ...
    @property
    def enabled(self) -> bool: ...
    @property
    def calendar(self) -> str | None: ...


class RoutingOptions(Protocol):
    """The parts of the configuration that routing reads; ``config.Config`` has them."""

    @property
    def rule(self) -> Sequence[_Rule]: ...
    @property
    def priority(self) -> Mapping[str, _Priority]: ...
    @property
    def line(self) -> Sequence[_Line]: ...
    @property
    def alias(self) -> Mapping[str, Sequence[str]]: ...


_Check = Callable[[Facts], bool]


class _Compiled:
    """A rule ready to be asked; the cheap checks come first."""

    def __init__(self, rule: _Rule, aliases: Mapping[str, Sequence[str]], calendars: Mapping[str, Calendar]) -> None:
        self.name = rule.name
        self.steps = rule.steps
        self.continues = rule.continue_
        self.calendar = rule.calendar
        self.when_closed = rule.when_closed
        self.priority = word_check(rule.when.priority)
        self.checks = tuple(_checks(rule.when, aliases, calendars))


def _checks(when: _When, aliases: Mapping[str, Sequence[str]], calendars: Mapping[str, Calendar]) -> list[_Check]:
    checks: list[_Check] = []
    if when.has_device is not None:
        wanted = when.has_device
        checks.append(lambda facts: facts.has_device is wanted)
    if when.sender:
        sender = word_check(when.sender)
        checks.append(lambda facts: sender(facts.sender))
    if when.class_:
        class_ = word_check(when.class_)
        checks.append(lambda facts: class_(facts.class_))
    if when.sender_group:
        sender_group = groups_check(when.sender_group)
        checks.append(lambda facts: sender_group(facts.sender_groups))
    if when.calendar:
        is_time = calendar_check(when.calendar, calendars)
        checks.append(lambda facts: is_time(facts.now))
    if when.recipient_group:
        group = groups_check(when.recipient_group)
        checks.append(lambda facts: group(facts.groups))
    if when.recipient:
        recipient = number_check(when.recipient, aliases)
        checks.append(lambda facts: recipient(facts.to))
    if when.text:
        text = text_check(when.text)
        checks.append(lambda facts: text(facts.text))
    return checks


class Router:
    """The rules of one configuration. Built once, never changes; a reload builds another one.

    ``calendars`` are those that conditions may name. PatternError or KeyError from the constructor: options that the
    loader would have refused.
    """

    def __init__(self, options: RoutingOptions, calendars: Mapping[str, Calendar] = MappingProxyType({})) -> None:
        rules = [_Compiled(rule, options.alias, calendars) for rule in options.rule if rule.enabled]
        self._rules = {name: tuple(rule for rule in rules if rule.priority(name)) for name in options.priority}
        self._priorities = options.priority
        self._lines = {line.name: line for line in options.line}
        self.reads_groups = any(rule.when.recipient_group for rule in options.rule if rule.enabled)
        """Whether ``Facts.groups`` makes a difference; looking them up costs as much as the rest of a decision."""
        self._build = lru_cache(_REMEMBERED)(self._routed)
        self._shared = lru_cache(_REMEMBERED)(_same)

    def plan(self, facts: Facts) -> Routed:
        """The way of one message. Equal ways are the same object. KeyError: no such priority."""
        matched: list[_Compiled] = []
        for rule in self._rules[facts.priority]:
            for check in rule.checks:
                if not check(facts):
                    break
            else:
                matched.append(rule)
                if not rule.continues:
                    break
        return self._build(
            tuple(matched), facts.priority, facts.to is not None, facts.has_device, facts.lines, facts.allowed_lines,
            facts.calendars,
        )  # fmt: skip

    def _routed(
        self,
        rules: tuple[_Compiled, ...],
        priority: str,
        has_number: bool,
        has_device: bool,
        asked: tuple[str, ...] | None,
        allowed: tuple[str, ...] | None,
        calendars: tuple[str, ...],
    ) -> Routed:
        steps: dict[LineName, Step] = {}
        skipped: dict[LineName, SkippedLine] = {}
        for rule, step in ((each, step) for each in rules for step in each.steps):
            line = self._lines.get(step.line)
            if line is None:
                skipped.setdefault(step.line, SkippedLine(line=step.line, reason="not configured"))
            elif reason := _refusal(line, asked, allowed) or _unreachable(line, has_number, has_device):
                skipped.setdefault(step.line, SkippedLine(line=step.line, reason=reason))
            else:
                planned = _planned(step, line, self._priorities[priority])
                steps.setdefault(step.line, _held(planned, rule, line, self._priorities[priority], calendars))
        plan = self._shared(tuple(steps.values()))
        return Routed(plan=plan, rules=tuple(rule.name for rule in rules), skipped=tuple(skipped.values()))


def _same(plan: Plan) -> Plan:
    return plan


def _refusal(line: _Line, asked: tuple[str, ...] | None, allowed: tuple[str, ...] | None) -> str | None:
    if not line.enabled:
        return "disabled"
    if allowed is not None and line.name not in allowed:
        return "not allowed for this sender"
    if asked is not None and line.name not in asked:
        return "not asked for"
    return None


def _unreachable(line: _Line, has_number: bool, has_device: bool) -> str | None:
    if line.driver == DATASMS:
        return None if has_device else "no device"
    return None if has_number else "no phone number"


def _planned(step: _Step, line: _Line, priority: _Priority) -> Step:
    wait = step.wait
    if wait is None:
        wait = priority.wait.get(line.name, priority.wait.get(line.driver, priority.wait["default"]))
    on_unknown = priority.on_unknown if step.on_unknown is None else step.on_unknown
    return Step(line=line.name, wait_ms=wait, success=step.success, on_unknown=on_unknown)


def _held(step: Step, rule: _Compiled, line: _Line, priority: _Priority, calendars: tuple[str, ...]) -> Step:
    """The step with the calendars that hold it back: its rule's, its line's, the sender's and the recipient's."""
    named = dict.fromkeys(name for name in (rule.calendar, line.calendar, *calendars) if name)
    if not named or priority.calendar == "ignore":
        return step
    return replace(step, calendars=tuple(named), when_closed=rule.when_closed)
