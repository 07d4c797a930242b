"""The life of a message as pure decisions: ``(where it stands, what happened, now) -> where it stands then``.

Every function here is called inside the transaction that stores its answer. None of them leaves a final state, but
for ``delivered -> read`` and notes on attempts (I11); none raises for anything the far end may do.

    scheduled ──send_at──► queued ──room on the line──► sending ──Accepted──► waiting ──receipt──► delivered ──► read
                             ▲  ▲                         │  │                   │
                             │  └──── Later, NotSent ─────┘  │ AddressGone,      │ deadline, failed receipt
                             └──────── next step ◄───────────┴─ LineDown ◄───────┘
    queued is ready for its line, waits for another try, or is held until the calendars of its step open;
    no step left: failed (unknown, if nobody can say whether the last one was taken) · validity over: expired
"""

from __future__ import annotations

from msgspec.structs import replace

from datasms_daemon.model import (
    Accepted,
    AddressGone,
    AttemptState,
    Event,
    Later,
    LineDown,
    MessageId,
    MessageState,
    NotSent,
    OnUnknown,
    Outcome,
    Plan,
    Progress,
    Success,
    Unknown,
)
from datasms_daemon.rules import steps
from datasms_daemon.rules.decisions import OUTCOME_NAMES, AttemptChange, Decision, Handed
from datasms_daemon.rules.openings import Openings
from datasms_daemon.rules.retry import next_try
from datasms_daemon.rules.steps import Placed, finished, limit, step_of

_UNTAKEN = frozenset({"line_down", "not_sent", "too_late_to_retry", "attempts"})
"""Why a step failed of which the line surely took nothing."""

PARKED_AFTER = 5
"""So many times may handing a message over crash before it is parked for an operator (I35)."""


def begin(
    id_: MessageId,
    plan: Plan,
    now: int,
    send_at: int | None,
    valid_until: int,
    openings: Openings,
    ndr_ms: int | None = None,
) -> Decision:
    """A message as it is accepted: scheduled, ready for its first line, held, or failed at once for want of a route.

    ``ndr_ms`` is after how much time without success its sender is told, counted as its first step's wait is.
    """
    new = Progress(id=id_, gen=1, state=MessageState.QUEUED, plan=plan, valid_until=valid_until)
    if not plan:
        return Decision(finished(new, MessageState.FAILED, "no_route"), ())
    if ndr_ms is not None:
        new = replace(new, ndr_due=openings.after(plan[0], max(now, send_at or now), ndr_ms))
    if send_at is not None and send_at > now:
        return Decision(replace(new, state=MessageState.SCHEDULED, due_at=send_at), ())
    return _at_door(new, steps.entering(new, 0, now, openings), now)


def claim(progress: Progress, now: int, lease_ms: int, openings: Openings) -> Decision | None:
    """Opens an attempt on the line the message is ready for; None when it is not, or its time is over.

    A decision that opens none: the calendars of the step have closed, so that the message is held or passed on.
    """
    if progress.ready is None or now >= limit(progress):
        return None
    step = progress.plan[progress.step]
    if openings.opens(step, now) != now:
        return _look(progress, now, openings)
    n = progress.attempt + 1
    until = limit(progress)
    claimed = replace(
        progress,
        gen=progress.gen + 1,
        state=MessageState.SENDING,
        ready=None,
        attempt=n,
        attempt_state=AttemptState.SENDING,
        tries=progress.tries + 1,
        due_at=min(now + lease_ms, until),
    )
    opened = AttemptChange(
        n=n, state=AttemptState.SENDING, opens=True, step=progress.step, line=step.line, deadline=until
    )
    return Decision(claimed, (), opened)


def due(progress: Progress, now: int, openings: Openings) -> Decision | None:
    """What the passing of time does; None when nothing is due yet (I14)."""
    if progress.due_at is None or now < progress.due_at:
        return None
    if now >= progress.valid_until:
        return _expire(progress, now)
    if progress.state is MessageState.SCHEDULED:
        moved = replace(progress, gen=progress.gen + 1)
        return _at_door(moved, steps.entering(moved, progress.step, now, openings), now, _event(now, "due"))
    if now >= limit(progress):
        return _timed_out(progress, now, openings)
    if progress.state is MessageState.SENDING:
        return _settle_unknown(progress, Unknown("no result within the lease"), now)
    event = _event(now, "opened" if progress.held else "retry", line=step_of(progress).line)
    return _look(progress, now, openings, event)


def undelivered(progress: Progress, now: int) -> Decision | None:
    """The sender is told that there is no success yet; nothing else changes. None when it is not time for that."""
    if progress.ndr_due is None or now < progress.ndr_due:
        return None
    told = replace(progress, gen=progress.gen + 1, ndr_due=None, ndr_at=now)
    return Decision(told, (_event(now, "ndr", line=step_of(progress).line, state=progress.state.value),))


