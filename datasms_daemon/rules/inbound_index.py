"""A thousand inbound rules, asked at once: which of them may match a text, as the bits of one number.

Lines, the beginnings of numbers and the words that texts begin with are looked up; whoever is left is asked in full, so
that nothing here decides that a rule matches.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from datasms_daemon.model import InboundText
from datasms_daemon.rules.conditions import split_not
from datasms_daemon.rules.patterns import NUMBER_REACH
from datasms_daemon.rules.rule_index import Alternatives, beginnings, beginnings_of

_LITERAL = re.compile(r"\^([A-Za-z0-9 _#@/-]+)")
_QUANTIFIERS = tuple("*?{+")


class Beginnings:
    """Many conditions on texts, asked at once: bit n of an answer is condition n."""

    def __init__(self, conditions: Sequence[Sequence[str]]) -> None:
        self._all = (1 << len(conditions)) - 1
        self._free = 0
        self._known: dict[str, int] = {}
        for n, patterns in enumerate(conditions):
            wanted, _ = split_not(patterns)
            words = [beginning(pattern) for pattern in wanted]
            if not words or "" in words:
                self._free |= 1 << n
            else:
                for word in words:
                    self._known[word] = self._known.get(word, 0) | 1 << n
        self._lengths = sorted({len(word) for word in self._known})

    def may_hold(self, text: str) -> int:
        """Those that may hold for a text; no other does."""
        if not self._lengths:
            return self._free
        begins = text[: self._lengths[-1]]
        if not begins.isascii():
            # Patterns find ſ where they ask for s, and more of that kind.
            return self._all
        begins = begins.lower()
        found = self._free
        for length in self._lengths:
            found |= self._known.get(begins[:length], 0)
        return found


class InboundIndex:
    """Rules in the order in which they are looked at: their lines, writers' numbers and texts, and aliases in these."""

    def __init__(
        self,
        lines: Sequence[Sequence[str]],
        numbers: Sequence[Sequence[str]],
        texts: Sequence[Sequence[str]],
        aliases: Mapping[str, Sequence[str]],
    ) -> None:
        self._lines = Alternatives(lines)
        self._numbers = Alternatives([beginnings(words, aliases) or () for words in numbers])
        self._texts = Beginnings(texts)

    def candidates(self, inbound: InboundText) -> Iterator[int]:
        """The places of the rules that may match, in their order; no other does."""
        left = self._texts.may_hold(inbound.text)
        if self._lines.is_asked:
            left &= self._lines.holding((inbound.line,))
        if self._numbers.is_asked:
            left &= self._numbers.holding(beginnings_of(inbound.from_[:NUMBER_REACH]))
        while left:
            lowest = left & -left
            yield lowest.bit_length() - 1
            left ^= lowest


def beginning(pattern: str) -> str:
    """What every text begins with, in lower case, in which the pattern is found; "" where that is not known."""
    found = _LITERAL.match(pattern)
    if found is None or "|" in pattern:
        return ""
    literal = found[1]
    if pattern[found.end() :].startswith(_QUANTIFIERS):
        literal = literal[:-1]
    return literal.lower()
