from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from datasms_daemon.rules.registration import ALPHABET, make, parse, sms_text

random_bytes = st.binary(min_size=8, max_size=8)


@given(random_bytes)
def test_every_number_made_is_read_back(random: bytes) -> None:
    number = make(random)
    read = parse(sms_text(number))
    assert read is not None
    assert read.selector + read.secret.reveal() == number.replace("-", "")[:12]


@given(random_bytes, st.integers(0, 12), st.sampled_from(ALPHABET))
def test_one_wrong_symbol_is_always_noticed(random: bytes, place: int, symbol: str) -> None:
    right = make(random).replace("-", "")
    assume(right[place] != symbol)
    assert parse(f"DATASMS {right[:place]}{symbol}{right[place + 1 :]}") is None


@given(random_bytes, st.integers(0, 11))
def test_two_neighbours_exchanged_are_always_noticed(random: bytes, place: int) -> None:
    right = make(random).replace("-", "")
    assume(right[place] != right[place + 1])
    wrong = right[:place] + right[place + 1] + right[place] + right[place + 2 :]
    assert parse(f"DATASMS {wrong}") is None


@given(random_bytes, random_bytes)
def test_sixty_bits_of_randomness_are_kept_apart(one: bytes, other: bytes) -> None:
    is_same = int.from_bytes(one) % 2**60 == int.from_bytes(other) % 2**60
    assert (make(one) == make(other)) == is_same


@given(st.text())
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert parse(text) is None
    parse("DATASMS " + text)
