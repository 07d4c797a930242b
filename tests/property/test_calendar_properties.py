"""Calendars against a slow model that looks at the clock on the wall minute by minute."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import product
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasms_daemon.config.calendars import CalendarOptions
from datasms_daemon.rules.calendars import Calendar, all_of
from datasms_daemon.rules.opening_hours import DAYS, calendar_of, parse_span, utc_ms

MINUTE = 60_000
# A day on which the clock is put forward, back, or leaves a whole day out, and days on which nothing happens.
DAYS_OF_INTEREST = (
    ("Europe/Prague", date(2026, 3, 29)),
    ("Europe/Prague", date(2026, 10, 25)),
    ("America/New_York", date(2026, 3, 8)),
    ("America/New_York", date(2026, 11, 1)),
    ("Australia/Lord_Howe", date(2026, 4, 5)),
    ("Australia/Lord_Howe", date(2026, 10, 4)),
    ("America/Santiago", date(2026, 9, 6)),
    ("Pacific/Apia", date(2011, 12, 30)),
    ("Pacific/Kiritimati", date(2026, 12, 24)),
    ("Etc/GMT+12", date(2026, 1, 1)),
    ("UTC", date(2026, 6, 1)),
)

# The clock is mostly changed at night.
times = st.integers(0, 4) | st.integers(0, 23)
clocks = st.builds(lambda hour, minute: f"{hour:02}:{minute:02}", times, st.sampled_from((0, 1, 30, 59)))
spans = st.builds(lambda start, end: f"{start}-{end}", clocks, clocks | st.just("24:00")).filter(parse_span)
hours = st.lists(spans, max_size=2).map(tuple)
weeks = st.dictionaries(st.sampled_from(DAYS), hours)


@st.composite
def scenes(draw: st.DrawFn) -> tuple[CalendarOptions, date]:
    """A calendar, and a day around which to look at it."""
    zone, day = draw(st.sampled_from(DAYS_OF_INTEREST))
    near = st.integers(-2, 2).map(lambda days: (day + timedelta(days)).isoformat())
    exceptions = draw(st.dictionaries(near, hours | st.just(("closed",)), max_size=3))
    holidays = draw(st.none() | st.just("CZ"))
    return CalendarOptions(timezone=zone, hours=draw(weeks), holidays=holidays, exceptions=exceptions), day


CZECH_HOLIDAYS = {date(2026, 1, 1), date(2026, 4, 3), date(2026, 4, 6), date(2026, 12, 24), date(2026, 12, 25)}
CZECH_HOLIDAYS |= {date(2026, 12, 26), date(2026, 10, 28), date(2011, 12, 26), date(2012, 1, 1)}


def slow(options: CalendarOptions, day: date) -> dict[int, bool]:
    """Whether each minute from two days before to two days after is open."""
    start = utc_ms(datetime(day.year, day.month, day.day, tzinfo=UTC))
    minutes = range(start - 5 * 1440 * MINUTE, start + 5 * 1440 * MINUTE, MINUTE)
    walls = shown(options.timezone, minutes)
    is_open = dict.fromkeys(minutes, False)
    for number in range(-4, 4):
        that = day + timedelta(number)
        for text in texts_of(options, that):
            span = parse_span(text)
            assert span is not None
            first, last = (datetime.combine(that, time()) + timedelta(minutes=each) for each in span)
            opens = next(each for each, wall in zip(minutes, walls, strict=True) if wall >= first)
            closes = next(each for each, wall in zip(reversed(minutes), reversed(walls), strict=True) if wall < last)
            is_open.update(dict.fromkeys(range(opens, closes + MINUTE, MINUTE), True))
    return {each: is_open[each] for each in range(start - 2 * 1440 * MINUTE, start + 3 * 1440 * MINUTE, MINUTE)}


@lru_cache(len(DAYS_OF_INTEREST))
def shown(timezone: str, minutes: range) -> list[datetime]:
    """What the clock on the wall shows each minute."""
    zone = ZoneInfo(timezone)
    return [datetime.fromtimestamp(each / 1000, zone).replace(tzinfo=None) for each in minutes]


def texts_of(options: CalendarOptions, day: date) -> tuple[str, ...]:
    """The hours of one date."""
    exception = options.exceptions.get(day.isoformat())
    if exception is not None:
        return () if exception == ("closed",) else exception
    if options.holidays and day in CZECH_HOLIDAYS:
        return ()
    return options.hours.get(DAYS[day.weekday()], ())


@given(scenes())
def test_a_calendar_is_open_when_the_clock_on_the_wall_says_so(scene: tuple[CalendarOptions, date]) -> None:
    calendar, model = calendar_of(scene[0]), slow(*scene)
    assert {each: calendar.is_open(each) for each in model} == model
    for each in Random(1).sample(list(model), 100):
        assert calendar.is_open(each) is model[each]


@given(scenes(), st.integers(0, 5 * 1440 - 1), st.integers(0, 5 * 1440), st.integers(0, 3000))
def test_every_question_is_answered_as_by_counting_minutes(
    scene: tuple[CalendarOptions, date], at: int, other: int, wanted: int
) -> None:
    calendar, model = calendar_of(scene[0]), slow(*scene)
    minutes = list(model)
    now, end = minutes[at], minutes[0] + other * MINUTE
    after = minutes[at:]
    assert calendar.open_ms(now, end) == sum(MINUTE for each in after if model[each] and each < end)
    opens = next((each for each in after if model[each]), None)
    closes = next((each for each in after if not model[each]), None)
    if opens is not None:
        assert calendar.opens(now) == opens
    if closes is not None:
        assert calendar.closes(now) == closes
    passed = [each + MINUTE for each in after if model[each]]
    if wanted == 0:
        assert calendar.after(now, 0) == now
    elif wanted <= len(passed):
        assert calendar.after(now, wanted * MINUTE) == passed[wanted - 1]


@given(st.lists(scenes(), max_size=3), st.integers(0, 10_000))
def test_all_of_several_is_open_while_each_is(many: list[tuple[CalendarOptions, date]], minutes: int) -> None:
    calendars = [calendar_of(options) for options, _ in many]
    together = all_of(calendars)
    for day in [date(2026, 1, 1), *(day for _, day in many)]:
        at = utc_ms(datetime(day.year, day.month, day.day, tzinfo=UTC)) + minutes * MINUTE
        assert together.is_open(at) == all(calendar.is_open(at) for calendar in calendars)


@given(scenes(), st.integers(-3 * 86_400_000, 3 * 86_400_000), st.integers(1, 200_000_000))
def test_what_is_counted_between_is_what_has_passed_after(
    scene: tuple[CalendarOptions, date], offset: int, ms: int
) -> None:
    calendar = calendar_of(scene[0])
    now = utc_ms(datetime(scene[1].year, scene[1].month, scene[1].day, tzinfo=UTC)) + offset
    then = calendar.after(now, ms)
    if then is None:
        assert calendar.open_ms(now, now + 390 * 86_400_000) < ms
    else:
        assert calendar.open_ms(now, then) == ms
        assert calendar.open_ms(now, then - 1) < ms


def test_one_that_never_opens_says_so() -> None:
    never = Calendar(lambda day: ())
    assert (never.is_open(5), never.opens(5), never.closes(5), never.after(5, 1)) == (False, None, 5, None)


def test_one_that_never_closes_says_so() -> None:
    ever = all_of([])
    assert (ever.is_open(5), ever.opens(5), ever.closes(5), ever.after(5, 7)) == (True, 5, None, 12)


NIGHT = ("00:00", "01:00", "01:45", "02:00", "02:30", "03:00", "03:30", "24:00")


@pytest.mark.parametrize(("timezone", "day"), DAYS_OF_INTEREST)
def test_every_opening_and_closing_around_a_change_of_the_clock(timezone: str, day: date) -> None:
    texts = (f"{start}-{end}" for start, end in product(NIGHT[:-1], NIGHT) if start != end)
    for text in texts:
        options = CalendarOptions(timezone=timezone, exceptions={day.isoformat(): (text,)})
        calendar, model = calendar_of(options), slow(options, day)
        assert {each: calendar.is_open(each) for each in model} == model, text
