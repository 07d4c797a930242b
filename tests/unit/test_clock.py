"""UTC that does not step, and ids that sort."""

from __future__ import annotations

import uuid

import hypothesis.strategies as st
from hypothesis import given

from datasms_daemon.ops.clock import Clock
from datasms_daemon.ops.ids import IdSource


class Hands:
    """A wall clock and a stop watch."""

    def __init__(self) -> None:
        self.wall = 1_000_000
        self.elapsed = 500

    def pass_(self, ms: int) -> None:
        """Both go on."""
        self.wall += ms
        self.elapsed += ms

    def clock(self, not_before: int = 0) -> Clock:
        """The daemon's clock on these."""
        return Clock(not_before, lambda: self.wall, lambda: self.elapsed)


def test_a_step_of_the_wall_clock_is_reported_and_not_followed() -> None:
    """I13."""
    hands = Hands()
    clock = hands.clock()
    hands.pass_(100)
    hands.wall += 3_600_000
    assert clock.follow() == 3_600_000
    assert clock.now_ms() == 1_000_100


def test_drift_is_followed_forwards_and_never_backwards() -> None:
    hands = Hands()
    clock = hands.clock()
    hands.wall += 40
    assert clock.follow() == 0
    assert clock.now_ms() == 1_000_040
    hands.wall -= 100
    clock.follow()
    assert clock.now_ms() == 1_000_040


def test_a_start_goes_on_from_the_last_heartbeat_when_the_wall_clock_is_behind() -> None:
    """I16."""
    assert Hands().clock(not_before=2_000_000).now_ms() == 2_000_000


@given(st.lists(st.integers(-3, 5), min_size=2, max_size=200), st.randoms(use_true_random=False))
def test_ids_sort_in_the_order_they_were_made(steps: list[int], random: object) -> None:
    moment = [1_700_000_000_000]
    new_id = IdSource(lambda: moment[0], random.randbytes)  # type: ignore[attr-defined]
    made = []
    for step in steps:
        moment[0] += step
        made.append(new_id())
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert all(uuid.UUID(one).version == 7 for one in made)
