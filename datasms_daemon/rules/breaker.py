"""Circuit breaker: a service that only fails is left alone but for a probe now and then (reliability.md § 5b)."""

from __future__ import annotations

from collections import deque

OPENS_AFTER = 10
WINDOW_MS = 30_000
PROBE_MS = 15_000
STUCK_MS = 5_000
"""Longer than a service in good health takes, shorter than any time-out of ours."""


class Breaker:
    """Opens after OPENS_AFTER failures within WINDOW_MS with no success between them, or when so many calls are under
    way and none has succeeded for STUCK_MS: a far end that hangs must not first use up everybody's time.

    Failures must be in a row, because a busy service that fails one call in a hundred has ten failures a second.
    While open one call each PROBE_MS is let through, and the first success of any call closes it. Times are UTC ms.
    """

    def __init__(self) -> None:
        self._failures: deque[int] = deque(maxlen=OPENS_AFTER)
        self._under_way: dict[int, int] = {}
        self._calls = 0
        self._succeeded_at = 0
        self._probe_at = 0
        self.opened_at: int | None = None
        """Since when it is open; None: closed."""
        self.reason = ""
        """Why it was opened last."""
        self.is_hanging = False
        """Whether that was because no answer came."""

    @property
    def is_failing(self) -> bool:
        """Whether the last call that says anything failed."""
        return bool(self._failures) or self.opened_at is not None

    def wait(self, now: int) -> int:
        """Milliseconds until a call may be made; 0 means now. Opens the circuit when the far end hangs."""
        if self.opened_at is None and self._is_stuck(now):
            self._open(now, f"{len(self._under_way)} calls under way, no answer for {STUCK_MS // 1000} s")
            self.is_hanging = True
        if self.opened_at is None:
            return 0
        # A clock that was set back must not put the probe off.
        return min(max(0, self._probe_at - now), PROBE_MS)

    def begin(self, now: int) -> int:
        """A call is made now, ``wait`` said 0; the answer names it in ``end``. In an open circuit it is the probe."""
        if self.opened_at is not None:
            self._probe_at = now + PROBE_MS
        self._calls += 1
        self._under_way[self._calls] = now
        return self._calls

    def end(self, call: int, now: int, *, good: bool | None) -> None:
        """What came of a call. None: it says nothing about the far end."""
        self._under_way.pop(call, None)
        if good is None:
            return
        if good:
            self._succeeded_at = now
            self.opened_at = None
            self._failures.clear()
            return
        self._failures.append(now)
        if self.opened_at is None and self._is_down(now):
            self._open(now, f"{OPENS_AFTER} failures in a row")

    def _is_down(self, now: int) -> bool:
        return len(self._failures) == OPENS_AFTER and now - self._failures[0] <= WINDOW_MS

    def _is_stuck(self, now: int) -> bool:
        if len(self._under_way) < OPENS_AFTER:
            return False
        oldest = next(iter(self._under_way.values()))
        return now - max(oldest, self._succeeded_at) >= STUCK_MS

    def _open(self, now: int, reason: str) -> None:
        self.opened_at = now
        self.reason = reason
        self.is_hanging = False
        self._probe_at = now + PROBE_MS
