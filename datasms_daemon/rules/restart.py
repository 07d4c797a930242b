"""When an application that failed is started again, and a text that it failed on is handed to it again."""

from __future__ import annotations

FIRST_MS = 1_000
LONGEST_MS = 60_000
LONGEST_TEXT_MS = 3_600_000
STEADY_MS = 60_000
"""What ran for so long, or did some work, has recovered: its next failure is a first one."""


def pause_ms(failures: int, jitter: float) -> int:
    """How long to wait after so many failures in a row (from 1): one second, doubled each time up to a minute.

    ``jitter`` (0 to 1, evenly spread) moves it within its upper half.
    """
    return _spread(FIRST_MS << min(failures - 1, 16), LONGEST_MS, jitter)


def text_pause_ms(tries: int, jitter: float) -> int:
    """How long a text waits that an application failed on so many times, so that others are not held up by it: one
    second, doubled each time up to an hour."""
    return _spread(FIRST_MS << min(tries - 1, 16), LONGEST_TEXT_MS, jitter)


def _spread(wait_ms: int, longest_ms: int, jitter: float) -> int:
    half = min(wait_ms, longest_ms) // 2
    return half + int(jitter * half)
