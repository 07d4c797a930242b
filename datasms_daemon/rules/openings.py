"""When the steps of plans may begin and how long they may take, by the calendars of one configuration."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from datasms_daemon.model import Step
from datasms_daemon.rules.calendars import Calendar, all_of

# Ways of joining calendars come from rules, lines, senders and recipients; what is remembered of them is bounded.
_REMEMBERED = 1024


class Openings:
    """The calendars that hold messages back. Built once, never changes; a reload builds another one.

    A step without calendars, or with such as are not known any more, is always open and its wait counts all time.
    """

    def __init__(self, calendars: Mapping[str, Calendar]) -> None:
        self._calendars = calendars
        self._together = lru_cache(_REMEMBERED)(self._all_of)

    def opens(self, step: Step, now: int) -> int | None:
        """When a hand-over of this step may be made: ``now``, or later, or None: not within the horizon."""
        calendar = self._together(step.calendars) if step.calendars else None
        return now if calendar is None else calendar.opens(now)

    def ends(self, step: Step, now: int) -> int | None:
        """The deadline of a step that begins now, its wait in open time; None: beyond the horizon."""
        return self.after(step, now, step.wait_ms)

    def after(self, step: Step, now: int, ms: int) -> int | None:
        """The moment at which ``ms`` have passed in which the step was open; None: beyond the horizon."""
        calendar = self._together(step.calendars) if step.calendars else None
        return now + ms if calendar is None else calendar.after(now, ms)

    def _all_of(self, names: tuple[str, ...]) -> Calendar | None:
        known = [self._calendars[name] for name in names if name in self._calendars]
        return all_of(known) if known else None


ALWAYS_OPEN = Openings({})
"""Without any calendar."""
