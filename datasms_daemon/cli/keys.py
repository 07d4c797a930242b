"""``datasms key``: through the daemon when it runs, else in its store."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import click
import msgspec
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from datasms_daemon.cli.output import local, table
from datasms_daemon.cli.session import FAILED, Failed, Group, Session, problem_line, with_values
from datasms_daemon.config.load import load
from datasms_daemon.delivery.keys import Keys
from datasms_daemon.gateway.records import Items, KeyRequest, KeyView, NewKeyView
from datasms_daemon.gateway.views import key_view
from datasms_daemon.model import RIGHTS, Problem
from datasms_daemon.ops.clock import wall_ms
from datasms_daemon.ops.ids import IdSource
from datasms_daemon.store.store import InlineStore
from datasms_daemon.web.client import NoConnection, Refusal
from datasms_daemon.web.times import milliseconds

BY = "command line"

T = TypeVar("T")
Work = Callable[[Keys], Coroutine[Deferred[Any], Any, T]]

key = Group("key", help="What applications prove themselves with.")


@key.command("add")
@click.argument("name")
@click.option("--rights", required=True, metavar="LIST", help=f"Separated by commas, of: {', '.join(RIGHTS)}.")
@click.option("--top-priority", metavar="NAME", help="The highest it may use; without: any.")
@click.option("--lines", metavar="LIST", help="The only lines it may use; without: all.")
@click.option("--rate", type=click.IntRange(1, 100_000), default=50, show_default=True, help="Requests a second.")
@click.option("--expires", "expires_at", metavar="TIME", help="RFC 3339; without: in a year.")
@click.pass_obj
def key_add(session: Session, /, rights: str, lines: str | None, **said: object) -> None:
    """Make a key for the sender NAME. It is written to standard output alone, this once."""
    body = {field: value for field, value in said.items() if value is not None}
    body["rights"] = _words(rights)
    if lines is not None:
        body["lines"] = _words(lines)
    try:
        made = _online_or_not(
            session,
            lambda: session.client.call(NewKeyView, "POST", "/v1/keys", body=body),
            lambda: _add_offline(session, body),
        )
    except Refusal as refusal:
        raise with_values(refusal, body) from refusal
    session.show(made, lambda: click.echo(made.secret))


@key.command("list")
@click.pass_obj
def key_list(session: Session) -> None:
    """Show all keys; the secrets are not kept anywhere."""
    found = _views(session)
    rows = [
        (one.id, one.name, one.rights, one.top_priority, one.lines, one.rate, local(one.expires_at)) for one in found
    ]
    heads = ("ID", "NAME", "RIGHTS", "TOP PRIORITY", "LINES", "RATE", "EXPIRES")
    session.show(found, lambda: table(heads, rows))


@key.command("delete")
@click.argument("which", metavar="ID|NAME")
@click.pass_obj
def key_delete(session: Session, which: str) -> None:
    """Take a key away: it is refused from now on. A NAME will do where only one key has it."""
    ids = [one.id for one in _views(session) if which in (one.id, one.name)]
    if len(ids) != 1:
        said = "there is no such key" if not ids else f"{len(ids)} keys have that name; say which id"
        raise Failed(FAILED, f"{which}: {said}; see datasms key list")
    _online_or_not(
        session,
        lambda: session.client.send("DELETE", f"/v1/keys/{ids[0]}"),
        lambda: _offline(session, lambda keys: keys.delete(ids[0], BY)),
    )
    session.show({"deleted": ids[0]}, lambda: click.echo(f"deleted: {ids[0]}"))


def _words(listed: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in listed.split(",") if word.strip())


def _views(session: Session) -> tuple[KeyView, ...]:
    async def all_of(keys: Keys) -> tuple[KeyView, ...]:
        return tuple(map(key_view, keys.all()))

    return _online_or_not(
        session,
        lambda: session.client.call(Items[KeyView], "GET", "/v1/keys").items,
        lambda: _offline(session, all_of),
    )


def _online_or_not(session: Session, online: Callable[[], T], offline: Callable[[], T]) -> T:
    """Through the daemon; when it is ours and does not run, in its store, which no daemon has then."""
    try:
        return online()
    except NoConnection:
        if not session.is_local:
            raise
        return offline()


def _add_offline(session: Session, body: dict[str, object]) -> NewKeyView:
    try:
        asked = msgspec.convert(body, KeyRequest)
    except msgspec.ValidationError as error:
        raise Failed(FAILED, "the key cannot be made", str(error)) from error
    _check(session, asked)
    expires_at = None if asked.expires_at is None else milliseconds(asked.expires_at)

    async def add(keys: Keys) -> NewKeyView:
        rights = tuple(dict.fromkeys(asked.rights))
        made, secret = await keys.add(asked.name, rights, asked.top_priority, asked.lines, asked.rate, expires_at, BY)
        return NewKeyView(**msgspec.structs.asdict(key_view(made)), secret=secret)

    return _offline(session, add)


def _check(session: Session, asked: KeyRequest) -> None:
    """What the daemon would say of words that its configuration does not know."""
    if asked.top_priority is None and asked.lines is None:
        return
    config = load(session.config_file, os.environ)
    problems = []
    if asked.top_priority is not None and asked.top_priority not in config.priority:
        there_are = ", ".join(sorted(config.priority))
        problems.append(Problem("/top_priority", f"unknown priority; there are {there_are}"))
    known = {str(line.name) for line in config.line}
    problems += [Problem("/lines", f"there is no line {name}") for name in asked.lines or () if name not in known]
    if problems:
        raise Failed(FAILED, "the key cannot be made", *map(problem_line, problems))


def _offline(session: Session, work: Work[T]) -> T:
    """The result of work on the keys in the store. StoreError: a daemon has it."""
    places = session.places
    places.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    store = InlineStore(places.database, _store_failed)

    async def run() -> T:
        keys = Keys(store, wall_ms, IdSource(wall_ms, os.urandom), os.urandom)
        try:
            await keys.load()
            return await work(keys)
        finally:
            await store.stop()

    return _finished(Deferred.fromCoroutine(run()))


def _store_failed(failure: Failure) -> None:
    """The unit that met it says so itself."""


def _finished(deferred: Deferred[T]) -> T:
    """The result of what never waits."""
    results: list[T] = []
    failures: list[Failure] = []
    deferred.addCallbacks(results.append, failures.append)
    if failures:
        failures[0].raiseException()
    return results[0]
