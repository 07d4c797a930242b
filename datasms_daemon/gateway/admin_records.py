"""What administrators ask about the daemon itself and are answered."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from datasms_daemon.gateway.records import Answer, PageQuery
from datasms_daemon.gateway.shapes import SeqCursor, TimeText
from datasms_daemon.model import SectionChange


class AuditLogQuery(PageQuery, frozen=True, kw_only=True):
    """Which entries of the audit log; ``after`` is the last number of the part before."""

    after: SeqCursor | None = None
    who: Annotated[str, Meta(max_length=200)] | None = None
    what: Annotated[str, Meta(max_length=200)] | None = None
    object: Annotated[str, Meta(max_length=200)] | None = None
    since: TimeText | None = None
    until: TimeText | None = None


class AuditView(Answer, frozen=True):
    """One act; ``object`` is ``#`` and a keyed hash where it was erased; ``seal`` covers it all."""

    seq: int
    at: str
    who: str
    what: str
    object: str
    seal: str


class ConfigurationView(Answer, frozen=True):
    """The file in use, its SHA-256, since when, by whom, and the names in each of its tables."""

    file: str | None
    hash: str
    since: str
    by: str
    names: dict[str, tuple[str, ...]]


class PurgeAnswer(Answer, frozen=True):
    """How many rows were forgotten."""

    purged: int


class QueueAnswer(Answer, frozen=True):
    """``held``: why nothing is sent; null when messages go out. ``damaged``: so much that it cannot be released."""

    held: str | None
    damaged: bool


class ReloadAnswer(Answer, frozen=True):
    """What is in use now: the SHA-256 of the file, what differs from before, what an operator should hear."""

    hash: str
    changes: tuple[SectionChange, ...]
    warnings: tuple[str, ...]
