"""Our GSM 03.38 and our cutting of long texts against those of other people: PyPI gsm0338, smsutil and smpplib."""

from __future__ import annotations

import gsm0338
import pytest
import smpplib.gsm
import smsutil
from hypothesis import given
from hypothesis import strategies as st

from datasms_daemon.rules.text import DEFAULT_CODING, UCS2_CODING, decode_gsm, encode_gsm, is_boundary, parts_of, split

ESCAPE = 0x1B
BASIC = decode_gsm(bytes(code for code in range(128) if code != ESCAPE))
EXTENSION = "\f^{}\\[~]|€"
CODEC = gsm0338.Codec()

# Of any length, but most of them about where a message or a part is full.
lengths = st.one_of(st.integers(0, 500), *(st.integers(full - 4, full + 2) for full in (67, 70, 134, 153, 160, 306)))


@st.composite
def texts(draw: st.DrawFn, alphabet: str) -> str:
    """A long run of one character, then anything of the alphabet, so that a part ends wherever it likes."""
    run: str = draw(st.sampled_from("xž")) * draw(lengths)
    return run + draw(st.text(alphabet=alphabet, min_size=1, max_size=200))


def elsewhere(text: str) -> list[bytes]:
    """The parts that smsutil makes."""
    found = smsutil.split(text)
    return [part.content.encode(found.encoding) for part in found.parts]


def test_every_code_is_the_same_character() -> None:
    codes = [bytes([code]) for code in range(128) if code != ESCAPE]
    pairs = [bytes([ESCAPE, code]) for code in (0x0A, 0x14, 0x28, 0x29, 0x2F, 0x3C, 0x3D, 0x3E, 0x40, 0x65)]
    for octets in codes + pairs:
        assert decode_gsm(octets) == CODEC.decode(octets)[0] == smsutil.decode(octets)


@given(st.text(alphabet=BASIC + EXTENSION, min_size=1))
def test_a_text_has_the_same_octets(text: str) -> None:
    octets = encode_gsm(text)
    assert octets == CODEC.encode(text)[0] == smsutil.encode(text)
    if not set("§\f").intersection(text):  # which smpplib 2.2.4 lacks
        assert octets == smpplib.gsm.gsm_encode(text)


@given(st.text(alphabet=st.one_of(st.characters(exclude_characters="\x1b"), st.sampled_from(BASIC + EXTENSION))))
def test_others_refuse_what_we_refuse(text: str) -> None:
    try:
        octets = CODEC.encode(text)[0]
    except UnicodeEncodeError:
        octets = None
    assert encode_gsm(text) == octets


# Without \r and without marks: we do not cut inside a grapheme, the others do.
@given(texts(BASIC.replace("\r", "") + EXTENSION * 12))
def test_a_long_text_of_the_alphabet_is_cut_where_others_cut_it(text: str) -> None:
    assert list(split(text).parts) == elsewhere(text)


@given(texts("ž😀𝄞x"))
def test_a_long_text_of_other_characters_is_cut_where_others_cut_it(text: str) -> None:
    assert list(split("ж" + text).parts) == elsewhere("ж" + text)


@given(texts(BASIC + EXTENSION * 12 + "e\u0301👩\u200d🚀🏽🇨🇿"))
def test_keeping_graphemes_whole_moves_cuts_forward_only(text: str) -> None:
    ours, theirs = split(text), elsewhere(text)
    assert len(ours.parts) >= len(theirs)
    assert len(b"".join(ours.parts)) == len(b"".join(theirs))
    if all(is_boundary(text, at) for at in range(len(text))):
        assert list(ours.parts) == theirs


@pytest.mark.parametrize("before", range(149, 156))
def test_a_pair_at_the_end_of_a_part_goes_into_the_next_one_whole(before: int) -> None:
    first, *rest = split("x" * before + "€" * 100).parts
    assert first == b"x" * min(before, 153) + b"\x1be" * ((153 - before) // 2)
    assert len(first) == 153 - (before < 153 and before % 2 == 0)
    assert all(part.startswith((b"\x1be", b"x")) and not part.endswith(b"\x1b") for part in rest)


@pytest.mark.parametrize(("text", "coding"), [("€" * 80, DEFAULT_CODING), ("😀" * 35, UCS2_CODING)])
def test_a_message_that_is_just_full_is_one_part(text: str, coding: int) -> None:
    assert (split(text).data_coding, parts_of(text), parts_of(text + "x")) == (coding, 1, 2)
    assert (len(elsewhere(text)), len(elsewhere(text + "x"))) == (1, 2)
