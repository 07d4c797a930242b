"""What we say to Viber: texts, the welcome, which callbacks we want, links that register (viber.md §§ 2, 3). Pure."""

from __future__ import annotations

from urllib.parse import quote

import msgspec

from datasms_daemon.model import NotSent, PushOrder, Record

MAX_TEXT = 7000  # characters
MAX_BODY = 30_000  # bytes
EVENTS = ("delivered", "seen", "failed", "conversation_started")


class Sender(Record, frozen=True):
    """Who Viber shows as the sender."""

    name: str
    avatar: str | None = None


def to_request(order: PushOrder, sender: Sender) -> bytes | NotSent:
    """The body of send_message for this push, title and text as one; NotSent for what Viber cannot carry."""
    receiver = order.device.address.get("id")
    if not receiver:
        return NotSent("the device's address has no id", final=True)
    if order.content is None:
        return NotSent("there is no text to show", final=True)
    content = order.content
    text = content.text if content.title is None else f"{content.title}\n{content.text}"
    if not text.strip():
        return NotSent("there is no text to show", final=True)
    if len(text) > MAX_TEXT:
        return NotSent(f"longer than {MAX_TEXT} characters", final=True)
    body = msgspec.json.encode({"receiver": receiver, **_text(text, sender), "tracking_data": order.message})
    return body if len(body) <= MAX_BODY else NotSent(f"larger than {MAX_BODY} bytes", final=True)


def welcome(text: str, sender: Sender, button: str | None = None) -> bytes:
    """The answer to conversation_started: a message without a receiver.

    ``button``: a key below it that writes this very text to the bot; writing is what subscribes.
    """
    message = _text(text, sender)
    if button is not None:
        key = {"Columns": 6, "Rows": 1, "ActionType": "reply", "ActionBody": button, "Text": button}
        message["keyboard"] = {"Type": "keyboard", "DefaultHeight": False, "Buttons": [key]}
    return msgspec.json.encode(message)


def webhook(url: str) -> bytes:
    """The body of set_webhook: which callbacks are to go to ``url``."""
    return msgspec.json.encode({"url": url, "event_types": EVENTS, "send_name": True, "send_photo": False})


def deep_link(bot_uri: str, number: str) -> str:
    """A link that opens the bot's conversation and registers with this registration number, without typing it."""
    return f"viber://pa?chatURI={quote(bot_uri, safe='')}&context={quote(number, safe='')}"


def _text(text: str, sender: Sender) -> dict[str, object]:
    shown = {"name": sender.name} if sender.avatar is None else {"name": sender.name, "avatar": sender.avatar}
    return {"type": "text", "text": text, "sender": shown, "min_api_version": 1}
