"""SMS text: which alphabet a text needs, how many parts it makes, and where it may be cut.

Sources: 3GPP TS 23.038 (GSM 03.38 alphabet), 3GPP TS 23.040 (concatenation), sheet smpp.md § 5.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from datasms_daemon.model import Alphabet as Alphabet
from datasms_daemon.model import Record

DEFAULT_CODING: Final = 0x00
UCS2_CODING: Final = 0x08
GAP: Final = "[…]"

_ESCAPE = "\x1b"
_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = {
    "\x0a": "\f",
    "\x14": "^",
    "\x28": "{",
    "\x29": "}",
    "\x2f": "\\",
    "\x3c": "[",
    "\x3d": "~",
    "\x3e": "]",
    "\x40": "|",
    "\x65": "€",
}
_GSM = frozenset(_BASIC.replace(_ESCAPE, "")) | frozenset(_EXTENSION.values())
_TO_GSM = str.maketrans(
    {char: chr(code) for code, char in enumerate(_BASIC) if char != _ESCAPE}
    | {char: _ESCAPE + code for code, char in _EXTENSION.items()}
)
_FROM_GSM = {code: _BASIC[code] if code < 0x80 else "\ufffd" for code in range(256)}

# Octets of a whole message and of a part; Latin-1 is counted as 8-bit data because SMSCs differ in how they re-code it.
_ROOM: dict[str, tuple[int, int]] = {"gsm": (160, 153), "ascii": (160, 153), "latin-1": (140, 134), "ucs-2": (140, 134)}

# What data_coding says of an incoming text; everything else is read as the default alphabet (0xF0-0xF3 are it).
_CODECS = {
    0x01: "latin-1",
    0x02: "latin-1",
    0x03: "latin-1",
    0x04: "latin-1",
    0x05: "shift_jis",
    0x06: "iso8859_5",
    0x07: "iso8859_8",
    UCS2_CODING: "utf-16-be",
    0xF4: "latin-1",
    0xF5: "latin-1",
    0xF6: "latin-1",
    0xF7: "latin-1",
}


class Coded(Record, frozen=True):
    """A text as it goes out: the SMPP ``data_coding`` and the octets of each part, in order."""

    data_coding: int
    parts: tuple[bytes, ...]


def encode_gsm(text: str) -> bytes | None:
    """GSM 03.38, one septet an octet; None when a character is not in it."""
    return text.translate(_TO_GSM).encode("latin-1") if _GSM.issuperset(text) else None


def decode_gsm(octets: bytes) -> str:
    """The text of unpacked GSM 03.38. Never fails: an unknown escape shows the basic character, as TS 23.038 asks,
    a lone one a space, an octet above 0x7F U+FFFD."""
    head, *rest = octets.decode("latin-1").split(_ESCAPE)
    pieces = [head.translate(_FROM_GSM)]
    for piece in rest:
        pieces.append(_EXTENSION.get(piece[:1], piece[:1].translate(_FROM_GSM)) or " ")
        pieces.append(piece[1:].translate(_FROM_GSM))
    return "".join(pieces)


def decode(octets: bytes, data_coding: int, alphabet: Alphabet = "gsm") -> str:
    """The text of a received message; what cannot be read becomes U+FFFD. ``alphabet`` is that of data_coding 0."""
    codec = _CODECS.get(data_coding) or (None if alphabet == "gsm" else "latin-1")
    return decode_gsm(octets) if codec is None else octets.decode(codec, "replace")


def encode(text: str, alphabet: Alphabet = "gsm") -> tuple[int, bytes]:
    """``data_coding`` and octets of the whole text: the default alphabet if it can carry it, else UCS-2.

    UCS-2 is written as UTF-16BE, so that characters beyond the BMP pass as surrogate pairs.
    """
    octets = _encode_default(text, alphabet)
    return (UCS2_CODING, _encode_ucs2(text)) if octets is None else (DEFAULT_CODING, octets)


def split(text: str, alphabet: Alphabet = "gsm") -> Coded:
    """The parts in which ``text`` travels; one when it fits in a single message.

    No cut falls inside an escape pair, a surrogate pair or, unless one alone is longer than a part, a grapheme.
    """
    coding, octets = encode(text, alphabet)
    single, part = _ROOM[alphabet if coding == DEFAULT_CODING else "ucs-2"]
    if len(octets) <= single:
        return Coded(coding, (octets,))
    parts: list[bytes] = []
    start = 0
    while start < len(text):
        end = _cut(text, start, part, coding, alphabet)
        parts.append(_encode_as(text[start:end], coding, alphabet))
        start = end
    return Coded(coding, tuple(parts))


def parts_of(text: str, alphabet: Alphabet = "gsm") -> int:
    """How many SMS the text makes."""
    return len(split(text, alphabet).parts)


def carries(text: str, alphabet: Alphabet) -> bool:
    """Whether every character of the text is in the alphabet."""
    if alphabet == "gsm":
        return _GSM.issuperset(text)
    return text.isascii() or (alphabet == "latin-1" and max(text) <= "\xff")


def shortened(text: str, most: int, alphabet: Alphabet = "gsm") -> str:
    """The text in at most ``most`` SMS: as it is when it fits, else its beginning and an ellipsis."""
    # A character takes at least an octet of a part.
    head = text[: most * _ROOM["gsm"][0] + 1]
    if head == text and parts_of(text, alphabet) <= most:
        return text
    lacking = next((at for at, char in enumerate(head) if not carries(char, alphabet)), len(head))
    plain = _beginning(head[:lacking], "...", most, alphabet)
    if lacking == len(head):
        return plain
    wide = _beginning(head, "…", most, alphabet)
    return plain if len(plain) > len(wide) else wide


def _beginning(text: str, ellipsis: str, most: int, alphabet: Alphabet) -> str:
    """As much of the text as fits together with the ellipsis, which says by itself how the whole is coded."""
    fits, over = 0, len(text) + 1
    while over - fits > 1:
        middle = (fits + over) // 2
        if parts_of(text[:middle] + ellipsis, alphabet) <= most:
            fits = middle
        else:
            over = middle
    while not is_boundary(text, fits):
        fits -= 1
    return text[:fits].rstrip() + ellipsis


def is_boundary(text: str, at: int) -> bool:
    """Whether the text may be cut before index ``at`` without tearing a grapheme.

    An approximation of Unicode UAX #29: combining marks, joined and modified emoji, flags, Hangul jamo, CR LF.
    """
    if not 0 < at < len(text):
        return True
    before, after = text[at - 1], text[at]
    if after.isascii():
        return not (before == "\r" and after == "\n")
    if _extends(after) or before == "\u200d":
        return False
    if _is_flag_half(before) and _is_flag_half(after):
        halves = 0
        while halves < at and _is_flag_half(text[at - 1 - halves]):
            halves += 1
        return halves % 2 == 0
    return not ("\u1100" <= before <= "\u11ff" and "\u1100" <= after <= "\u11ff")


def _extends(char: str) -> bool:
    return (
        char in "\u200c\u200d"
        or "\U0001f3fb" <= char <= "\U0001f3ff"
        or "\U000e0020" <= char <= "\U000e007f"
        or unicodedata.category(char)[0] == "M"
    )


def _is_flag_half(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _cut(text: str, start: int, room: int, coding: int, alphabet: Alphabet) -> int:
    end = fitting = _fitting(text, start, room, coding, alphabet)
    while not is_boundary(text, end):
        end -= 1
        if end == start:
            return fitting
    return end


def _fitting(text: str, start: int, room: int, coding: int, alphabet: Alphabet) -> int:
    """The index up to which whole characters fit."""
    unit = 2 if coding == UCS2_CODING else 1
    end = min(len(text), start + room // unit)
    while (over := len(_encode_as(text[start:end], coding, alphabet)) - room) > 0:
        # A character takes one unit or two, so taking away half of the excess never takes too much.
        end -= max(1, over // unit // 2)
    return end


def _encode_as(text: str, coding: int, alphabet: Alphabet) -> bytes:
    octets = _encode_default(text, alphabet) if coding == DEFAULT_CODING else None
    return _encode_ucs2(text) if octets is None else octets


def _encode_default(text: str, alphabet: Alphabet) -> bytes | None:
    if alphabet == "gsm":
        return encode_gsm(text)
    try:
        return text.encode(alphabet)
    except UnicodeEncodeError:
        return None


def _encode_ucs2(text: str) -> bytes:
    return text.encode("utf-16-be", "replace")
