"""Commands on channels and on who registers with them: channel, register."""

from __future__ import annotations

from typing import TypeVar
from urllib.parse import quote

import click

from datasms_daemon.cli.output import table
from datasms_daemon.cli.session import FAILED, Command, Failed, Group, Session
from datasms_daemon.cli.verdicts import show_verdict
from datasms_daemon.gateway.records import IssuedAnswer, Items
from datasms_daemon.model import ChannelView, Verdict
from datasms_daemon.web.client import Refusal

T = TypeVar("T")

channel = Group("channel", help="The internet services that reach devices.")


@channel.command("list")
@click.pass_obj
def channel_list(session: Session) -> None:
    """Show all channels: state, pushes and failures since they started."""
    found = session.client.call(Items[ChannelView], "GET", "/v1/channels").items
    rows = [
        (one.name, one.driver, one.state, one.pushes, one.failures, "yes" if one.held else None, one.reason)
        for one in found
    ]
    session.show(found, lambda: table(("NAME", "DRIVER", "STATE", "PUSHES", "FAILURES", "HELD", "REASON"), rows))


@channel.command("test")
@click.argument("name")
@click.pass_obj
def channel_test(session: Session, name: str) -> None:
    """Prove a channel's credentials and settings to its service; reaches nobody. Exit 1 when they are not good."""
    show_verdict(session, _of_channel(session, Verdict, name, "test"))


@channel.command("resume")
@click.argument("name")
@click.pass_obj
def channel_resume(session: Session, name: str) -> None:
    """Believe a service again that addresses are gone, after it said so of too many at once."""
    found = _of_channel(session, ChannelView, name, "resume")
    session.show(found, lambda: click.echo(f"channel {found.name} is {found.state}"))


def _of_channel(session: Session, kind: type[T], name: str, what: str) -> T:
    try:
        return session.client.call(kind, "POST", f"/v1/channels/{quote(name, safe='')}/{what}")
    except Refusal as refusal:
        if refusal.status != 404:
            raise
        known = ", ".join(one.name for one in session.client.call(Items[ChannelView], "GET", "/v1/channels").items)
        raise Failed(FAILED, f"there is no channel {name}; there are: {known}") from refusal


@click.command("register", cls=Command)
@click.argument("person")
@click.pass_obj
def register(session: Session, person: str) -> None:
    """Give a person a registration number to write as DATASMS NUMBER in a channel such as Viber.

    The number is shown this once.
    """
    issued = session.client.call(IssuedAnswer, "POST", f"/v1/persons/{quote(person, safe='')}/registrations")
    lines = [issued.text, *(f"{name}: {link}" for name, link in issued.links.items()), f"until {issued.expires_at}"]
    session.show(issued, lambda: click.echo("\n".join(lines)))
