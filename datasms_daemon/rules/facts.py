"""What routing knows of a message."""

from __future__ import annotations

from collections.abc import Collection

from datasms_daemon.model import LineName, Record
from datasms_daemon.rules.operators import UNKNOWN


class Confined(Record, frozen=True):
    """A class of which nothing may leave but by these lines."""

    class_: str
    lines: frozenset[str]


class Facts(Record, frozen=True):
    """All that routing knows of one message for one recipient.

    ``groups`` are the recipient's and ``sender_groups`` the sender's, with their parents. ``lines`` are those the
    request asks for and ``allowed_lines`` those the sender may use; None means all. ``to`` None is a person without a
    phone number; ``now`` is when, in UTC ms. ``calendars`` are the sender's and the recipient's.
    ``confined`` None: the class may leave by every line.
    """

    priority: str
    sender: str
    to: str | None
    now: int = 0
    operator: str = UNKNOWN
    sender_groups: Collection[str] = ()
    person: str | None = None
    groups: frozenset[str] = frozenset()
    class_: str | None = None
    has_device: bool = False
    text: str = ""
    lines: tuple[str, ...] | None = None
    allowed_lines: tuple[str, ...] | None = None
    calendars: tuple[str, ...] = ()
    unusable: frozenset[LineName] = frozenset()
    confined: Confined | None = None
