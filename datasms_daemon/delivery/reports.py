"""Sums over a span of time, by the days and the groups of senders of one configuration."""

from __future__ import annotations

from collections.abc import Iterator

from datasms_daemon.config.load import zone_of
from datasms_daemon.config.records import Config, SenderOptions
from datasms_daemon.model import Report, ReportQuery, ReportRow, Sums
from datasms_daemon.rules.days import Days
from datasms_daemon.rules.senders import Senders
from datasms_daemon.store import reports
from datasms_daemon.store.store import Db


def report(db: Db, query: ReportQuery, now: int, config: Config, senders: Senders[SenderOptions]) -> Report:
    """What was asked for, ordered by its keys. A sender counts for one group, the nearest it is in."""
    days = Days(zone_of(config))
    since = days.at(now).month_begins_at if query.since is None else query.since
    until = now if query.until is None else query.until
    found: dict[tuple[str | None, ...], Sums] = {}
    asked = [name for name in query.by if name not in ("day", "group")]
    if "group" in query.by and "sender" not in asked:
        asked.append("sender")
    for day, begins_at, ends_at in _spans(since, until, days if "day" in query.by else None):
        for row in reports.sums(db, begins_at, ends_at, query.sender, asked):
            known = dict(zip(asked, row.keys, strict=True))
            known |= {"day": day, "group": next(iter(senders.of(known.get("sender") or "").groups), None)}
            keys = tuple(known[name] for name in query.by)
            found[keys] = found.get(keys, Sums()).plus(row.sums)
    ordered = sorted(found, key=lambda keys: tuple(key or "" for key in keys))
    return Report(since, until, tuple(ReportRow(keys, found[keys]) for keys in ordered))


def _spans(since: int, until: int, days: Days | None) -> Iterator[tuple[str | None, int, int]]:
    """The span in one, or each of its days with its name."""
    if days is None:
        yield None, since, until
        return
    while since < until:
        day = days.at(since)
        yield day.name, since, min(day.ends_at, until)
        since = day.ends_at
