"""Tries of a step, and steps that are backups: for a message that the line before surely did not take."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from datasms_daemon.model import (
    Accepted,
    AddressGone,
    Later,
    LineDown,
    LineName,
    MessageId,
    MessageState,
    NotSent,
    OnUnknown,
    Outcome,
    Plan,
    Progress,
    Step,
    Unknown,
)
from datasms_daemon.rules import lifecycle
from datasms_daemon.rules.decisions import Handed
from datasms_daemon.rules.openings import ALWAYS_OPEN

NOW, WAIT, DAY = 1_800_000_000_000, 600_000, 86_400_000
MAIN = Step(LineName("main"), WAIT)
BACKUP = Step(LineName("backup"), WAIT, backup=True)
LAST = Step(LineName("last"), WAIT)


def claimed(progress: Progress, now: int) -> Progress:
    """With an attempt on its line."""
    decision = lifecycle.claim(progress, now, 15_000, ALWAYS_OPEN)
    assert decision is not None
    return decision.progress


def sending(*plan: Step) -> Progress:
    """A message that its first line is just being handed."""
    return claimed(lifecycle.begin(MessageId("m"), plan, NOW, None, NOW + DAY, ALWAYS_OPEN).progress, NOW)


def after(progress: Progress, outcome: Outcome, now: int = NOW, *, drops_repeats: bool = False) -> Progress:
    """What the line's answer leads to."""
    at = Handed(now, 0.5, False, drops_repeats, ALWAYS_OPEN)
    return lifecycle.handed(progress, progress.attempt, outcome, at).progress


def retried(progress: Progress) -> Progress:
    """Claimed again when its pause is over."""
    assert progress.due_at is not None
    decision = lifecycle.due(progress, progress.due_at, ALWAYS_OPEN)
    assert decision is not None
    return claimed(decision.progress, progress.due_at)


@pytest.mark.parametrize("outcome", [LineDown("bind refused"), NotSent("cannot carry it", final=True)])
def test_a_backup_takes_what_the_line_surely_did_not(outcome: Outcome) -> None:
    assert after(sending(MAIN, BACKUP, LAST), outcome).ready == "backup"


@pytest.mark.parametrize(
    ("plan", "line"), [((MAIN, BACKUP, LAST), "last"), ((MAIN, BACKUP, BACKUP, LAST), "last"), ((MAIN, BACKUP), None)]
)
def test_a_number_that_is_gone_is_not_tried_by_a_backup(plan: Plan, line: str | None) -> None:
    moved = after(sending(*plan), AddressGone("no such number"))
    assert moved.ready == line
    assert (moved.state is MessageState.FAILED) is (line is None)


def test_a_message_that_was_accepted_goes_past_the_backup_at_its_deadline() -> None:
    """Otherwise the backup would send twice what a slow network has."""
    waiting = after(sending(MAIN, BACKUP, LAST), Accepted(("1",)))
    timed_out = lifecycle.due(waiting, NOW + WAIT, ALWAYS_OPEN)
    assert timed_out is not None
    assert timed_out.progress.ready == "last"


@pytest.mark.parametrize("once", [True, False])
def test_what_a_service_may_have_shown_is_not_repeated_whatever_a_rule_wants(once: bool) -> None:
    step = Step(LineName("main"), WAIT, on_unknown=OnUnknown.RESEND)
    at = Handed(NOW, 0.5, False, drops_repeats=False, openings=ALWAYS_OPEN, once=once)
    progress = sending(step)
    after_it = lifecycle.handed(progress, progress.attempt, Unknown("cut"), at).progress
    assert after_it.state is (MessageState.WAITING if once else MessageState.QUEUED)


def test_an_unknown_outcome_never_goes_to_a_backup() -> None:
    step = Step(LineName("main"), WAIT, on_unknown=OnUnknown.NEXT)
    assert after(sending(step, BACKUP, LAST), Unknown("time limit")).ready == "last"
    ended = after(sending(step, BACKUP), Unknown("time limit"))
    assert (ended.state, ended.ready) == (MessageState.UNKNOWN, None)


def test_a_message_that_never_left_goes_to_the_backup_at_the_deadline() -> None:
    waiting = after(sending(MAIN, BACKUP, LAST), Later("busy"))
    assert waiting.attempt_state is None
    timed_out = lifecycle.due(waiting, NOW + WAIT, ALWAYS_OPEN)
    assert timed_out is not None
    assert timed_out.progress.ready == "backup"


def test_a_step_has_so_many_tries_and_the_next_one_starts_anew() -> None:
    twice = Step(LineName("main"), WAIT, attempts=2)
    second = retried(after(sending(twice, LAST), Later("busy")))
    assert (second.tries, second.step) == (2, 0)
    moved = after(second, Later("busy"), NOW + 20_000)
    assert (moved.ready, moved.tries) == ("last", 0)


def test_the_last_try_of_the_last_step_ends_in_failure() -> None:
    once = Step(LineName("main"), WAIT, attempts=1)
    ended = after(sending(once), Later("busy"))
    assert (ended.state, ended.code) == (MessageState.FAILED, "attempts")


def test_tries_that_are_used_up_lead_to_the_backup() -> None:
    once = Step(LineName("main"), WAIT, attempts=1)
    assert after(sending(once, BACKUP, LAST), Later("busy")).ready == "backup"


def resent(*plan: Step) -> Progress:
    """A message whose devices may have had its first try; the second one is just being made."""
    first = after(sending(*plan), Unknown("time limit"), drops_repeats=True)
    return retried(first)


def test_when_a_try_may_have_been_taken_the_end_of_the_last_step_is_unknown() -> None:
    twice = Step(LineName("main"), WAIT, attempts=2, on_unknown=OnUnknown.RESEND)
    ended = after(resent(twice), Later("busy"), NOW + 20_000)
    assert (ended.state, ended.code) == (MessageState.UNKNOWN, "attempts")
    often = replace(twice, attempts=None)
    again = after(resent(often), Unknown("time limit"), NOW + WAIT - 1, drops_repeats=True)
    late = lifecycle.due(again, NOW + WAIT, ALWAYS_OPEN)
    assert late is not None
    assert (late.progress.state, late.progress.code) == (MessageState.UNKNOWN, "deadline")


def test_a_try_that_may_have_been_taken_keeps_the_message_from_the_backup_and_is_forgotten_at_the_next_step() -> None:
    twice = Step(LineName("main"), WAIT, attempts=2, on_unknown=OnUnknown.RESEND)
    moved = after(resent(twice, BACKUP, LAST), Later("busy"), NOW + 20_000)
    assert moved.ready == "last"
    ended = after(claimed(moved, NOW + 20_000), AddressGone("no such number"), NOW + 20_000)
    assert ended.state is MessageState.FAILED
