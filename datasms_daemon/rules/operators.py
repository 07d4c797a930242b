"""Which operator a number belongs to: ported numbers, then the configuration's prefixes, then the built-in table.

The built-in table is libphonenumber's: what numbering plans say, without portability. It is loaded when it is first
asked.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Protocol, TypeVar

UNKNOWN = "unknown"
"""The operator of a number that nothing is known of, and of a person without one."""

V = TypeVar("V")


class _Operator(Protocol):
    @property
    def prefixes(self) -> Sequence[str]: ...


class Operators:
    """The operators of one configuration; ``ported`` answers for numbers that left theirs, None: not known to have."""

    def __init__(self, options: Mapping[str, _Operator], ported: Callable[[str], str | None]) -> None:
        self._ported = ported
        self._own = {prefix: name for name, operator in options.items() for prefix in operator.prefixes}
        self._longest = max(map(len, self._own), default=0)

    def of(self, number: str | None) -> str:
        """The operator of an E.164 number, by its name in rules."""
        if number is None:
            return UNKNOWN
        return self._ported(number) or longest_prefix(number, self._own, self._longest) or built_in(number) or UNKNOWN


def longest_prefix(number: str, prefixes: Mapping[str, V], longest: int) -> V | None:
    """The value of the longest prefix that the number begins with; None: there is none."""
    for length in range(min(len(number), longest), 0, -1):
        if (found := prefixes.get(number[:length])) is not None:
            return found
    return None


def built_in(number: str) -> str | None:
    """What the built-in table says of an E.164 number."""
    table, longest = _carriers()
    names = longest_prefix(number[1:], table, longest)
    return None if names is None or "en" not in names else slug(names["en"])


def built_in_names() -> frozenset[str]:
    """All operators that the built-in table knows."""
    return frozenset(slug(names["en"]) for names in _carriers()[0].values() if "en" in names)


@lru_cache(maxsize=4096)
def slug(name: str) -> str:
    """An operator's name as rules write it: ``T-Mobile`` is ``t-mobile``, ``Orange Polska`` is ``orange-polska``."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


@cache
def _carriers() -> tuple[Mapping[str, Mapping[str, str]], int]:
    from phonenumbers.carrierdata import CARRIER_DATA, CARRIER_LONGEST_PREFIX

    return CARRIER_DATA, CARRIER_LONGEST_PREFIX
