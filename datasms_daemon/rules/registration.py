"""Registration numbers: how they are made, typed and guessed at (reliability 5c).

Twelve symbols of 32 (60 bits) and a check symbol, printed ``ABCD-EFGH-JKLMN``. The first four, the *selector*, are kept
in clear to find the row; the others up to the check symbol are the *secret*, kept only as a slow hash.
"""

from __future__ import annotations

import re

from datasms_daemon.model import Record, Secret

KEYWORD = "DATASMS"
ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
RANDOM_BYTES = 8

TRIES_PER_NUMBER = 5
TRIES_PER_SENDER_AND_HOUR = 10
WRONG_PER_HOUR_ALARM = 1_000
WRONG_PER_HOUR_PAUSE = 10_000

_SYMBOLS = 12
_SELECTOR = 4
_BEGINS = re.compile(rf"\s*{KEYWORD}\b", re.IGNORECASE)
_SEPARATORS = re.compile(r"[\s\-\u2010-\u2015\u2212]+")


class RegistrationNumber(Record, frozen=True):
    """A well-formed registration number: where to look it up and what must then be verified."""

    selector: str
    secret: Secret


class Verdict(Record, frozen=True):
    """Whether a try may be looked at, after what pause, and whether operators must hear of it.

    ``reason`` says for them why not.
    """

    allowed: bool
    delay_ms: int = 0
    alarm: bool = False
    reason: str | None = None


def make(random_bytes: bytes) -> str:
    """A new number in print form from 8 random bytes, 60 bits of which are used. ValueError: fewer than 8 given."""
    if len(random_bytes) < RANDOM_BYTES:
        raise ValueError(f"{RANDOM_BYTES} random bytes are needed")
    bits = int.from_bytes(random_bytes[:RANDOM_BYTES])
    symbols = "".join(ALPHABET[(bits >> 5 * place) & 31] for place in range(_SYMBOLS))
    symbols += _check_symbol(symbols)
    return f"{symbols[:4]}-{symbols[4:8]}-{symbols[8:]}"


def sms_text(number: str) -> str:
    """What the user sends to prove the number."""
    return f"{KEYWORD} {number}"


def is_registration(text: str) -> bool:
    """Whether it begins as a registration does, with a good number or not."""
    return _BEGINS.match(text) is not None


def parse(text: str) -> RegistrationNumber | None:
    """The number of an SMS ``DATASMS <number>``, whatever its case, spaces and dashes.

    None: it is no such text, or it was mistyped (any one wrong symbol or two neighbours exchanged are noticed).
    """
    joined = _SEPARATORS.sub("", text)
    # Some letters outside ASCII have ASCII capitals; nobody types them by mistake.
    if not joined.isascii():
        return None
    symbols = joined.upper()
    if len(symbols) != len(KEYWORD) + _SYMBOLS + 1 or not symbols.startswith(KEYWORD):
        return None
    symbols = symbols.removeprefix(KEYWORD)
    body = symbols[:_SYMBOLS]
    if not set(symbols) <= set(ALPHABET) or _check_symbol(body) != symbols[_SYMBOLS]:
        return None
    return RegistrationNumber(selector=body[:_SELECTOR], secret=Secret(body[_SELECTOR:]))


def allowed(tries_of_number: int | None, tries_of_sender_last_hour: int | None, wrong_last_hour: int | None) -> Verdict:
    """What may follow when somebody tries a number; the counts are those before this try.

    Fails closed: a count that is not known (None) refuses.
    """
    if tries_of_number is None or tries_of_sender_last_hour is None or wrong_last_hour is None:
        return Verdict(allowed=False, alarm=True, reason="the tries so far are not known")
    if wrong_last_hour >= WRONG_PER_HOUR_PAUSE:
        return Verdict(allowed=False, alarm=True, reason="registration is paused: too many wrong numbers in an hour")
    alarm = wrong_last_hour >= WRONG_PER_HOUR_ALARM
    if tries_of_number >= TRIES_PER_NUMBER:
        return Verdict(allowed=False, alarm=alarm, reason="this number was tried too often")
    if tries_of_sender_last_hour >= TRIES_PER_SENDER_AND_HOUR:
        return Verdict(allowed=False, alarm=alarm, reason="this sender tried too often in an hour")
    return Verdict(allowed=True, delay_ms=1_000 if alarm else 0, alarm=alarm)


def _check_symbol(symbols: str) -> str:
    # A polynomial over GF(2^5) (x^5 + x^2 + 1) evaluated at the generator: its powers are all different over 31
    # places, hence every single error and every exchange of neighbours changes the sum.
    total = 0
    for symbol in symbols:
        total = _times_generator(total) ^ ALPHABET.index(symbol)
    return ALPHABET[_times_generator(total)]


def _times_generator(value: int) -> int:
    doubled = value << 1
    return doubled ^ 0b100101 if doubled & 0b100000 else doubled
