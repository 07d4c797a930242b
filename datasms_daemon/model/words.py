"""Ids, states and the other small words."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, NewType

import msgspec

MessageId = NewType("MessageId", str)
PersonId = NewType("PersonId", str)
GroupId = NewType("GroupId", str)
DeviceId = NewType("DeviceId", str)
LineName = NewType("LineName", str)
Alphabet = Literal["gsm", "latin-1", "ascii"]
"""What an SMSC takes data_coding 0 for."""
Millis = NewType("Millis", int)


class Record(msgspec.Struct, frozen=True):
    """Base of all records: immutable, compared by value, replaced with ``msgspec.structs.replace``."""


class Secret:
    """A text that never shows itself in a log, a repr or an error; ``reveal()`` gives it to those who need it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The secret itself."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


class MessageState(StrEnum):
    """Where a message stands; the last six are final (I11)."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    SENDING = "sending"
    WAITING = "waiting"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"

    @property
    def is_final(self) -> bool:
        """Whether nothing will be sent any more."""
        return self in FINAL_STATES


FINAL_STATES = frozenset(
    {
        MessageState.DELIVERED,
        MessageState.READ,
        MessageState.FAILED,
        MessageState.EXPIRED,
        MessageState.CANCELLED,
        MessageState.UNKNOWN,
    }
)


class AttemptState(StrEnum):
    """Where one try of one message on one line stands."""

    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"


class Success(StrEnum):
    """What a step must reach before its deadline for the plan to end there, weakest first."""

    ACCEPTED = "accepted"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"


class OnUnknown(StrEnum):
    """What follows when nobody can say whether the far end took the message (outcome Unknown)."""

    WAIT = "wait"  # for a receipt until the deadline, then the next step
    NEXT = "next"  # the next step at once
    RESEND = "resend"  # again on the same line: somebody may get it twice
    REPORT = "report"  # end as ``unknown`` and tell the sender


class WhenClosed(StrEnum):
    """What becomes of a step while its calendars are closed."""

    DEFER = "defer"  # it waits until they open
    SKIP = "skip"  # the next step at once


class ReceiptState(StrEnum):
    """What later evidence from the far end says."""

    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"


class DeviceState(StrEnum):
    """Retired: its push address died, it may come back. Revoked: never again."""

    ACTIVE = "active"
    RETIRED = "retired"
    REVOKED = "revoked"


class LineState(StrEnum):
    """``down`` refuses at once, ``degraded`` is for a moment without room, ``paused`` is an operator's wish."""

    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"
    PAUSED = "paused"
