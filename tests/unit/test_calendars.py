"""Calendars by example: what an administrator writes and when it is open then."""

from __future__ import annotations

from datetime import datetime

import pytest

from datasms_daemon.config.calendars import CalendarOptions
from datasms_daemon.rules.calendar_file import CalendarFileError, check_file, events_of
from datasms_daemon.rules.calendars import Calendar
from datasms_daemon.rules.opening_hours import calendar_of, utc_ms

MINUTE = 60_000
OFFICE = {"mon-fri": ("08:00-17:00",)}


def at(text: str) -> int:
    """UTC ms of a moment written with its offset."""
    return utc_ms(datetime.fromisoformat(text))


def prague(**options: object) -> Calendar:
    """A calendar in Prague."""
    return calendar_of(CalendarOptions(timezone="Europe/Prague", **options))  # type: ignore[arg-type]


def test_office_hours_open_and_close_to_the_millisecond() -> None:
    office = prague(hours=OFFICE)
    friday = at("2026-11-27T17:00+01:00")
    assert not office.is_open(at("2026-11-27T08:00+01:00") - 1)
    assert office.is_open(at("2026-11-27T08:00+01:00"))
    assert office.is_open(friday - 1)
    assert not office.is_open(friday)
    assert office.opens(friday) == at("2026-11-30T08:00+01:00")
    assert office.closes(at("2026-11-27T12:00+01:00")) == friday


def test_ten_minutes_from_five_to_five_end_at_five_past_eight_on_the_next_open_day() -> None:
    office = prague(hours=OFFICE, holidays="CZ")
    # 17 November, a Tuesday, is a public holiday.
    assert office.after(at("2026-11-16T16:55+01:00"), 10 * MINUTE) == at("2026-11-18T08:05+01:00")
    assert office.after(at("2026-11-18T16:55+01:00"), 5 * MINUTE) == at("2026-11-18T17:00+01:00")


def test_a_night_belongs_to_the_day_it_begins_on() -> None:
    nights = prague(hours={"wed": ("22:00-06:00",)}, exceptions={"2026-11-26": ("closed",), "2026-12-02": ("closed",)})
    assert nights.is_open(at("2026-11-26T05:59+01:00"))
    assert not nights.is_open(at("2026-12-03T05:59+01:00"))


def test_a_night_is_an_hour_shorter_in_spring_and_an_hour_longer_in_autumn() -> None:
    nights = prague(hours={"sat": ("22:00-06:00",)})
    spring, autumn = at("2026-03-28T22:00+01:00"), at("2026-10-24T22:00+02:00")
    assert nights.closes(spring) == spring + 7 * 60 * MINUTE
    assert nights.closes(autumn) == autumn + 9 * 60 * MINUTE


def test_a_time_that_the_clock_leaves_out_is_the_moment_of_the_jump_and_one_shown_twice_counts_twice() -> None:
    early = prague(hours={"sun": ("02:15-02:45",), "sat": ("23:00-02:30",)})
    jump = at("2026-03-29T03:00+02:00")
    assert early.closes(jump - MINUTE) == jump
    assert early.opens(jump) == at("2026-04-04T23:00+02:00")
    # 25 October: the clock shows 02:00 to 03:00 twice.
    assert early.closes(at("2026-10-25T01:00+02:00")) == at("2026-10-25T02:45+01:00")


def test_round_the_clock_does_not_close_at_midnight_but_for_an_exception() -> None:
    always = prague(hours={"mon-sun": ("00:00-24:00",)}, exceptions={"2026-12-24": ("closed",)})
    assert always.closes(at("2026-11-25T12:00+01:00")) == at("2026-12-24T00:00+01:00")
    assert always.opens(at("2026-12-24T12:00+01:00")) == at("2026-12-25T00:00+01:00")
    assert always.closes(at("2026-12-25T12:00+01:00")) is None


def test_an_exception_goes_before_a_holiday_and_a_holiday_before_the_week() -> None:
    office = prague(hours=OFFICE, holidays="CZ", exceptions={"2026-12-24": ("08:00-12:00",)})
    assert office.is_open(at("2026-12-24T11:59+01:00"))
    assert not office.is_open(at("2026-12-24T12:00+01:00"))
    assert not office.is_open(at("2026-12-25T10:00+01:00"))


