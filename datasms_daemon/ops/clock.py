"""The one module that reads the time.

Timers run on the monotonic clock, deadlines are kept in UTC. Between them stands :class:`Clock`: UTC as it was at the
start, carried on by a clock that no one can set and that counts suspended time too, so that a step of the wall clock
neither fires nor delays a deadline (I13) and time never runs backwards within a process.
"""

from __future__ import annotations

import time
from collections.abc import Callable

STEP_MS = 1_000
"""A difference to the wall clock up to this is drift and is followed; a larger one is a step and is only reported."""


def wall_ms() -> int:
    """The wall clock, UTC ms."""
    return time.time_ns() // 1_000_000


def elapsed_ms() -> int:
    """Milliseconds of real time since some fixed moment, suspended time included."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


class Clock:
    """UTC in ms, never stepping. ``not_before``: the last moment the daemon is known to have lived (I16)."""

    def __init__(
        self,
        not_before: int = 0,
        wall: Callable[[], int] = wall_ms,
        elapsed: Callable[[], int] = elapsed_ms,
    ) -> None:
        self._wall = wall
        self._elapsed = elapsed
        self._offset = max(wall(), not_before) - elapsed()

    def now_ms(self) -> int:
        """UTC now, in ms."""
        return self._elapsed() + self._offset

    def follow(self) -> int:
        """Takes over a small drift of the wall clock; the answer is the difference that remains, in ms.

        Behind the wall clock it catches up at once; ahead of it, it waits rather than go back.
        """
        difference = self._wall() - self.now_ms()
        if 0 < difference <= STEP_MS:
            self._offset += difference
            return 0
        return difference
