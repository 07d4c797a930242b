"""The cases of routing_cases.toml: read, tried on the rules themselves, and written as a page of the documentation.

The page is made anew with ``python -m tests.unit.routing_cases > docs/routing.rst``.
"""

from __future__ import annotations

import sys
import tomllib
from datetime import datetime
from pathlib import Path

import msgspec

from datasms_daemon.config.calendars import calendars_of
from datasms_daemon.config.load import load
from datasms_daemon.config.records import Config
from datasms_daemon.config.units import format_duration
from datasms_daemon.delivery.number_files import NumberFiles
from datasms_daemon.model import Step, WhenClosed
from datasms_daemon.rules.openings import Openings
from datasms_daemon.rules.operators import Operators
from datasms_daemon.rules.routing import Facts, Router
from datasms_daemon.rules.senders import Senders, permission

CASES = Path(__file__).with_suffix(".toml")

LINES = """\
[[line]]
name = "datasms"
driver = "datasms"

[[line]]
name = "sms"
driver = "smpp"
host = "smsc.example.net"
system_id = "acme"

[[line]]
name = "sms-2"
driver = "smpp"
host = "other.example.net"
system_id = "acme"
"""

_HEAD = """\
.. Made of tests/unit/routing_cases.toml, where each case is a test as well; do not edit it here.

Routing by example
==================

What rules do with messages, case by case. Every configuration here is complete but for its lines, which are these
unless a chapter shows others::

{lines}

A message of which nothing is said is of normal priority, from the sender *crm*, to +420603123456, with the text
*Hello*, and its recipient has a device. ``datasms explain`` shows the same for your own configuration.

.. contents::
   :local:
"""


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"class_": "class"}):
    """A message; ``to`` empty is a person without a phone number, ``key_lines`` are those of the sender's key, and
    ``calendar`` is the recipient's."""

    priority: str = "normal"
    sender: str = "crm"
    to: str = "+420603123456"
    text: str = "Hello"
    class_: str | None = None
    groups: tuple[str, ...] = ()
    device: bool = True
    lines: tuple[str, ...] | None = None
    key_lines: tuple[str, ...] | None = None
    at: str | None = None
    calendar: str | None = None


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What must come of a message: ``refused``, or the rules, steps and lines left out. Steps may name their wait."""

    that: str
    message: Asked = Asked()
    refused: str | None = None
    operator: str | None = None
    set: str | None = None
    rules: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()


class Chapter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Cases of one configuration, which may name ``files`` beside it."""

    title: str
    text: str
    config: str
    case: tuple[Case, ...]
    lines: str | None = None
    files: dict[str, str] = {}


def chapters() -> tuple[Chapter, ...]:
    """All of them, in the order of the page."""
    raw = tomllib.loads(CASES.read_text("utf-8"))
    return msgspec.convert(raw["chapter"], tuple[Chapter, ...])


