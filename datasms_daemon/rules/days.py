"""Days and months as limits count by them: those of one time zone."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, tzinfo

from datasms_daemon.model import Record


class Day(Record, frozen=True):
    """One day: ``name`` as 2026-11-25, ``month`` as 2026-11; when each began and will be over, UTC ms."""

    name: str
    month: str
    begins_at: int
    ends_at: int
    month_begins_at: int
    month_ends_at: int


class Days:
    """The days of one zone; remembers the last one it was asked for."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._last: Day | None = None

    def at(self, now: int) -> Day:
        """The day that a moment (UTC ms) falls into."""
        last = self._last
        if last is None or not last.begins_at <= now < last.ends_at:
            last = self._last = self._day(now)
        return last

    def next(self, clock: time, after: int) -> int:
        """The first moment after that one (UTC ms) at which clocks there show so much; later where they skip it."""
        today = datetime.fromtimestamp(after / 1000, self._zone).date()
        moments = (datetime.combine(day, clock, self._zone) for day in (today, today + timedelta(days=1)))
        return next(at for moment in moments if (at := int(moment.timestamp()) * 1000) > after)

    def _day(self, now: int) -> Day:
        today = datetime.fromtimestamp(now / 1000, self._zone).date()
        first = today.replace(day=1)
        following = (first + timedelta(days=31)).replace(day=1)
        bounds = [self._midnight(day) for day in (today, today + timedelta(days=1), first, following)]
        return Day(today.isoformat(), today.isoformat()[:7], *bounds)

    def _midnight(self, day: date) -> int:
        """When the day begins, also where its clocks skip midnight."""
        return int(datetime(day.year, day.month, day.day, tzinfo=self._zone).timestamp()) * 1000
