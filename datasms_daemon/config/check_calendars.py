"""What must be true of calendars and of what names them."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable
from datetime import date

from datasms_daemon.config.calendars import CalendarOptions, check_events
from datasms_daemon.config.problems import Problems, below, nearest
from datasms_daemon.config.records import Config
from datasms_daemon.config.references import one_of
from datasms_daemon.config.units import parse_zone
from datasms_daemon.rules.calendar_file import CalendarFileError
from datasms_daemon.rules.opening_hours import CLOSED, DAYS, MIDNIGHT, Span, parse_days, parse_span, public_holidays

_SPAN = "08:00-17:00 or, into the next day, 22:00-06:00"
_WEEK = len(DAYS) * MIDNIGHT


def check_calendars(config: Config, problems: Problems) -> None:
    """Adds every problem of calendars, and of rules, lines and senders that name one."""
    for table, entries in (("rule", config.rule), ("line", config.line)):
        for entry in entries:
            _named(below(below(table, entry.name), "calendar"), entry.calendar, config, problems)
    for table, senders in (("sender", config.sender), ("sender_group", config.sender_group)):
        for name, sender in senders.items():
            _named(below(below(table, name), "calendar"), sender.calendar or None, config, problems)
    _named("sender_defaults.calendar", config.sender_defaults.calendar or None, config, problems)
    for name, options in config.calendar.items():
        place = below("calendar", name)
        check_zone(below(place, "timezone"), options.timezone, problems)
        _hours(below(place, "hours"), options, problems)
        _holidays(below(place, "holidays"), options.holidays, problems)
        _exceptions(below(place, "exceptions"), options, problems)
        if options.file is not None:
            _file(below(place, "file"), options, problems)
        elif options.events == "open":
            problems.add(below(place, "events"), "there is no file", 'file = "….ics", or leave it out', options.events)
        if not _may_open(options):
            problems.add(below(place, "hours"), "is never open", 'hours such as { mon-fri = "08:00-17:00" }')


def _named(place: str, name: str | None, config: Config, problems: Problems) -> None:
    if name is not None and name not in config.calendar:
        problems.add(place, "there is no such calendar", one_of(name, config.calendar), name)


def check_zone(place: str, name: str, problems: Problems) -> None:
    """Adds a problem when there is no such time zone."""
    if parse_zone(name) is None:
        known = zoneinfo.available_timezones()
        problems.add(place, "is no time zone", nearest(name, known, "a name such as Europe/Prague"), name)


def _holidays(place: str, name: str | None, problems: Problems) -> None:
    if name is not None and public_holidays(name) is None:
        problems.add(place, "no public holidays are known", 'a country such as "CZ", or a part of one: "DE-BY"', name)


def _hours(place: str, options: CalendarOptions, problems: Problems) -> None:
    week: list[Span] = []
    for days, texts in options.hours.items():
        here = below(place, days)
        numbers = parse_days(days)
        if numbers is None:
            problems.add(here, "is no day", "mon, tue, wed, thu, fri, sat, sun or from one to another: mon-fri")
        spans = _spans(here, texts, problems)
        added = [(day * MIDNIGHT + a, day * MIDNIGHT + b) for day in numbers or () for a, b in spans]
        if _overlap([*week, *added]):
            problems.add(here, "overlaps with other hours", "each time of the week once", texts)
        else:
            week += added


def _exceptions(place: str, options: CalendarOptions, problems: Problems) -> None:
    for day, texts in options.exceptions.items():
        here = below(place, day)
        if not _is_date(day):
            problems.add(here, "is no date", "one such as 2026-12-24")
        elif texts != (CLOSED,) and _overlap(_spans(here, texts, problems)):
            problems.add(here, "overlaps with itself", "each time of the day once", texts)
        elif not texts:
            problems.add(here, "is empty", f'"{CLOSED}", or {_SPAN}')


def _spans(place: str, texts: Iterable[str], problems: Problems) -> list[Span]:
    spans = []
    for text in texts:
        span = parse_span(text)
        if span is None:
            problems.add(place, "is no time of the day", _SPAN, text)
        else:
            spans.append(span)
    return spans


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _overlap(spans: Iterable[Span]) -> bool:
    """Within a week that begins again after its end."""
    ordered = sorted(spans)
    again = [(a + _WEEK, b + _WEEK) for a, b in ordered[:1]]
    following = [*ordered[1:], *again]
    return any(end > start for (_, end), (start, _) in zip(ordered, following, strict=True))


def _file(place: str, options: CalendarOptions, problems: Problems) -> None:
    assert options.file is not None
    try:
        check_events(options.file)
    except CalendarFileError as error:
        problems.add(place, error.wrong, error.right)


def _may_open(options: CalendarOptions) -> bool:
    opens = [texts for texts in (*options.hours.values(), *options.exceptions.values()) if texts not in ((), (CLOSED,))]
    return bool(opens) or (options.file is not None and options.events == "open")
