"""The command report."""

from __future__ import annotations

import csv
import sys
from urllib.parse import urlencode

import click

from datasms_daemon.cli.output import table
from datasms_daemon.cli.session import Command, Session
from datasms_daemon.gateway.reports import KEYS, ReportAnswer, ReportItem
from datasms_daemon.ops.printable import cell


@click.command(cls=Command)
@click.option("--since", help="RFC 3339 as 2026-11-01T00:00:00+01:00; default: since this month began.")
@click.option("--until", help="RFC 3339; default: now.")
@click.option("--by", default="", help=f"Any of {', '.join(KEYS)}, commas between them.")
@click.option("--csv", "as_csv", is_flag=True, help="Comma-separated values with a head.")
@click.pass_obj
def report(session: Session, since: str | None, until: str | None, by: str, as_csv: bool) -> None:
    """Sum up messages, text messages, their cost and what pushes spared."""
    asked = {"since": since, "until": until, "by": by or None}
    query = urlencode({name: value for name, value in asked.items() if value is not None})
    answer = session.client.call(ReportAnswer, "GET", f"/v1/report?{query}" if query else "/v1/report")
    columns = [name for name in ReportItem.__struct_fields__ if name in by.split(",") or name not in KEYS]
    rows = [[getattr(item, name) for name in columns] for item in answer.items]
    if as_csv:
        csv.writer(sys.stdout, lineterminator="\n").writerows([columns, *(map(cell, row) for row in rows)])
        return
    session.show(answer, lambda: _show(answer, columns, rows))


def _show(answer: ReportAnswer, columns: list[str], rows: list[list[object]]) -> None:
    in_ = f", money in {answer.currency}" if answer.currency else ""
    click.echo(f"accepted from {answer.since} until {answer.until}{in_}")
    table([name.upper().replace("_", " ") for name in columns], rows)
