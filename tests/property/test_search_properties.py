"""Words in texts: what is found whatever case and diacritics, what a spreadsheet gets, which texts may be shown."""

from __future__ import annotations

import csv
import io
import unicodedata

from hypothesis import assume, example, given
from hypothesis import strategies as st

from datasms_daemon.ops.printable import cell
from datasms_daemon.rules.retention import Retention
from datasms_daemon.rules.search import fold, occur, words_of

TEXTS = st.text(max_size=80)
CZECH = st.text("aábcčdďeéěfghiíjklmnňoópqrřsštťuúůvwxyýzžAÁCČĎÉŘŠŽ ", min_size=1, max_size=40)


@given(TEXTS)
@example("ᾳ")
@example("İstanbul ﬁne ẞ ㎒")
def test_what_is_folded_stays_as_it_is(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(TEXTS)
def test_composed_and_decomposed_letters_are_the_same(text: str) -> None:
    assert fold(unicodedata.normalize("NFC", text)) == fold(unicodedata.normalize("NFD", text))


@given(TEXTS)
def test_the_short_way_for_marked_letters_of_ascii_leads_where_the_long_one_does(text: str) -> None:
    # The Cyrillic letter takes the long way and changes nothing else.
    assert fold(f"{text} я") == f"{fold(text)} я"


@given(CZECH)
def test_czech_is_found_in_capitals_and_without_diacritics(text: str) -> None:
    bare = unicodedata.normalize("NFD", text).encode("ascii", "ignore").decode("ascii")
    assert fold(text) == fold(text.upper()) == bare.lower()


@given(TEXTS, TEXTS, TEXTS)
def test_every_word_of_a_text_is_found_in_it(before: str, asked: str, after: str) -> None:
    words = words_of(asked)
    assert occur(words, None, f"{before}\n{asked}\n{after}")
    assert occur(words, f"{before}\n{asked}", after)


@given(TEXTS, TEXTS)
def test_a_word_is_found_only_where_it_is(asked: str, text: str) -> None:
    words = words_of(asked)
    assert occur(words, None, text) == all(word in fold(text) for word in words)
    assert not words or not occur(words, None, "")


@given(st.text("%_*?[]\\^$.|()'\"", min_size=1, max_size=5), TEXTS)
def test_no_character_means_anything_but_itself(asked: str, text: str) -> None:
    assert occur((asked,), None, text) == (asked in fold(text))


@given(TEXTS)
def test_no_cell_is_calculated_and_only_an_apostrophe_is_added(text: str) -> None:
    found = cell(text)
    assert found in (text, f"'{text}")
    assert isinstance(found, str)
    if found == text and text.strip():
        assert text.strip()[0] not in "=@＝＠"
        assert text[0] not in "\t\r\n"
    file = io.StringIO()
    csv.writer(file).writerow([found, "x"])
    assert next(csv.reader(io.StringIO(file.getvalue(), newline=""))) == [found, "x"]


@given(st.sampled_from("+-＋－"), TEXTS)
def test_what_begins_with_a_sign_stays_only_when_it_is_a_number(sign: str, rest: str) -> None:
    assume(not (rest.replace(".", "", 1).isdecimal() and rest.isascii()))
    assert cell(sign + rest) == f"'{sign}{rest}"


@given(st.from_regex(r"[+-][0-9]{1,15}(\.[0-9]{1,3})?", fullmatch=True))
def test_numbers_stay_as_they_are(number: str) -> None:
    assert cell(number) == number


@given(
    *[st.integers(0, 100)] * 4,
    st.none() | st.integers(0, 100),
    st.none() | st.integers(0, 300),
)
def test_a_text_is_shown_only_while_it_is_kept(
    text_ms: int, metadata_ms: int, now: int, class_ms: int, sender_ms: int | None, final_at: int | None
) -> None:
    kept = Retention(text_ms, metadata_ms, 0, 0, {"otp": class_ms}, lambda sender: sender_ms)
    for class_ in (None, "otp"):
        keep = kept.text_of("crm", class_)
        is_shown = kept.shows("crm", class_, final_at, now)
        assert is_shown == (keep != 0 and (final_at is None or not final_at < now - keep))
