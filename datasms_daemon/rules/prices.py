"""What a text message costs: a price a part, by line and operator. Money is whole millionths of the currency's unit."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from datasms_daemon.model import Record

MICRO = 1_000_000


class Tariff(Record, frozen=True):
    """What one line takes for a part: ``prices`` by operator, ``price`` from all others; None: nobody said."""

    price: int | None = None
    prices: Mapping[str, int] = {}

    @property
    def is_priced(self) -> bool:
        """Whether anything has a price."""
        return self.price is not None or bool(self.prices)

    def charge(self, parts: int, operator: str | None) -> Charge:
        """For a text of so many parts to a number of that operator."""
        price = self.price if operator is None else self.prices.get(operator, self.price)
        return Charge(operator, parts, None if price is None else price * parts)


class Charge(Record, frozen=True):
    """What one hand-over takes if the far end takes it; ``cost`` None: the line has no price for it."""

    operator: str | None
    parts: int
    cost: int | None


def money(amount: int) -> str:
    """As people write it: ``1.26``, at least two decimals and no more than it needs."""
    text = f"{Decimal(amount) / MICRO:.6f}"
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals[:2]}{decimals[2:].rstrip('0')}"
