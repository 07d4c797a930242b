"""Classes of content that may not leave by every line: elsewhere a notice goes in their place, or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec.structs import replace

from datasms_daemon.model import LineName, LineText, Plan, SkippedLine
from datasms_daemon.rules.routing import Routed


class _Class(Protocol):
    @property
    def lines(self) -> Sequence[str] | None: ...
    @property
    def notice(self) -> str | None: ...


class Classes:
    """The classes of one configuration; None is no class."""

    def __init__(self, classes: Mapping[str, _Class]) -> None:
        self.names = frozenset(classes)
        self._closed: dict[str | None, tuple[frozenset[str], str | None]] = {
            name: (frozenset(class_.lines), class_.notice)
            for name, class_ in classes.items()
            if class_.lines is not None
        }

    def routed(self, routed: Routed, class_: str | None) -> Routed:
        """The way without the lines on which nothing of this class may leave."""
        lines, notice = self._closed.get(class_, (None, None))
        if lines is None or notice is not None:
            return routed
        kept = tuple(step for step in routed.plan if step.line in lines)
        reason = f"texts of class {class_} may not leave here"
        skipped = tuple(SkippedLine(step.line, reason) for step in routed.plan if step.line not in lines)
        return replace(routed, plan=kept, skipped=(*routed.skipped, *skipped))

    def notices(self, plan: Plan, class_: str | None) -> dict[LineName, LineText]:
        """What leaves by each line of the plan in place of a text of this class, whatever its sender gave for it."""
        lines, notice = self._closed.get(class_, (None, None))
        if lines is None or notice is None:
            return {}
        return {step.line: LineText(notice, notice=True) for step in plan if step.line not in lines}
