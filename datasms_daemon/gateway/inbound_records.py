"""What applications ask about texts from outside, and are answered."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from datasms_daemon.gateway.records import Answer, PageQuery, Request
from datasms_daemon.gateway.shapes import PRINTABLE, BodyText, Known, PageSize, SeqCursor, Wait
from datasms_daemon.model import LineName, PersonId


class InboundQuery(Request, frozen=True, kw_only=True):
    """Texts from outside after a cursor."""

    limit: PageSize = 50
    after: SeqCursor = "0"
    wait: Wait = 0


class InboundExplainRequest(Request, frozen=True, kw_only=True):
    """A text as it might come in: who wrote, by which line or channel, to which number of ours."""

    from_: Annotated[str, Meta(min_length=1, max_length=100, pattern=PRINTABLE)] = msgspec.field(name="from")
    line: Known
    text: BodyText
    to: Annotated[str, Meta(max_length=100, pattern=PRINTABLE)] = ""


class InboundView(Answer, frozen=True):
    """A text from outside; ``incomplete``: parts of it never came."""

    id: str
    line: LineName
    from_: str = msgspec.field(name="from")
    to: str
    text: str
    at: str
    person: PersonId | None
    incomplete: bool


class DestinationView(Answer, frozen=True):
    """Where a text would go, what would be passed on there, and the step or rule that chose it."""

    target: str
    text: str
    why: str


class LookView(Answer, frozen=True):
    """A step or rule of inbound routing that was looked at."""

    step: str
    verdict: str


class InboundExplanationView(Answer, frozen=True):
    """The way of a text from outside; ``person`` is who would have written it."""

    person: str | None
    destinations: tuple[DestinationView, ...]
    steps: tuple[LookView, ...]


class DeadTextQuery(PageQuery, frozen=True, kw_only=True):
    """Which part of the list; ``after`` is ``next`` of the part before."""

    after: SeqCursor | None = None


class DeadTextView(Answer, frozen=True):
    """A text from outside that is not tried any more: where it was to go by which rule, how often that was tried, and
    what the last try met."""

    id: str
    target: str
    why: str
    line: LineName
    at: str
    tries: int
    died_at: str
    reason: str