def look_again(progress: Progress, now: int, openings: Openings) -> Decision | None:
    """For a message that is held, when calendars have changed; None when nothing changes for it."""
    if not progress.held or now >= limit(progress):
        return None
    looked = _look(progress, now, openings)
    is_same = replace(looked.progress, gen=progress.gen) == progress
    return None if is_same else replace(looked, events=(_event(now, "calendars_changed"), *looked.events))


def handed(progress: Progress, n: int, outcome: Outcome, at: Handed) -> Decision:
    """What the outcome of attempt ``n`` leads to; one that comes after the decision is only noted."""
    name = OUTCOME_NAMES[type(outcome)]
    reason = None if isinstance(outcome, Accepted) else outcome.reason
    if n != progress.attempt or progress.attempt_state is not AttemptState.SENDING:
        note = AttemptChange(n=n, outcome=name, reason=reason, sent_at=at.now if name == "accepted" else None)
        return noted(progress, at.now, note, "late_outcome", attempt=n, outcome=name)
    match outcome:
        case Accepted():
            return _accepted(progress, at.now)
        case AddressGone():
            return fails(progress, at.now, name, outcome.reason, "address_gone", at.openings)
        case LineDown():
            first = steps.after(progress, untaken=not progress.unsure)
            following = steps.entering(progress, first, at.now, at.openings)
            if following is not None and not following.progress.held:
                return fails(progress, at.now, name, outcome.reason, "line_down", at.openings)
            # Nothing else may take it now: the line may be back before its deadline.
            return _again(progress, name, outcome.reason, None, at)
        case Later():
            return _again(progress, name, outcome.reason, outcome.not_before, at)
        case NotSent():
            if outcome.final:
                return fails(progress, at.now, name, outcome.reason, "not_sent", at.openings)
            return _again(progress, name, outcome.reason, None, at)
        case Unknown():
            return _unknown(progress, outcome, at)


def crashed(progress: Progress, at: Handed, reason: str) -> Decision:
    """For a message found in ``sending`` by a new start, or whose driver raised: ambiguous, and counted (I26, I35)."""
    counted = replace(progress, crashes=progress.crashes + 1)
    if counted.crashes < PARKED_AFTER:
        return handed(counted, progress.attempt, Unknown(reason), at)
    closed = _closing(progress, at.now, AttemptState.UNKNOWN, "unknown", reason)
    parked = finished(replace(counted, gen=progress.gen + 1), MessageState.FAILED, "parked")
    return Decision(parked, (_event(at.now, "parked", crashes=counted.crashes),), closed)


def skip(progress: Progress, now: int, reason: str, openings: Openings, code: str = "line_gone") -> Decision:
    """On to the next step without a try: the line is gone from the configuration, or may not carry the message."""
    event = _event(now, "skipped", line=step_of(progress).line, reason=reason)
    return _next(progress, now, code, event, None, openings, untaken=True)


def tampered(progress: Progress, now: int) -> Decision:
    """Recipient or text are not those that were accepted: nothing of it may leave (I39)."""
    ended = finished(replace(progress, gen=progress.gen + 1), MessageState.FAILED, "tampered")
    return Decision(ended, (_event(now, "tampered"),), _closing(progress, now, AttemptState.CANCELLED))


def cancel(progress: Progress, now: int, by: str) -> Decision | None:
    """Nothing more is sent; None when the message is final already."""
    if progress.state.is_final:
        return None
    cancelled = finished(replace(progress, gen=progress.gen + 1), MessageState.CANCELLED, "cancelled")
    closed = _closing(progress, now, AttemptState.CANCELLED)
    return Decision(cancelled, (_event(now, "cancelled", by=by, handed_over=progress.attempt > 0),), closed)


def reschedule(
    progress: Progress,
    now: int,
    send_at: int | None,
    ttl_ms: int,
    by: str,
    openings: Openings,
    ndr_ms: int | None = None,
) -> Decision | None:
    """Another time, or now, which calendars may hold; None once a line was tried or its step passed, or at the end.

    A message that is held has not been tried, whatever its calendars made it pass over.
    """
    is_past = progress.attempt > 0 or (
        progress.step > 0 and progress.state is MessageState.QUEUED and not progress.held
    )
    if progress.state.is_final or is_past:
        return None
    starts = max(now, send_at or now)
    moved = replace(progress, gen=progress.gen + 1, valid_until=starts + ttl_ms, ready=None, held=False)
    if progress.ndr_due is not None:
        ndr_due = None if ndr_ms is None else openings.after(progress.plan[0], starts, ndr_ms)
        moved = replace(moved, ndr_due=ndr_due)
    event = _event(now, "rescheduled", by=by, send_at=send_at)
    if send_at is not None and send_at > now:
        return Decision(replace(moved, state=MessageState.SCHEDULED, due_at=send_at, deadline=None), (event,))
    return _at_door(moved, steps.entering(moved, progress.step, now, openings), now, event)


