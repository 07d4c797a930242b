"""Commands on what texts from outside are handed on to: webhook, and ``datasms dead`` for such texts."""

from __future__ import annotations

from typing import TypeVar
from urllib.parse import quote

import click

from datasms_daemon.cli.output import local, table
from datasms_daemon.cli.session import FAILED, Failed, Group, Session
from datasms_daemon.cli.verdicts import show_verdict
from datasms_daemon.gateway.inbound_records import DeadTextView
from datasms_daemon.gateway.records import Items, Page
from datasms_daemon.model import Verdict, WebhookView
from datasms_daemon.web.client import Refusal

T = TypeVar("T")

webhook = Group("webhook", help="The addresses that are called with texts from outside.")


@webhook.command("list")
@click.pass_obj
def webhook_list(session: Session) -> None:
    """Show all webhooks: state, texts that wait, texts that are not tried any more."""
    found = session.client.call(Items[WebhookView], "GET", "/v1/webhooks").items
    rows = [(one.name, one.place, one.state, one.waiting, one.dead, one.reason) for one in found]
    session.show(found, lambda: table(("NAME", "HOST", "STATE", "WAITING", "DEAD", "REASON"), rows))


@webhook.command("test")
@click.argument("name")
@click.pass_obj
def webhook_test(session: Session, name: str) -> None:
    """Call a webhook with an event of the type webhook.test. Exit 1 when it does not answer well."""
    show_verdict(session, _of_webhook(session, Verdict, name, "test"))


@webhook.command("resume")
@click.argument("name")
@click.pass_obj
def webhook_resume(session: Session, name: str) -> None:
    """Call a webhook again that answered 410."""
    found = _of_webhook(session, WebhookView, name, "resume")
    session.show(found, lambda: click.echo(f"webhook {found.name} is {found.state}"))


def show_dead(session: Session, limit: int) -> None:
    """Shows texts that are not tried any more, newest first."""
    found = session.client.call(Page[DeadTextView], "GET", "/v1/inbound/dead", query=[("limit", limit)])
    rows = [(one.id, one.target, one.line, local(one.at), one.tries, one.reason) for one in found.items]
    session.show(found, lambda: table(("ID", "TO", "LINE", "CAME", "TRIES", "REASON"), rows))


def resend_dead(session: Session, ids: tuple[str, ...]) -> None:
    """Has them tried again."""
    for id_ in ids:
        session.client.send("POST", f"/v1/inbound/dead/{quote(id_, safe='')}/resend")
    session.show({"tried": ids}, lambda: click.echo(f"tried again: {', '.join(ids)}"))


def _of_webhook(session: Session, kind: type[T], name: str, what: str) -> T:
    try:
        return session.client.call(kind, "POST", f"/v1/webhooks/{quote(name, safe='')}/{what}")
    except Refusal as refusal:
        if refusal.status != 404:
            raise
        known = ", ".join(one.name for one in session.client.call(Items[WebhookView], "GET", "/v1/webhooks").items)
        raise Failed(FAILED, f"there is no webhook {name} that is on; there are: {known}") from refusal
