"""The door of a step: which one of the plan may begin, whether it is held until its calendars open, when it is over."""

from __future__ import annotations

from msgspec.structs import replace

from datasms_daemon.model import Event, MessageState, Plan, Progress, Record, Step, WhenClosed
from datasms_daemon.rules.openings import Openings


class Placed(Record, frozen=True):
    """Where a message stands at the door of a step, and what its trace says of that."""

    progress: Progress
    events: tuple[Event, ...]


def step_of(progress: Progress) -> Step:
    """The present step."""
    return progress.plan[progress.step]


def limit(progress: Progress) -> int:
    """When the present step is over: its deadline, and never after the message's validity."""
    if progress.deadline is None:
        return progress.valid_until
    return min(progress.deadline, progress.valid_until)


def finished(progress: Progress, state: MessageState, code: str | None) -> Progress:
    """At its end."""
    return replace(
        progress, state=state, code=code, due_at=None, ready=None, held=False, attempt_state=None, ndr_due=None
    )


def is_exhausted(progress: Progress) -> bool:
    """Whether the present step has had all the tries it may have."""
    most = step_of(progress).attempts
    return most is not None and progress.tries >= most


def after(progress: Progress, *, untaken: bool) -> int:
    """The number of the step after the present one; backups are for a message that its line surely did not take."""
    following = progress.step + 1
    while not untaken and following < len(progress.plan) and progress.plan[following].backup:
        following += 1
    return following


def entering(progress: Progress, first: int, now: int, openings: Openings) -> Placed | None:
    """At the door of the first step from ``first`` on that may begin; None when none may.

    It is ready for its line with its clock running, or held until its calendars open. One that is passed over when
    closed, or would open after the message's validity while a later one does not, is left behind.
    """
    chosen = _choice(progress.plan, first, progress.valid_until, now, openings)
    if chosen is None:
        return None
    n, opens_at = chosen
    placed = _placed(replace(progress, unsure=False), n, opens_at, None, 0, now, openings)
    if n == first:
        return placed
    passed = tuple(passed_over(progress.plan[n], now) for n in range(first, n))
    return Placed(placed.progress, passed + placed.events)


def again(progress: Progress, now: int, openings: Openings) -> Placed | None:
    """As ``entering``, for a message at the door of its present step: one that has begun keeps its deadline."""
    n = progress.step
    if progress.deadline is not None:
        chosen = _choice(progress.plan, n, progress.valid_until, now, openings)
        if chosen is not None and chosen[0] == n:
            return _placed(progress, n, chosen[1], progress.deadline, progress.tries, now, openings)
    return entering(progress, n, now, openings)


def passed_over(step: Step, now: int) -> Event:
    """The trace of a step that its calendars close."""
    reason = f"closed: {', '.join(step.calendars)}"
    return Event(now, "skipped", {"line": step.line, "reason": reason})


def _choice(plan: Plan, first: int, valid_until: int, now: int, openings: Openings) -> tuple[int, int | None] | None:
    """The step to wait at, and when it opens: open now or in time; else the first one that defers, where the message
    then expires."""
    deferring: tuple[int, int | None] | None = None
    for n in range(first, len(plan)):
        opens_at = openings.opens(plan[n], now)
        if opens_at == now:
            return n, now
        if plan[n].when_closed is WhenClosed.DEFER:
            if opens_at is not None and opens_at < valid_until:
                return n, opens_at
            deferring = deferring or (n, opens_at)
    return deferring


def _placed(
    progress: Progress, n: int, opens_at: int | None, deadline: int | None, tries: int, now: int, openings: Openings
) -> Placed:
    """At step ``n``: ready when it is open, its clock started unless it has a deadline; else held until it opens."""
    step, until = progress.plan[n], progress.valid_until
    is_open = opens_at == now
    if is_open and deadline is None:
        deadline = openings.ends(step, now) or until
    if deadline is not None:
        until = deadline = min(deadline, until)
    if not is_open and opens_at is not None:
        until = min(opens_at, until)
    at_door = replace(
        progress,
        state=MessageState.QUEUED,
        step=n,
        tries=tries,
        attempt_state=None,
        ready=step.line if is_open else None,
        held=not is_open,
        deadline=deadline,
        due_at=until,
        code=None,
    )
    if is_open:
        return Placed(at_door, ())
    detail: dict[str, str | int | bool | None] = {
        "line": step.line, "calendars": ", ".join(step.calendars), "opens_at": opens_at,
    }  # fmt: skip
    return Placed(at_door, (Event(now, "held", detail),))
