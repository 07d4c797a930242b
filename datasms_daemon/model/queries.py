"""What operators and applications ask about, and the answers that are not messages themselves."""

from __future__ import annotations

from typing import Generic, TypeVar

from datasms_daemon.model.words import (
    LineName,
    LineState,
    MessageState,
    PersonId,
    Record,
)

T = TypeVar("T")


class MessageQuery(Record, frozen=True):
    """A filter over messages, newest first.

    ``sender`` None: everybody's. ``words`` must all be in the title or the text, folded as ``rules.search`` does.
    ``after`` is the cursor of the page before.
    """

    sender: str | None = None
    status: tuple[MessageState, ...] = ()
    to: str | None = None
    person: str | None = None
    priority: str | None = None
    line: str | None = None
    reference: str | None = None
    class_: str | None = None
    code: str | None = None
    cost_centre: str | None = None
    words: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None
    after: str | None = None
    limit: int = 50


class InboundSearch(Record, frozen=True):
    """A filter over texts from outside, newest first; ``words`` and ``after`` as with messages."""

    line: str | None = None
    from_: str | None = None
    to: str | None = None
    person: str | None = None
    target: str | None = None
    words: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None
    after: str | None = None
    limit: int = 50


class Found(Record, Generic[T], frozen=True):
    """A page of what was looked for; ``next`` is where to go on, however few were found so far, None at the end."""

    items: tuple[T, ...]
    next: str | None


class LineView(Record, frozen=True):
    """One line as operators see it; ``waiting`` counts messages ready for it. ``limit_lifted``: an operator let it go
    on over its day limit for this day."""

    name: LineName
    driver: str
    state: LineState
    reason: str | None
    sent_today: int
    day_limit: int | None
    waiting: int
    limit_lifted: bool = False


class ChannelView(Record, frozen=True):
    """One channel as operators see it: down while its circuit is open, degraded while its last push failed.

    ``pushes`` and ``failures`` count since the channel started; ``opened_at`` is UTC ms. ``held``: so many addresses
    were called gone within an hour that no more are believed until an operator resumes the channel.
    """

    name: str
    driver: str
    state: LineState
    reason: str | None
    pushes: int
    failures: int
    opened_at: int | None
    held: bool = False


class Conflict(Record, frozen=True):
    """The message is in a state in which this cannot be done."""

    state: MessageState
    detail: str


class Erased(Record, frozen=True):
    """What there was of an erased person: messages, how many of them were under way and cancelled, and devices."""

    messages: int
    cancelled: int
    devices: int


class Due(Record, frozen=True):
    """What was kept long enough by the configuration of now: ``what``, how much of it, kept for so many ms."""

    what: str
    count: int
    kept_ms: int


class Inbound(Record, frozen=True):
    """A text from outside as applications read it; ``seq`` is the cursor, ``incomplete`` says that parts never came."""

    seq: int
    line: LineName
    from_: str
    to: str
    text: str
    at: int
    person: PersonId | None = None
    incomplete: bool = False


class ArchivedInbound(Record, frozen=True):
    """A text from outside as the archive has it, for one of the places it went to.

    ``text`` is None when it is not kept; ``target`` None when nobody wanted it. ``why`` is the step or rule that chose
    the target, ``effect`` what it led to.
    """

    seq: int
    line: LineName
    from_: str
    to: str
    text: str | None
    at: int
    person: PersonId | None
    incomplete: bool
    target: str | None
    why: str
    effect: str | None
