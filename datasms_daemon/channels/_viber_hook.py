"""Viber's callbacks: whether one is genuine, what it says, and what that means for the daemon (viber.md § 5). Pure."""

from __future__ import annotations

import hmac
from typing import Annotated

import msgspec
from msgspec import Meta

from datasms_daemon.channels._answers import UNREADABLE
from datasms_daemon.channels._viber_answers import shown
from datasms_daemon.model import HookCall, InboundText, LineName, PushReceipt, ReceiptState, Record, Secret

SIGNATURE = "x-viber-content-signature"
# Viber repeats a callback for an hour, perhaps with its first timestamp.
MAX_AGE_MS = 90 * 60_000
MAX_AHEAD_MS = 5 * 60_000
KEYWORD = "DATASMS"

UserId = Annotated[str, Meta(min_length=1)]


class Callback(Record, frozen=True, kw_only=True, tag_field="event"):
    """What all callbacks have: when it happened (UTC ms) and the token, of the message it is about or its own."""

    timestamp: int
    message_token: int = 0

    @property
    def user(self) -> str:
        """Whom it is about; an empty text: nobody."""
        return ""

    @property
    def key(self) -> tuple[str, int, str]:
        """The same for each repeat of one callback."""
        return str(self.__struct_config__.tag), self.message_token or self.timestamp, self.user


class _OfUserId(Callback, frozen=True, kw_only=True):
    user_id: UserId

    @property
    def user(self) -> str:
        return self.user_id


class Delivered(_OfUserId, frozen=True, kw_only=True, tag="delivered"):
    """One of his devices has the message."""


class Seen(_OfUserId, frozen=True, kw_only=True, tag="seen"):
    """He has read this message and all before it."""


class Failed(_OfUserId, frozen=True, kw_only=True, tag="failed"):
    """His Viber could not show the message."""

    desc: str = ""


class Unsubscribed(_OfUserId, frozen=True, kw_only=True, tag="unsubscribed"):
    """He wants no more messages, until he writes again."""


class Person(Record, frozen=True):
    """A Viber user, by the id he has with this bot."""

    id: UserId


class Subscribed(Callback, frozen=True, kw_only=True, tag="subscribed"):
    """He wants messages."""

    user_: Person = msgspec.field(name="user")

    @property
    def user(self) -> str:
        return self.user_.id


class ConversationStarted(Callback, frozen=True, kw_only=True, tag="conversation_started"):
    """He has opened the conversation, which is no subscription yet; ``context`` is what his link said."""

    user_: Person = msgspec.field(name="user")
    context: str | None = None

    @property
    def user(self) -> str:
        return self.user_.id


class Place(Record, frozen=True):
    """Degrees, north and east."""

    lat: float
    lon: float


class Contact(Record, frozen=True):
    """An entry of his address book."""

    name: str | None = None
    phone_number: str | None = None


class Content(Record, frozen=True):
    """What he wrote or sent."""

    type: str
    text: str | None = None
    media: str | None = None
    file_name: str | None = None
    location: Place | None = None
    contact: Contact | None = None


class Message(Callback, frozen=True, kw_only=True, tag="message"):
    """He wrote, which also subscribes him."""

    sender: Person
    message: Content

    @property
    def user(self) -> str:
        return self.sender.id


class Other(Callback, frozen=True, kw_only=True, tag="other"):
    """One that means nothing to us: the probe of set_webhook, payments, whatever Viber will think of."""


class _Head(msgspec.Struct, frozen=True):
    event: str
    timestamp: int


KNOWN = Delivered | Seen | Failed | Unsubscribed | Subscribed | ConversationStarted | Message
EVENTS = ("delivered", "seen", "failed", "unsubscribed", "subscribed", "conversation_started", "message")


class AllRead(Record, frozen=True):
    """All that was delivered to an address before ``at`` has been read."""

    address: dict[str, str]
    at: int


class Gone(Record, frozen=True):
    """Nothing reaches an address any more."""

    address: dict[str, str]
    reason: str


Effect = PushReceipt | AllRead | Gone | InboundText


def signature(token: Secret, body: bytes) -> str:
    """What Viber puts into its header for this body: HMAC-SHA256 under the bot's token, in hex."""
    return hmac.digest(token.reveal().encode(), body, "sha256").hex()


def is_genuine(call: HookCall, token: Secret) -> bool:
    """Whether who knows the token signed exactly these bytes."""
    given = call.headers.get(SIGNATURE, "").strip().lower()
    return hmac.compare_digest(given.encode(errors="replace"), signature(token, call.body).encode())


def is_timely(callback: Callback, now_ms: int) -> bool:
    """Whether it may be a first delivery or one of Viber's own repeats."""
    return -MAX_AHEAD_MS <= now_ms - callback.timestamp <= MAX_AGE_MS


def read(body: bytes) -> Callback | None:
    """The callback in a body, tokens exact; None: it is none."""
    try:
        head = msgspec.json.decode(body, type=_Head)
        if head.event not in EVENTS:
            return Other(timestamp=head.timestamp)
        known: Callback = msgspec.json.decode(body, type=KNOWN)
        return known
    except UNREADABLE:
        return None


def meaning(callback: Callback, channel: str, now_ms: int) -> tuple[Effect, ...]:
    """What the daemon must be told, in this order."""
    at = min(callback.timestamp, now_ms)
    address = {"id": callback.user}
    match callback:
        case Delivered():
            return _receipt(callback, channel, ReceiptState.DELIVERED, at)
        case Seen():
            return (*_receipt(callback, channel, ReceiptState.READ, at), AllRead(address, at))
        case Failed():
            # Foreign words, which may name him.
            reason = shown(callback.desc.replace(callback.user, "…")) or "failed on the device"
            return _receipt(callback, channel, ReceiptState.FAILED, at, reason)
        case Unsubscribed():
            return (Gone(address, "unsubscribed"),)
        case Message():
            return (_inbound(callback, channel, readable(callback.message), now_ms),)
        case ConversationStarted() if callback.context:
            return (_inbound(callback, channel, f"{KEYWORD} {callback.context}", now_ms),)
    return ()


def readable(content: Content) -> str:
    """What he wrote; for anything else its kind, and what of it can be said in words."""
    if content.type == "text":
        return content.text or ""
    parts: list[str | None] = [f"[{shown(content.type)}]"]
    if content.location is not None:
        parts.append(f"{content.location.lat}, {content.location.lon}")
    if content.contact is not None:
        parts += [content.contact.name, content.contact.phone_number]
    parts += [content.file_name, content.text, content.media if content.type == "url" else None]
    return " ".join(part for part in parts if part)


def _receipt(
    callback: Callback, channel: str, state: ReceiptState, at: int, reason: str | None = None
) -> tuple[Effect, ...]:
    token = callback.message_token
    return (PushReceipt(channel, str(token), state, at, reason),) if token else ()


def _inbound(callback: Callback, channel: str, text: str, now_ms: int) -> InboundText:
    user = callback.user
    return InboundText(
        line=LineName(channel),
        from_=f"viber:{user}",
        to=channel,
        text=text,
        at=now_ms,
        key=str(callback.message_token or callback.timestamp),
        address={"id": user},
    )
