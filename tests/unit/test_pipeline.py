"""What a line makes of a text: each step, and their order."""

from __future__ import annotations

import pytest

from datasms_daemon.config.records import DatasmsLine, SmppLine
from datasms_daemon.config.texts import Substitution
from datasms_daemon.model import LineName
from datasms_daemon.rules.letters import within, without_diacritics
from datasms_daemon.rules.pipeline import Given, Pipeline, TooLong
from datasms_daemon.rules.text import Alphabet, parts_of, shortened


def sms(**options: object) -> SmppLine:
    return SmppLine(name=LineName("sms"), host="smsc", system_id="acme", **options)  # type: ignore[arg-type]


def leaves(
    text: str, line: SmppLine | None = None, replace: dict[str, str] | None = None, **given: object
) -> str | TooLong:
    """What leaves of a text of the sender ``crm``."""
    line = line or sms()
    return Pipeline(replace or {}, line, line).leaving(Given(text, "crm", **given))  # type: ignore[arg-type]


def test_without_options_every_text_leaves_as_it_was_given() -> None:
    text = "„Žluťoučký“ 👩‍🚒 \t" + "x" * 10_000
    assert leaves(text) is text


def test_characters_are_replaced_on_every_line_before_the_header_is_put_in_front() -> None:
    replace = {"„": '"', "“": '"', "~": ""}
    assert leaves("„~Pump~“ 3", sms(header="~„ACME“ "), replace) == '~„ACME“ "Pump" 3'


def test_a_header_names_sender_and_title_and_a_title_that_is_not_there_is_empty() -> None:
    line = sms(header="$sender/$title: $5 ")
    assert leaves("stop", line, title="Pumps") == "crm/Pumps: $5 stop"
    assert leaves("stop", line) == "crm/: $5 stop"


def test_patterns_are_replaced_in_their_order_and_see_the_header() -> None:
    substitutions = (
        Substitution(pattern=r"(\d+) degrees( below)?", with_="$2$1 C"),
        Substitution(pattern="^acme: ", with_="[$0]"),
    )
    line = sms(header="ACME: ", substitute=substitutions)
    assert leaves("12 degrees, 5 degrees below") == "12 degrees, 5 degrees below"
    assert leaves("12 Degrees, 5 degrees below", line) == "[ACME: ]12 C,  below5 C"


def test_a_pattern_sees_the_first_thousand_characters_and_the_rest_stays() -> None:
    line = sms(substitute=(Substitution(pattern="x", with_="y"),))
    assert leaves("x" * 1_002, line) == "y" * 1_000 + "xx"


def test_diacritics_are_stripped_from_latin_letters_only() -> None:
    kept = "й ά नमस्ते ≠ ≮ 한 👍🏽"
    assert without_diacritics("Žluťoučký kůň, Ćwikła, Đà Nẵng, Ærø, ß " + kept) == (
        "Zlutoucky kun, Cwikla, Da Nang, Æro, ß " + kept
    )
    assert without_diacritics("z\u030c\u0323") == "z"


def test_diacritics_are_stripped_when_that_makes_fewer_sms() -> None:
    line = sms(diacritics="when-shorter")
    assert leaves("ž" * 70, line) == "ž" * 70
    assert leaves("ž" * 71, line) == "z" * 71
    assert leaves("é" * 160, line) == "é" * 160
    assert leaves("ž" * 71 + "Ж", line) == "ž" * 71 + "Ж"
    assert leaves("ž", sms(diacritics="strip")) == "z"


@pytest.mark.parametrize(
    ("alphabet", "given", "expected"),
    [
        ("gsm", "„a“ – ‚b‘… café ěš €5 [x] ~", "\"a\" - 'b'... café es €5 [x] ~"),
        ("ascii", "café €5 ß Æ £", "cafe EUR5 ss AE GBP"),
        ("latin-1", "„é“ € ž \xa0", '"é" EUR z \xa0'),
        ("gsm", "e\u0301\u0323 a\u0301", "e a"),
        ("gsm", "ﬁ ① ½ x² 5\xa0km\ta`b\u200b", "fi 1 1/2 x2 5 km a'b"),
        ("gsm", "Привет 👍 👩\u200d🚒", "?????? ? ??"),
    ],
)
def test_characters_outside_the_alphabet_are_replaced_by_what_looks_alike(
    alphabet: Alphabet, given: str, expected: str
) -> None:
    assert leaves(given, sms(alphabet=alphabet, outside="replace")) == expected
    assert within(expected, alphabet) == expected


def test_a_long_text_is_cut_with_an_ellipsis_between_whole_characters() -> None:
    line = sms(max_parts=2)
    assert leaves("a" * 306, line) == "a" * 306
    assert leaves("a" * 307, line) == "a" * 303 + "..."
    assert leaves("a" * 303 + " more", line) == "a" * 303 + "..."
    assert leaves("word " * 100, sms(max_parts=1)) == "word " * 31 + "wo..."
    assert leaves("ž" * 135, line) == "ž" * 133 + "…"
    # A family of four is one character of eleven units, and is not torn.
    assert leaves("ž" * 128 + "👨\u200d👩\u200d👧\u200d👦", line) == "ž" * 128 + "…"


def test_of_two_ways_to_cut_the_longer_is_taken() -> None:
    assert shortened("a" * 200 + "ž", 1) == "a" * 157 + "..."
    assert shortened("a" * 20 + "ž" * 60, 1) == "a" * 20 + "ž" * 49 + "…"


def test_a_long_text_may_be_refused_instead() -> None:
    line = sms(max_parts=2, when_over="refuse")
    assert leaves("a" * 306, line) == "a" * 306
    refused = leaves("a" * 307, line)
    assert refused == TooLong(3, 2)
    assert isinstance(refused, TooLong)
    assert refused.reason == "the text is 3 SMS long, the line sends at most 2"


def test_the_parts_are_counted_after_everything_else() -> None:
    line = sms(max_parts=1, when_over="refuse", diacritics="strip")
    assert leaves("ž" * 160, line) == "z" * 160
    assert leaves("z" * 160, sms(max_parts=1, when_over="refuse", header="A")) == TooLong(2, 1)


def test_what_must_not_be_modified_leaves_byte_for_byte_or_not_at_all() -> None:
    line = sms(
        header="ACME: ", diacritics="strip", outside="replace", max_parts=1,
        substitute=(Substitution(pattern="a", with_="b"),),
    )  # fmt: skip
    assert leaves("„ž“ a e\u0301", line, {"„": '"'}, nomodify=True) == "„ž“ a e\u0301"
    assert leaves("a" * 161, line, nomodify=True) == TooLong(2, 1)


def test_the_line_to_devices_keeps_all_characters_and_counts_no_parts() -> None:
    line = DatasmsLine(name=LineName("datasms"), header="ACME: ", diacritics="strip")
    pipeline = Pipeline({}, line, None)
    assert pipeline.leaving(Given("Ж ž 👍" + "x" * 9_999, "crm")) == "ACME: Ж z 👍" + "x" * 9_999
    assert pipeline.parts("x" * 200) is None
    assert Pipeline({}, sms(), sms()).parts("x" * 200) == parts_of("x" * 200) == 2
