"""What goes to a driver and what comes back from the far end."""

from __future__ import annotations

from datasms_daemon.model.directory import Device
from datasms_daemon.model.outcomes import Outcome
from datasms_daemon.model.words import DeviceId, LineName, LineState, MessageId, ReceiptState, Record


class Handover(Record, frozen=True):
    """One message for one line, claimed and committed as ``sending`` before the driver sees it."""

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


class PushOrder(Record, frozen=True):
    """One wake-up for one device; carries ids and urgency, never the text.

    ``ttl_ms`` is how long it is worth keeping.
    """

    message: MessageId
    device: Device
    urgent: bool
    ttl_ms: int


class PushResult(Record, frozen=True):
    """What became of one push; ``address`` is the one that was tried, so that only that one is retired (I41)."""

    device: DeviceId
    address: dict[str, str]
    outcome: Outcome


class HandoverResult(Record, frozen=True):
    """What a line says about a hand-over."""

    outcome: Outcome
    pushes: tuple[PushResult, ...] = ()


class LineReceipt(Record, frozen=True):
    """Evidence from a provider about a part it knows by ``provider_ids``: the same id as this line may write it."""

    line: LineName
    provider_ids: tuple[str, ...]
    state: ReceiptState
    at: int
    to: str | None = None
    reason: str | None = None


class DeviceReceipt(Record, frozen=True):
    """A device's own word about a message in its inbox."""

    message: MessageId
    state: ReceiptState
    at: int


class InboundText(Record, frozen=True):
    """A text from outside, whole again if it came in parts. ``key`` makes a repeat of the same delivery harmless."""

    line: LineName
    from_: str
    to: str
    text: str
    at: int
    key: str


class LineStatus(Record, frozen=True):
    """What a line says of itself."""

    state: LineState
    reason: str | None = None
