"""``datasms queue``: what is not over yet, and letting go what a restored database or one in doubt holds."""

from __future__ import annotations

from collections import Counter

import click

from datasms_daemon.cli.output import local, table
from datasms_daemon.cli.session import Command, Group, Session
from datasms_daemon.gateway.admin_records import QueueAnswer
from datasms_daemon.gateway.records import MessageItem, Page
from datasms_daemon.model import MessageState
from datasms_daemon.ops.printable import printable
from datasms_daemon.web.client import Client

UNFINISHED = tuple(state for state in MessageState if not state.is_final)
PAGE = 500
QUEUE_PAGES = 20


@click.group(cls=Group, invoke_without_command=True)
@click.pass_context
def queue(ctx: click.Context) -> None:
    """Count what is not over yet, by line and state."""
    if ctx.invoked_subcommand is None:
        _show(ctx.find_object(Session) or ctx.fail("no session"))


queue.params += Command("queue").params


@queue.command("release")
@click.pass_obj
def queue_release(session: Session) -> None:
    """Let a database that was restored or in doubt send what is still valid."""
    answer = session.client.call(QueueAnswer, "POST", "/v1/queue/release")
    session.show(answer, lambda: click.echo("messages go out"))


def _show(session: Session) -> None:
    answer = session.client.call(QueueAnswer, "GET", "/v1/queue")
    query: list[tuple[str, object]] = [("status", state) for state in UNFINISHED]
    items, more = _pages(session.client, query)
    counts = sorted(Counter(map(_kind, items)).items())
    oldest = {_kind(item): item.created_at for item in items}
    rows = [
        (kind[0], f"{kind[1]} (closed)" if kind[2] else kind[1], count, local(oldest[kind])) for kind, count in counts
    ]
    result = [
        {
            "line": line or None,
            "status": state,
            "closed": closed,
            "messages": count,
            "oldest": oldest[line, state, closed],
        }
        for (line, state, closed), count in counts
    ]

    def human() -> None:
        if answer.held is not None:
            then = "restore a backup" if answer.damaged else "look at what is in it, then: datasms queue release"
            click.echo(printable(f"nothing is sent: {answer.held}; {then}"))
        table(("LINE", "STATUS", "MESSAGES", "OLDEST"), rows)
        if more:
            click.echo(f"and more: only the newest {len(items)} were counted")

    session.show({"queue": result, "complete": not more, "held": answer.held, "damaged": answer.damaged}, human)


def _kind(item: MessageItem) -> tuple[str, str, bool]:
    """What is counted together: line, status, and whether calendars hold it back."""
    return item.line or "", str(item.status), item.held_until is not None


def _pages(client: Client, query: list[tuple[str, object]]) -> tuple[list[MessageItem], bool]:
    """Messages, newest first, and whether there are still more."""
    items: list[MessageItem] = []
    following: str | None = None
    for _ in range(QUEUE_PAGES):
        asked = [*query, ("limit", PAGE), ("after", following)]
        page = client.call(Page[MessageItem], "GET", "/v1/messages", query=asked)
        items += page.items
        following = page.next
        if following is None:
            break
    return items, following is not None
