"""The shapes of what stands in requests and answers: names, numbers, times, cursors."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from datasms_daemon.config.kinds import DAY

# ``$`` alone also matches before a newline at the end in Python.
END = r"(?!\n)$"
_ID = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_NUMBER = r"\+?[0-9 ()./\u00a0\u2010-\u2013-]{3,32}"
# ASCII as an address bar gives it: no user name before the host, and nothing that programs read in different ways.
WEB_ADDRESS = r"https?://[A-Za-z0-9][A-Za-z0-9._-]*(:[0-9]{1,5})?([/?#][!-\[\]-~]*)?"
PRINTABLE = r"^[^\x00-\x1f\x7f]*" + END

MAX_MESSAGES = 1000
MAX_BUTTONS = 12  # one below the other, so many are seen on a phone that is held upright
MAX_TTL_MS = 31 * DAY
MAX_AHEAD_MS = 3660 * DAY
TOO_FAR = "is more than ten years ahead"
MAX_WAIT_S = 55


def _shape(pattern: str) -> dict[str, object]:
    """Documents what the code checks by meaning, so that a fault there does not hide others of its kind."""
    return {"pattern": f"^{pattern}{END}"}


Id = Annotated[str, Meta(pattern=f"^{_ID}{END}")]
SenderName = Annotated[str, Meta(pattern=f"^(app:)?{_ID}{END}", examples=["crm", "app:info"])]
Address = Annotated[
    str,
    Meta(
        max_length=100,
        description="A phone number, person:ID or group:ID",
        examples=["+420603123456", "person:novak", "group:night-shift"],
        extra_json_schema=_shape(f"(person:{_ID}|group:{_ID}|{_NUMBER})"),
    ),
]
Number = Annotated[str, Meta(max_length=100, examples=["+420603123456"], extra_json_schema=_shape(_NUMBER))]
Known = Annotated[str, Meta(max_length=100, description="A name of the configuration", extra_json_schema=_shape(_ID))]
Title = Annotated[str, Meta(min_length=1, max_length=200, pattern=PRINTABLE)]
Reference = Annotated[str, Meta(min_length=1, max_length=200, pattern=PRINTABLE)]
CostCentre = Annotated[str, Meta(min_length=1, max_length=64, pattern=PRINTABLE)]
Name = Annotated[str, Meta(max_length=200, pattern=PRINTABLE)]
Words = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        pattern=PRINTABLE,
        description="Words that are all in the title or the text, whatever their case and diacritics; a part of a word "
        "is enough",
    ),
]
Word = Annotated[str, Meta(pattern=f"^{_ID}{END}")]
BodyText = Annotated[str, Meta(min_length=1, max_length=65_536, pattern=r"^[^\x00]*$")]
Duration = Annotated[
    str, Meta(max_length=100, examples=["90s", "2h"], extra_json_schema=_shape("[1-9][0-9]{0,5}[smhd]"))
]
Time = Annotated[datetime, Meta(tz=True)]
TimeText = Annotated[str, Meta(max_length=40, extra_json_schema={"format": "date-time"})]
Cursor = Annotated[str, Meta(min_length=1, max_length=128, pattern=f"^[A-Za-z0-9._-]+{END}")]
SeqCursor = Annotated[str, Meta(pattern=rf"^[0-9]{{1,18}}{END}")]
PageSize = Annotated[int, Meta(ge=1, le=500)]
Wait = Annotated[int, Meta(ge=0, le=MAX_WAIT_S, description="Seconds to wait for a change")]
IdempotencyKey = Annotated[str, Meta(min_length=1, max_length=200, pattern=rf"^[!-~]+{END}")]
AttachmentId = Annotated[str, Meta(min_length=1, max_length=64, pattern=rf"^[A-Za-z0-9]+{END}")]
# Escaped for Viber each character may become five, and Viber takes 250.
ButtonText = Annotated[str, Meta(min_length=1, max_length=50, pattern=PRINTABLE)]
ButtonReply = Annotated[str, Meta(min_length=1, max_length=250, pattern=PRINTABLE)]
WebAddress = Annotated[
    str, Meta(max_length=2000, examples=["https://crm.example.org/4711"], extra_json_schema=_shape(WEB_ADDRESS))
]
FileName = Annotated[str, Meta(max_length=1000, description="What the file is called; made safe")]
Email = Annotated[str, Meta(max_length=254, pattern=rf"^[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+{END}")]
