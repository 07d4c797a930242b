"""What clients send and what they are answered (interfaces.md § 3), and the way between that and the model's records.

The same records decode requests and make the OpenAPI document.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal
from urllib.parse import quote

import msgspec
from msgspec import Meta

from datasms_daemon.model import (
    Device,
    DeviceReceipt,
    DeviceState,
    InboxItem,
    MessageId,
    Problem,
    ReceiptState,
    Registration,
    RegistrationState,
)
from datasms_daemon.web.times import milliseconds, rfc3339, rfc3339_or_none

# ``$`` alone also matches before a newline at the end in Python.
_END = r"(?!\n)$"
_PRINTABLE = r"^[^\x00-\x1f\x7f]*" + _END

MAX_WAIT_S = 55
MAX_RECEIPTS = 500
MAX_OTHERS = 4
AHEAD_MS = 5 * 60 * 1000
"""So far may a device's clock be ahead before its times are taken for wrong."""

Word = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+" + _END)]
Label = Annotated[str, Meta(max_length=100, pattern=_PRINTABLE)]
AddressField = Annotated[str, Meta(min_length=1, max_length=4096, pattern=_PRINTABLE)]
Address = Annotated[
    dict[Word, AddressField],
    Meta(
        max_length=8,
        description="fcm {token} or {fid}, wns {channel_uri}, webpush {endpoint}, omni {phone}, direct {}",
    ),
]
Cursor = Annotated[str, Meta(pattern=r"^[0-9]{1,18}" + _END, description="The cursor of an item; 0: from the start")]
PageSize = Annotated[int, Meta(ge=1, le=500)]
Wait = Annotated[int, Meta(ge=0, le=MAX_WAIT_S, description="Seconds to wait for a change")]
Time = Annotated[datetime, Meta(tz=True)]
TimeText = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]


class Sent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what is sent to us; an unknown field is a fault."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Base of what we answer."""


class Keys(Sent, frozen=True, kw_only=True):
    """Public keys for RFC 8291, base64url: a P-256 point and 16 random bytes."""

    p256dh: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{87}=?" + _END)]
    auth: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{22}(==)?" + _END)]

    def as_dict(self) -> dict[str, str]:
        """The keys without padding."""
        return {"p256dh": self.p256dh.rstrip("="), "auth": self.auth.rstrip("=")}


class OtherChannel(Sent, frozen=True, kw_only=True):
    """A further way to the device, for when those before it cannot take a message."""

    channel: Word
    address: Address = {}


Others = Annotated[
    tuple[OtherChannel, ...],
    Meta(max_length=MAX_OTHERS, description="Further channels in order of preference; keys are for all of them"),
]


class RegistrationRequest(Sent, frozen=True, kw_only=True):
    """A client asks for a registration number."""

    channel: Word
    address: Address = {}
    keys: Keys | None = None
    others: Others = ()
    name: Label = ""
    platform: Label = ""
    app: Label = ""


class Sms(Answer, frozen=True, kw_only=True):
    """The SMS that proves the number; ``uri`` opens it ready written (RFC 5724)."""

    to: str
    text: str
    uri: str


class RegistrationAnswer(Answer, frozen=True, kw_only=True):
    """The user sends ``sms`` before ``expires_at``; whoever has ``secret`` gets the token."""

    id: str
    secret: str
    number: str
    expires_at: TimeText
    sms: Sms


class WaitQuery(Sent, frozen=True, kw_only=True):
    """A long poll."""

    wait: Wait = 0


class NewDevice(Answer, frozen=True, kw_only=True):
    """The device that came of a registration and its token, shown once."""

    id: str
    token: str


class RegistrationStateAnswer(Answer, frozen=True, kw_only=True):
    """How a registration stands."""

    state: Literal["pending", "active", "expired", "refused"]
    device: NewDevice | None = None


class StreamQuery(Sent, frozen=True, kw_only=True):
    """Where a stream begins."""

    after: Cursor = "0"


