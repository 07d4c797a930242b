"""``datasms archive``: what is kept of messages, looking through it, taking it out, and forgetting it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Generic, NamedTuple, TypeVar

import click

from datasms_daemon.cli.output import local, table
from datasms_daemon.cli.session import Group, Session
from datasms_daemon.cli.tables import export, private_file
from datasms_daemon.config.units import format_duration
from datasms_daemon.gateway.admin_records import PurgeAnswer
from datasms_daemon.gateway.archive_records import ArchivedInboundView, ArchivedMessage
from datasms_daemon.gateway.records import Items, Page
from datasms_daemon.model import Due, MessageState
from datasms_daemon.web.client import Client, Refusal

PURGE_S = 85
MOST = 500
PAGE = 200
"""Of an export: the daemon does nothing else while it writes one down."""
SHOWN = 60
"""Characters of a text in a table."""
TOO_MANY_REQUESTS = 429
PAUSE_S = 1.0
MOST_PAUSES = 60

archive = Group("archive", help="What is kept of messages.")

T = TypeVar("T")


class Kind(NamedTuple, Generic[T]):
    """One half of the archive: where it is asked for, and what is answered."""

    path: str
    page: type[Page[T]]


MESSAGES = Kind("/v1/archive/messages", Page[ArchivedMessage])
INBOUND = Kind("/v1/archive/inbound", Page[ArchivedInboundView])


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


def _filters(command: click.Command) -> click.Command:
    command.params.append(
        click.Option(
            ["--status", "status"], multiple=True, type=click.Choice([str(state) for state in MessageState]),
            help="Only these; may be given several times.",
        )
    )  # fmt: skip
    for name, help_ in (
        ("sender", "Only of this application."),
        ("to", "Only to this number."),
        ("person", "Only to this person; with --inbound: from this person."),
        ("priority", "Only of this priority."),
        ("line", "Only what was tried on this line; with --inbound: what came by it."),
        ("reference", "Only with this reference."),
        ("class", "Only of this class."),
        ("code", "Only what ended with this code, such as deadline."),
        ("cost-centre", "Only of this cost centre."),
        ("from", "With --inbound: only from this number."),
        ("target", "With --inbound: only what went there, such as account:crm."),
        ("since", "Not before: 2026-11-24T08:00:00+01:00."),
        ("until", "Before: 2026-11-24T08:00:00+01:00."),
    ):
        command.params.append(click.Option([f"--{name}", name.replace("-", "_")], help=help_))
    command.params.append(click.Option(["--inbound"], is_flag=True, help="Texts from outside, not messages."))
    command.params.append(click.Argument(["words"], nargs=-1))
    return command


@archive.command("search")
@click.option("--limit", type=click.IntRange(1, MOST), default=50, show_default=True)
@click.pass_obj
def archive_search(session: Session, /, limit: int, inbound: bool, **filters: object) -> None:
    """Show messages in whose title or text all WORDS are, newest first; without WORDS, all that fit the filters.

    Neither case nor diacritics count, a part of a word is enough.
    """
    if inbound:
        texts = _search(session.client, INBOUND, filters, limit)
        session.show(texts, lambda: _show_inbound(texts))
        return
    page = _search(session.client, MESSAGES, filters, limit)
    session.show(page, lambda: _show(page))


@archive.command("export")
@click.option(
    "--format", "format_", type=click.Choice(["csv", "ndjson", "json"]), default="ndjson", show_default=True,
    help="ndjson and json are exact; csv is for spreadsheets.",
)  # fmt: skip
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Readable for its owner only; without: standard output.",
)  # fmt: skip
@click.pass_obj
def archive_export(session: Session, /, format_: str, output: Path | None, inbound: bool, **filters: object) -> None:
    """Write all that fits, newest first; WORDS and filters are those of the search."""

    def write(file: IO[bytes]) -> int:
        if inbound:
            return export(ArchivedInboundView, _pages(session.client, INBOUND, filters), format_, file)
        return export(ArchivedMessage, _pages(session.client, MESSAGES, filters), format_, file)

    if output is None:
        write(sys.stdout.buffer)
        return
    with private_file(output) as file:
        count = write(file)
    session.show({"exported": count}, lambda: click.echo(f"exported: {count}"))


for _command in (archive_search, archive_export):
    _filters(_command)


def _search(client: Client, kind: Kind[T], filters: Mapping[str, object], limit: int) -> Page[T]:
    found: list[T] = []
    following: str | None = None
    while True:
        # A part may be empty and yet not the last one: the daemon looks for a bounded time only.
        page = _page(client, kind, filters, limit - len(found), following)
        found += page.items
        following = page.next
        if following is None or len(found) >= limit:
            return Page(tuple(found), following)


def _pages(client: Client, kind: Kind[T], filters: Mapping[str, object]) -> Iterator[tuple[T, ...]]:
    following: str | None = None
    while True:
        page = _page(client, kind, filters, PAGE, following)
        yield page.items
        following = page.next
        if following is None:
            return


def _page(client: Client, kind: Kind[T], filters: Mapping[str, object], limit: int, after: str | None) -> Page[T]:
    query: list[tuple[str, object]] = [("limit", limit), ("after", after)]
    for name, value in filters.items():
        if name == "words":
            query.append(("q", " ".join(value) or None if isinstance(value, tuple) else None))
        elif isinstance(value, tuple):
            query += [(name, one) for one in value]
        else:
            query.append((name, value))
    for _ in range(MOST_PAUSES):
        try:
            return client.call(kind.page, "GET", kind.path, query=query)
        except Refusal as refusal:
            if refusal.status != TOO_MANY_REQUESTS:
                raise
            # A key of its own asks as often as it may.
            time.sleep(PAUSE_S)
    return client.call(kind.page, "GET", kind.path, query=query)


def _show(page: Page[ArchivedMessage]) -> None:
    rows = [
        (local(one.created_at), one.id, one.sender, one.to or f"person:{one.person}", one.status, _text(one))
        for one in page.items
    ]
    table(("AT", "ID", "SENDER", "TO", "STATUS", "TEXT"), rows)
    _more(page.next)


def _show_inbound(page: Page[ArchivedInboundView]) -> None:
    rows = [(local(one.at), one.id, one.line, one.from_, one.to, one.target, _cut(one.text)) for one in page.items]
    table(("AT", "ID", "LINE", "FROM", "TO", "TARGET", "TEXT"), rows)
    _more(page.next)


def _more(following: str | None) -> None:
    if following is not None:
        click.echo("and perhaps more: only the newest are shown, see --limit and --until")


def _text(message: ArchivedMessage) -> str | None:
    return _cut(message.text if message.title is None else f"{message.title}: {message.text}")


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
