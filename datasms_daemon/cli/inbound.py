"""Commands on texts from outside: app, and what ``datasms explain --inbound`` shows."""

from __future__ import annotations

import click

from datasms_daemon.cli.output import fields, table
from datasms_daemon.cli.session import Group, Session, with_values
from datasms_daemon.gateway.inbound_records import InboundExplanationView
from datasms_daemon.gateway.records import Items
from datasms_daemon.model import ApplicationView
from datasms_daemon.ops.printable import printable
from datasms_daemon.web.client import Refusal

app = Group("app", help="The applications that texts from outside are handed to.")


@app.command("list")
@click.pass_obj
def app_list(session: Session) -> None:
    """Show all applications: state, failures, texts that wait."""
    found = session.client.call(Items[ApplicationView], "GET", "/v1/applications").items
    rows = [(one.name, one.kind, one.state, one.restarts, one.waiting, one.reason) for one in found]
    session.show(found, lambda: table(("NAME", "KIND", "STATE", "RESTARTS", "WAITING", "LAST FAILURE"), rows))


def explain_inbound(session: Session, from_: str | None, lines: tuple[str, ...], to: str | None, text: str) -> None:
    """Shows where a text would go. UsageError: who wrote it or by which line is missing."""
    if from_ is None or len(lines) != 1:
        raise click.UsageError("--inbound needs --from, who writes, and one --line, by which it comes")
    body: dict[str, object] = {"from": from_, "line": lines[0], "text": text}
    if to is not None:
        body["to"] = to
    try:
        found = session.client.call(InboundExplanationView, "POST", "/v1/explain/inbound", body=body)
    except Refusal as refusal:
        raise with_values(refusal, body) from refusal
    session.show(found, lambda: _show(from_, found))


def _show(from_: str, found: InboundExplanationView) -> None:
    fields([("from", from_), ("person", found.person)])
    table(("STEP", "FOUND"), [(step.step, step.verdict) for step in found.steps])
    for one in found.destinations:
        click.echo(printable(f"goes to {one.target} by {one.why}: {one.text}"))
    if not found.destinations:
        click.echo("goes to nobody: it is stored and nobody reads it")
