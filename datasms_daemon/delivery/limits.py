"""What a sender may still hand in, and what a recipient may still get: asked and counted in the acceptance's unit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from datasms_daemon.config.records import Config, SenderOptions
from datasms_daemon.model import Draft, Limited, PersonId, Problem
from datasms_daemon.rules.days import Day
from datasms_daemon.rules.limits import is_over
from datasms_daemon.store import usage
from datasms_daemon.store.store import Db

Wanted = tuple[Draft, str, str | None, PersonId | None]
"""One message of a submission: its draft, where its recipient stands in the request, number and person."""


def check_quota(db: Db, sender: str, options: SenderOptions, count: int, day: Day) -> Limited | None:
    """Whether ``count`` messages would be more than the sender's day or month has left; counts them if not."""
    spans = (
        ("day", day.name, day.begins_at, day.ends_at, options.day_quota),
        ("month", day.month, day.month_begins_at, day.month_ends_at, options.month_quota),
    )
    asked = [span for span in spans if span[4] is not None]
    for what, name, begins_at, ends_at, quota in reversed(asked):
        used = usage.used(db, sender, name, begins_at)
        if is_over(used, count, quota):
            left = max(0, (quota or 0) - used)
            detail = f"{sender} may send {quota} messages a {what}; {left} are left and {count} were asked for"
            return Limited("quota", detail, ends_at)
    for _, name, *_ in asked:
        usage.use(db, sender, name, count)
    return None


def check_flood(db: Db, config: Config, wanted: Iterable[Wanted], now: int) -> Limited | None:
    """Whether some recipient would get more than ``[flood]`` lets through; each of them is told."""
    flood = config.flood
    if flood.per_recipient is None:
        return None
    here: Counter[tuple[str | None, PersonId | None]] = Counter()
    problems: list[Problem] = []
    until = now
    for draft, pointer, to, person in wanted:
        before, here[to, person] = here[to, person], here[to, person] + 1
        if flood.exempt_urgent and config.priority[draft.priority].urgent:
            continue
        left = flood.per_recipient - before
        blocked = now if left < 1 else usage.blocking(db, to, person, now - flood.window, left)
        if blocked is not None:
            problems.append(Problem(pointer, f"has had {flood.per_recipient} messages lately"))
            until = max(until, blocked + flood.window)
    if not problems:
        return None
    return Limited("flood", "Some recipient would get too many messages at once", until, tuple(problems))
