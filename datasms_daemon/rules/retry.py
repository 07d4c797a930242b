"""When to try again within a step (reliability 5b)."""

from __future__ import annotations

from datasms_daemon.model import Record

FIRST_URGENT_MS = 2_000
LONGEST_RETRY_AFTER_MS = 60 * 60_000


class Backoff(Record, frozen=True):
    """How long to wait after the first failed try, and at most."""

    first_ms: int = 10_000
    cap_ms: int = 10 * 60_000


def next_try(now: int, tries: int, jitter: float, urgent: bool, not_before: int | None, backoff: Backoff) -> int:
    """UTC ms of the next try after ``tries`` (from 1) failed ones; the caller holds it within the deadline.

    The wait is doubled each time up to the cap; an urgent message first waits 2 s at most, once, before all that.
    ``jitter`` (0 to 1, evenly spread) moves it within the wait's upper half, so it is never under half of it.
    ``not_before`` is the far end's wish (UTC ms): honoured up to an hour from now, and spread by the same jitter so
    that all who were told the same moment do not come back in one burst.
    """
    half = _wait_ms(tries, urgent, backoff) // 2
    earliest = now + half
    if not_before is not None:
        earliest = max(earliest, min(not_before, now + LONGEST_RETRY_AFTER_MS))
    return earliest + int(jitter * half)


def _wait_ms(tries: int, urgent: bool, backoff: Backoff) -> int:
    doublings = tries - 1
    if urgent:
        if doublings == 0:
            return min(FIRST_URGENT_MS, backoff.first_ms)
        doublings -= 1
    # The exponent is held down: a number of thousands of digits would be made only to be thrown away.
    return min(backoff.cap_ms, backoff.first_ms << min(doublings, 40))
