from __future__ import annotations

import phonenumbers
from hypothesis import given
from hypothesis import strategies as st

from datasms_daemon.rules.numbers import normalise

REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
FORMATS = [
    phonenumbers.PhoneNumberFormat.E164,
    phonenumbers.PhoneNumberFormat.INTERNATIONAL,
    phonenumbers.PhoneNumberFormat.NATIONAL,
]

regions = st.sampled_from(REGIONS)
written = st.text(st.sampled_from("0123456789+-() ./"), max_size=20)


@st.composite
def numbers(draw: st.DrawFn) -> str:
    """Real numbers as people write them, somewhat changed."""
    number = phonenumbers.example_number_for_type(draw(regions), draw(st.sampled_from([0, 1, 2, 3, 4, 6])))
    if number is None:
        return "603123456"
    text = str(phonenumbers.format_number(number, draw(st.sampled_from(FORMATS))))
    return text.removeprefix("+") if draw(st.booleans()) else text


@given(st.one_of(numbers(), written), regions, regions)
def test_normalising_twice_is_normalising_once_whatever_the_country_i44(text: str, here: str, there: str) -> None:
    once = normalise(text, here)
    if once is not None:
        assert normalise(once, here) == once
        assert normalise(once, there) == once


@given(st.text(max_size=40), regions)
def test_any_text_gives_e164_or_nothing_i44(text: str, country: str) -> None:
    number = normalise(text, country)
    assert number is None or (number[0] == "+" and number[1:].isascii() and number[1:].isdigit() and len(number) <= 18)


@given(numbers(), regions)
def test_an_accepted_number_keeps_its_digits_at_the_end_i44(text: str, country: str) -> None:
    number = normalise(text, country)
    if number is not None:
        digits = "".join(filter(str.isdigit, text))
        assert digits[-5:] == number[-5:]
