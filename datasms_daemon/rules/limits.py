"""What a number that grows over a day or a month leads to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Protocol

from datasms_daemon.model import Limited, QuotaUse
from datasms_daemon.rules.days import Day


class Quotas(Protocol):
    """What a sender may send in a day and a month; None: any number."""

    @property
    def day_quota(self) -> int | None: ...
    @property
    def month_quota(self) -> int | None: ...


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


def quotas(options: Quotas, origins: Mapping[str, str], day: Day) -> tuple[QuotaUse, ...]:
    """The quotas that hold on a day, nothing of them used yet, the month's first; ``origins`` as an account's."""
    spans = (
        ("month_quota", "month", day.month, day.month_begins_at, day.month_ends_at, options.month_quota),
        ("day_quota", "day", day.name, day.begins_at, day.ends_at, options.day_quota),
    )
    return tuple(
        QuotaUse(span, name, begins_at, ends_at, most, origins.get(option))
        for option, span, name, begins_at, ends_at, most in spans
        if most is not None
    )


def over_quota(sender: str, uses: Sequence[QuotaUse], wanted: int) -> Limited | None:
    """Why so many messages are more than a sender has left; None when they are not."""
    for use in uses:
        if use.used + wanted > use.most:
            left = max(0, use.most - use.used)
            detail = f"{sender} may send {use.most} messages a {use.span}; {left} are left and {wanted} were asked for"
            return Limited("quota", detail, use.ends_at)
    return None