class Trial:
    """The rules of one chapter, made of its configuration as the daemon makes them."""

    def __init__(self, chapter: Chapter, directory: Path) -> None:
        for name, content in chapter.files.items():
            (directory / name).write_text(content)
        path = directory / "datasms.toml"
        path.write_text((chapter.lines or LINES) + chapter.config)
        self.config: Config = load(path, {"HOME": str(directory)})
        self._numbers = NumberFiles(self.config)
        calendars = calendars_of(self.config)
        self._router = Router(self.config, calendars, self._numbers.lists)
        self._openings = Openings(calendars)
        self._operators = Operators(self.config.operator, self._numbers.ported.get)
        self._senders = Senders(self.config.sender_defaults, self.config.sender, self.config.sender_group)

    def result(self, case: Case) -> Case:
        """The case with what really comes of its message; the order of a submission is kept."""
        asked, to = case.message, case.message.to or None
        account = self._senders.of(asked.sender)
        lines = [line.name for line in self.config.line]
        may = permission(account.options, lines, self.config.alias, self._numbers.lists)
        refused = None
        if may.priority is not None and not may.priority(asked.priority):
            refused = f"this sender may not use {asked.priority}"
        elif may.number is not None and not may.number(to):
            refused = "this sender may not write to this number"
        if refused is not None:
            return Case(case.that, asked, refused)
        operator = self._operators.of(to)
        facts = Facts(
            priority=asked.priority, sender=asked.sender, to=to, operator=operator, now=_ms(asked.at),
            sender_groups=account.groups, groups=frozenset(asked.groups), class_=asked.class_, has_device=asked.device,
            text=asked.text, lines=asked.lines, allowed_lines=may.lines_with(asked.key_lines),
            calendars=tuple(name for name in (account.options.calendar, asked.calendar) if name),
        )  # fmt: skip
        routed = self._router.plan(facts)
        return Case(
            case.that, asked, None,
            None if case.operator is None else operator,
            None if case.set is None else self._router.rule_set(operator),
            routed.rules,
            tuple(self._step(step, case) for step in routed.plan),
            tuple(f"{skip.line}: {skip.reason}" for skip in routed.skipped),
        )  # fmt: skip

    def _step(self, step: Step, case: Case) -> str:
        if step.calendars and case.message.at is not None:
            return step.line + self._held(step, datetime.fromisoformat(case.message.at))
        says_waits = any(" " in each for each in case.steps) and not any("closed" in each for each in case.steps)
        return f"{step.line} {format_duration(step.wait_ms)}" if says_waits else step.line

    def _held(self, step: Step, at: datetime) -> str:
        """What its calendars do to a step."""
        opens_at = self._openings.opens(step, _ms(at.isoformat()))
        names = " and ".join(step.calendars)
        if opens_at == _ms(at.isoformat()):
            return ""
        if step.when_closed is WhenClosed.SKIP or opens_at is None:
            return f" left out, {names} closed"
        return f" at {datetime.fromtimestamp(opens_at / 1000, at.tzinfo):%a %H:%M}, {names} closed"


def _ms(at: str | None) -> int:
    return 0 if at is None else round(datetime.fromisoformat(at).timestamp() * 1000)


def page() -> str:
    """The whole page."""
    return _HEAD.replace("{lines}", _literal(LINES)) + "".join(map(_chapter, chapters()))


def _chapter(chapter: Chapter) -> str:
    title = f"\n\n{chapter.title}\n{'-' * len(chapter.title)}\n\n{chapter.text.strip()}\n\n::\n\n"
    return title + _literal((chapter.lines or "") + chapter.config) + "\n\n" + "\n".join(map(_case, chapter.case))


def _case(case: Case) -> str:
    lines = [f"**{case.that}.**"]
    if message := _message(case.message):
        lines.append(f"message: {message}")
    if case.refused is not None:
        lines.append(f"*refused: {case.refused}*")
    else:
        known = [("operator", case.operator), ("set", case.set)]
        lines += [f"{name}: ``{value}``" for name, value in known if value is not None]
        lines.append("rules: " + (", ".join(f"*{name}*" for name in case.rules) or "none"))
        lines.append("steps: " + (", ".join(f"``{step}``" for step in case.steps) or "none, *no_route*"))
        lines += [
            f"left out: ``{line}``, {reason}" for line, _, reason in (each.partition(": ") for each in case.skipped)
        ]
    return "".join(f"| {line}\n" for line in lines)


def _message(asked: Asked) -> str:
    plain = Asked()
    said = [
        (name.rstrip("_"), getattr(asked, name))
        for name in Asked.__struct_fields__
        if getattr(asked, name) != getattr(plain, name)
    ]
    return ", ".join(f"{name.replace('_', ' ')} ``{_shown(value)}``" for name, value in said)


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(value)
    if isinstance(value, bool):
        return "yes" if value else "none"
    return str(value) or "nobody"


def _literal(text: str) -> str:
    return "\n".join(f"    {line}" if line else "" for line in text.strip().split("\n"))


if __name__ == "__main__":
    sys.stdout.write(page())
