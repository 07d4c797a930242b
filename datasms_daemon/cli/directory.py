"""Commands on who can be reached: person, group, device."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import click
import msgspec

from datasms_daemon.cli.output import fields, local, table
from datasms_daemon.cli.session import Group, Session, with_values
from datasms_daemon.gateway.records import DeviceView, DirectoryAnswer, Items, Page
from datasms_daemon.model import Erased, Person
from datasms_daemon.model import Group as PersonGroup
from datasms_daemon.web.client import Client, Refusal

ERASE_S = 85
PAGE = 500

T = TypeVar("T")

person = Group("person", help="Persons of the directory.")
group = Group("group", help="Groups of persons.")
device = Group("device", help="Devices of persons.")
number = Group("number", help="Phone numbers that are nobody's.")


@person.command("list")
@click.pass_obj
def person_list(session: Session) -> None:
    """Show all persons."""
    found = _all(session.client, "/v1/persons", Page[Person])
    rows = [(one.id, one.name, one.numbers, one.email, one.groups) for one in found]
    session.show(found, lambda: table(("ID", "NAME", "NUMBERS", "E-MAIL", "GROUPS"), rows))


@person.command("show")
@click.argument("id_", metavar="ID")
@click.pass_obj
def person_show(session: Session, id_: str) -> None:
    """Show one person."""
    _show_person(session, session.client.call(Person, "GET", _path("persons", id_)))


@person.command("put")
@click.argument("id_", metavar="ID")
@click.option("--name", default="", help="As people call him.")
@click.option("--number", "numbers", multiple=True, help="A phone number, SMS go to the first; may be given again.")
@click.option("--email", help="His e-mail address.")
@click.option("--group", "groups", multiple=True, metavar="ID", help="A group he is in; may be given again.")
@click.option("--language", help="As cs or en-GB.")
@click.option("--calendar", metavar="NAME", help="Messages for him wait until it is open.")
@click.pass_obj
def person_put(session: Session, /, id_: str, **said: object) -> None:
    """Create a person, or replace all that was known of him but his devices."""
    _show_person(session, _put(session.client, Person, _path("persons", id_), said))


def _show_person(session: Session, one: Person) -> None:
    pairs = [
        ("id", one.id),
        ("name", one.name),
        ("numbers", one.numbers),
        ("e-mail", one.email),
        ("groups", one.groups),
        ("language", one.language),
        ("calendar", one.calendar),
    ]
    session.show(one, lambda: fields(pairs))


@person.command("delete")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.pass_obj
def person_delete(session: Session, ids: tuple[str, ...]) -> None:
    """Delete persons with their numbers and devices."""
    _delete(session, "persons", ids)


@person.command("erase")
@click.argument("id_", metavar="ID")
@click.confirmation_option(prompt="Cancel what is under way and forget all that tells of this person?")
@click.pass_obj
def person_erase(session: Session, id_: str) -> None:
    """Erase a person: messages under way are cancelled; texts, numbers, devices and traces are forgotten."""
    _erase(session, _path("persons", id_))


@number.command("erase")
@click.argument("number", metavar="NUMBER")
@click.confirmation_option(prompt="Cancel what is under way and forget all that tells of this number?")
@click.pass_obj
def number_erase(session: Session, number: str) -> None:
    """Erase a number that is no person's: messages under way are cancelled; texts to and from it and traces are
    forgotten."""
    _erase(session, _path("numbers", number))


def _erase(session: Session, path: str) -> None:
    found = session.client.call(Erased, "POST", f"{path}/erase", timeout_s=ERASE_S)
    pairs = [("messages", found.messages), ("cancelled", found.cancelled), ("devices", found.devices)]
    session.show(found, lambda: fields(pairs))


@person.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_obj
def person_import(session: Session, file: Path) -> None:
    """Create or replace many persons: .csv with a header row (id, name, numbers, email, groups, language,
    calendar; several numbers or groups separated by spaces), or .json with persons and groups."""
    media = {".csv": "text/csv", ".json": "application/json"}.get(file.suffix.lower())
    if media is None:
        raise click.BadParameter("the file must end in .csv or .json", param_hint="FILE")
    answer = session.client.send("PUT", "/v1/directory", content=file.read_bytes(), media=media)
    counted = msgspec.json.decode(answer, type=DirectoryAnswer)
    session.show(counted, lambda: click.echo(f"{counted.persons} persons and {counted.groups} groups written"))


@group.command("list")
@click.pass_obj
def group_list(session: Session) -> None:
    """Show all groups."""
    found = _all(session.client, "/v1/groups", Page[PersonGroup])
    rows = [(one.id, one.name, len(one.members), one.parent) for one in found]
    session.show(found, lambda: table(("ID", "NAME", "MEMBERS", "PARENT"), rows))


@group.command("show")
@click.argument("id_", metavar="ID")
@click.pass_obj
def group_show(session: Session, id_: str) -> None:
    """Show one group."""
    _show_group(session, session.client.call(PersonGroup, "GET", _path("groups", id_)))


@group.command("put")
@click.argument("id_", metavar="ID")
@click.option("--name", default="", help="As people call it.")
@click.option("--member", "members", multiple=True, metavar="ID", help="A person; may be given again.")
@click.option("--parent", metavar="ID", help="The group above; its members include ours.")
@click.option("--calendar", metavar="NAME", help="Messages for its members wait until it is open.")
@click.pass_obj
def group_put(session: Session, /, id_: str, **said: object) -> None:
    """Create a group, or replace it with all its members."""
    _show_group(session, _put(session.client, PersonGroup, _path("groups", id_), said))


def _show_group(session: Session, one: PersonGroup) -> None:
    pairs = [
        ("id", one.id),
        ("name", one.name),
        ("members", one.members),
        ("parent", one.parent),
        ("calendar", one.calendar),
    ]
    session.show(one, lambda: fields(pairs))


@group.command("delete")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.pass_obj
def group_delete(session: Session, ids: tuple[str, ...]) -> None:
    """Delete groups, not the persons in them."""
    _delete(session, "groups", ids)


@device.command("list")
@click.argument("person_id", metavar="PERSON")
@click.pass_obj
def device_list(session: Session, person_id: str) -> None:
    """Show the devices of a person, also those that are out."""
    found = session.client.call(Items[DeviceView], "GET", _path("persons", person_id) + "/devices")
    rows = [(one.id, one.channels, one.state, one.name, one.platform, local(one.last_seen_at)) for one in found.items]
    session.show(found.items, lambda: table(("ID", "CHANNELS", "STATE", "NAME", "PLATFORM", "LAST SEEN"), rows))


@device.command("revoke")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.pass_obj
def device_revoke(session: Session, ids: tuple[str, ...]) -> None:
    """End devices for good: a lost phone gets nothing more."""
    _delete(session, "devices", ids, "revoked")


def _path(kind: str, id_: str) -> str:
    return f"/v1/{kind}/{quote(id_, safe='')}"


def _put(client: Client, answer: type[T], path: str, said: dict[str, object]) -> T:
    body = {name: value for name, value in said.items() if value is not None}
    try:
        return client.call(answer, "PUT", path, body=body)
    except Refusal as refusal:
        raise with_values(refusal, body) from refusal


def _all(client: Client, path: str, kind: type[Page[T]]) -> list[T]:
    found: list[T] = []
    following: str | None = None
    while True:
        page = client.call(kind, "GET", path, query=[("limit", PAGE), ("after", following)])
        found += page.items
        following = page.next
        if following is None:
            return found


def _delete(session: Session, kind: str, ids: tuple[str, ...], done: str = "deleted") -> None:
    for id_ in ids:
        session.client.send("DELETE", _path(kind, id_))
    session.show({done: ids}, lambda: click.echo("\n".join(f"{done}: {id_}" for id_ in ids)))
