"""Days and months of a zone: every moment is in one of each, and they follow each other without a gap."""

from __future__ import annotations

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from datasms_daemon.rules.days import Days

ZONES = [UTC, *map(ZoneInfo, ("Europe/Prague", "America/New_York", "Asia/Beirut", "America/Sao_Paulo", "Asia/Kolkata"))]
zones = st.sampled_from(ZONES)
moments = st.integers(1_000_000_000_000, 2_200_000_000_000)


@given(zones, moments)
def test_a_moment_lies_within_its_day_and_its_month(zone: ZoneInfo, now: int) -> None:
    day = Days(zone).at(now)
    local = datetime.fromtimestamp(now / 1000, zone)
    assert (day.name, day.month) == (local.strftime("%Y-%m-%d"), local.strftime("%Y-%m"))
    assert day.month_begins_at <= day.begins_at <= now < day.ends_at <= day.month_ends_at


@given(zones, moments)
def test_days_and_months_follow_each_other_without_a_gap(zone: ZoneInfo, now: int) -> None:
    """Also where clocks skip midnight or have it twice."""
    days = Days(zone)
    day = days.at(now)
    assert days.at(day.ends_at).begins_at == day.ends_at
    assert days.at(day.ends_at).name > day.name
    assert days.at(day.begins_at - 1).ends_at == day.begins_at
    assert days.at(day.month_ends_at).month_begins_at == day.month_ends_at
    assert days.at(day.month_begins_at - 1).month_ends_at == day.month_begins_at


@given(zones, st.lists(moments, max_size=5))
def test_what_was_asked_before_changes_nothing(zone: ZoneInfo, asked: list[int]) -> None:
    days = Days(zone)
    assert [days.at(now) for now in asked] == [Days(zone).at(now) for now in asked]


@given(zones, st.times().map(lambda at: at.replace(second=0, microsecond=0)), moments)
def test_a_time_of_day_comes_within_a_day_and_is_what_clocks_show(zone: ZoneInfo, clock: time, now: int) -> None:
    """Where they skip it, they show what they would show if they had not."""
    at = Days(zone).next(clock, now)
    assert now < at <= now + 25 * 3_600_000
    local = datetime.fromtimestamp(at / 1000, zone)
    skipped = datetime.combine(local.date(), clock, zone)
    assert local.time() == clock or datetime.fromtimestamp(skipped.timestamp(), zone) == local
    assert at % 1000 == 0


@given(zones, st.sampled_from([time(0), time(2, 30), time(12), time(23, 59)]), moments)
def test_a_time_of_day_comes_once_every_day(zone: ZoneInfo, clock: time, now: int) -> None:
    days = Days(zone)
    first = days.next(clock, now)
    assert days.next(clock, first - 1) == first
    assert days.next(clock, first) - first in range(22 * 3_600_000, 26 * 3_600_000 + 1)
