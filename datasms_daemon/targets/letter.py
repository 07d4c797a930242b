"""A text from outside as an e-mail."""

from __future__ import annotations

from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

from datasms_daemon.model import Parcel

LONGEST_NAME = 64
NOTE = "(Parts of this text never came.)"


def letter(parcel: Parcel, to: str, from_: str, reply_to: str | None) -> bytes:
    """The whole mail, in ASCII with CRLF. The same parcel gives the same mail, ``Message-ID`` above all; nothing of the
    text can become a header."""
    text = parcel.text
    who = _printing(text.from_)
    mail = EmailMessage(SMTP)
    mail["From"] = Address(who, addr_spec=from_)
    mail["To"] = Address(addr_spec=to)
    if reply_to is not None:
        mail["Reply-To"] = Address(addr_spec=reply_to)
    mail["Subject"] = f"Text from {who}"
    mail["Date"] = datetime.fromtimestamp(text.at // 1000, UTC)
    mail["Message-ID"] = f"<{parcel.id}@{from_.rpartition('@')[2]}>"
    # RFC 3834: no vacation notice answers it.
    mail["Auto-Submitted"] = "auto-generated"
    content = f"{text.text}\n\n{NOTE}" if text.incomplete else text.text
    mail.set_content(content.encode("utf-8", "replace").decode(), cte="quoted-printable")
    return mail.as_bytes()


def _printing(name: str) -> str:
    """A sender, who may call himself anything, as far as it can be shown."""
    return "".join(one if one.isprintable() else " " for one in name)[:LONGEST_NAME].strip() or "unknown"
