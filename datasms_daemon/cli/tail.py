"""``datasms tail``: messages as they change."""

from __future__ import annotations

import time
from datetime import datetime

import click

from datasms_daemon.cli.output import json_line
from datasms_daemon.cli.session import Command, Session
from datasms_daemon.gateway.records import MessageItem, MessageView, Page
from datasms_daemon.ops.clock import wall_ms
from datasms_daemon.ops.printable import printable
from datasms_daemon.web.client import Client, Refusal

EVERY_S = 1.0
NEWEST = 200
OLDER = 50


@click.command(cls=Command)
@click.option("-n", "count", type=click.IntRange(0, NEWEST), default=10, show_default=True, help="So many old ones.")
@click.pass_obj
def tail(session: Session, count: int) -> None:
    """Follow messages as they change, until Ctrl-C. Looks once a second at the newest and at those not over yet."""
    seen: dict[str, MessageItem] = {}
    changed = _look(session.client, seen)[-count:] if count else _look(session.client, seen)[:0]
    try:
        while True:
            for item in changed:
                click.echo(json_line(item) if session.as_json else _line(item))
            time.sleep(EVERY_S)
            changed = _look(session.client, seen)
    except KeyboardInterrupt:
        return


def _look(client: Client, seen: dict[str, MessageItem]) -> list[MessageItem]:
    """What changed since the last look, oldest first; ``seen`` is what is known now."""
    page = client.call(Page[MessageItem], "GET", "/v1/messages", query=[("limit", NEWEST)])
    found = {item.id: item for item in page.items}
    older = [id_ for id_, item in seen.items() if id_ not in found and not item.status.is_final]
    for id_ in older[:OLDER]:
        found[id_] = _one(client, id_) or seen[id_]
    changed = [item for id_, item in sorted(found.items()) if id_ not in seen or _state(seen[id_]) != _state(item)]
    waiting = {id_: seen[id_] for id_ in older[OLDER:]}
    seen.clear()
    seen.update(waiting | found)
    return changed


def _one(client: Client, id_: str) -> MessageItem | None:
    try:
        return client.call(MessageView, "GET", f"/v1/messages/{id_}")
    except Refusal:
        return None


def _state(item: MessageItem) -> tuple[object, ...]:
    return item.status, item.line, item.code, item.delivered_at, item.read_at


def _line(item: MessageItem) -> str:
    now = datetime.fromtimestamp(wall_ms() / 1000).astimezone().strftime("%H:%M:%S")
    way = f" on {item.line}" if item.line else ""
    why = f" ({item.code})" if item.code else ""
    whom = item.to or f"person:{item.person}"
    return printable(f"{now}  {item.id}  {whom:<16}  {item.sender:<12}  {item.status}{way}{why}")