class InboxQuery(Sent, frozen=True, kw_only=True):
    """A page of the inbox, waited for when there is nothing yet."""

    after: Cursor = "0"
    limit: PageSize = 50
    wait: Wait = 0


class AttachmentItem(Answer, frozen=True, kw_only=True):
    """A file that came with a message, for ``GET /mx/v1/attachments/{id}``."""

    id: str
    name: str
    type: str
    size: int
    sha256: str


class ButtonItem(Answer, frozen=True, kw_only=True):
    """To be pressed below the text: it writes ``reply`` to the organisation or opens ``url``; the other is null."""

    text: str
    reply: str | None
    url: str | None


class Item(Answer, frozen=True, kw_only=True):
    """One message as the device gets it."""

    id: str
    cursor: str
    sent_at: TimeText
    priority: str
    title: str | None
    text: str
    attachments: tuple[AttachmentItem, ...] = ()
    buttons: tuple[ButtonItem, ...] = ()
    thread: str | None = None
    valid_until: TimeText


class Withdrawn(Answer, frozen=True, kw_only=True):
    """In a stream: this message is over and need not be shown any more."""

    withdrawn: str


class InboxPage(Answer, frozen=True, kw_only=True):
    """Items, oldest first; ``next`` is the cursor of the next page when there may be one."""

    items: tuple[Item, ...]
    next: str | None


class Receipt(Sent, frozen=True, kw_only=True):
    """What became of a message on the device, and when."""

    id: Annotated[str, Meta(min_length=1, max_length=64, pattern=_PRINTABLE)]
    state: Literal["received", "read"]
    at: Time


class ReceiptsRequest(Sent, frozen=True, kw_only=True):
    """Receipts, as a request's body or as a frame of the stream."""

    receipts: Annotated[tuple[Receipt, ...], Meta(min_length=1, max_length=MAX_RECEIPTS)]


class ReceiptsAnswer(Answer, frozen=True, kw_only=True):
    """Committed are the ``confirmed`` ids; the ``unknown`` ones are not in this device's inbox."""

    confirmed: tuple[str, ...]
    unknown: tuple[str, ...]


class DeviceAnswer(Answer, frozen=True, kw_only=True):
    """A device's own record; ``channels`` are all it is reached by, in order of preference."""

    id: str
    person: str
    channel: str
    channels: tuple[str, ...]
    name: str
    platform: str
    app: str
    state: DeviceState
    last_seen_at: TimeText | None
    address_expires_at: TimeText | None = None


class DeviceUpdate(Sent, frozen=True, kw_only=True):
    """A new address; all else stays as it is unless it is given. ``others`` take the place of all there were."""

    address: Address
    channel: Word | None = None
    keys: Keys | None = None
    others: Others | None = None
    name: Label | None = None


class ChannelItem(Answer, frozen=True, kw_only=True):
    """A channel that a client may register with; ``application_server_key`` is what a browser subscribes with."""

    name: str
    driver: str
    application_server_key: str | None = None


class ChannelsAnswer(Answer, frozen=True, kw_only=True):
    """All of them."""

    items: tuple[ChannelItem, ...]


class Health(Answer, frozen=True, kw_only=True):
    """The service answers."""

    status: Literal["ok"] = "ok"


class Version(Answer, frozen=True, kw_only=True):
    """The daemon's version."""

    version: str


ADDRESS_LIFE_MS = {"wns": 30 * 24 * 3600 * 1000}
"""How long the service keeps an address, by driver (wns.md § 2); the client must register a new one before."""

ADDRESSES = {
    "direct": (),
    "fcm": ("token", "fid"),
    "wns": ("channel_uri",),
    "webpush": ("endpoint",),
    "omni": ("phone",),
}
"""What clients may give as their address, by driver. Viber users have none to give: they write to the bot."""


