"""The events of an iCalendar file (RFC 5545) as intervals; what repeats is expanded a month at a time, on demand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

import icalendar
import recurring_ical_events

from datasms_daemon.errors import DatasmsError
from datasms_daemon.rules.calendars import DAY_MS, Interval, merged
from datasms_daemon.rules.opening_hours import Events, clipped, utc_ms

_CHUNK_DAYS = 32
_REMEMBERED_CHUNKS = 32
_FREQUENCIES = frozenset({"DAILY", "WEEKLY", "MONTHLY", "YEARLY"})
_FINE_PARTS = ("BYSECOND", "BYMINUTE", "BYHOUR")
_TIMES = frozenset({"DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID"})
_YEAR = timedelta(days=366)


class CalendarFileError(DatasmsError):
    """A file that cannot serve as a calendar: what is wrong, and what would be right."""

    def __init__(self, wrong: str, right: str) -> None:
        super().__init__(wrong)
        self.wrong = wrong
        self.right = right


def check_file(content: bytes) -> None:
    """CalendarFileError: it holds no event, or one that repeats in a way that cannot be followed."""
    events = _parsed(content).walk("VEVENT")
    if not events:
        raise CalendarFileError("holds no event", "a file with VEVENTs")
    for event in events:
        if any(name in _TIMES for name, _ in event.errors):
            raise CalendarFileError("holds an event that cannot be read", "events as RFC 5545 has them")
        _check_repeats(event)
        start = event.get("DTSTART")
        if start is None:
            raise CalendarFileError("holds an event without DTSTART", "a DTSTART for each event")
        first = _moment(start.dt, UTC)
        try:
            recurring_ical_events.of(event).between(first, first + _YEAR)
        except (ValueError, TypeError, OverflowError):
            raise CalendarFileError("holds an event that cannot be followed", "events as RFC 5545 has them") from None


def events_of(content: bytes, timezone: str) -> Events:
    """The intervals of the events of a checked file by UTC day.

    Times without a zone, and whole days, are those of ``timezone``. Cancelled events do not count.
    CalendarFileError: the file is none.
    """
    zone = ZoneInfo(timezone)
    query = recurring_ical_events.of(_parsed(content), skip_bad_series=True)

    @lru_cache(_REMEMBERED_CHUNKS)
    def chunk(number: int) -> list[Interval]:
        # A day more on either side: times without a zone are compared in another one.
        start = datetime.fromtimestamp((number * _CHUNK_DAYS - 1) * DAY_MS / 1000, UTC)
        found = query.between(start, start + timedelta(days=_CHUNK_DAYS + 2))
        return merged(
            (utc_ms(_moment(event["DTSTART"].dt, zone)), utc_ms(_moment(event["DTEND"].dt, zone)))
            for event in found
            if event.get("STATUS") != "CANCELLED"
        )

    def day(number: int) -> Sequence[Interval]:
        return clipped(chunk(number // _CHUNK_DAYS), number)

    return day


def _parsed(content: bytes) -> icalendar.Calendar:
    try:
        parsed = icalendar.Calendar.from_ical(content)
    except (ValueError, IndexError, KeyError):
        raise CalendarFileError("is no iCalendar file", "a file that begins with BEGIN:VCALENDAR") from None
    if not isinstance(parsed, icalendar.Calendar):
        raise CalendarFileError("is no iCalendar file", "a file that begins with BEGIN:VCALENDAR")
    return parsed


def _check_repeats(event: icalendar.cal.Component) -> None:
    """What repeats within a day would be expanded into very many events."""
    rules = event.get("RRULE", [])
    for rule in rules if isinstance(rules, list) else [rules]:
        frequency = rule.get("FREQ", [""])
        if str(frequency[0]).upper() not in _FREQUENCIES or any(part in rule for part in _FINE_PARTS):
            raise CalendarFileError("repeats an event within a day", "FREQ DAILY, WEEKLY, MONTHLY or YEARLY")


def _moment(value: date | datetime, zone: tzinfo) -> datetime:
    moment = value if isinstance(value, datetime) else datetime.combine(value, time())
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
