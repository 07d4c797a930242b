"""``datasms reload`` and ``datasms config``: the configuration of the running daemon."""

from __future__ import annotations

from collections.abc import Iterator

import click

from datasms_daemon.cli.output import fields, local, table
from datasms_daemon.cli.session import FAILED, Command, Failed, Session
from datasms_daemon.gateway.admin_records import ConfigurationView, ReloadAnswer
from datasms_daemon.model import SectionChange
from datasms_daemon.ops.printable import printable
from datasms_daemon.web.client import Refusal

RELOAD_S = 90
INVALID = 422


@click.command(cls=Command)
@click.pass_obj
def reload(session: Session) -> None:
    """Let the daemon take its configuration file anew: all of it, or nothing. Shows what is different then."""
    try:
        answer = session.client.call(ReloadAnswer, "POST", "/v1/reload", timeout_s=RELOAD_S)
    except Refusal as refusal:
        if refusal.status != INVALID:
            raise
        raise Failed(FAILED, str(refusal), *(problem.detail for problem in refusal.errors)) from refusal
    for warning in answer.warnings:
        click.echo(f"warning: {printable(warning)}", err=True)
    rows = [row for change in answer.changes for row in _rows(change)]

    def human() -> None:
        click.echo(f"in use: {answer.hash}")
        if rows:
            table(("TABLE", "WHAT", "NAMES"), rows)
        else:
            click.echo("nothing is different")

    session.show(answer, human)


@click.command(cls=Command)
@click.pass_obj
def config(session: Session) -> None:
    """Show which configuration the daemon uses, since when, by whom, and what is in it."""
    found = session.client.call(ConfigurationView, "GET", "/v1/config")
    known = [("file", found.file), ("sha-256", found.hash), ("since", local(found.since)), ("by", found.by)]
    session.show(found, lambda: fields([*known, *found.names.items()]))


def _rows(change: SectionChange) -> Iterator[tuple[str, str, object]]:
    for what in ("added", "removed", "changed"):
        if names := getattr(change, what):
            yield change.section, what, names
    if change.reordered:
        yield change.section, "in another order", None
