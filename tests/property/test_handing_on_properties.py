"""When a text is handed on again: never sooner than the schedule, never later than a little, and not for ever."""

from __future__ import annotations

import base64
import time

from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from datasms_daemon.config.kinds import DAY
from datasms_daemon.model import Hopeless, NotTaken, Taken, TargetGone
from datasms_daemon.rules.handing_on import LONGEST_WISH_MS, SPREAD, WAITS_MS, Again, Dead, Done, Stop, decide
from datasms_daemon.rules.webhooks import headers, secret_of

NOW = 1_800_000_000_000
TRIES = st.integers(1, 40)
JITTER = st.floats(0, 1)


@given(TRIES, JITTER, st.none() | st.integers(NOW - 10**9, NOW + 10**10))
def test_the_next_try_keeps_the_schedule_and_the_far_ends_wish(
    tries: int, jitter: float, not_before: int | None
) -> None:
    decided = decide(NotTaken("it answered 503", not_before), NOW, tries, jitter)
    if tries > len(WAITS_MS):
        assert decided == Dead(f"tried {tries} times; the last time: it answered 503")
        return
    assert isinstance(decided, Again)
    wait = WAITS_MS[tries - 1]
    earliest = max(NOW + wait, min(not_before or 0, NOW + LONGEST_WISH_MS))
    assert earliest <= decided.at <= earliest + SPREAD * wait


@given(TRIES, JITTER)
def test_what_needs_no_other_try_gets_none(tries: int, jitter: float) -> None:
    assert decide(Taken(), NOW, tries, jitter) == Done()
    assert decide(Hopeless("550"), NOW, tries, jitter) == Dead("550")
    assert decide(TargetGone("410"), NOW, tries, jitter) == Stop("410")


@given(st.lists(JITTER, min_size=len(WAITS_MS), max_size=len(WAITS_MS)))
def test_the_last_try_is_three_to_three_and_a_half_days_after_the_first(jitters: list[float]) -> None:
    now = NOW
    for n, jitter in enumerate(jitters, start=1):
        decided = decide(NotTaken("x"), now, n, jitter)
        assert isinstance(decided, Again)
        now = decided.at
    assert 3 * DAY < now - NOW < 3.5 * DAY


KEYS = st.lists(st.binary(min_size=24, max_size=64), min_size=1, max_size=2)


@given(st.text(max_size=200), KEYS, st.from_regex("in_[0-9a-f]{32}", fullmatch=True))
def test_whatever_is_signed_is_verified_with_each_key(text: str, keys: list[bytes], id_: str) -> None:
    body = text.encode("utf-8", "replace")
    signed = headers(keys, id_, int(time.time()), body)
    for key in keys:
        secret = f"whsec_{base64.b64encode(key).decode()}"
        assert secret_of(secret) == key
        Webhook(secret).verify(body, signed, json_parse=False)
