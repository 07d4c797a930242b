"""What a number that grows over a day or a month leads to."""

from __future__ import annotations

from enum import StrEnum


class Mark(StrEnum):
    """What of a day limit is used up."""

    HALF = "half"
    WHOLE = "whole"


def crossed(before: int, after: int, limit: int | None) -> Mark | None:
    """The mark of ``limit`` that a count has reached with its last step, the higher one of two; None: no mark."""
    if limit is None or after <= before:
        return None
    if before < limit <= after:
        return Mark.WHOLE
    return Mark.HALF if before * 2 < limit <= after * 2 else None


def is_over(used: int, wanted: int, quota: int | None) -> bool:
    """Whether so many more would be more than the quota."""
    return quota is not None and used + wanted > quota
