"""``datasms archive``: what is kept of messages that are over, and forgetting it."""

from __future__ import annotations

import click

from datasms_daemon.cli.output import table
from datasms_daemon.cli.session import Group, Session
from datasms_daemon.config.units import format_duration
from datasms_daemon.gateway.admin_records import PurgeAnswer
from datasms_daemon.gateway.records import Items
from datasms_daemon.model import Due

PURGE_S = 85

archive = Group("archive", help="What is kept of messages that are over.")


@archive.command("purge")
@click.option("--dry-run", is_flag=True, help="Only show what would be forgotten.")
@click.pass_obj
def archive_purge(session: Session, dry_run: bool) -> None:
    """Forget now what was kept as long as [archive] says. The daemon does it by itself all the time."""
    if not dry_run:
        answer = session.client.call(PurgeAnswer, "POST", "/v1/archive/purge", timeout_s=PURGE_S)
        session.show(answer, lambda: click.echo(f"forgotten: {answer.purged}"))
        return
    found = session.client.call(Items[Due], "GET", "/v1/archive/due").items
    rows = [(one.what, one.count, format_duration(one.kept_ms)) for one in found]
    session.show(found, lambda: table(("WHAT", "DUE", "KEPT FOR"), rows))
