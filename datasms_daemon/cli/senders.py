"""Commands on senders."""

from __future__ import annotations

from urllib.parse import quote

import click

from datasms_daemon.cli.output import fields, table
from datasms_daemon.cli.session import FAILED, Command, Failed, Group, Session
from datasms_daemon.gateway.records import SenderView
from datasms_daemon.web.client import Refusal

sender = Group("sender", help="Who submits messages: applications by their keys' names.")


@sender.command("show", cls=Command)
@click.argument("name")
@click.pass_obj
def sender_show(session: Session, name: str) -> None:
    """Show what holds for a sender, and which table of the configuration says it."""
    try:
        view = session.client.call(SenderView, "GET", f"/v1/senders/{quote(name, safe='')}")
    except Refusal as refusal:
        if refusal.status != 404:
            raise
        raise Failed(FAILED, f"neither the configuration nor a key names a sender {name}") from refusal
    session.show(view, lambda: _show(view))


def _show(view: SenderView) -> None:
    fields([("sender", view.name), ("groups", view.groups)])
    rows = [(option, setting.value, setting.from_) for option, setting in view.options.items()]
    table(("OPTION", "VALUE", "FROM"), rows)
