"""What a receipt does to a message: the other half of ``lifecycle``, pure like it.

A receipt is applied once, whichever way it races the deadline; the one that comes after the decision is kept as late,
and cancels what is still unsent (I20, I23).
"""

from __future__ import annotations

from msgspec.structs import replace

from datasms_daemon.model import (
    Attempt,
    AttemptState,
    Event,
    MessageState,
    Progress,
    ReceiptState,
    Success,
)
from datasms_daemon.rules import lifecycle
from datasms_daemon.rules.decisions import AttemptChange, Decision
from datasms_daemon.rules.openings import Openings
from datasms_daemon.rules.steps import finished, limit

_RANK = {AttemptState.DELIVERED: 1, AttemptState.READ: 2}


def receipt(
    progress: Progress,
    attempt: Attempt,
    state: ReceiptState,
    at: int,
    now: int,
    openings: Openings,
    reason: str | None = None,
) -> Decision | None:
    """Applies the far end's word about ``attempt``; None when it says nothing new."""
    match state:
        case ReceiptState.DELIVERED | ReceiptState.READ:
            return _arrived(progress, attempt, AttemptState(state.value), at, now)
        case ReceiptState.FAILED:
            return _failed(progress, attempt, now, openings, reason or "the far end reports failure")
        case ReceiptState.SENT:
            return None


def _arrived(progress: Progress, attempt: Attempt, state: AttemptState, at: int, now: int) -> Decision | None:
    if _RANK[state] <= _RANK.get(attempt.state, 0):
        return None
    is_current = attempt.n == progress.attempt and progress.attempt_state is not None
    late = attempt.late or (attempt.state not in _RANK and (progress.state.is_final or attempt.step != progress.step))
    mark = AttemptChange(n=attempt.n, state=state, finished_at=now, late=late)
    event = Event(now, state.value, {"attempt": attempt.n, "line": attempt.line, "at": at, "late": late})
    delivered_at = progress.delivered_at or at
    read_at = progress.read_at or (at if state is AttemptState.READ else None)
    moved = replace(progress, gen=progress.gen + 1)
    if progress.state.is_final:
        if progress.state is MessageState.DELIVERED and state is AttemptState.READ:
            moved = replace(moved, state=MessageState.READ, read_at=read_at)
        return Decision(moved, (event,), mark)
    is_too_little = state is AttemptState.DELIVERED and _step_success(progress, attempt) is Success.READ
    if is_too_little and not is_current:
        # It is not waited for any more, and it was not read: what follows is sent all the same.
        return Decision(replace(moved, delivered_at=delivered_at), (event,), mark)
    if is_too_little:
        # Delivered is on the way to read: the attempt stays open and the deadline stands.
        return Decision(
            replace(
                moved,
                delivered_at=delivered_at,
                state=MessageState.WAITING,
                attempt_state=AttemptState.DELIVERED,
                due_at=limit(progress),
            ),
            (event,),
            AttemptChange(n=attempt.n, state=state),
        )
    done = replace(finished(moved, MessageState(state.value), None), delivered_at=delivered_at, read_at=read_at)
    other = None
    if not is_current and progress.attempt_state is not None:
        other = AttemptChange(n=progress.attempt, state=AttemptState.CANCELLED, finished_at=now)
    return Decision(done, (event,), mark, other)


def _failed(progress: Progress, attempt: Attempt, now: int, openings: Openings, reason: str) -> Decision | None:
    if attempt.state in _RANK or attempt.state is AttemptState.FAILED:
        return None
    if attempt.n == progress.attempt and progress.attempt_state is not None:
        return lifecycle.fails(progress, now, "failed", reason, "failed_receipt", openings)
    note = AttemptChange(n=attempt.n, reason=reason)
    return lifecycle.noted(progress, now, note, "late_failure", attempt=attempt.n, reason=reason)


def _step_success(progress: Progress, attempt: Attempt) -> Success:
    return progress.plan[attempt.step].success
