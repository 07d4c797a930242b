"""Options of calendars, and the calendars that they make."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Protocol

from msgspec import Meta

from datasms_daemon.config.kinds import Options
from datasms_daemon.errors import ConfigError
from datasms_daemon.rules.calendar_file import CalendarFileError, check_file, events_of
from datasms_daemon.rules.calendars import Calendar
from datasms_daemon.rules.opening_hours import calendar_of

_MOST = 1 << 20


class CalendarOptions(Options, frozen=True, kw_only=True):
    timezone: Annotated[
        str, Meta(description="Where its hours are read from the clock on the wall", examples=["Europe/Prague"])
    ]
    hours: Annotated[
        dict[str, tuple[str, ...]],
        Meta(
            description="Open, by day or days; several times a day are a list; 22:00-06:00 ends on the next day",
            examples=[{"mon-fri": "08:00-17:00", "sat": ["08:00-10:00", "22:00-06:00"]}],
        ),
    ] = {}
    holidays: Annotated[
        str | None,
        Meta(description="Closed on the public holidays of a country, or of a part of it: DE-BY", examples=["CZ"]),
    ] = None
    exceptions: Annotated[
        dict[str, tuple[str, ...]],
        Meta(
            description="By date, instead of week and holiday: closed, or hours",
            examples=[{"2026-12-24": "closed", "2026-12-31": "08:00-12:00"}],
        ),
    ] = {}
    file: Annotated[Path | None, Meta(description="iCalendar file with events", examples=["closures.ics"])] = None
    events: Annotated[Literal["closed", "open"], Meta(description="What the file's events are: closed or open")] = (
        "closed"
    )


class _Options(Protocol):
    @property
    def calendar(self) -> Mapping[str, CalendarOptions]: ...


def calendars_of(config: _Options) -> dict[str, Calendar]:
    """The calendars of a checked configuration, by name. ConfigError: a file is not what it was when it was checked."""
    calendars: dict[str, Calendar] = {}
    problems = []
    for name, options in config.calendar.items():
        try:
            events = None if options.file is None else events_of(_content(options.file), options.timezone)
            calendars[name] = calendar_of(options, events)
        except CalendarFileError as error:
            problems.append(f"[calendar.{name}.file]: {error.wrong}; {error.right}")
    if problems:
        raise ConfigError(problems)
    return calendars


def check_events(path: Path) -> None:
    """CalendarFileError: the file cannot serve as a calendar."""
    check_file(_content(path))


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST + 1)
    except OSError as error:
        raise CalendarFileError(f"cannot be read: {error.strerror}", "an iCalendar file") from None
    if len(content) > _MOST:
        raise CalendarFileError("is larger than 1 MiB", "an iCalendar file with less in it")
    return content
