"""What the configuration says of a calendar, as a :class:`~datasms_daemon.rules.calendars.Calendar`.

Hours are read from the clock on the wall: an interval begins when it first shows the opening time and ends when it last
shows a time before the closing one. So what the clock leaves out in spring begins or ends where it jumps, and what it
shows twice in autumn counts twice. An interval belongs to the day on which it begins: a holiday closes those that begin
on it, and a night that began before goes on. What holds of a day, strongest first: events of the file that close,
the exception, the public holiday, the week; events of the file that open are added.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Literal, Protocol
from zoneinfo import ZoneInfo

import holidays

from datasms_daemon.rules.calendars import DAY_MS, Calendar, Interval, merged, without

Span = tuple[int, int]
"""Minutes from midnight of the day it begins on; the second may lie in the next day."""

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
CLOSED = "closed"
MIDNIGHT = 24 * 60
_SPAN = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])")
_EPOCH = date(1970, 1, 1).toordinal()
_MINUTE = timedelta(minutes=1)
_REMEMBERED_DATES = 1024


class CalendarOptions(Protocol):
    """What the configuration says of one calendar; it has been checked."""

    @property
    def timezone(self) -> str: ...
    @property
    def hours(self) -> Mapping[str, Sequence[str]]: ...
    @property
    def holidays(self) -> str | None: ...
    @property
    def exceptions(self) -> Mapping[str, Sequence[str]]: ...
    @property
    def events(self) -> Literal["closed", "open"]: ...


Events = Callable[[int], Sequence[Interval]]
"""The intervals of a file's events that touch a UTC day, ordered and disjoint."""


def parse_days(text: str) -> tuple[int, ...] | None:
    """The days of ``mon`` or ``mon-fri`` (Monday 0); ``sat-mon`` goes over the week's end. None: not such a text."""
    first, dash, last = text.partition("-")
    if first not in DAYS or (dash and last not in DAYS):
        return None
    begin, end = DAYS.index(first), DAYS.index(last or first)
    return tuple(day % 7 for day in range(begin, end + 1 if end >= begin else end + 8))


def parse_span(text: str) -> Span | None:
    """The minutes of ``08:00-17:00``; ``22:00-06:00`` ends on the next day. None: not such a text, or empty."""
    match = _SPAN.fullmatch(text)
    if match is None:
        return None
    start, end = int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])
    if end > MIDNIGHT or start == end:
        return None
    return (start, end) if end > start else (start, end + MIDNIGHT)


def public_holidays(name: str) -> Callable[[date], bool] | None:
    """Whether a day is a public holiday of ``CZ`` or ``DE-BY``. None: no such country or subdivision."""
    country, _, subdivision = name.partition("-")
    try:
        known = holidays.country_holidays(country, subdiv=subdivision or None)
    except NotImplementedError:
        return None
    return known.__contains__


def calendar_of(options: CalendarOptions, events: Events | None = None) -> Calendar:
    """The calendar of checked options; ``events`` are those of its file."""
    zone = ZoneInfo(options.timezone)
    week: list[list[Span]] = [[] for _ in DAYS]
    for days, spans in options.hours.items():
        for day in parse_days(days) or ():
            week[day] += _spans(spans)
    exceptions = {date.fromisoformat(day): _spans(spans) for day, spans in options.exceptions.items()}
    is_holiday = (options.holidays and public_holidays(options.holidays)) or (lambda day: False)

    @lru_cache(_REMEMBERED_DATES)
    def of_date(ordinal: int) -> list[Interval]:
        day = date.fromordinal(ordinal)
        spans = exceptions.get(day)
        if spans is None:
            spans = [] if is_holiday(day) else week[day.weekday()]
        return [(_opening(day, start, zone), _closing(day, end, zone)) for start, end in spans]

    def of_day(number: int) -> list[Interval]:
        # A zone may be 14 hours ahead or 12 behind, and an interval may end a day after it began.
        dates = range(_EPOCH + number - 2, _EPOCH + number + 2)
        found = merged(interval for ordinal in dates for interval in of_date(ordinal))
        if events is not None:
            found = without(found, events(number)) if options.events == CLOSED else merged([*found, *events(number)])
        return clipped(found, number)

    return Calendar(of_day)


def clipped(intervals: Sequence[Interval], day: int) -> list[Interval]:
    """What of them lies within a UTC day."""
    start, end = day * DAY_MS, (day + 1) * DAY_MS
    return [(max(a, start), min(b, end)) for a, b in intervals if b > start and a < end]


def _spans(texts: Sequence[str]) -> list[Span]:
    return [span for text in texts if (span := parse_span(text)) is not None]


def _opening(day: date, minutes: int, zone: ZoneInfo) -> int:
    shown = datetime.combine(day, datetime.min.time()) + minutes * _MINUTE
    jump = _jump(shown, zone)
    return utc_ms(shown.replace(tzinfo=zone)) if jump is None else jump


def _closing(day: date, minutes: int, zone: ZoneInfo) -> int:
    last = datetime.combine(day, datetime.min.time()) + (minutes - 1) * _MINUTE
    jump = _jump(last, zone)
    return utc_ms(last.replace(tzinfo=zone, fold=1)) + 60_000 if jump is None else jump


def _jump(shown: datetime, zone: ZoneInfo) -> int | None:
    """When the clock jumps over this time; None: it shows it."""
    before, after = shown.replace(tzinfo=zone), shown.replace(tzinfo=zone, fold=1)
    earliest, latest = utc_ms(after), utc_ms(before)
    if earliest >= latest:
        return None
    offset = after.utcoffset()
    while earliest < latest:
        middle = (earliest + latest) // 2
        if datetime.fromtimestamp(middle / 1000, zone).utcoffset() == offset:
            latest = middle
        else:
            earliest = middle + 1
    return latest


def utc_ms(moment: datetime) -> int:
    """UTC ms of a moment that knows its zone."""
    return (moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
