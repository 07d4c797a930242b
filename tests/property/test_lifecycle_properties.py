"""The life of a message under any sequence of events: what the tables of reliability.md promise."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given
from msgspec.structs import replace

from datasms_daemon.model import (
    Accepted,
    AddressGone,
    Attempt,
    AttemptState,
    Later,
    LineDown,
    LineName,
    MessageId,
    MessageState,
    NotSent,
    OnUnknown,
    Outcome,
    Progress,
    ReceiptState,
    Step,
    Success,
    Unknown,
    WhenClosed,
)
from datasms_daemon.rules import lifecycle, receipts
from datasms_daemon.rules.calendars import DAY_MS, Calendar
from datasms_daemon.rules.decisions import AttemptChange, Decision, Handed
from datasms_daemon.rules.openings import ALWAYS_OPEN, Openings

NOW = 1_000_000


def blinking(period: int, is_open: int) -> Calendar:
    """Open for a while at the beginning of each period."""
    return Calendar(lambda day: [(each, each + is_open) for each in range(day * DAY_MS, (day + 1) * DAY_MS, period)])


NEVER = Calendar(lambda day: ())
CALENDARS = (
    Openings({"a": blinking(40_000, 25_000), "b": blinking(64_000, 1_000), "never": NEVER}),
    Openings({"a": NEVER, "b": blinking(50_000, 25_000)}),
    ALWAYS_OPEN,
)
steps = st.builds(
    Step,
    line=st.sampled_from([LineName("a"), LineName("b"), LineName("c")]),
    wait_ms=st.integers(1, 100_000),
    success=st.sampled_from(Success),
    on_unknown=st.sampled_from(OnUnknown),
    calendars=st.sampled_from([(), ("a",), ("b",), ("a", "b"), ("never",)]),
    when_closed=st.sampled_from(WhenClosed),
    attempts=st.sampled_from([None, 1, 2, 3]),
    backup=st.booleans(),
)
plans = st.lists(steps, max_size=4).map(tuple)
outcomes: st.SearchStrategy[Outcome] = st.one_of(
    st.just(Accepted(("x",))),
    st.just(AddressGone("gone")),
    st.just(LineDown("down")),
    st.builds(Later, st.just("later"), st.none() | st.integers(NOW, NOW + 200_000)),
    st.just(Unknown("cut")),
    st.builds(NotSent, st.just("no"), st.booleans()),
)
events = st.lists(
    st.one_of(
        st.tuples(st.just("pass"), st.integers(0, 60_000)),
        st.tuples(st.just("claim"), st.integers(1, 40_000)),
        st.tuples(st.just("outcome"), outcomes, st.floats(0, 1), st.booleans(), st.integers(0, 2)),
        st.tuples(st.just("receipt"), st.sampled_from(ReceiptState), st.integers(0, 3)),
        st.tuples(st.just("crash"), st.booleans()),
        st.tuples(st.just("cancel")),
        st.tuples(st.just("reschedule"), st.none() | st.integers(-10, 90_000)),
        st.tuples(st.just("skip")),
        st.tuples(st.just("reload"), st.sampled_from(CALENDARS)),
    ),
    max_size=40,
)


class Life:
    """One message and its attempts, as the store would keep them."""

    def __init__(self, plan: tuple[Step, ...], send_in: int | None, ttl: int) -> None:
        self.now = NOW
        self.openings = CALENDARS[0]
        send_at = None if send_in is None else NOW + send_in
        self.progress = lifecycle.begin(
            MessageId("m"), plan, NOW, send_at, max(NOW, send_at or 0) + ttl, self.openings, 30_000
        ).progress
        self.attempts: dict[int, Attempt] = {}
        self.finals: set[MessageState] = set()

    def take(self, decision: Decision | None) -> None:
        """Stores a decision, checking what must hold of every one."""
        if decision is None:
            return
        before, after = self.progress, decision.progress
        assert before.ndr_at in (None, after.ndr_at), "told twice"
        assert after.gen == before.gen + 1
        if before.state.is_final and after.state is not before.state:
            assert (before.state, after.state) == (MessageState.DELIVERED, MessageState.READ), "I11"
        assert before.step <= after.step <= max(0, len(after.plan) - 1), "I8"
        for change in (decision.attempt, decision.other):
            if change is not None:
                self.write(change)
        self.progress = after
        if after.step > before.step and after.plan[after.step].backup:
            assert not self.open_question(after.step), "a backup may send what its line has taken"
        self.check()

    def open_question(self, until: int) -> bool:
        """Whether the line of the step before ``until``, or one of its backups, took a try or may have."""
        first = max(n for n in range(until) if n == 0 or not self.progress.plan[n].backup)
        tries = [one for one in self.attempts.values() if first <= one.step < until]
        return any(one.state is AttemptState.UNKNOWN or one.outcome == "accepted" for one in tries)

    def write(self, change: AttemptChange) -> None:
        """As the store's UPDATE does."""
        if change.opens:
            assert change.n == len(self.attempts) + 1
            step = self.progress.plan[change.step]
            assert self.openings.opens(step, self.now) == self.now, "claimed while closed"
            self.attempts[change.n] = Attempt(
                change.n, change.step, LineName(change.line), AttemptState.SENDING, self.now, deadline=change.deadline
            )
            return
        known = self.attempts[change.n]
        given = {
            name: getattr(change, name)
            for name in ("state", "sent_at", "finished_at", "outcome", "reason")
            if getattr(change, name) is not None
        }
        self.attempts[change.n] = replace(known, **given, late=known.late or change.late)

    def check(self) -> None:
        """What must hold of every message at every moment."""
        progress = self.progress
        open_ones = [one for one in self.attempts.values() if one.finished_at is None]
        assert len(open_ones) <= 1, "I7"
        assert bool(open_ones) == (progress.attempt_state is not None), "the open attempt and the progress differ"
        if progress.state.is_final:
            assert (progress.due_at, progress.ready, progress.attempt_state) == (None, None, None)
            assert progress.ndr_due is None, "told of a failure that is over"
            if progress.state is MessageState.FAILED and progress.code not in ("parked", "tampered"):
                unknown = [one for one in self.attempts.values() if one.state is AttemptState.UNKNOWN]
                assert all(one.step < progress.step for one in unknown), "called failed, and nobody knows"
        else:
            assert progress.due_at is not None, "I12"
        if progress.ready is not None:
            assert progress.ready == progress.plan[progress.step].line
            assert progress.state is MessageState.QUEUED
        if progress.held:
            assert (progress.state, progress.ready) == (MessageState.QUEUED, None)
            assert progress.due_at is not None
            opens_at = self.openings.opens(progress.plan[progress.step], self.now)
            assert opens_at is None or progress.due_at <= max(opens_at, self.now), "held longer than its calendars ask"
        if progress.state is MessageState.SENDING:
            assert progress.attempt_state is AttemptState.SENDING

    def apply(self, event: tuple[object, ...]) -> None:
        """One event of the outside world."""
        match event:
            case ("pass", int(ms)):
                self.now += ms
                self.take(lifecycle.undelivered(self.progress, self.now))
                self.take(lifecycle.due(self.progress, self.now, self.openings))
            case ("claim", int(lease)):
                self.take(lifecycle.claim(self.progress, self.now, lease, self.openings))
            case ("outcome", outcome, float(jitter), bool(drops), int(back)) if self.attempts:
                n = max(1, len(self.attempts) - back)
                at = Handed(self.now, jitter, False, drops, self.openings)
                self.take(lifecycle.handed(self.progress, n, outcome, at))  # type: ignore[arg-type]
            case ("receipt", ReceiptState() as state, int(back)) if self.attempts:
                attempt = self.attempts[max(1, len(self.attempts) - back)]
                self.take(receipts.receipt(self.progress, attempt, state, self.now, self.now, self.openings))
            case ("crash", bool(drops)) if self.progress.state is MessageState.SENDING:
                self.take(lifecycle.crashed(self.progress, Handed(self.now, 0.0, False, drops, self.openings), "crash"))
            case ("cancel",):
                self.take(lifecycle.cancel(self.progress, self.now, "me"))
            case ("reschedule", send_in):
                send_at = None if send_in is None else self.now + int(str(send_in))
                self.take(lifecycle.reschedule(self.progress, self.now, send_at, 50_000, "me", self.openings))
            case ("reload", Openings() as openings):
                self.openings = openings
                self.take(lifecycle.look_again(self.progress, self.now, openings))
                assert lifecycle.look_again(self.progress, self.now, openings) is None, "looked at twice"
            case ("skip",) if self.progress.ready is not None:
                self.take(lifecycle.skip(self.progress, self.now, "gone", self.openings))


