"""SMS text for any input: nothing is lost by encoding or cutting, and no part is too long."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from datasms_daemon.rules.text import DEFAULT_CODING, Alphabet, decode, decode_gsm, encode_gsm, is_boundary, split

GSM = "".join(decode_gsm(bytes([code])) for code in range(128) if code != 0x1B) + "^{}\\[~]|€\f"
ALPHABETS: list[Alphabet] = ["gsm", "latin-1", "ascii"]


@given(st.text(alphabet=GSM))
def test_gsm_text_comes_back_as_it_was(text: str) -> None:
    octets = encode_gsm(text)
    assert octets is not None
    assert decode_gsm(octets) == text


@given(st.binary())
def test_any_octets_can_be_read(octets: bytes) -> None:
    for data_coding in (0, 1, 3, 5, 8, 0xF0, 0xFF):
        decode(octets, data_coding)


# Not parametrize: pytest-twisted wraps a Hypothesis test once for each parameter, and one inside the other.
@given(
    st.sampled_from(ALPHABETS),
    st.one_of(
        st.text(max_size=600),
        st.text(alphabet=GSM, max_size=900),
        st.text(alphabet="👨👩👧🏽\u200d🇨🇿e\u0301", max_size=300),
    ),
)
def test_the_parts_joined_are_the_text_and_each_fits(alphabet: Alphabet, text: str) -> None:
    coded = split(text, alphabet)
    decoded = [decode(part, coded.data_coding, alphabet) for part in coded.parts]
    assert "".join(decoded) == text
    room = 153 if coded.data_coding == DEFAULT_CODING and alphabet != "latin-1" else 134
    if len(coded.parts) > 1:
        assert all(0 < len(part) <= room for part in coded.parts)
    at = 0
    for piece in decoded[:-1]:
        at += len(piece)
        assert is_boundary(text, at) or len(piece.encode("utf-16-be")) >= 132


@given(st.text(alphabet=GSM + "ž", max_size=700))
def test_no_part_ends_in_half_a_pair(text: str) -> None:
    coded = split(text)
    for part in coded.parts:
        if coded.data_coding == DEFAULT_CODING:
            assert not part.endswith(b"\x1b")
        else:
            part.decode("utf-16-be")
