"""Mass retirement of addresses is held: a service that says of everybody "gone" may be lying (reliability.md § 3d)."""

from __future__ import annotations

WINDOW_MS = 3_600_000
"""Within which retirements are counted, and how long a hold lasts."""
ALWAYS = 50
PERCENT = 5


def enough(gone: int) -> int:
    """How many active addresses are enough for one more to be retired after ``gone`` others of the same channel were
    within WINDOW_MS; 0: it may be retired however many there are.

    Held is what would make it both more than ALWAYS and more than PERCENT of all that were active before.
    """
    after = gone + 1
    return 0 if after <= ALWAYS else -(-100 * after // PERCENT) - gone


def may_retire(active: int, gone: int) -> bool:
    """Whether one of ``active`` addresses may be retired, see ``enough``."""
    return active >= enough(gone)