@given(plans, st.none() | st.integers(-10, 90_000), st.integers(1, 300_000), events)
def test_every_promise_holds_at_every_step(
    plan: tuple[Step, ...], send_in: int | None, ttl: int, happened: list[tuple[object, ...]]
) -> None:
    """I7, I8, I11, I12; and no line is claimed while a calendar of the step is closed."""
    life = Life(plan, send_in, ttl)
    life.check()
    for event in happened:
        life.apply(event)


@given(plans, st.none() | st.integers(-10, 90_000), st.integers(1, 300_000), events)
def test_left_alone_every_message_comes_to_an_end(
    plan: tuple[Step, ...], send_in: int | None, ttl: int, happened: list[tuple[object, ...]]
) -> None:
    """I12: each wake-up brings it nearer to its end, and after its validity it is over."""
    life = Life(plan, send_in, ttl)
    for event in happened:
        life.apply(event)
    for _ in range(50):
        if life.progress.due_at is None:
            break
        life.now = max(life.now, life.progress.due_at)
        before = life.progress
        life.take(lifecycle.due(before, life.now, life.openings))
        assert life.progress != before, "woken for nothing"
    assert life.progress.state.is_final


@given(plans, events, st.lists(st.integers(0, 40), min_size=1, max_size=10))
def test_receipts_repeated_in_any_order_change_nothing(
    plan: tuple[Step, ...], happened: list[tuple[object, ...]], again: list[int]
) -> None:
    """I23."""
    life = Life(plan, None, 200_000)
    given_: list[tuple[object, ...]] = []
    for event in happened:
        life.apply(event)
        if event[0] == "receipt" and event[1] in (ReceiptState.DELIVERED, ReceiptState.READ):
            given_.append((*event, len(life.attempts)))
    if not life.progress.state.is_final:
        return
    before = (life.progress.state, life.progress.delivered_at, life.progress.read_at)
    for index in again:
        if given_:
            _, state, back, count = given_[index % len(given_)]
            n = max(1, int(str(count)) - int(str(back)))
            if n in life.attempts and isinstance(state, ReceiptState):
                life.take(receipts.receipt(life.progress, life.attempts[n], state, life.now, life.now, life.openings))
    assert (life.progress.state, life.progress.delivered_at, life.progress.read_at) == before


@given(st.integers(1, 100_000), st.integers(0, 99_999))
def test_a_deadline_never_fires_early(wait_ms: int, passed: int) -> None:
    """I14."""
    step = Step(LineName("a"), wait_ms)
    progress = lifecycle.begin(MessageId("m"), (step, step), NOW, None, NOW + 10_000_000, ALWAYS_OPEN).progress
    claimed = lifecycle.claim(progress, NOW, 200_000, ALWAYS_OPEN)
    assert claimed is not None
    sent = lifecycle.handed(claimed.progress, 1, Accepted(), Handed(NOW, 0.0, False, False, ALWAYS_OPEN)).progress
    moved = lifecycle.due(sent, NOW + passed, ALWAYS_OPEN)
    assert (moved is not None) == (passed >= wait_ms)


def test_without_a_plan_a_message_has_failed_for_want_of_a_route() -> None:
    progress: Progress = lifecycle.begin(MessageId("m"), (), NOW, None, NOW + 1, ALWAYS_OPEN).progress
    assert (progress.state, progress.code) == (MessageState.FAILED, "no_route")
