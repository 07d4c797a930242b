"""What is asked about the archive, and how it shows what it keeps."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from datasms_daemon.gateway.records import Answer, MessageItem, PageQuery
from datasms_daemon.gateway.shapes import PRINTABLE, Id, Known, SeqCursor, TimeText, Words
from datasms_daemon.model import Button, LineName, PersonId


class ArchivedMessage(MessageItem, frozen=True):
    """A message with its text; null: the text is not kept, or no longer."""

    title: str | None
    text: str | None
    buttons: tuple[Button, ...]


class ArchivedInboundQuery(PageQuery, frozen=True, kw_only=True):
    """Which texts from outside; ``after`` is ``next`` of the part before."""

    after: SeqCursor | None = None
    q: Words | None = None
    line: Known | None = None
    from_: Annotated[str, Meta(min_length=1, max_length=100, pattern=PRINTABLE)] | None = msgspec.field(
        default=None, name="from"
    )
    to: Annotated[str, Meta(min_length=1, max_length=100, pattern=PRINTABLE)] | None = None
    person: Id | None = None
    target: Annotated[str, Meta(min_length=1, max_length=200, pattern=PRINTABLE)] | None = None
    since: TimeText | None = None
    until: TimeText | None = None


class ArchivedInboundView(Answer, frozen=True):
    """A text from outside, for one of the places it went to; ``text`` is null when it is not kept.

    ``target`` is null when nobody wanted it; ``why`` is the step or rule that chose it, ``effect`` what it led to.
    """

    id: str
    line: LineName
    from_: str = msgspec.field(name="from")
    to: str
    text: str | None
    at: str
    person: PersonId | None
    incomplete: bool
    target: str | None
    why: str
    effect: str | None
