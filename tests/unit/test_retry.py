from __future__ import annotations

import pytest

from datasms_daemon.rules.retry import Backoff, next_try

NOW = 1_763_000_000_000
SECOND = 1_000
MINUTE = 60 * SECOND


def wait(
    tries: int,
    jitter: float = 1.0,
    *,
    urgent: bool = False,
    not_before: int | None = None,
    backoff: Backoff | None = None,
) -> int:
    return next_try(NOW, tries, jitter, urgent, not_before, backoff or Backoff()) - NOW


def test_a_priority_may_have_other_waits() -> None:
    patient = Backoff(MINUTE, 5 * MINUTE)
    assert [wait(tries, backoff=patient) // MINUTE for tries in range(1, 5)] == [1, 2, 4, 5]
    assert wait(1, urgent=True, backoff=Backoff(SECOND, MINUTE)) == SECOND


def test_the_wait_doubles_from_ten_seconds_to_ten_minutes() -> None:
    seconds = [wait(tries) // SECOND for tries in range(1, 10)]
    assert seconds == [10, 20, 40, 80, 160, 320, 600, 600, 600]
    assert wait(1_000_000) == 10 * MINUTE


def test_an_urgent_message_is_tried_again_after_two_seconds_once() -> None:
    assert [wait(tries, urgent=True) // SECOND for tries in range(1, 5)] == [2, 10, 20, 40]


@pytest.mark.parametrize(("jitter", "seconds"), [(0.0, 5), (0.5, 7.5), (1.0, 10)])
def test_the_jitter_spreads_the_upper_half_of_the_wait(jitter: float, seconds: float) -> None:
    assert wait(1, jitter) == seconds * SECOND


def test_what_the_far_end_asks_for_is_honoured_and_spread() -> None:
    assert wait(1, 0.0, not_before=NOW + 2 * MINUTE) == 2 * MINUTE
    assert wait(1, 1.0, not_before=NOW + 2 * MINUTE) == 2 * MINUTE + 5 * SECOND


def test_it_cannot_ask_for_more_than_an_hour() -> None:
    assert wait(1, 0.0, not_before=NOW + 30 * 24 * 60 * MINUTE) == 60 * MINUTE


def test_it_cannot_ask_for_less_than_our_own_wait() -> None:
    assert wait(1, 0.0, not_before=NOW - 1) == wait(1, 0.0)
    assert wait(5, 0.0, not_before=NOW + SECOND) == wait(5, 0.0)
