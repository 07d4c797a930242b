"""What we say to Viber: texts, pictures, files, the welcome, which callbacks we want, links that register. Pure.

Limits and fields are those of viber.md §§ 2 and 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from urllib.parse import quote

import msgspec

from datasms_daemon.model import Attachment, Button, NotSent, PushOrder, Record

MAX_TEXT = 7000  # characters
MAX_PICTURE_TEXT = 768  # characters
MAX_PICTURE = 1 << 20  # bytes; an iPhone takes no more
MAX_FILE = 50 << 20  # bytes
MAX_FILE_NAME = 256  # characters
MAX_BODY = 30_000  # bytes
EVENTS = ("delivered", "seen", "failed", "conversation_started")

# What the address of a picture must end in. Not GIF: a moving one is refused, and only who decodes it knows.
PICTURES = {"image/png": "png", "image/jpeg": "jpeg"}
FORBIDDEN = frozenset({
    "action", "apk", "app", "bat", "bin", "cmd", "com", "command", "cpl", "csh", "exe", "gadget", "inf1", "ins", "inx",
    "ipa", "isu", "job", "jse", "ksh", "lnk", "msc", "msi", "msp", "mst", "osx", "out", "paf", "pif", "ps1", "reg",
    "rgs", "run", "sct", "shb", "shs", "u3p", "vb", "vbe", "vbs", "vbscript", "workflow", "ws", "wsf",
})  # fmt: skip
"""Extensions of files that Viber does not take."""

Link = Callable[[Attachment], str]
"""The https address at which Viber fetches an attachment."""


class Sender(Record, frozen=True):
    """Who Viber shows as the sender."""

    name: str
    avatar: str | None = None


class Sends(Record, frozen=True):
    """One message as bodies of send_message, in their order.

    ``first`` carries the text, alone or under a picture; what becomes of it is what becomes of the message. ``others``
    are the further attachments by name. ``left_out`` says of each attachment that cannot be sent why.
    """

    first: bytes
    others: tuple[tuple[str, bytes], ...] = ()
    left_out: tuple[str, ...] = ()


def to_sends(order: PushOrder, sender: Sender, link: Link | None) -> Sends | NotSent:
    """What to send for this push, title and text as one; NotSent for what Viber cannot carry.

    Each message has all the buttons, for Viber shows those of the newest one.
    ``link`` None: there is no address at which Viber could fetch an attachment, so the text goes alone.
    """
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
    fit, left_out = _sorted_out(content.attachments, link)
    common = {"receiver": receiver, "tracking_data": order.message, **_keyboard(content.buttons)}
    first = _text(text, sender)
    if link is not None and fit and _is_picture(fit[0]) and len(text) <= MAX_PICTURE_TEXT:
        first = _picture(text, sender, fit[0], link)
        fit = fit[1:]
    body = msgspec.json.encode({**common, **first})
    if len(body) > MAX_BODY:
        return NotSent(f"larger than {MAX_BODY} bytes", final=True)
    if link is None:
        return Sends(body, (), left_out)
    others = [(one.name, msgspec.json.encode({**common, **_media(sender, one, link)})) for one in fit]
    large = tuple(f"{name} was left out: larger than {MAX_BODY} bytes" for name, body in others if len(body) > MAX_BODY)
    return Sends(body, tuple(one for one in others if len(one[1]) <= MAX_BODY), left_out + large)


def welcome(text: str, sender: Sender, button: str | None = None) -> bytes:
    """The answer to conversation_started: a message without a receiver.

    ``button``: a key below it that writes this very text to the bot; writing is what subscribes.
    """
    buttons = () if button is None else (Button(button, button),)
    return msgspec.json.encode({**_text(text, sender), **_keyboard(buttons)})


def webhook(url: str) -> bytes:
    """The body of set_webhook: which callbacks are to go to ``url``."""
    return msgspec.json.encode({"url": url, "event_types": EVENTS, "send_name": True, "send_photo": False})


def deep_link(bot_uri: str, number: str) -> str:
    """A link that opens the bot's conversation and registers with this registration number, without typing it."""
    return f"viber://pa?chatURI={quote(bot_uri, safe='')}&context={quote(number, safe='')}"


def _sorted_out(
    attachments: tuple[Attachment, ...], link: Link | None
) -> tuple[tuple[Attachment, ...], tuple[str, ...]]:
    """Those that Viber takes, and what is wrong with the others."""
    wrong = {one: _wrong_with(one) for one in attachments}
    if link is None:
        wrong = dict.fromkeys(attachments, "[mxservice] public_url is not set")
    fit = tuple(one for one in attachments if wrong[one] is None)
    return fit, tuple(f"{one.name} was left out: {why}" for one, why in wrong.items() if why is not None)


def _wrong_with(attachment: Attachment) -> str | None:
    if _is_picture(attachment):
        return None
    if attachment.size > MAX_FILE:
        return f"larger than {MAX_FILE >> 20} MB"
    extension = _extension(attachment.name)
    return f"Viber takes no .{extension} files" if extension in FORBIDDEN else None


def _is_picture(attachment: Attachment) -> bool:
    return attachment.type in PICTURES and attachment.size <= MAX_PICTURE


def _extension(name: str) -> str:
    return name.rpartition(".")[2].lower() if "." in name else ""


def _media(sender: Sender, attachment: Attachment, link: Link) -> dict[str, object]:
    if _is_picture(attachment):
        return _picture("", sender, attachment, link)
    name = attachment.name if _extension(attachment.name) else f"{attachment.name}.dat"
    return {
        **_shown(sender),
        "type": "file",
        "media": link(attachment),
        "size": attachment.size,
        "file_name": name[-MAX_FILE_NAME:],
    }


def _picture(text: str, sender: Sender, attachment: Attachment, link: Link) -> dict[str, object]:
    media = f"{link(attachment)}.{PICTURES[attachment.type]}"
    return {**_shown(sender), "type": "picture", "text": text, "media": media}


def _keyboard(buttons: Sequence[Button]) -> dict[str, object]:
    """The part of a message that shows them, one below the other; nothing where there are none."""
    # Viber reads what stands on a key as HTML, at most 250 characters of it.
    keys = [{"Columns": 6, "Rows": 1, **_action(one), "Text": escape(one.text, quote=False)} for one in buttons]
    return {"keyboard": {"Type": "keyboard", "DefaultHeight": False, "Buttons": keys}} if keys else {}


def _action(button: Button) -> dict[str, object]:
    if button.url is not None:
        return {"ActionType": "open-url", "ActionBody": button.url}
    return {"ActionType": "reply", "ActionBody": button.reply}


def _text(text: str, sender: Sender) -> dict[str, object]:
    return {**_shown(sender), "type": "text", "text": text}


def _shown(sender: Sender) -> dict[str, object]:
    shown = {"name": sender.name} if sender.avatar is None else {"name": sender.name, "avatar": sender.avatar}
    return {"sender": shown, "min_api_version": 1}