def is_passed_on(progress: Progress) -> bool:
    """Whether this change took the message away from those it was handed to: cancelled, expired, on to the next."""
    if progress.attempt == 0:
        return False
    if progress.state in (MessageState.CANCELLED, MessageState.EXPIRED):
        return True
    return progress.state is MessageState.QUEUED and progress.step > 0 and progress.tries == 0


# --- the inside ------------------------------------------------------------------------------------------------------


def _closing(
    progress: Progress, now: int, state: AttemptState, outcome: str | None = None, reason: str | None = None
) -> AttemptChange | None:
    """Ends the open attempt, if there is one; what a receipt has said of it stays."""
    if progress.attempt_state is None:
        return None
    ended = None if progress.attempt_state is AttemptState.DELIVERED else state
    return AttemptChange(n=progress.attempt, state=ended, finished_at=now, outcome=outcome, reason=reason)


def _accepted(progress: Progress, now: int) -> Decision:
    step = step_of(progress)
    sent = AttemptChange(n=progress.attempt, state=AttemptState.SENT, sent_at=now, outcome="accepted")
    waiting = replace(
        progress,
        gen=progress.gen + 1,
        state=MessageState.WAITING,
        attempt_state=AttemptState.SENT,
        due_at=limit(progress),
    )
    if step.success in (Success.ACCEPTED, Success.SENT):
        # Nothing more will be sent; a receipt may still make it delivered while the message is valid (I25).
        waiting = replace(
            waiting, code="accepted", deadline=progress.valid_until, due_at=progress.valid_until, ndr_due=None
        )
    return Decision(waiting, (_event(now, "sent", line=step.line, attempt=progress.attempt),), sent)


def _again(progress: Progress, name: str, reason: str, not_before: int | None, at: Handed) -> Decision:
    """The same step again after a back-off; the next one at once when that would be too late and there is one."""
    if steps.is_exhausted(progress):
        return fails(progress, at.now, name, reason, "attempts", at.openings)
    retry_at = next_try(at.now, progress.tries, at.jitter, at.urgent, not_before, at.backoff)
    until = limit(progress)
    if retry_at >= until and progress.step + 1 < len(progress.plan):
        return fails(progress, at.now, name, reason, "too_late_to_retry", at.openings)
    closed = AttemptChange(
        n=progress.attempt, state=AttemptState.FAILED, finished_at=at.now, outcome=name, reason=reason
    )
    queued = replace(
        progress,
        gen=progress.gen + 1,
        state=MessageState.QUEUED,
        attempt_state=None,
        ready=None,
        due_at=min(retry_at, until),
    )
    event = _event(
        at.now, name, line=step_of(progress).line, attempt=progress.attempt, reason=reason, retry_at=retry_at
    )
    return Decision(queued, (event,), closed)


def fails(progress: Progress, now: int, name: str, reason: str, code: str, openings: Openings) -> Decision:
    """The present step has failed: on to the next one."""
    closed = _closing(progress, now, AttemptState.FAILED, name, reason)
    event = _event(now, name, line=step_of(progress).line, attempt=progress.attempt, reason=reason)
    untaken = code in _UNTAKEN and name != "unknown"
    return _next(progress, now, code, event, closed, openings, untaken=untaken)


def _unknown(progress: Progress, outcome: Unknown, at: Handed) -> Decision:
    policy = step_of(progress).on_unknown
    if policy is OnUnknown.REPORT:
        closed = _closing(progress, at.now, AttemptState.UNKNOWN, "unknown", outcome.reason)
        ended = finished(replace(progress, gen=progress.gen + 1), MessageState.UNKNOWN, "unknown_outcome")
        return Decision(ended, (_event(at.now, "unknown", attempt=progress.attempt, reason=outcome.reason),), closed)
    if policy is OnUnknown.NEXT:
        closed = _closing(progress, at.now, AttemptState.UNKNOWN, "unknown", outcome.reason)
        event = _event(at.now, "unknown", attempt=progress.attempt, reason=outcome.reason)
        return _next(progress, at.now, "unknown_outcome", event, closed, at.openings, ambiguous=True)
    is_repeated = at.drops_repeats or (policy is OnUnknown.RESEND and not at.once)
    if is_repeated and not steps.is_exhausted(progress):
        again = _again(replace(progress, unsure=True), "unknown", outcome.reason, None, at)
        closed = again.attempt and replace(again.attempt, state=AttemptState.UNKNOWN)
        return replace(again, attempt=closed)
    return _settle_unknown(progress, outcome, at.now)


