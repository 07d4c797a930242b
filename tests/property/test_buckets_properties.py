"""Token buckets never give more than they hold and always give what they promise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasms_daemon.rules.buckets import Bucket, Buckets

EPOCH = 1_790_000_000_000
capacities = st.integers(1, 100)
rates = st.sampled_from([1 / 30, 0.5, 1.0, 3.0, 50.0])
gaps = st.lists(st.tuples(st.integers(0, 120_000), st.integers(1, 3)), max_size=60)


@given(capacities, rates, gaps)
def test_in_any_span_no_more_is_given_than_the_capacity_and_the_refill(
    capacity: int, rate: float, gaps: list[tuple[int, int]]
) -> None:
    bucket = Bucket(capacity, rate)
    now, given_out = EPOCH, 0
    for gap, n in gaps:
        now += gap
        if n <= capacity and bucket.take(now, n) == 0:
            given_out += n
    assert given_out <= capacity + rate * (now - EPOCH) / 1000 + 1e-3


@given(capacities, rates, gaps)
def test_whoever_waits_as_told_is_served_and_not_a_millisecond_earlier(
    capacity: int, rate: float, gaps: list[tuple[int, int]]
) -> None:
    bucket = Bucket(capacity, rate)
    now = EPOCH
    for gap, n in gaps:
        now += gap
        wait = bucket.take(now, min(n, capacity))
        if wait:
            assert bucket.wait(now + wait - 1, min(n, capacity)) > 0
            assert bucket.take(now + wait, min(n, capacity)) == 0
            now += wait


@given(capacities, rates, st.integers(1, 10**9))
def test_a_clock_set_back_locks_nobody_out_for_longer_than_an_empty_bucket_does(
    capacity: int, rate: float, step_back: int
) -> None:
    bucket = Bucket(capacity, rate)
    for _ in range(capacity):
        assert bucket.take(EPOCH) == 0
    assert bucket.wait(EPOCH - step_back) <= 1000 / rate + 1


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 3000))), st.integers(1, 5))
def test_keyed_buckets_are_bounded_in_memory(takes: list[tuple[str, int]], limit: int) -> None:
    buckets = Buckets(2, 1.0, limit)
    now = EPOCH
    for key, gap in takes:
        now += gap
        buckets.take(key, now)
        assert len(buckets) <= limit


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 2000)), max_size=40))
def test_a_key_is_served_as_if_it_had_a_bucket_of_its_own(takes: list[tuple[str, int]]) -> None:
    buckets, own = Buckets(3, 1.0, 10), {"a": Bucket(3, 1.0), "b": Bucket(3, 1.0)}
    now = EPOCH
    for key, gap in takes:
        now += gap
        assert buckets.wait(key, now) == own[key].wait(now)
        assert buckets.take(key, now) == own[key].take(now)


def test_a_bucket_that_could_never_serve_is_refused() -> None:
    with pytest.raises(ValueError, match="rate above 0"):
        Bucket(1, 0)
    with pytest.raises(ValueError, match="more tokens"):
        Bucket(2, 1).take(EPOCH, 3)
