"""Phone numbers: one spelling, E.164 with ``+``, made once at acceptance (I44)."""

from __future__ import annotations

import re
from functools import lru_cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat

# Letters are refused though the library would dial them: a vanity number or an extension is not what was meant.
_WRITTEN = re.compile(r"\+?[0-9 ()./\-\u00a0\u2010-\u2013]{3,32}")
_DIGITS = re.compile(r"[0-9]")


def is_country(country: str) -> bool:
    """Whether national numbers of this country (two ISO 3166 letters) can be read."""
    return country in phonenumbers.SUPPORTED_REGIONS


@lru_cache(maxsize=65_536)
def normalise(text: str, country: str) -> str | None:
    """The number in E.164, as ``+420603123456``; None when it is not surely one valid number.

    Without ``+`` or the country's international prefix it is read as a national number of ``country``; the country's
    own calling code may stand before it without ``+``. A text that is valid in both of these readings is refused.
    Normalising an answer again gives the same answer.
    """
    text = text.strip()
    if not _WRITTEN.fullmatch(text):
        return None
    number = _valid(text, country)
    if number is None or _is_ambiguous(text, number, country):
        return None
    return str(phonenumbers.format_number(number, PhoneNumberFormat.E164))


def _valid(text: str, country: str | None) -> PhoneNumber | None:
    try:
        number = phonenumbers.parse(text, country)
    except NumberParseException:
        return None
    return number if phonenumbers.is_valid_number(number) else None


def _is_ambiguous(text: str, number: PhoneNumber, country: str) -> bool:
    if text.startswith("+"):
        return False
    with_code = _valid("+" + "".join(_DIGITS.findall(text)), None)
    home = phonenumbers.country_code_for_region(country)
    return with_code is not None and with_code.country_code == home and with_code != number
