"""How fast a line may send: an SMSC that throttles is left alone for a while (sheet smpp.md § 8)."""

from __future__ import annotations

from random import Random

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0


class Throttle:
    """A pause of 1 s after a refusal, doubled with each that follows, up to 60 s; times are reactor seconds."""

    def __init__(self) -> None:
        self._until = 0.0
        self._next = FIRST_PAUSE

    def refused(self, now: float) -> None:
        """The SMSC throttled us. Refusals that come during a pause, of what was sent before it, change nothing."""
        if now >= self._until:
            self._until = now + self._next
            self._next = min(LONGEST_PAUSE, self._next * 2)

    def taken(self, now: float) -> None:
        """The SMSC took a message; outside a pause this ends the doubling."""
        if now >= self._until:
            self._next = FIRST_PAUSE

    def left(self, now: float) -> float:
        """Seconds until the pause ends; 0 outside one."""
        return max(0.0, self._until - now)


class Backoff:
    """Delays of 1, 2, 4 … 60 s, each moved by up to a fifth so that many lines do not come back at once."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._next = FIRST_PAUSE

    def delay(self) -> float:
        """Seconds to wait this time."""
        base, self._next = self._next, min(LONGEST_PAUSE, self._next * 2)
        return self.spread(base)

    def spread(self, seconds: float) -> float:
        """The same delay moved by up to a fifth."""
        return seconds * self._random.uniform(0.8, 1.2)

    def reset(self) -> None:
        """Start again at 1 s."""
        self._next = FIRST_PAUSE
