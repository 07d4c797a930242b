"""Files that travel with a message to those who have an app for it."""

from __future__ import annotations

from datasms_daemon.model.words import Record

CHUNK = 32 * 1024
"""So many bytes of an attachment are handed over at once at most."""


class Attachment(Record, frozen=True):
    """What is known of a file that was taken in: ``id`` is ours and random, ``name`` is made safe, ``type`` is what the
    content begins like, ``sha256`` in hex."""

    id: str
    name: str
    type: str
    size: int
    sha256: str


class StoredAttachment(Record, frozen=True):
    """An attachment that its sender may use; it is removed at ``expires_at`` when no message needs it then."""

    attachment: Attachment
    expires_at: int


class QuotaReached(Record, frozen=True):
    """The sender keeps as much as it may; ``detail`` says how much that is."""

    detail: str


class Download(Record, frozen=True):
    """An attachment that may be read with ``ticket``, for an hour at least."""

    attachment: Attachment
    ticket: str