def address_faults(driver: str, address: Mapping[str, str], keys: Mapping[str, str], at: str = "") -> list[Problem]:
    """Why ``address`` cannot be one of this driver's; empty when it can. ``at`` points to where they stand."""
    if driver not in ADDRESSES:
        return [Problem(f"{at}/channel", "is joined by writing DATASMS and a registration number in it")]
    known = ADDRESSES[driver]
    faults = [Problem(f"{at}/address/{name}", "is unknown here") for name in address if name not in known]
    if known and sum(name in address for name in known) != 1:
        faults.append(Problem(f"{at}/address", f"needs exactly one of: {', '.join(known)}"))
    if driver == "webpush" and not keys:
        faults.append(Problem("/keys", "are needed: p256dh and auth of the subscription"))
    return faults


def registration_answer(registration: Registration) -> RegistrationAnswer:
    """What the client shows its user."""
    uri = f"sms:{registration.sms_to}?body={quote(registration.text, safe='')}"
    return RegistrationAnswer(
        id=registration.id,
        secret=registration.secret,
        number=registration.number,
        expires_at=rfc3339(registration.expires_at),
        sms=Sms(to=registration.sms_to, text=registration.text, uri=uri),
    )


def registration_state_answer(state: RegistrationState) -> RegistrationStateAnswer:
    """How it stands, with the token if this is the time it is shown."""
    device = None
    if state.device is not None and state.token is not None:
        device = NewDevice(id=state.device, token=state.token)
    return msgspec.convert({"state": state.state, "device": device}, RegistrationStateAnswer)


def item_answer(item: InboxItem) -> Item:
    """An inbox item on the wire."""
    return Item(
        id=item.id,
        cursor=str(item.seq),
        sent_at=rfc3339(item.sent_at),
        priority=item.priority,
        title=item.title,
        text=item.text,
        attachments=tuple(AttachmentItem(**msgspec.structs.asdict(one)) for one in item.attachments),
        buttons=tuple(ButtonItem(**msgspec.structs.asdict(one)) for one in item.buttons),
        valid_until=rfc3339(item.valid_until),
    )


def page_answer(items: tuple[InboxItem, ...], limit: int) -> InboxPage:
    """A page of at most ``limit`` items."""
    following = str(items[-1].seq) if len(items) == limit else None
    return InboxPage(items=tuple(map(item_answer, items)), next=following)


def device_receipts(receipts: tuple[Receipt, ...], now: int) -> tuple[DeviceReceipt, ...]:
    """The receipts as the core takes them; a time too far ahead becomes ``now``."""
    states = {"received": ReceiptState.DELIVERED, "read": ReceiptState.READ}
    times = [milliseconds(receipt.at) for receipt in receipts]
    return tuple(
        DeviceReceipt(
            message=MessageId(receipt.id), state=states[receipt.state], at=at if at <= now + AHEAD_MS else now
        )
        for receipt, at in zip(receipts, times, strict=True)
    )


def receipts_answer(receipts: tuple[DeviceReceipt, ...], unknown: tuple[str, ...]) -> ReceiptsAnswer:
    """Which of ``receipts`` are committed."""
    missing = set(unknown)
    confirmed = dict.fromkeys(receipt.message for receipt in receipts if receipt.message not in missing)
    return ReceiptsAnswer(confirmed=tuple(confirmed), unknown=tuple(dict.fromkeys(unknown)))


def device_answer(device: Device, driver: str | None) -> DeviceAnswer:
    """A device as it sees itself; the address it gave is not repeated, it may be a secret."""
    life_ms = ADDRESS_LIFE_MS.get(driver or "")
    expires_at = None if life_ms is None or device.addressed_at is None else device.addressed_at + life_ms
    return DeviceAnswer(
        id=device.id,
        person=device.person,
        channel=device.channel,
        channels=tuple(reach.channel for reach in device.reaches),
        name=device.name,
        platform=device.platform,
        app=device.app,
        state=device.state,
        last_seen_at=rfc3339_or_none(device.last_seen_at),
        address_expires_at=rfc3339_or_none(expires_at),
    )
