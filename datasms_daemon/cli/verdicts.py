"""What a test of something configured found."""

from __future__ import annotations

import click

from datasms_daemon.cli.session import FAILED, Session
from datasms_daemon.model import Verdict
from datasms_daemon.ops.printable import printable


def show_verdict(session: Session, verdict: Verdict) -> None:
    """Shows it; the command ends with 1 when it is not good."""
    lines = ["good" if verdict.good else "NOT GOOD", *(f"  {printable(finding)}" for finding in verdict.findings)]
    session.show(verdict, lambda: click.echo("\n".join(lines)))
    if not verdict.good:
        raise click.exceptions.Exit(FAILED)
