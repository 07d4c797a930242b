"""What matching rules name becomes a plan: steps with their waits, backup lines, and the lines that are left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Protocol

from msgspec.structs import replace

from datasms_daemon.model import LineName, OnUnknown, Plan, Record, SkippedLine, Step, Success, WhenClosed
from datasms_daemon.rules.facts import Confined

DATASMS = "datasms"

# Distinct ways of asking for lines in requests are unbounded; what is remembered of them is not.
_REMEMBERED = 4096
_DISABLED = "disabled"
_UNUSABLE = "down or paused, its backup takes its place"


class Routed(Record, frozen=True):
    """The plan (empty: no route), the names of the rules that made it, and what they name that it leaves out."""

    plan: Plan
    rules: tuple[str, ...]
    skipped: tuple[SkippedLine, ...]


class StepOptions(Protocol):
    """A step of a rule."""

    @property
    def line(self) -> LineName: ...
    @property
    def wait(self) -> int | None: ...
    @property
    def success(self) -> Success: ...
    @property
    def on_unknown(self) -> OnUnknown | None: ...
    @property
    def attempts(self) -> int | None: ...


class PriorityOptions(Protocol):
    """What a priority says about steps."""

    @property
    def wait(self) -> Mapping[str, int]: ...
    @property
    def on_unknown(self) -> OnUnknown: ...
    @property
    def calendar(self) -> str: ...


class LineOptions(Protocol):
    """What routing must know of a line."""

    @property
    def name(self) -> LineName: ...
    @property
    def driver(self) -> str: ...
    @property
    def enabled(self) -> bool: ...
    @property
    def calendar(self) -> str | None: ...


class Matched(Protocol):
    """A rule that matches."""

    @property
    def name(self) -> str: ...
    @property
    def steps(self) -> Sequence[StepOptions]: ...
    @property
    def calendar(self) -> str | None: ...
    @property
    def when_closed(self) -> WhenClosed: ...


class Circumstances(Record, frozen=True):
    """What a plan depends on beside its rules; None in ``asked`` and ``allowed`` means all lines."""

    priority: str
    has_number: bool
    has_device: bool
    asked: tuple[str, ...] | None
    allowed: tuple[str, ...] | None
    calendars: tuple[str, ...]
    unusable: frozenset[LineName]
    confined: Confined | None


class Planner:
    """Makes plans from the lines and priorities of one configuration; equal ones are the same object."""

    def __init__(self, lines: Sequence[LineOptions], priorities: Mapping[str, PriorityOptions]) -> None:
        self._lines: dict[str, LineOptions] = {line.name: line for line in lines}
        self._priorities = priorities
        self._chains = {line.name: self._chain(line) for line in lines}
        self.plan = lru_cache(_REMEMBERED)(self._plan)
        self._shared = lru_cache(_REMEMBERED)(_same)

    def _plan(self, rules: tuple[Matched, ...], at: Circumstances) -> Routed:
        steps: dict[LineName, Step] = {}
        skipped: dict[LineName, SkippedLine] = {}
        named = frozenset(step.line for rule in rules for step in rule.steps)
        for rule, step in ((each, step) for each in rules for step in each.steps):
            usable = self._usable(step.line, named, at, skipped)
            for n, line in enumerate(usable):
                steps.setdefault(line.name, self._step(rule, step, line, at, backup=n > 0))
        plan = self._shared(tuple(steps.values()))
        left_out = tuple(skip for line, skip in skipped.items() if line not in steps)
        return Routed(plan=plan, rules=tuple(rule.name for rule in rules), skipped=left_out)

    def _usable(
        self, name: LineName, named: frozenset[LineName], at: Circumstances, skipped: dict[LineName, SkippedLine]
    ) -> list[LineOptions]:
        """The line and its backups, as far as they may be used for this message; the first is to be tried first.

        A backup that a rule names as a step of its own stays where the rule has it.
        """
        usable: list[LineOptions] = []
        for line in self._chains.get(name, ()):
            if line.name != name and line.name in named:
                continue
            reason = _refusal(line, at.asked, at.allowed) or _unreachable(line, at.has_number, at.has_device)
            unfit = _unfit(line, at.confined)
            if reason is None and unfit is None:
                usable.append(line)
                continue
            skipped.setdefault(line.name, SkippedLine(line=line.name, reason=reason or unfit or ""))
            if line.name == name and reason not in (None, _DISABLED):
                break
        if name not in self._lines:
            skipped.setdefault(name, SkippedLine(line=name, reason="not configured"))
        up = next((n for n, line in enumerate(usable) if line.name not in at.unusable), 0)
        for line in usable[:up]:
            skipped.setdefault(line.name, SkippedLine(line=line.name, reason=_UNUSABLE))
        return usable[up:]

    def _step(self, rule: Matched, step: StepOptions, line: LineOptions, at: Circumstances, *, backup: bool) -> Step:
        priority = self._priorities[at.priority]
        wait = step.wait
        if wait is None:
            wait = priority.wait.get(line.name, priority.wait.get(line.driver, priority.wait["default"]))
        on_unknown = priority.on_unknown if step.on_unknown is None else step.on_unknown
        planned = Step(
            line=line.name, wait_ms=wait, success=step.success, on_unknown=on_unknown, attempts=step.attempts,
            backup=backup,
        )  # fmt: skip
        # What holds it back: calendars of the rule, the line, the sender and the recipient.
        calendars = dict.fromkeys(name for name in (rule.calendar, line.calendar, *at.calendars) if name)
        if not calendars or priority.calendar == "ignore":
            return planned
        return replace(planned, calendars=tuple(calendars), when_closed=rule.when_closed)

    def _chain(self, line: LineOptions) -> tuple[LineOptions, ...]:
        """The line, its backup, the backup's backup …"""
        chain = [line]
        while (name := backup_of(chain[-1])) is not None and name in self._lines and self._lines[name] not in chain:
            chain.append(self._lines[name])
        return tuple(chain)


def backup_of(line: LineOptions) -> str | None:
    """The line that takes over from this one; not every driver's lines may name one."""
    backup: str | None = getattr(line, "backup", None)
    return backup


def _same(plan: Plan) -> Plan:
    return plan


def _refusal(line: LineOptions, asked: tuple[str, ...] | None, allowed: tuple[str, ...] | None) -> str | None:
    if not line.enabled:
        return _DISABLED
    if allowed is not None and line.name not in allowed:
        return "not allowed for this sender"
    if asked is not None and line.name not in asked:
        return "not asked for"
    return None


def _unfit(line: LineOptions, confined: Confined | None) -> str | None:
    if confined is None or line.name in confined.lines:
        return None
    return f"texts of class {confined.class_} may not leave here"


def _unreachable(line: LineOptions, has_number: bool, has_device: bool) -> str | None:
    if line.driver == DATASMS:
        return None if has_device else "no device"
    return None if has_number else "no phone number"
