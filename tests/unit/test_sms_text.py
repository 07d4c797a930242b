"""SMS text by example: alphabets, lengths and cuts (sheet smpp.md § 5)."""

from __future__ import annotations

import pytest

from datasms_daemon.rules.text import (
    DEFAULT_CODING,
    UCS2_CODING,
    Alphabet,
    decode,
    decode_gsm,
    encode,
    encode_gsm,
    is_boundary,
    parts_of,
    split,
)

FAMILY = "👨\u200d👩\u200d👧"


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("@£$¥", "00010203"),
        ("Ñü§à", "5d7e5f7f"),
        ("ΔΞÆé", "101a1c05"),
        ("[€]", "1b3c1b651b3e"),
        ("^{}\\~|\f", "1b141b281b291b2f1b3d1b401b0a"),
        ("a\r\nb", "610d0a62"),
    ],
)
def test_the_gsm_alphabet_has_the_codes_of_the_standard(text: str, octets: str) -> None:
    assert encode_gsm(text) == bytes.fromhex(octets)
    assert decode_gsm(bytes.fromhex(octets)) == text


@pytest.mark.parametrize("char", ["`", "ç", "ž", "Ж", "\x1b", "\t", "😀"])
def test_what_is_not_in_the_gsm_alphabet_goes_as_ucs_2(char: str) -> None:
    assert encode_gsm(char) is None
    assert encode(char) == (UCS2_CODING, char.encode("utf-16-be"))


@pytest.mark.parametrize(
    ("octets", "text"), [("1b", " "), ("411b", "A "), ("1b1b41", " A"), ("1b41", "A"), ("80ff", "\ufffd\ufffd")]
)
def test_odd_octets_of_the_gsm_alphabet_are_read_as_the_standard_asks(octets: str, text: str) -> None:
    assert decode_gsm(bytes.fromhex(octets)) == text


@pytest.mark.parametrize(
    ("text", "alphabet", "parts"),
    [
        ("", "gsm", 1),
        ("a" * 160, "gsm", 1),
        ("a" * 161, "gsm", 2),
        ("a" * 306, "gsm", 2),
        ("a" * 307, "gsm", 3),
        ("€" * 80, "gsm", 1),
        ("€" * 81, "gsm", 2),
        ("€" * 153, "gsm", 3),
        ("č" * 70, "gsm", 1),
        ("č" * 71, "gsm", 2),
        ("č" * 134, "gsm", 2),
        ("č" * 135, "gsm", 3),
        ("😀" * 35, "gsm", 1),
        ("😀" * 36, "gsm", 2),
        ("😀" * 67, "gsm", 3),
        ("é" * 140, "latin-1", 1),
        ("é" * 141, "latin-1", 2),
        ("é" * 269, "latin-1", 3),
        ("a" * 160, "ascii", 1),
        ("a" * 161, "ascii", 2),
        ("é" * 71, "ascii", 2),
    ],
)
def test_a_text_makes_so_many_parts(text: str, alphabet: Alphabet, parts: int) -> None:
    assert parts_of(text, alphabet) == parts


def test_an_escape_pair_is_never_split() -> None:
    coded = split("a" * 152 + "€" + "b" * 10)
    assert coded.data_coding == DEFAULT_CODING
    assert [len(part) for part in coded.parts] == [152, 12]
    assert coded.parts[1].startswith(b"\x1be")


def test_a_surrogate_pair_is_never_split() -> None:
    parts = split("č" * 66 + "😀" + "č" * 10).parts
    assert [part.decode("utf-16-be") for part in parts] == ["č" * 66, "😀" + "č" * 10]


@pytest.mark.parametrize(
    "grapheme", [FAMILY, "e\u0301", "👍🏽", "🇨🇿", "❤\ufe0f", "\u1112\u1161\u11ab", "🏴\U000e0067\U000e0062\U000e007f"]
)
def test_a_grapheme_is_never_split(grapheme: str) -> None:
    for before in range(60, 68):
        parts = split("č" * before + grapheme + "č" * 20).parts
        assert any(grapheme in part.decode("utf-16-be") for part in parts)


def test_two_flags_may_be_parted_and_one_may_not() -> None:
    assert [is_boundary("🇨🇿🇸🇰", at) for at in range(5)] == [True, False, True, False, True]


def test_a_line_break_is_not_torn() -> None:
    assert [len(part) for part in split("a" * 152 + "\r\n" + "b" * 20).parts] == [152, 22]


def test_a_grapheme_longer_than_a_part_is_cut_after_all() -> None:
    text = "e" + "\u0301" * 100
    assert b"".join(split(text).parts).decode("utf-16-be") == text


@pytest.mark.parametrize(
    ("data_coding", "octets", "text"),
    [
        (0x00, b"\x00", "@"),
        (0x01, b"@", "@"),
        (0x03, b"\xe9", "é"),
        (0x04, b"\xe9", "é"),
        (0x08, "čau".encode("utf-16-be"), "čau"),
        (0x08, b"\x00a\x00", "a\ufffd"),
        (0xF0, b"\x00", "@"),
        (0xF5, b"\xe9", "é"),
        (0x06, "Ж".encode("iso8859_5"), "Ж"),
    ],
)
def test_an_incoming_text_is_read_by_its_data_coding(data_coding: int, octets: bytes, text: str) -> None:
    assert decode(octets, data_coding) == text


def test_data_coding_0_is_read_in_the_configured_alphabet() -> None:
    assert decode(b"\xe9@", 0, "latin-1") == "é@"


def test_half_a_surrogate_pair_is_sent_as_a_question_mark() -> None:
    assert encode("č\ud83d") == (UCS2_CODING, "č?".encode("utf-16-be"))
