"""The circuit breaker's numbers (reliability.md § 5b)."""

from __future__ import annotations

from datasms_daemon.rules.breaker import Breaker

NOW = 1_790_000_000_000


def fail(breaker: Breaker, times: int, at: int = NOW, every: int = 100) -> None:
    """So many calls that fail one after the other."""
    for n in range(times):
        breaker.end(breaker.begin(at + n * every), at + n * every, good=False)


def is_open(breaker: Breaker) -> bool:
    """Whether calls are held back."""
    return breaker.opened_at is not None


def test_the_tenth_failure_within_30_seconds_opens_it() -> None:
    breaker = Breaker()
    fail(breaker, 9)
    assert not is_open(breaker)
    assert breaker.is_failing
    fail(breaker, 1, NOW + 30_000)
    assert breaker.opened_at == NOW + 30_000
    assert breaker.reason == "10 failures in a row"


def test_failures_far_apart_do_not_open_it() -> None:
    breaker = Breaker()
    fail(breaker, 40, every=3_400)
    assert not is_open(breaker)


def test_a_success_between_them_lets_the_count_begin_anew() -> None:
    breaker = Breaker()
    for _ in range(10):
        fail(breaker, 9)
        breaker.end(breaker.begin(NOW), NOW, good=True)
    assert not is_open(breaker)


def test_what_says_nothing_of_the_service_neither_counts_nor_excuses() -> None:
    breaker = Breaker()
    fail(breaker, 9)
    for _ in range(20):
        breaker.end(breaker.begin(NOW), NOW, good=None)
    assert not is_open(breaker)
    fail(breaker, 1)
    assert is_open(breaker)


def test_one_probe_each_15_seconds_until_one_succeeds() -> None:
    breaker = Breaker()
    fail(breaker, 10, every=0)
    assert breaker.wait(NOW) == 15_000
    assert breaker.wait(NOW + 14_999) == 1
    probe = breaker.begin(NOW + 15_000)
    assert breaker.wait(NOW + 15_000) == 15_000
    breaker.end(probe, NOW + 16_000, good=False)
    assert breaker.opened_at == NOW
    assert breaker.wait(NOW + 30_000) == 0
    breaker.end(breaker.begin(NOW + 30_000), NOW + 31_000, good=True)
    assert not is_open(breaker)
    assert breaker.wait(NOW + 31_000) == 0


def test_a_probe_that_never_comes_back_does_not_keep_it_open_for_ever() -> None:
    breaker = Breaker()
    fail(breaker, 10, every=0)
    breaker.begin(NOW + 15_000)
    assert breaker.wait(NOW + 30_000) == 0


def test_ten_calls_without_any_success_for_5_seconds_open_it_before_they_time_out() -> None:
    breaker = Breaker()
    calls = [breaker.begin(NOW + n) for n in range(10)]
    assert breaker.wait(NOW + 4_999) == 0
    assert breaker.wait(NOW + 5_000) == 15_000
    assert breaker.reason == "10 calls under way, no answer for 5 s"
    breaker.end(calls[0], NOW + 6_000, good=True)
    assert breaker.wait(NOW + 6_000) == 0


def test_one_call_that_hangs_among_many_that_succeed_opens_nothing() -> None:
    breaker = Breaker()
    breaker.begin(NOW)
    for n in range(1, 100):
        calls = [breaker.begin(NOW + n * 200) for _ in range(12)]
        assert breaker.wait(NOW + n * 200) == 0
        for call in calls:
            breaker.end(call, NOW + n * 200, good=True)
