"""Whatever happens to the calls: the circuit opens only for a reason, then lets through a trickle, and closes again."""

from __future__ import annotations

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from datasms_daemon.rules.breaker import OPENS_AFTER, PROBE_MS, STUCK_MS, WINDOW_MS, Breaker

EPOCH = 1_790_000_000_000
# After so many ms one more call is wanted; then the oldest one under way ends well (True), badly (False), without a
# word on the service (None), or goes on ("hang").
Ending = bool | str | None
endings: st.SearchStrategy[Ending] = st.sampled_from([*[False] * 8, True, None, "hang", "hang"])
# A history has a pace of its own, with pauses.
paces = st.sampled_from([0, 100, 1_000, 3_400, 6_000])
histories = paces.flatmap(
    lambda pace: st.lists(
        st.tuples(st.sampled_from([pace, pace, pace, 0, 5_000, 15_000]), endings), min_size=40, max_size=80
    )
)


class World:
    """A breaker whose calls end in the order they began."""

    def __init__(self) -> None:
        self.breaker = Breaker()
        self.now = EPOCH
        self.under_way: deque[tuple[int, int]] = deque()
        self.row: list[int] = []
        self.succeeded_at = 0
        self.probes: list[int] = []

    def live(self, history: list[tuple[int, Ending]]) -> World:
        """Goes through a history, which ``call`` and ``end`` watch."""
        for gap, ending in history:
            self.now += gap
            self.call()
            if ending != "hang":
                assert not isinstance(ending, str)
                self.end(ending)
        return self

    @property
    def is_open(self) -> bool:
        """Whether the circuit is."""
        return self.breaker.opened_at is not None

    def call(self) -> None:
        """A call is made if it may be."""
        was_open = self.is_open
        hangs = (
            len(self.under_way) >= OPENS_AFTER and self.now - max(self.under_way[0][1], self.succeeded_at) >= STUCK_MS
        )
        wait = self.breaker.wait(self.now)
        assert 0 <= wait <= PROBE_MS
        assert self.is_open == (was_open or hangs), "ten calls that hang open it, and nothing less"
        if wait == 0:
            if self.is_open:
                self._probe()
            self.under_way.append((self.breaker.begin(self.now), self.now))

    def end(self, good: bool | None) -> None:
        """The oldest call ends, if there is one."""
        if not self.under_way:
            return
        was_open = self.is_open
        if good is not None:
            self.row = [] if good else [*self.row, self.now]
        self.breaker.end(self.under_way.popleft()[0], self.now, good=good)
        in_a_row = len(self.row) >= OPENS_AFTER and self.now - self.row[-OPENS_AFTER] <= WINDOW_MS
        if good:
            self.succeeded_at = self.now
            assert not self.is_open, "a success did not close it"
        elif not was_open:
            assert self.is_open == (in_a_row and good is False), "ten failures in a row open it, and nothing less"

    def _probe(self) -> None:
        opened_at = self.breaker.opened_at
        assert opened_at is not None
        earlier = [opened_at, *(at for at in self.probes if at > opened_at)]
        assert self.now - earlier[-1] >= PROBE_MS, "a probe too many"
        self.probes.append(self.now)


@given(histories)
def test_it_opens_for_a_reason_lets_one_probe_through_a_span_and_closes_with_a_success(
    history: list[tuple[int, Ending]],
) -> None:
    World().live(history)


@given(histories)
def test_whoever_waits_as_told_may_try_and_a_success_makes_all_well(history: list[tuple[int, Ending]]) -> None:
    world = World().live(history)
    world.now += world.breaker.wait(world.now)
    assert world.breaker.wait(world.now) == 0
    world.breaker.end(world.breaker.begin(world.now), world.now, good=True)
    assert world.breaker.wait(world.now) == 0
    assert not world.breaker.is_failing


@given(histories, st.integers(1, 10**10))
def test_a_clock_that_was_set_back_puts_no_probe_off(history: list[tuple[int, Ending]], step_back: int) -> None:
    world = World().live([*history, *[(0, False)] * 2 * OPENS_AFTER])
    assert world.breaker.wait(world.now - step_back) <= PROBE_MS
