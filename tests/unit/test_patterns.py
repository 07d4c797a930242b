from __future__ import annotations

import time

import pytest

from datasms_daemon.rules.patterns import NUMBER_REACH, TEXT_REACH, PatternError, compile_pattern

GOOD = [
    r"^\s*DATASMS\b",
    r"^\+42060[12]",
    r"^\+420(60[1-8]|72\d|73[0-9])\d{6}$",
    r"alarm|fire|pump (3|4) stopped",
    r"pump.*stop",
    r"^(?:re|fw)?:?\s*\[crm-(?P<id>\d+)\]",
    r"[^]a-z\]]+x",
    r"(?i)stop",
    r"(?i:stop)(?!x)(?<=p)",
    r"a{2,3}b{,4}c{2}",
    r"x(?#a comment (with brackets in it)y",
    r"a{b}",
    "",
]


@pytest.mark.parametrize("pattern", GOOD)
def test_what_people_write_in_rules_is_taken(pattern: str) -> None:
    compile_pattern(pattern, TEXT_REACH)


SLOW = [
    r"(a+)+$",
    r"(a*)*b",
    r"(a|aa)+$",
    r"(?:a|a)*b",
    r"((a?)?)*b",
    r"(a?){30}a{30}",
    r"a?" * 30 + "a" * 30,
    r"(.*a){20}",
    r"([a-z]+)*\d",
    r"\d+\d+x",
    r".*.*.*x",
    r"^.*.*.*x",
    r"^a+|b+c+d",
    r"^(a*)(?#c)*b",
    r"(?x)(a*#)" "\n)*b",
    r"(a*)\1b",
    r"(?P<a>a*)(?P=a)b",
    r"(a)?(?(1)b+|c+)d",
    r"(a+){2,}b",
    r"([)]+)+x",
    r"(\)+)+x",
]


@pytest.mark.parametrize("pattern", SLOW)
def test_what_a_hostile_text_could_make_slow_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError, match="could take too long"):
        compile_pattern(pattern, TEXT_REACH)


@pytest.mark.parametrize(
    ("pattern", "wrong"),
    [
        ("(a", "missing ), unterminated subpattern at character 1"),
        ("ab[c", "unterminated character set at character 3"),
        ("a**", "multiple repeat at character 3"),
        ("a{99999999999999}", "too large"),
    ],
)
def test_what_is_no_regular_expression_is_told_with_its_place(pattern: str, wrong: str) -> None:
    with pytest.raises(PatternError) as caught:
        compile_pattern(pattern, TEXT_REACH)
    assert caught.value.wrong == wrong


def test_a_number_is_short_and_may_be_looked_at_more_closely() -> None:
    compile_pattern(r"^\+.*1.*2.*3", NUMBER_REACH)
    with pytest.raises(PatternError):
        compile_pattern(r"^\+.*1.*2.*3", TEXT_REACH)


@pytest.mark.parametrize("pattern", GOOD)
def test_what_is_taken_is_quick_on_long_runs_of_its_own_letters(pattern: str) -> None:
    compiled = compile_pattern(pattern, TEXT_REACH)
    started = time.perf_counter()
    for text in ("a" * TEXT_REACH, "pump" * (TEXT_REACH // 4), " " * TEXT_REACH, "+" + "1" * TEXT_REACH):
        compiled.search(text)
    assert time.perf_counter() - started < 0.5
