"""Whose a number is: ported, then the longest prefix, then the built-in table."""

from __future__ import annotations

import pytest

from datasms_daemon.config.records import Operator
from datasms_daemon.rules.lists import ListFault, numbers_in, ported_in
from datasms_daemon.rules.operators import Operators, built_in_names, slug

OWN = {
    "o2": Operator(prefixes=("+42060", "+4206031")),
    "special": Operator(prefixes=("+420603123",)),
    "vodafone": Operator(rules="vodafone"),
}


@pytest.mark.parametrize(
    ("number", "operator"),
    [
        ("+420601000000", "o2"),
        ("+420603100000", "o2"),
        ("+420603123456", "special"),
        ("+420603999999", "vodafone"),
        ("+420731000000", "t-mobile"),
        ("+421905123456", "orange"),
        ("+99912345678", "unknown"),
        ("+4", "unknown"),
        (None, "unknown"),
    ],
)
def test_the_longest_own_prefix_decides_then_the_built_in_table(number: str | None, operator: str) -> None:
    ported = {"+420603999999": "vodafone"}
    assert Operators(OWN, ported.get).of(number) == operator


def test_the_built_in_table_names_operators_as_rules_do() -> None:
    assert {"o2", "t-mobile", "vodafone"} <= built_in_names()
    assert all(name == slug(name) for name in built_in_names())


@pytest.mark.parametrize(
    ("name", "expected"),
    [("T-Mobile", "t-mobile"), ("Telefónica O₂", "telefonica-o2"), (" Orange  Polska ", "orange-polska"), ("", "")],
)
def test_an_operator_is_written_in_lower_case_with_dashes(name: str, expected: str) -> None:
    assert slug(name) == expected


def test_a_list_has_one_number_a_line_however_it_is_written() -> None:
    text = "# the board\n\n+420603123456\n603 123 457  # at night\n  +421905123456\r\n603123457"
    assert numbers_in(text, "CZ") == {"+420603123456", "+420603123457", "+421905123456"}
    assert numbers_in("", "CZ") == frozenset()


@pytest.mark.parametrize("line", ["abc", "12", "+0", "+420603123456,o2", "+420603123456 +420603123457"])
def test_a_list_with_anything_else_cannot_be_used_and_the_number_is_not_told(line: str) -> None:
    with pytest.raises(ListFault, match=r"^line 2 holds no valid phone number$"):
        numbers_in(f"+420603123456\n{line}", "CZ")


def test_a_table_of_ported_numbers_has_an_operator_for_each() -> None:
    assert ported_in("603123456, T-Mobile\n+421905123456,o2 # new", "CZ") == {
        "+420603123456": "t-mobile",
        "+421905123456": "o2",
    }
    with pytest.raises(ListFault, match="line 1 names no operator"):
        ported_in("+420603123456", "CZ")
    with pytest.raises(ListFault, match="line 1 holds no valid phone number"):
        ported_in("x,o2", "CZ")
