"""The seal over what goes to whom (I39): a row of the database that was exchanged or damaged is not sent."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence

from datasms_daemon.model import Attachment, Button, LineText, MessageId, PersonId

MAC_BYTES = 16


def bind(
    key: bytes,
    message_id: MessageId,
    to: str | None,
    person: PersonId | None,
    text: str,
    title: str | None,
    per_line: Mapping[str, LineText],
    attachments: Sequence[Attachment] = (),
    buttons: Sequence[Button] = (),
) -> bytes:
    """The 16 bytes that bind a message's recipient and content to its id: HMAC-SHA256, truncated (RFC 2104 § 5).

    ``key`` is kept outside the database. Two different messages never feed the same bytes to it.
    """
    fields = [message_id, to, person, text, title]
    for line in sorted(per_line):
        own = per_line[line]
        fields += (line, own.text, "notice" if own.notice else None)
    for one in attachments:
        # None keeps them apart from the lines before, each of which begins with a text.
        fields += (None, one.id, one.name, one.type, str(one.size), one.sha256)
    for button in buttons:
        # Two, since a text follows the one of an attachment.
        fields += (None, None, button.text, button.reply, button.url)
    return hmac.digest(key, b"".join(map(_field, fields)), "sha256")[:MAC_BYTES]


def verify(
    key: bytes,
    mac: bytes,
    message_id: MessageId,
    to: str | None,
    person: PersonId | None,
    text: str,
    title: str | None,
    per_line: Mapping[str, LineText],
    attachments: Sequence[Attachment] = (),
    buttons: Sequence[Button] = (),
) -> bool:
    """Whether ``mac`` is the seal of this message; takes the same time for every wrong one."""
    return hmac.compare_digest(mac, bind(key, message_id, to, person, text, title, per_line, attachments, buttons))


def _field(value: str | None) -> bytes:
    # Its length stands before each field, so no field can run into the next; "-" is no length, hence None is no text.
    if value is None:
        return b"-"
    encoded = value.encode()
    return b"%d:%b" % (len(encoded), encoded)
