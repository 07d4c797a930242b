"""What passes between the core and MxService."""

from __future__ import annotations

from datasms_daemon.model.attachments import Attachment
from datasms_daemon.model.buttons import Button
from datasms_daemon.model.directory import Reach
from datasms_daemon.model.words import DeviceId, MessageId, Record


class NewRegistration(Record, frozen=True):
    """What a client says of itself when it asks for a registration number; ``remote`` is its network address."""

    channel: str
    address: dict[str, str]
    keys: dict[str, str]
    name: str
    platform: str
    app: str
    remote: str
    others: tuple[Reach, ...] = ()


class Registration(Record, frozen=True):
    """A registration in being: the user sends ``text`` by SMS to ``sms_to`` before ``expires_at``."""

    id: str
    secret: str
    number: str
    expires_at: int
    sms_to: str
    text: str


class IssuedRegistration(Record, frozen=True):
    """A registration number just made; ``text`` is what proves it before ``expires_at``, ``links`` by channel name do
    the same with one tap."""

    id: str
    secret: str
    number: str
    text: str
    expires_at: int
    links: dict[str, str] = {}


class RegistrationState(Record, frozen=True):
    """``state`` is pending, active, expired or refused; ``device`` and ``token`` only in the first active answer."""

    state: str
    device: DeviceId | None = None
    token: str | None = None


class InboxItem(Record, frozen=True):
    """One message as a device gets it; ``seq`` is the cursor."""

    seq: int
    id: MessageId
    sent_at: int
    priority: str
    title: str | None
    text: str
    valid_until: int
    attachments: tuple[Attachment, ...] = ()
    buttons: tuple[Button, ...] = ()
