"""What a sender may still hand in, and what a recipient may still get: asked and counted in the acceptance's unit, or
only asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from msgspec.structs import replace

from datasms_daemon.config.records import Config, SenderOptions
from datasms_daemon.delivery.recipients import Target
from datasms_daemon.model import Draft, FloodUse, Limited, PersonId, Problem, QuotaUse, Submission
from datasms_daemon.rules.days import Day
from datasms_daemon.rules.inbound import OURSELVES
from datasms_daemon.rules.limits import over_quota, quotas
from datasms_daemon.rules.senders import DEFAULTS, Account
from datasms_daemon.store import usage
from datasms_daemon.store.store import Db

Targets = list[list[Target]]
"""Who each draft of a submission goes to."""


def take_in(
    db: Db, config: Config, account: Account[SenderOptions], submission: Submission, targets: Targets, now: int,
    day: Day,
) -> Limited | None:  # fmt: skip
    """Why a submission is more than its sender or some recipient may have; counts it if it is not."""
    if (flooded := _flooded(db, config, submission, targets, now, usage.ALWAYS)) is not None:
        return flooded
    uses = _uses(db, submission.sender, account, day, usage.used)
    if (limited := over_quota(submission.sender, uses, _wanted(targets))) is None:
        for use in uses:
            usage.use(db, submission.sender, use.name, _wanted(targets))
    return limited


def foresee(
    db: Db, config: Config, account: Account[SenderOptions], submission: Submission, targets: Targets, now: int,
    day: Day, until: int,
) -> tuple[tuple[QuotaUse, ...], Limited | None]:  # fmt: skip
    """What ``take_in`` would go by and answer at that moment, by what was stored before ``until`` (UTC ms); counts
    nothing."""
    uses = _uses(db, submission.sender, account, day, usage.seen)
    flooded = _flooded(db, config, submission, targets, now, until)
    return uses, flooded or over_quota(submission.sender, uses, _wanted(targets))


def flood_use(db: Db, config: Config, draft: Draft, target: Target, now: int, until: int) -> FloodUse | None:
    """What the flood guard knows of one recipient from before ``until``; None: there is no guard."""
    flood = config.flood
    if flood.per_recipient is None:
        return None
    had = usage.had(db, target.to, target.person, now - flood.window, until)
    return FloodUse(had, flood.per_recipient, flood.window, _is_exempt(config, draft))


def _uses(
    db: Db, sender: str, account: Account[SenderOptions], day: Day, used: Callable[[Db, str, QuotaUse], int]
) -> tuple[QuotaUse, ...]:
    found = quotas(account.options, account.origins, day)
    if sender == OURSELVES:
        # What everybody may send at most says nothing of what people must be told by the daemon itself.
        found = tuple(quota for quota in found if quota.origin != DEFAULTS)
    return tuple(replace(quota, used=used(db, sender, quota)) for quota in found)


def _wanted(targets: Targets) -> int:
    return sum(map(len, targets))


def _flooded(
    db: Db, config: Config, submission: Submission, targets: Targets, now: int, seen_until: int
) -> Limited | None:
    """Whether some recipient would get more than ``[flood]`` lets through; each of them is told."""
    flood = config.flood
    if flood.per_recipient is None:
        return None
    here: Counter[tuple[str | None, PersonId | None]] = Counter()
    problems: list[Problem] = []
    until = now
    for draft, target in _each(submission, targets):
        who = target.to, target.person
        before, here[who] = here[who], here[who] + 1
        if _is_exempt(config, draft):
            continue
        left = flood.per_recipient - before
        blocked = now if left < 1 else usage.blocking(db, *who, now - flood.window, seen_until, left)
        if blocked is not None:
            problems.append(Problem(target.pointer, f"has had {flood.per_recipient} messages lately"))
            until = max(until, blocked + flood.window)
    if not problems:
        return None
    return Limited("flood", "Some recipient would get too many messages at once", until, tuple(problems))


def _each(submission: Submission, targets: Targets) -> Iterable[tuple[Draft, Target]]:
    for draft, found in zip(submission.drafts, targets, strict=True):
        for target in found:
            yield draft, target


def _is_exempt(config: Config, draft: Draft) -> bool:
    return config.flood.exempt_urgent and config.priority[draft.priority].urgent
