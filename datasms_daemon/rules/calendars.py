"""When a calendar is open, in UTC ms: what holds a message back and which time its deadline counts.

A :class:`Calendar` knows its open intervals by UTC day. Where they come from is ``rules.opening_hours``; ``all_of``
makes the calendar that is open while several are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, reduce

Interval = tuple[int, int]
"""From the first to before the second moment, in ms."""

DAY_MS = 86_400_000
HORIZON_DAYS = 400
"""So far ahead is looked for an opening or a closing: beyond any holiday, and the cost stays bounded."""
_REMEMBERED_DAYS = 1024


class Calendar:
    """Opening times. ``day`` gives the open intervals within a UTC day (counted from 1970), ordered and disjoint."""

    def __init__(self, day: Callable[[int], Sequence[Interval]]) -> None:
        self.day = lru_cache(_REMEMBERED_DAYS)(day)
        # From, until, whether it is open there, and when that changes: what is asked next is mostly in there.
        self._known: tuple[int, int, bool, int | None] = (0, 0, False, None)

    def is_open(self, at: int) -> bool:
        """Whether it is open at that moment."""
        return self._spell(at)[0]

    def opens(self, at: int) -> int | None:
        """The next opening: ``at`` itself when it is open, None when there is none within the horizon."""
        is_open, changes = self._spell(at)
        return at if is_open else changes

    def closes(self, at: int) -> int | None:
        """The next closing: ``at`` itself when it is closed, None when there is none within the horizon."""
        is_open, changes = self._spell(at)
        return changes if is_open else at

    def open_ms(self, start: int, end: int) -> int:
        """How long it is open between two moments."""
        return sum(
            max(0, min(until, end) - max(since, start))
            for day in range(start // DAY_MS, -(-end // DAY_MS))
            for since, until in self.day(day)
        )

    def after(self, at: int, ms: int) -> int | None:
        """The moment at which ``ms`` of open time have passed since ``at``; None when that is beyond the horizon."""
        if ms <= 0:
            return at
        first = at // DAY_MS
        for day in range(first, first + HORIZON_DAYS):
            for since, until in self.day(day):
                passed = until - max(since, at)
                if passed >= ms:
                    return max(since, at) + ms
                ms -= max(0, passed)
        return None

    def _spell(self, at: int) -> tuple[bool, int | None]:
        """Whether it is open at that moment, and when that changes."""
        since, until, is_open, changes = self._known
        if not since <= at < until:
            is_open, changes = self._look(at)
            # What is not found now may be found tomorrow, when the horizon is further.
            self._known = (at, changes or (at // DAY_MS + 1) * DAY_MS, is_open, changes)
        return is_open, changes

    def _look(self, at: int) -> tuple[bool, int | None]:
        first = at // DAY_MS
        is_open = any(since <= at < until for since, until in self.day(first))
        reached = at
        for day in range(first, first + HORIZON_DAYS):
            for since, until in self.day(day):
                if until <= at:
                    continue
                if not is_open:
                    return False, since
                if since > reached:
                    return True, reached
                reached = until
            if is_open and reached < (day + 1) * DAY_MS:
                return True, reached
        return is_open, None


def all_of(calendars: Sequence[Calendar]) -> Calendar:
    """Open while all of them are; always, if there are none."""
    if len(calendars) == 1:
        return calendars[0]

    def day(number: int) -> Sequence[Interval]:
        whole: list[Interval] = [(number * DAY_MS, (number + 1) * DAY_MS)]
        return reduce(both, (calendar.day(number) for calendar in calendars), whole)

    return Calendar(day)


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """The same time as ordered and disjoint intervals; empty ones are left out."""
    found: list[Interval] = []
    for since, until in sorted(intervals):
        if found and since <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], until))
        elif since < until:
            found.append((since, until))
    return found


def both(some: Sequence[Interval], others: Sequence[Interval]) -> list[Interval]:
    """The time that lies in both, which are ordered and disjoint."""
    found: list[Interval] = []
    i = j = 0
    while i < len(some) and j < len(others):
        since, until = max(some[i][0], others[j][0]), min(some[i][1], others[j][1])
        if since < until:
            found.append((since, until))
        if some[i][1] < others[j][1]:
            i += 1
        else:
            j += 1
    return found


def without(some: Sequence[Interval], others: Sequence[Interval]) -> list[Interval]:
    """The time of the first that does not lie in the second, which is ordered and disjoint."""
    left = list(some)
    for since, until in others:
        left = [part for a, b in left for part in ((a, min(b, since)), (max(a, until), b)) if part[0] < part[1]]
    return left
