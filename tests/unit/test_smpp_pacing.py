"""Pauses of a throttled line and delays between connections."""

from __future__ import annotations

from random import Random

from datasms_daemon.lines.smpp_pacing import Backoff, Throttle


def test_the_pause_doubles_up_to_a_minute() -> None:
    throttle, now, pauses = Throttle(), 100.0, []
    for _ in range(8):
        throttle.refused(now)
        pauses.append(throttle.left(now))
        now += throttle.left(now)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_message_taken_after_the_pause_ends_the_doubling() -> None:
    throttle = Throttle()
    throttle.refused(100.0)
    throttle.refused(101.0)
    throttle.taken(103.0)
    throttle.refused(103.0)
    assert throttle.left(103.0) == 1


def test_what_was_sent_before_the_pause_changes_nothing() -> None:
    throttle = Throttle()
    throttle.refused(100.0)
    throttle.refused(100.5)
    throttle.taken(100.5)
    assert throttle.left(100.5) == 0.5
    throttle.refused(101.0)
    assert throttle.left(101.0) == 2


def test_outside_a_pause_nothing_is_left() -> None:
    throttle = Throttle()
    assert throttle.left(0.0) == 0
    throttle.refused(5.0)
    assert throttle.left(7.0) == 0


def test_delays_double_to_a_minute_each_moved_by_up_to_a_fifth() -> None:
    backoff = Backoff(Random(7))
    delays = [backoff.delay() for _ in range(9)]
    for delay, base in zip(delays, [1, 2, 4, 8, 16, 32, 60, 60, 60], strict=True):
        assert 0.8 * base <= delay <= 1.2 * base
    assert delays != [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_delays_begin_anew_after_a_reset() -> None:
    backoff = Backoff(Random(7))
    for _ in range(5):
        backoff.delay()
    backoff.reset()
    assert backoff.delay() <= 1.2
