"""Who leaves first when more wait for a line than it has room for: the best rank, with a share for all below it.

The best rank that waits takes every place but one in ``share``; that one goes to whoever has waited longest among the
lower ranks. So an alarm takes the first place after it is ready, and nobody starves: a message is at the latest the
oldest of them all at some time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from datasms_daemon.model import MessageId, Record


class Precedence(Record, frozen=True):
    """What is owed to lower ranks: how many places in a row each rank took while lower ones waited."""

    runs: dict[int, int] = {}


def ahead(name: str, ranks: Mapping[str, int]) -> tuple[str, ...]:
    """The names that have precedence over one, best rank first."""
    return tuple(sorted((other for other, rank in ranks.items() if rank < ranks[name]), key=ranks.__getitem__))


def choose(
    waiting: Mapping[int, Sequence[MessageId]], places: int, share: int, before: Precedence
) -> tuple[list[MessageId], Precedence]:
    """The ids that take ``places``, in their order, and what is owed afterwards.

    ``waiting`` has the oldest ids of each rank that waits, oldest first: all of them, or at least ``places``. Taking
    places one by one gives the same as taking them together.
    """
    left = {rank: deque(waiting[rank]) for rank in sorted(waiting) if waiting[rank]}
    runs = dict(before.runs)
    chosen: list[MessageId] = []
    while left and len(chosen) < places:
        best = rank = next(iter(left))
        if len(left) > 1 and runs.get(best, 0) >= share - 1:
            rank = min((lower for lower in left if lower != best), key=lambda lower: left[lower][0])
        # Whoever stands above the one that goes has let somebody through, or nobody of it waits.
        runs = {other: run for other, run in runs.items() if other > rank or (other == rank and len(left) > 1)}
        if rank == best and len(left) > 1:
            runs[rank] = runs.get(rank, 0) + 1
        chosen.append(left[rank].popleft())
        if not left[rank]:
            del left[rank]
    return chosen, Precedence(runs)
