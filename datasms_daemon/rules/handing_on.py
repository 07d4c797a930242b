"""When a text from outside is handed on again to a webhook or a mailbox, and when that is given up."""

from __future__ import annotations

from datasms_daemon.model import Hopeless, NotTaken, Record, Taken, TargetGone
from datasms_daemon.model.targets import HandedOn

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS

WAITS_MS = (
    5 * SECOND_MS,
    5 * MINUTE_MS,
    30 * MINUTE_MS,
    2 * HOUR_MS,
    5 * HOUR_MS,
    10 * HOUR_MS,
    14 * HOUR_MS,
    20 * HOUR_MS,
    24 * HOUR_MS,
)
"""After the first, second … try that failed: the schedule of Standard Webhooks, three days and some hours in all."""
SPREAD = 0.1
"""By this part of itself a wait may be longer, so that what failed together does not come back together."""
LONGEST_WISH_MS = HOUR_MS
"""So long from now the far end's wish to wait is honoured."""


class Done(Record, frozen=True):
    """It was handed on."""


class Again(Record, frozen=True):
    """The next try is at ``at`` (UTC ms)."""

    at: int
    reason: str


class Dead(Record, frozen=True):
    """It is not tried any more; an operator may."""

    reason: str


class Stop(Record, frozen=True):
    """Nothing goes to this target any more; the text waits until an operator resumes it."""

    reason: str


def decide(found: HandedOn, now: int, tries: int, jitter: float) -> Done | Again | Dead | Stop:
    """What follows from the ``tries``-th try (from 1). ``jitter`` is 0 to 1, evenly spread."""
    match found:
        case Taken():
            return Done()
        case Hopeless():
            return Dead(found.reason)
        case TargetGone():
            return Stop(found.reason)
        case NotTaken() if tries > len(WAITS_MS):
            return Dead(f"tried {tries} times; the last time: {found.reason}")
        case NotTaken():
            return Again(_next_try(now, tries, jitter, found.not_before), found.reason)


def _next_try(now: int, tries: int, jitter: float, not_before: int | None) -> int:
    wait = WAITS_MS[max(tries, 1) - 1]
    earliest = now + wait
    if not_before is not None:
        earliest = max(earliest, min(not_before, now + LONGEST_WISH_MS))
    return earliest + int(jitter * SPREAD * wait)
