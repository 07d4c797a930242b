"""Prices: exact decimals, a part at a time, by operator; and how money is written."""

from __future__ import annotations

import pytest

from datasms_daemon.config.units import format_price, parse_price
from datasms_daemon.rules.prices import Charge, Tariff, money

O2 = Tariff(900_000, {"o2": 800_000, "free": 0})


@pytest.mark.parametrize(
    ("parts", "operator", "charge"),
    [
        (1, "o2", Charge("o2", 1, 800_000)),
        (1, "unknown", Charge("unknown", 1, 900_000)),
        (1, "free", Charge("free", 1, 0)),
        (2, "o2", Charge("o2", 2, 1_600_000)),
        (1, None, Charge(None, 1, 900_000)),
    ],
)
def test_a_text_costs_its_parts_at_the_price_of_its_operator(parts: int, operator: str | None, charge: Charge) -> None:
    assert O2.charge(parts, operator) == charge


def test_without_a_price_the_parts_are_known_and_the_cost_is_not() -> None:
    assert Tariff().charge(2, "o2") == Charge("o2", 2, None)
    assert Tariff(prices={"o2": 5}).charge(1, "t-mobile") == Charge("t-mobile", 1, None)


@pytest.mark.parametrize(
    ("written", "millionths"),
    [(0.9, 900_000), (1, 1_000_000), (0.1 + 0.2, None), (0.0000001, None), (0.000001, 1), (19.99, 19_990_000), (0, 0),
     (-1, None), (True, None), ("0.9", None), (float("nan"), None), (float("inf"), None), (1e9, None)],
)  # fmt: skip
def test_a_price_is_what_was_written_and_not_finer_than_a_millionth(written: object, millionths: int | None) -> None:
    assert parse_price(written) == millionths
    if millionths is not None:
        assert float(format_price(millionths)) == written


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0.00"), (900_000, "0.90"), (1_260_000, "1.26"), (1, "0.000001"), (12_345_678_900_000, "12345678.90"),
     (1_234_500, "1.2345")],
)  # fmt: skip
def test_money_has_two_decimals_and_more_only_where_they_say_something(amount: int, text: str) -> None:
    assert money(amount) == text
