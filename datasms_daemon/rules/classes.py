"""Classes of content that may not leave by every line: elsewhere a notice goes in their place, or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from datasms_daemon.model import LineName, LineText, Plan
from datasms_daemon.rules.facts import Confined


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

    def confined(self, class_: str | None) -> Confined | None:
        """By which lines alone anything of this class may leave; None: by all, as it is or as a notice."""
        lines, notice = self._closed.get(class_, (None, None))
        return None if class_ is None or lines is None or notice is not None else Confined(class_, lines)

    def notices(self, plan: Plan, class_: str | None) -> dict[LineName, LineText]:
        """What leaves by each line of the plan in place of a text of this class, whatever its sender gave for it."""
        lines, notice = self._closed.get(class_, (None, None))
        if lines is None or notice is None:
            return {}
        return {step.line: LineText(notice, notice=True) for step in plan if step.line not in lines}
