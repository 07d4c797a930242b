"""Tickets to read one attachment: what stands in a link that a service is given, and what a download goes on with.

Nothing is kept of them: the ticket itself says for what and until when it is good, under a seal.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

from datasms_daemon.model import Record

ID_BYTES = 16
MAC_BYTES = 16
_TIME_BYTES = 5
_HEAD = MAC_BYTES + ID_BYTES + _TIME_BYTES
_PURPOSE = b"datasms: tickets to attachments"


class Ticket(Record, frozen=True):
    """Good for one attachment until ``until`` (UTC s); ``channel`` is the one whose service has it, or empty."""

    attachment: str
    channel: str
    until: int


def ticket_key(mac_key: bytes) -> bytes:
    """The key for tickets, apart from whatever else the daemon seals with ``mac_key``."""
    return hmac.digest(mac_key, _PURPOSE, "sha256")


def issue(key: bytes, ticket: Ticket) -> str:
    """The ticket as it stands in a URL: HMAC-SHA256 cut to 16 bytes, then what it covers, in base64url."""
    content = bytes.fromhex(ticket.attachment) + ticket.until.to_bytes(_TIME_BYTES, "big") + ticket.channel.encode()
    return urlsafe_b64encode(_seal(key, content) + content).rstrip(b"=").decode("ascii")


def redeem(key: bytes, text: str, now_ms: int) -> Ticket | None:
    """What a ticket is good for; None: we never issued it, or its time is over."""
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except ValueError:
        return None
    seal, content = raw[:MAC_BYTES], raw[MAC_BYTES:]
    if len(raw) < _HEAD or not hmac.compare_digest(seal, _seal(key, content)):
        return None
    until = int.from_bytes(content[ID_BYTES : ID_BYTES + _TIME_BYTES], "big")
    channel = content[ID_BYTES + _TIME_BYTES :].decode()
    return Ticket(content[:ID_BYTES].hex(), channel, until) if now_ms < until * 1000 else None


def _seal(key: bytes, content: bytes) -> bytes:
    return hmac.digest(key, content, "sha256")[:MAC_BYTES]