def _settle_unknown(progress: Progress, outcome: Unknown, now: int) -> Decision:
    """Nobody knows; a receipt may come until the deadline, and nothing is sent before it."""
    waiting = replace(
        progress,
        gen=progress.gen + 1,
        state=MessageState.WAITING,
        attempt_state=AttemptState.UNKNOWN,
        due_at=limit(progress),
    )
    noted = AttemptChange(n=progress.attempt, state=AttemptState.UNKNOWN, outcome="unknown", reason=outcome.reason)
    return Decision(waiting, (_event(now, "unknown", attempt=progress.attempt, reason=outcome.reason),), noted)


def _timed_out(progress: Progress, now: int, openings: Openings) -> Decision:
    """The step's deadline: on to the next one, whatever the attempt is doing."""
    ambiguous = progress.attempt_state in (AttemptState.UNKNOWN, AttemptState.SENDING)
    closed = _closing(progress, now, AttemptState.UNKNOWN if ambiguous else AttemptState.TIMED_OUT)
    event = _event(now, "deadline", line=step_of(progress).line, attempt=progress.attempt)
    untaken = progress.attempt_state is None
    return _next(progress, now, "deadline", event, closed, openings, ambiguous=ambiguous, untaken=untaken)


def _expire(progress: Progress, now: int) -> Decision:
    """Its validity is over: it has expired, unless a hand-over may have arrived and nobody knows."""
    ambiguous = progress.attempt_state in (AttemptState.UNKNOWN, AttemptState.SENDING)
    closed = _closing(progress, now, AttemptState.UNKNOWN if ambiguous else AttemptState.TIMED_OUT)
    moved = replace(progress, gen=progress.gen + 1)
    if progress.code != "accepted" and not ambiguous and not progress.unsure:
        return Decision(finished(moved, MessageState.EXPIRED, "expired"), (_event(now, "expired"),), closed)
    code = "no_receipt" if progress.code == "accepted" else "unknown_outcome"
    event = _event(now, "unknown", code=code, reason="the message is not valid any longer")
    return Decision(finished(moved, MessageState.UNKNOWN, code), (event,), closed)


def _next(
    progress: Progress,
    now: int,
    code: str,
    event: Event,
    closed: AttemptChange | None,
    openings: Openings,
    *,
    ambiguous: bool = False,
    untaken: bool = False,
) -> Decision:
    """The step after this one that may begin; without one the message has failed, or nobody knows.

    ``untaken``: the line surely has nothing of it, unless an earlier try left that open.
    """
    moved = replace(progress, gen=progress.gen + 1)
    first = steps.after(progress, untaken=untaken and not progress.unsure)
    entered = steps.entering(moved, first, now, openings)
    if entered is not None:
        at = entered.progress
        following = _event(now, "step", step=at.step, line=step_of(at).line, deadline=at.deadline)
        return Decision(at, (event, following, *entered.events), closed)
    passed = [steps.passed_over(step, now) for step in progress.plan[first:]]
    state = MessageState.UNKNOWN if ambiguous or progress.unsure else MessageState.FAILED
    return Decision(finished(moved, state, code), (event, *passed, _event(now, state.value, code=code)), closed)


def _look(progress: Progress, now: int, openings: Openings, *events: Event) -> Decision:
    """A queued message at the door of its step, as the calendars are now."""
    moved = replace(progress, gen=progress.gen + 1)
    return _at_door(moved, steps.again(moved, now, openings), now, *events)


def _at_door(moved: Progress, placed: Placed | None, now: int, *events: Event) -> Decision:
    """Where the message was placed; without any step that may begin it has failed, or nobody knows."""
    if placed is not None:
        return Decision(placed.progress, (*events, *placed.events))
    passed = [steps.passed_over(step, now) for step in moved.plan[moved.step :]]
    state = MessageState.UNKNOWN if moved.unsure else MessageState.FAILED
    return Decision(finished(moved, state, "closed"), (*events, *passed, _event(now, state.value, code="closed")))


def noted(progress: Progress, now: int, note: AttemptChange, kind: str, **detail: str | int | bool | None) -> Decision:
    """Only something to write down: the message stands where it stood."""
    return Decision(replace(progress, gen=progress.gen + 1), (_event(now, kind, **detail),), note)


def _event(at: int, kind: str, **detail: str | int | bool | None) -> Event:
    return Event(at, kind, detail)
