"""Traffic and money over a span of time."""

from __future__ import annotations

import csv
import io
from typing import Annotated

from msgspec import Meta, convert
from msgspec.structs import asdict

from datasms_daemon.config.kinds import DAY
from datasms_daemon.gateway.messages import time_of
from datasms_daemon.gateway.ports import Core
from datasms_daemon.gateway.records import Answer, Request
from datasms_daemon.gateway.rights import READ, GatewayApi, sees
from datasms_daemon.gateway.shapes import TimeText
from datasms_daemon.model import Key, Problem, ReportQuery, ReportRow
from datasms_daemon.ops.printable import cell
from datasms_daemon.rules.prices import money
from datasms_daemon.web.problems import HttpProblem
from datasms_daemon.web.routes import Call, Reply
from datasms_daemon.web.times import rfc3339

KEYS = ("sender", "group", "line", "day", "priority", "operator", "cost_centre")
LONGEST_MS = 366 * DAY
_CSV = b"text/csv"


class ReportRequest(Request, frozen=True, kw_only=True):
    """Which messages, by when they were accepted, and by what they are summed up."""

    since: Annotated[TimeText | None, Meta(description="Default: since this month began")] = None
    until: Annotated[TimeText | None, Meta(description="Default: now")] = None
    by: Annotated[str, Meta(max_length=200, description=f"Any of {', '.join(KEYS)}, commas between them")] = ""


class ReportItem(Answer, frozen=True):
    """Sums of some messages; what was not asked for in ``by`` is null. Money has the currency of the configuration."""

    sender: str | None
    group: str | None
    line: str | None
    day: str | None
    priority: str | None
    operator: str | None
    cost_centre: str | None
    messages: int
    delivered: int
    failed: int
    parts: int
    cost: str
    avoided: int
    avoided_parts: int
    saved: str


class ReportAnswer(Answer, frozen=True):
    """A report over the span that was meant."""

    since: str
    until: str
    currency: str
    items: tuple[ReportItem, ...]


class Reports:
    """The call; ``add_to`` declares it."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def add_to(self, api: GatewayApi) -> None:
        """Declares the call."""
        api.route(
            "GET",
            "/v1/report",
            permission=READ,
            summary="Messages, text messages, their cost and what was spared, summed up; of the caller's own messages, "
            "or of everybody's with the right to operate",
            query=ReportRequest,
            answer=ReportAnswer,
            media=(_CSV.decode(),),
            problems=("invalid",),
        )(self.report)

    async def report(self, call: Call[Key, None, ReportRequest]) -> ReportAnswer | Reply:
        """As JSON or CSV."""
        query = self._query(call.query, call.caller)
        found = await self._core.report(query)
        items = tuple(_item(query.by, row) for row in found.rows)
        if call.accepts(_CSV):
            return Reply(_table(query.by, items), media=b"text/csv; charset=utf-8")
        return ReportAnswer(rfc3339(found.since), rfc3339(found.until), self._core.config.daemon.currency, items)

    def _query(self, asked: ReportRequest, key: Key) -> ReportQuery:
        problems: list[Problem] = []
        by = tuple(dict.fromkeys(asked.by.split(","))) if asked.by else ()
        if unknown := [name for name in by if name not in KEYS]:
            problems.append(Problem("/by", f"there is no {unknown[0]}; there are {', '.join(KEYS)}"))
        since, until = time_of("since", asked.since, problems), time_of("until", asked.until, problems)
        if since is not None and not 0 <= (self._core.now() if until is None else until) - since <= LONGEST_MS:
            problems.append(Problem("/since", "must lie before until, and at most 366 days"))
        if problems:
            raise HttpProblem("invalid", "There is no such report", problems)
        return ReportQuery(since, until, by, sees(key))


def _item(by: tuple[str, ...], row: ReportRow) -> ReportItem:
    keys = dict.fromkeys(KEYS) | dict(zip(by, row.keys, strict=True))
    sums = asdict(row.sums)
    sums |= {"cost": money(row.sums.cost), "saved": money(row.sums.saved)}
    return convert({**keys, **sums}, ReportItem)


def _table(by: tuple[str, ...], items: tuple[ReportItem, ...]) -> bytes:
    """The columns that were asked for and the sums."""
    columns = [name for name in ReportItem.__struct_fields__ if name in by or name not in KEYS]
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(columns)
    writer.writerows([cell(getattr(item, name)) for name in columns] for item in items)
    return file.getvalue().encode("utf-8")
