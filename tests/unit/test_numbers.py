from __future__ import annotations

import pytest

from datasms_daemon.rules.numbers import is_country, normalise


@pytest.mark.parametrize(
    ("text", "country", "expected"),
    [
        ("+420603123456", "CZ", "+420603123456"),
        ("603123456", "CZ", "+420603123456"),
        ("603 123 456", "CZ", "+420603123456"),
        ("\t603123456\r\n", "CZ", "+420603123456"),
        ("603-123-456", "CZ", "+420603123456"),
        ("603/123.456", "CZ", "+420603123456"),
        ("603\u00a0123\u2011456", "CZ", "+420603123456"),
        (" 00420 603 123 456 ", "CZ", "+420603123456"),
        ("420603123456", "CZ", "+420603123456"),
        ("+421 905 123 456", "CZ", "+421905123456"),
        ("0905 123 456", "SK", "+421905123456"),
        ("(650) 253-0000", "US", "+16502530000"),
        ("011 420 603 123 456", "US", "+420603123456"),
        ("+49 (0)151 12345678", "DE", "+4915112345678"),
        ("06 1234 5678", "IT", "+390612345678"),
    ],
)
def test_a_valid_number_gets_its_one_spelling_i44(text: str, country: str, expected: str) -> None:
    assert normalise(text, country) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+",
        "112",  # a short code is nobody's number
        "60312345",  # too short
        "6031234567890",
        "+420103123456",  # no such range
        "421905123456",  # another country's code without +: that would be a guess
        "1-800-FLOWERS",
        "+1 650-253-0000 ext 5",
        "+420603123456;ext=1",
        "tel:+420603123456",
        "+420603123456\n+420603123457",
        "+420+603123456",
        "６０３１２３４５６",
        "+420603123456" + "0" * 1000,
        "person:novak",
    ],
)
def test_what_is_not_surely_one_valid_number_is_refused_i44(text: str) -> None:
    assert normalise(text, "CZ") is None


def test_a_number_with_two_readings_is_refused_and_with_a_plus_is_not_i44() -> None:
    # A mobile number 390 612 3456, or Rome's 06 123456 after Italy's 39.
    assert normalise("3906123456", "IT") is None
    assert normalise("+3906123456", "IT") == "+3906123456"
    assert normalise("+393906123456", "IT") == "+393906123456"


def test_an_unknown_country_reads_international_numbers_only() -> None:
    assert not is_country("XX")
    assert not is_country("cz")
    assert is_country("CZ")
    assert normalise("603123456", "XX") is None
    assert normalise("+420603123456", "XX") == "+420603123456"
