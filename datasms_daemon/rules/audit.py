"""The chain of the audit log: each entry is sealed together with the seal before it (I51).

The key is kept outside the database. Who can write the database but has not the key can neither change an entry, take
one out or put one in, nor cut the end off, without its being noticed.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable

import msgspec

from datasms_daemon.model import AuditBreak, AuditEntry, AuditMark

FIRST = AuditMark(0, b"")
"""What stands before the first entry of a log that nothing was purged from."""

HEAD = "head"
ANCHOR = "anchor"
_ERASED = re.compile(r"#[0-9a-f]{64}\Z")

_encode = msgspec.json.Encoder().encode


def erased(key: bytes, object_: str) -> str:
    """What stands in the place of an object after an erasure: it fits the same seal, and tells nobody the object."""
    return "#" + hmac.digest(key, _encode(["object", object_]), "sha256").hex()


def entry_seal(key: bytes, before: bytes, entry: AuditEntry) -> bytes:
    """The seal of an entry behind the one whose seal is ``before``; the same before and after its object is erased."""
    object_ = entry.object if _ERASED.match(entry.object) else erased(key, entry.object)
    return hmac.digest(key, _encode([before.hex(), entry.seq, entry.at, entry.who, entry.what, object_]), "sha256")


def mark_seal(key: bytes, name: str, mark: AuditMark) -> bytes:
    """The seal of a mark: where the log begins (``ANCHOR``) or ends (``HEAD``)."""
    return hmac.digest(key, _encode([name, mark.seq, mark.seal.hex()]), "sha256")


def first_break(key: bytes, anchor: AuditMark, head: AuditMark, entries: Iterable[AuditEntry]) -> AuditBreak | None:
    """The first place where the entries, oldest first, do not fit what the log was; None when all do."""
    last = anchor
    for entry in entries:
        if entry.seq != last.seq + 1:
            return AuditBreak(last.seq + 1, "is missing")
        if not hmac.compare_digest(entry.seal, entry_seal(key, last.seal, entry)):
            return AuditBreak(entry.seq, "was changed, or sealed with another key")
        last = AuditMark(entry.seq, entry.seal)
    if last.seq < head.seq:
        return AuditBreak(last.seq + 1, "is missing")
    return None if last == head else AuditBreak(head.seq, "is not the end of the log that was noted")
