"""Commands on messages: send, status, cancel, dead."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from urllib.parse import quote

import click
import msgspec

from datasms_daemon.cli.output import after, fields, local, table
from datasms_daemon.cli.session import FAILED, NOT_IN_TIME, Command, Failed, Group, Session, with_values
from datasms_daemon.cli.webhooks import resend_dead, show_dead
from datasms_daemon.config.units import parse_duration
from datasms_daemon.gateway.records import (
    AcceptedAnswer,
    EventView,
    Items,
    MessageItem,
    MessageView,
    Page,
    ResendAnswer,
    StoredAttachmentView,
)
from datasms_daemon.model import AcceptedMessage, MessageState
from datasms_daemon.ops.clock import elapsed_ms
from datasms_daemon.web.client import Client, Refusal

BYTES = "application/octet-stream"
UPLOAD_S = 300
WAIT_S = 50
ARRIVED = (MessageState.DELIVERED, MessageState.READ)
PAGE = 500


class Duration(click.ParamType[int]):
    """A span of time, in milliseconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Click: reads the option."""
        span = value if isinstance(value, int) else parse_duration(str(value))
        if span is None:
            self.fail(f"{value!r} is no duration; write 90s, 5m, 2h or 3d", param, ctx)
        return span


class Button(click.ParamType[dict[str, str]]):
    """A button, as a message has it."""

    name = "button"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, str]:
        """Click: reads the option."""
        text, _, action = str(value).partition("=")
        if not action:
            return {"text": text}
        return {"text": text, "url" if action.startswith(("https://", "http://")) else "reply": action}


@click.command(cls=Command)
@click.argument("to", nargs=-1, required=True)
@click.argument("text")
@click.option("--priority", metavar="NAME", help="high, normal, low, or one of the configuration's own.")
@click.option("--title", help="Shown above the text where there is room for one.")
@click.option("--ttl", metavar="DURATION", help="How long it is worth delivering: 90s, 5m, 2h, 3d.")
@click.option("--reference", help="Your own mark; messages can be found by it.")
@click.option("--line", "lines", multiple=True, metavar="NAME", help="Only by this line; may be given again.")
@click.option("--send-at", metavar="TIME", help="Not before: 2026-11-24T08:00:00+01:00.")
@click.option("--class", "class_", metavar="NAME", help="A word that rules can look at.")
@click.option("--nomodify", is_flag=True, default=None, help="The text leaves byte for byte on every line.")
@click.option(
    "--attach", "files", multiple=True, metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file that goes along to whoever has an app for it; may be given again.",
)  # fmt: skip
@click.option(
    "--button", "buttons", multiple=True, metavar="TEXT[=ACTION]", type=Button(),
    help="Something to press below the text: it writes TEXT, or ACTION, or opens ACTION when that is a web address; "
    "may be given again.",
)  # fmt: skip
@click.option("--wait", is_flag=True, help="Wait until it is over; exit 3 when it was not delivered.")
@click.option("--timeout", type=Duration(), help="With --wait: at most so long.")
@click.pass_obj
def send(
    session: Session, /, to: tuple[str, ...], text: str, files: tuple[Path, ...], wait: bool, timeout: int | None,
    **said: object,
) -> None:  # fmt: skip
    """Send TEXT to each TO: a phone number, person:ID or group:ID. TEXT may be -, for standard input."""
    if timeout is not None and not wait:
        raise click.UsageError("--timeout means something only with --wait")
    body = request(to, text, said)
    if files:
        body["attachments"] = [_taken_in(session.client, file) for file in files]
    try:
        accepted = session.client.call(AcceptedAnswer, "POST", "/v1/messages", body=body)
    except Refusal as refusal:
        raise with_values(refusal, body) from refusal
    if wait:
        _wait_for_all(session, accepted.messages, None if timeout is None else elapsed_ms() + timeout)
    else:
        _show_accepted(session, accepted)


def _taken_in(client: Client, file: Path) -> str:
    """The id of a file that the daemon has now."""
    stored = client.send(
        "POST", "/v1/attachments", query=[("name", file.name)], content=file.read_bytes(), media=BYTES,
        timeout_s=UPLOAD_S,
    )  # fmt: skip
    return msgspec.json.decode(stored, type=StoredAttachmentView).id


def _show_accepted(session: Session, accepted: AcceptedAnswer) -> None:
    rows = [(message.id, message.to, message.status) for message in accepted.messages]
    session.show(accepted, lambda: table(("ID", "TO", "STATUS"), rows))
    if failed := [message for message in accepted.messages if message.status is MessageState.FAILED]:
        raise Failed(FAILED, f"no way leads to {len(failed)} of {len(rows)}; datasms explain says why")


def request(to: tuple[str, ...], text: str, said: dict[str, object]) -> dict[str, object]:
    """A message as the gateway wants it; ``said`` are the options of a command."""
    body: dict[str, object] = {"to": to, "text": text}
    if text == "-":
        body["text"] = sys.stdin.read().rstrip("\n")
    body |= {name.rstrip("_"): value for name, value in said.items() if value not in (None, ())}
    return body


def _wait_for_all(session: Session, sent: tuple[AcceptedMessage, ...], until: int | None) -> None:
    views = [_final(session.client, message.id, until) for message in sent]
    rows = [
        (view.id, view.to, view.status, view.line, view.code, after(view.created_at, view.delivered_at))
        for view in views
    ]
    session.show(views, lambda: table(("ID", "TO", "STATUS", "LINE", "CODE", "AFTER"), rows))
    if missing := [view for view in views if view.status not in ARRIVED]:
        raise Failed(NOT_IN_TIME, f"not delivered: {len(missing)} of {len(views)}")


def _final(client: Client, id_: str, until: int | None) -> MessageView:
    """The message once it is over, or as it stands when the time is."""
    while True:
        left_s = WAIT_S if until is None else math.ceil((until - elapsed_ms()) / 1000)
        view = _message(client, id_, min(max(left_s, 0), WAIT_S))
        if view.status.is_final or (until is not None and elapsed_ms() >= until):
            return view


def _message(client: Client, id_: str, wait_s: int = 0) -> MessageView:
    path, query = f"/v1/messages/{_segment(id_)}", [("wait", wait_s)]
    return client.call(MessageView, "GET", path, query=query, timeout_s=wait_s + 30)


@click.command(cls=Command)
@click.argument("id_", metavar="ID")
@click.option("--trace", is_flag=True, help="Also every decision that was taken.")
@click.pass_obj
def status(session: Session, id_: str, trace: bool) -> None:
    """Show where a message stands: what was tried, and the receipts."""
    view = _message(session.client, id_)
    path = f"/v1/messages/{_segment(id_)}/trace"
    events = session.client.call(Items[EventView], "GET", path).items if trace else ()
    result = {"message": view, "trace": events} if trace else view
    session.show(result, lambda: _show_message(view, events))


def _show_message(view: MessageView, events: tuple[EventView, ...]) -> None:
    start = view.created_at
    fields(
        [
            ("message", view.id),
            ("to", view.to),
            ("person", view.person),
            ("sender", view.sender),
            ("priority", view.priority),
            ("reference", view.reference),
            ("attachments", ", ".join(one.name for one in view.attachments) or None),
            ("status", view.status if view.code is None else f"{view.status} ({view.code})"),
            ("line", view.line),
            ("created", local(start)),
            ("send at", local(view.send_at)),
            ("held until", local(view.held_until)),
            ("valid until", local(view.valid_until)),
            ("sender told", local(view.ndr_at)),
            ("delivered", _receipt(start, view.delivered_at)),
            ("read", _receipt(start, view.read_at)),
        ]
    )
    click.echo("\nattempts")
    rows: list[tuple[object, ...]] = []
    for try_ in view.attempts:
        late = "late receipt" if try_.late else None
        times = [after(start, time) for time in (try_.sent_at, try_.deadline, try_.finished_at)]
        rows.append((try_.step + 1, try_.line, try_.state, *times, try_.outcome, try_.reason or late))
        rows += [("", f"  {push.channel}", push.state, "", "", "", "", push.device) for push in try_.pushes]
    table(("STEP", "LINE", "STATE", "SENT", "DEADLINE", "FINISHED", "OUTCOME", "REASON"), rows)
    if events:
        click.echo("\ntrace")
        told = [(after(start, event.at), event.kind, _detail(event)) for event in events]
        table(("AT", "WHAT", "DETAIL"), told)


def _receipt(start: str, time: str | None) -> str | None:
    return None if time is None else f"{local(time)}  ({after(start, time)})"


def _detail(event: EventView) -> str:
    return " ".join(f"{name}={value}" for name, value in event.detail.items() if value is not None)


@click.command(cls=Command)
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.pass_obj
def cancel(session: Session, ids: tuple[str, ...]) -> None:
    """Send nothing more of a message; what was handed over cannot be called back."""
    views = [session.client.call(MessageView, "DELETE", f"/v1/messages/{_segment(id_)}") for id_ in ids]
    rows = [(view.id, view.to, view.status) for view in views]
    session.show(views, lambda: table(("ID", "TO", "STATUS"), rows))


dead = Group("dead", help="Messages that did not arrive and are not tried any more.")


@dead.command("list")
@click.option("--limit", type=click.IntRange(1, PAGE), default=50, show_default=True)
@click.option("--inbound", is_flag=True, help="Texts from outside that could not be handed on instead.")
@click.pass_obj
def dead_list(session: Session, limit: int, inbound: bool) -> None:
    """Show them, newest first."""
    if inbound:
        show_dead(session, limit)
        return
    page = session.client.call(Page[MessageItem], "GET", "/v1/dead", query=[("limit", limit)])
    rows = [(item.id, item.to, item.sender, item.status, item.code, local(item.created_at)) for item in page.items]
    session.show(page, lambda: table(("ID", "TO", "SENDER", "STATUS", "CODE", "CREATED"), rows))


@dead.command("resend")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--inbound", is_flag=True, help="Texts from outside: hand them on under the ids that they had.")
@click.pass_obj
def dead_resend(session: Session, ids: tuple[str, ...], inbound: bool) -> None:
    """Send their content again, as new messages."""
    if inbound:
        resend_dead(session, ids)
        return
    pairs = [(id_, session.client.call(ResendAnswer, "POST", f"/v1/dead/{_segment(id_)}/resend").id) for id_ in ids]
    result = [{"dead": old, "id": new} for old, new in pairs]
    session.show(result, lambda: table(("DEAD", "NEW"), pairs))


def _segment(id_: str) -> str:
    """An id as a part of a path."""
    return quote(id_, safe="")