@pytest.mark.parametrize(("where", "is_closed"), [("DE-BY", True), ("DE-BE", False)])
def test_a_holiday_of_a_part_of_a_country_is_one_there_only(where: str, is_closed: bool) -> None:
    epiphany = at("2026-01-06T10:00+01:00")
    assert prague(hours=OFFICE, holidays=where).is_open(epiphany) is not is_closed


# --- iCalendar files -------------------------------------------------------------------------------------------------


def ics(*events: str) -> bytes:
    """A file with these events."""
    bodies = "".join(f"BEGIN:VEVENT\nUID:{n}\n{event}\nEND:VEVENT\n" for n, event in enumerate(events))
    return f"BEGIN:VCALENDAR\nVERSION:2.0\n{bodies}END:VCALENDAR\n".replace("\n", "\r\n").encode()


def with_file(content: bytes, **options: object) -> Calendar:
    """A calendar in Prague with the events of a file."""
    check_file(content)
    events = events_of(content, "Europe/Prague")
    return calendar_of(CalendarOptions(timezone="Europe/Prague", **options), events)  # type: ignore[arg-type]


def test_an_event_of_whole_days_closes_them_in_the_calendars_own_zone() -> None:
    office = with_file(
        ics("DTSTART;VALUE=DATE:20261125\nDTEND;VALUE=DATE:20261127"), hours={"mon-sun": ("00:00-24:00",)}
    )
    assert office.closes(at("2026-11-24T20:00+01:00")) == at("2026-11-25T00:00+01:00")
    assert office.opens(at("2026-11-25T00:00+01:00")) == at("2026-11-27T00:00+01:00")


def test_an_event_that_repeats_closes_each_time_but_for_the_dates_left_out() -> None:
    meeting = "DTSTART;TZID=Europe/Prague:20260105T100000\nDTEND;TZID=Europe/Prague:20260105T110000\n"
    office = with_file(ics(meeting + "RRULE:FREQ=WEEKLY\nEXDATE;TZID=Europe/Prague:20261123T100000"), hours=OFFICE)
    # Ten o'clock on the wall, before and after daylight saving ends, months and years on.
    for day, offset in (("2026-10-19", "+02:00"), ("2026-11-30", "+01:00"), ("2031-03-31", "+02:00")):
        assert not office.is_open(at(f"{day}T10:30{offset}"))
        assert office.is_open(at(f"{day}T11:00{offset}"))
    assert office.is_open(at("2026-11-23T10:30+01:00"))


def test_times_without_a_zone_are_the_calendars_and_a_cancelled_event_does_not_count() -> None:
    office = with_file(
        ics("DTSTART:20261125T100000\nDURATION:PT1H", "DTSTART:20261125T120000Z\nDURATION:PT1H\nSTATUS:CANCELLED"),
        hours=OFFICE,
    )
    assert not office.is_open(at("2026-11-25T10:30+01:00"))
    assert office.is_open(at("2026-11-25T13:30+01:00"))


def test_events_can_be_what_is_open_beside_the_hours() -> None:
    extra = ics("DTSTART;TZID=Europe/Prague:20261128T090000\nDURATION:PT3H")
    office = with_file(extra, hours=OFFICE, events="open")
    assert office.opens(at("2026-11-27T17:00+01:00")) == at("2026-11-28T09:00+01:00")
    assert office.closes(at("2026-11-28T09:00+01:00")) == at("2026-11-28T12:00+01:00")
    only = with_file(extra, events="open")
    assert only.opens(at("2026-11-28T12:00+01:00")) is None


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (b"", "is no iCalendar file"),
        (b"\xff\xfe", "is no iCalendar file"),
        (b"BEGIN:VEVENT\r\nEND:VEVENT\r\n", "is no iCalendar file"),
        (ics(), "holds no event"),
        (ics("SUMMARY:when?"), "holds an event without DTSTART"),
        (ics("DTSTART:20261125T100000\nRRULE:FREQ=SECONDLY"), "repeats an event within a day"),
        (ics("DTSTART:20261125T100000\nRRULE:FREQ=DAILY;BYHOUR=1,2"), "repeats an event within a day"),
        (ics("DTSTART:yesterday"), "cannot be read"),
        (ics("DTSTART:20261125T100000\nRRULE:FREQ=DAILY;UNTIL=soon"), "cannot be read"),
    ],
    ids=["empty", "bytes", "no calendar", "no event", "no start", "secondly", "by hour", "bad start", "bad rule"],
)
def test_a_file_that_cannot_be_followed_is_refused(content: bytes, wrong: str) -> None:
    with pytest.raises(CalendarFileError, match=wrong):
        check_file(content)
