"""The audit log: who did what to which, in a chain of seals."""

from __future__ import annotations

from datasms_daemon.model.words import Record


class AuditEntry(Record, frozen=True):
    """One act, ``at`` UTC ms. ``who``: a key's name, ``local`` (the operators' socket), ``command line``, ``signal``,
    or a part of the daemon. ``object``: what it was done to; ``#`` and a keyed hash once that was erased."""

    seq: int
    at: int
    who: str
    what: str
    object: str
    seal: bytes = b""


class AuditMark(Record, frozen=True):
    """A place in the log: an entry's number and its seal."""

    seq: int
    seal: bytes


class AuditBreak(Record, frozen=True):
    """Where the log is not what it was: the number of an entry, and what is wrong with it."""

    seq: int
    reason: str


class AuditQuery(Record, frozen=True):
    """A filter over the log, newest first; ``before`` is the last number of the page before."""

    who: str | None = None
    what: str | None = None
    object: str | None = None
    since: int | None = None
    until: int | None = None
    before: int | None = None
    limit: int = 50
