"""The text pipeline for any text and any options."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from datasms_daemon.config.records import SmppLine
from datasms_daemon.config.texts import Substitution
from datasms_daemon.model import LineName
from datasms_daemon.rules.letters import within, without_diacritics
from datasms_daemon.rules.pipeline import Given, Pipeline, TooLong
from datasms_daemon.rules.text import Alphabet, carries, encode, is_boundary, parts_of, shortened

ALPHABETS: list[Alphabet] = ["gsm", "latin-1", "ascii"]
# Lone surrogates cannot come in: requests are UTF-8.
LETTERS = st.characters(exclude_categories=["Cs"])
TEXTS = st.one_of(
    st.text(LETTERS, max_size=400),
    st.text("abc žščřé„“…–€^{}\n", max_size=900),
    st.text("👨👩👧🏽\u200d🇨🇿e\u0301ž", max_size=300),
)
LINES = st.builds(
    SmppLine,
    name=st.just(LineName("sms")),
    host=st.just("smsc"),
    system_id=st.just("acme"),
    header=st.sampled_from(["", "ACME: ", "$sender $title: ", "„ž“ "]),
    substitute=st.lists(
        st.builds(
            Substitution,
            pattern=st.sampled_from(["a+", "(b)(c)?", "^.", "ž"]),
            with_=st.sampled_from(["", "$0$0", "xž", "$0 x"]),
        ),
        max_size=2,
    ).map(tuple),
    diacritics=st.sampled_from(["keep", "strip", "when-shorter"]),
    alphabet=st.sampled_from(ALPHABETS),
    outside=st.sampled_from(["ucs2", "replace"]),
    max_parts=st.one_of(st.none(), st.integers(1, 4)),
    when_over=st.sampled_from(["cut", "refuse"]),
)
REPLACE = st.dictionaries(st.sampled_from("„“…ž"), st.text("\"'xž", max_size=2))


@given(TEXTS)
def test_stripping_twice_strips_no_more(text: str) -> None:
    once = without_diacritics(text)
    assert without_diacritics(once) == once


@given(TEXTS, st.sampled_from(ALPHABETS))
def test_a_text_within_an_alphabet_is_in_it_and_stays_as_it_is(text: str, alphabet: Alphabet) -> None:
    once = within(text, alphabet)
    assert carries(once, alphabet)
    assert encode(once, alphabet)[0] == 0
    assert within(once, alphabet) == once


@given(TEXTS, st.integers(1, 4), st.sampled_from(ALPHABETS))
def test_a_shortened_text_fits_is_a_beginning_and_is_cut_between_characters(
    text: str, most: int, alphabet: Alphabet
) -> None:
    short = shortened(text, most, alphabet)
    assert parts_of(short, alphabet) <= most
    assert shortened(short, most, alphabet) == short
    if short != text:
        assert parts_of(text, alphabet) > most
        beginning = short.removesuffix("…").removesuffix("...")
        assert text.startswith(beginning)
        rest = text[len(beginning) :]
        assert is_boundary(text, len(beginning) + len(rest) - len(rest.lstrip())) or is_boundary(text, len(beginning))


@given(TEXTS, LINES, REPLACE, st.one_of(st.none(), st.text("Tž", max_size=9)))
def test_what_leaves_keeps_the_lines_alphabet_and_number_of_parts(
    text: str, line: SmppLine, replace: dict[str, str], title: str | None
) -> None:
    pipeline = Pipeline(replace, line, line)
    left = pipeline.leaving(Given(text, "crm", title))
    if isinstance(left, TooLong):
        assert line.when_over == "refuse"
        assert left.parts > left.most == line.max_parts
        return
    assert line.max_parts is None or (pipeline.parts(left) or 0) <= line.max_parts
    if line.outside == "replace":
        assert carries(left, line.alphabet)


@given(TEXTS, LINES, REPLACE)
def test_what_must_not_be_modified_is_not(text: str, line: SmppLine, replace: dict[str, str]) -> None:
    left = Pipeline(replace, line, line).leaving(Given(text, "crm", "title", nomodify=True))
    assert left == text or (isinstance(left, TooLong) and left.parts == parts_of(text, line.alphabet))
