"""``datasms audit``: the log of what operators and programs did, and whether it is still what it was."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import click

from datasms_daemon.cli.output import local, table
from datasms_daemon.cli.session import FAILED, Failed, Group, Session
from datasms_daemon.cli.tables import export
from datasms_daemon.gateway.admin_records import AuditView
from datasms_daemon.gateway.records import Page
from datasms_daemon.model import AuditMark
from datasms_daemon.web.client import Client

audit = Group("audit", help="Who did what.")

PAGE = 500


class Noted(click.ParamType[AuditMark]):
    """A place in the log as ``verify`` shows it."""

    name = "number:seal"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> AuditMark:
        """Click: reads the option."""
        number, _, seal = str(value).partition(":")
        try:
            return AuditMark(int(number), bytes.fromhex(seal))
        except ValueError:
            self.fail(f"{value!r} is no place in the log; write what 'datasms audit verify' showed", param, ctx)


def _filters(command: click.Command) -> click.Command:
    for name, help_ in (
        ("until", "Before: 2026-11-24T08:00:00+01:00."),
        ("since", "Not before: 2026-11-24T08:00:00+01:00."),
        ("object", "Only what was done to this."),
        ("what", "Only this act, such as 'line paused'."),
        ("who", "Only what this key, or local, did."),
    ):
        command.params.insert(0, click.Option([f"--{name}"], help=help_))
    return command


@audit.command("list")
@click.option("--limit", type=click.IntRange(1, PAGE), default=50, show_default=True)
@click.pass_obj
def audit_list(session: Session, /, limit: int, **filters: str | None) -> None:
    """Show what was done, newest first."""
    page = _page(session.client, filters, limit, None)
    rows = [(one.seq, local(one.at), one.who, one.what, one.object) for one in page.items]
    session.show(page, lambda: table(("NUMBER", "AT", "WHO", "WHAT", "OBJECT"), rows))


@audit.command("export")
@click.option("--format", "format_", type=click.Choice(["csv", "ndjson"]), default="csv", show_default=True)
@click.pass_obj
def audit_export(session: Session, /, format_: str, **filters: str | None) -> None:
    """Write all of it to standard output, newest first."""
    export(AuditView, _pages(session.client, filters), format_, sys.stdout.buffer)


@audit.command("verify")
@click.option("--noted", type=Noted(), help="Also that this entry, which 'verify' showed once, is still there.")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_obj
def audit_verify(session: Session, noted: AuditMark | None, file: Path | None) -> None:
    """Check that no entry was changed, taken out or put in; works without the daemon, and on a backup FILE."""
    from datasms_daemon.store import audit as log
    from datasms_daemon.store.copies import sealed_connection

    with closing(sealed_connection(session.places.database, file)) as db:
        found, head = log.verify(db, noted), log.head(db)
    if found is not None:
        raise Failed(FAILED, f"entry {found.seq} {found.reason}")
    end = f"{head.seq}:{head.seal.hex()}"

    def human() -> None:
        click.echo(f"good, up to entry {head.seq}; note down elsewhere, for --noted next time:\n{end}")

    session.show({"good": True, "head": end}, human)


for _command in (audit_list, audit_export):
    _filters(_command)


def _pages(client: Client, filters: dict[str, str | None]) -> Iterator[tuple[AuditView, ...]]:
    after: str | None = None
    while True:
        page = _page(client, filters, PAGE, after)
        yield page.items
        after = page.next
        if after is None:
            return


def _page(client: Client, filters: dict[str, str | None], limit: int, after: str | None) -> Page[AuditView]:
    query = [*filters.items(), ("limit", limit), ("after", after)]
    return client.call(Page[AuditView], "GET", "/v1/audit", query=query)
