"""When to try again within a step (reliability 5b)."""

from __future__ import annotations

FIRST_MS = 10_000
FIRST_URGENT_MS = 2_000
CAP_MS = 10 * 60_000
LONGEST_RETRY_AFTER_MS = 60 * 60_000


def next_try(now: int, tries: int, jitter: float, urgent: bool, not_before: int | None) -> int:
    """UTC ms of the next try after ``tries`` (from 1) failed ones; the caller holds it within the deadline.

    The wait is 10 s, doubled each time up to 10 min; an urgent message first waits 2 s, once, and goes on with 10 s.
    ``jitter`` (0 to 1, evenly spread) moves it within the wait's upper half, so it is never under half of it.
    ``not_before`` is the far end's wish (UTC ms): honoured up to an hour from now, and spread by the same jitter so
    that all who were told the same moment do not come back in one burst.
    """
    half = _wait_ms(tries, urgent) // 2
    earliest = now + half
    if not_before is not None:
        earliest = max(earliest, min(not_before, now + LONGEST_RETRY_AFTER_MS))
    return earliest + int(jitter * half)


def _wait_ms(tries: int, urgent: bool) -> int:
    doublings = tries - 1
    if urgent:
        if doublings == 0:
            return FIRST_URGENT_MS
        doublings -= 1
    # The exponent is held down: a number of thousands of digits would be made only to be thrown away.
    return min(CAP_MS, FIRST_MS << min(doublings, 16))
