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
    events = tuple(passed_over(progress.plan[n], now) for n in range(first, chosen))
    at_door = replace(
        progress, state=MessageState.QUEUED, step=chosen, tries=0, attempt_state=None, deadline=None, code=None
    )
    placed = _placed(at_door, now, openings)
    return Placed(placed.progress, events + placed.events)


def again(progress: Progress, now: int, openings: Openings) -> Placed | None:
    """As ``entering``, for a message at the door of its present step: one that has begun keeps its deadline."""
    plan, step = progress.plan, progress.step
    if progress.deadline is None or _choice(plan, step, progress.valid_until, now, openings) != step:
        return entering(progress, step, now, openings)
    return _placed(progress, now, openings)


def passed_over(step: Step, now: int) -> Event:
    """The trace of a step that its calendars close."""
    reason = f"closed: {', '.join(step.calendars)}"
    return Event(now, "skipped", {"line": step.line, "reason": reason})


def _choice(plan: Plan, first: int, valid_until: int, now: int, openings: Openings) -> int | None:
    """The step to wait at: open now or in time; else the first one that defers, where the message then expires."""
    deferring: int | None = None
    for n in range(first, len(plan)):
        opens_at = openings.opens(plan[n], now)
        if opens_at == now:
            return n
        if plan[n].when_closed is WhenClosed.DEFER:
            if opens_at is not None and opens_at < valid_until:
                return n
            deferring = n if deferring is None else deferring
    return deferring


def _placed(progress: Progress, now: int, openings: Openings) -> Placed:
    """Ready or held, by the calendars of the present step."""
    step = step_of(progress)
    opens_at = openings.opens(step, now)
    if opens_at == now:
        ends = openings.ends(step, now) if progress.deadline is None else progress.deadline
        deadline = progress.valid_until if ends is None else min(ends, progress.valid_until)
        return Placed(replace(progress, ready=step.line, held=False, deadline=deadline, due_at=deadline), ())
    until = limit(progress) if opens_at is None else min(opens_at, limit(progress))
    detail: dict[str, str | int | bool | None] = {
        "line": step.line, "calendars": ", ".join(step.calendars), "opens_at": opens_at,
    }  # fmt: skip
    return Placed(replace(progress, ready=None, held=True, due_at=until), (Event(now, "held", detail),))
