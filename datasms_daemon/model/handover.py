"""What goes to a driver and what comes back from the far end."""

from __future__ import annotations

from datasms_daemon.model.attachments import Attachment
from datasms_daemon.model.buttons import Button
from datasms_daemon.model.directory import Device
from datasms_daemon.model.outcomes import Outcome
from datasms_daemon.model.words import Alphabet, DeviceId, LineName, LineState, MessageId, ReceiptState, Record


class Handover(Record, frozen=True):
    """One message for one line, claimed and committed as ``sending`` before the driver sees it.

    ``held_back``: a device is left out because it may have the message from an earlier attempt and would show it twice.
    ``source``: the number that the message must show instead of the line's own.
    """

    message: MessageId
    attempt: int
    to: str | None
    title: str | None
    text: str
    priority: str
    urgent: bool
    created_at: int
    valid_until: int
    devices: tuple[Device, ...] = ()
    held_back: bool = False
    source: str | None = None
    attachments: tuple[Attachment, ...] = ()
    buttons: tuple[Button, ...] = ()


class Content(Record, frozen=True):
    """What a person is shown."""

    text: str
    title: str | None = None
    attachments: tuple[Attachment, ...] = ()
    buttons: tuple[Button, ...] = ()


class PushOrder(Record, frozen=True):
    """One push for one device, at ``device.address``; ``ttl_ms`` is how long it is worth keeping.

    ``content`` is there only for channels that show it themselves; the others carry ids and urgency, never the text.
    """

    message: MessageId
    device: Device
    urgent: bool
    ttl_ms: int
    content: Content | None = None


class PushResult(Record, frozen=True):
    """What became of one push; ``address`` is the one that was tried, so that only that one is retired (I41).

    A device has one for each way to it that was tried, in their order.
    """

    device: DeviceId
    channel: str
    address: dict[str, str]
    outcome: Outcome


class HandoverResult(Record, frozen=True):
    """What a line says about a hand-over. ``once``: after an Unknown, a repeat might be seen as a second message."""

    outcome: Outcome
    pushes: tuple[PushResult, ...] = ()
    once: bool = False


class LineReceipt(Record, frozen=True):
    """Evidence from a provider about a part it knows by ``provider_ids``: the same id as this line may write it."""

    line: LineName
    provider_ids: tuple[str, ...]
    state: ReceiptState
    at: int
    to: str | None = None
    reason: str | None = None


class PushReceipt(Record, frozen=True):
    """A service's word about a push that it took under ``provider_id``: delivered, read or failed on the device."""

    channel: str
    provider_id: str
    state: ReceiptState
    at: int
    reason: str | None = None


class DeviceReceipt(Record, frozen=True):
    """A device's own word about a message in its inbox."""

    message: MessageId
    state: ReceiptState
    at: int


class InboundText(Record, frozen=True):
    """A text from outside, whole again if it came in parts. ``key`` makes a repeat of the same delivery harmless.

    ``line`` is the line or the channel it came by. From a channel, ``from_`` is the device's address there as one text,
    and ``address`` the same as the channel's devices have it. ``incomplete``: parts of it never came.
    """

    line: LineName
    from_: str
    to: str
    text: str
    at: int
    key: str
    address: dict[str, str] | None = None
    incomplete: bool = False


class InboundPart(Record, frozen=True):
    """One part of a long text from outside, ``number`` from 1 of ``total``; parts that belong together share sender,
    recipient and ``reference``. ``octets`` are in the ``coding`` of GSM 03.38, 0 being ``alphabet``.
    """

    line: LineName
    from_: str
    to: str
    reference: int
    total: int
    number: int
    alphabet: Alphabet
    coding: int
    octets: bytes
    at: int
    key: str


class LineStatus(Record, frozen=True):
    """What a line says of itself."""

    state: LineState
    reason: str | None = None


class Verdict(Record, frozen=True):
    """What a channel's test found: whether it is fit for use, and why, a sentence a finding."""

    good: bool
    findings: tuple[str, ...]


class HookCall(Record, frozen=True):
    """A service calls us: the channel's name, what follows it in the path, lower-case headers, the raw body.

    The MxService that took the call has not looked into it.
    """

    channel: str
    path: str
    headers: dict[str, str]
    body: bytes


class HookAnswer(Record, frozen=True):
    """What the service is answered; a body is JSON."""

    status: int = 200
    body: bytes = b""
