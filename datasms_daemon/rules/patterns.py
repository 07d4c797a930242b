"""Operators' regular expressions, held to patterns that no text can make slow.

Python's engine tries alternatives one after the other, so a careless pattern takes minutes on a text that a stranger
chose, and the whole daemon with it. Here the worst case is estimated before a pattern is used: each choice multiplies.
"""

from __future__ import annotations

import math
import re

NUMBER_REACH = 16
TEXT_REACH = 1_000
"""So many characters from its beginning does a pattern see of a text."""

# A step takes about 10 ns, so the reactor stands for a tenth of a second at the very worst.
_MOST_STEPS = 1e7
_TOO_MANY_DIGITS = 12

_TOKEN = re.compile(
    r"""(?P<quantifier>[*+?]|\{(?:\d+(?:,\d*)?|,\d*)\})[?+]?
      | (?P<refused>\(\?P=|\(\?\(|\(\?[a-zA-Z-]*x|\\[1-9])
      | (?P<skip>\(\?\#[^)]*\)|\(\?[aiLmsu]+\))
      | (?P<open>\((?:\?(?:P<\w+>|<?[=!]|[a-zA-Z-]*:|>))?)
      | (?P<close>\))
      | (?P<or>\|)
      | (?P<one>\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.)""",
    re.VERBOSE | re.DOTALL,
)


class PatternError(ValueError):
    """The pattern cannot be used: what is ``wrong`` with it and what would be ``right``."""

    def __init__(self, wrong: str, right: str) -> None:
        super().__init__(f"{wrong}; {right}")
        self.wrong = wrong
        self.right = right


def compile_pattern(pattern: str, reach: int) -> re.Pattern[str]:
    """The pattern, to be searched for in at most ``reach`` characters; case does not matter.

    PatternError: no regular expression, or one that could take too long.
    """
    try:
        compiled = re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        where = "" if error.pos is None else f" at character {error.pos + 1}"
        raise PatternError(f"{error.msg}{where}", "a regular expression as Python knows them") from error
    except (OverflowError, RecursionError) as error:
        raise PatternError("too large", "a shorter regular expression") from error
    if _worst_case(pattern, reach) > _MOST_STEPS:
        raise PatternError("could take too long", "fewer * and +, none of them after a bracket, and ^ in front")
    return compiled


def _worst_case(pattern: str, reach: int) -> float:
    """How many steps a search may take; infinite for what the estimate does not know."""
    estimate = _Estimate(pattern, reach)
    choices = estimate.choices(depth=0)
    is_anchored = pattern.startswith("^") and not estimate.has_branches
    return choices if is_anchored else choices * reach


class _Estimate:
    """Reads a valid pattern once, counting in how many ways each part could match.

    ``has_branches`` tells afterwards whether it is several patterns joined by ``|``.
    """

    def __init__(self, pattern: str, reach: int) -> None:
        self._tokens = list(_TOKEN.finditer(pattern))
        self._reach = reach
        self._at = 0
        self.has_branches = False

    def choices(self, depth: int) -> float:
        """Ways to match up to the end or the next closing bracket: branches add, what stands in a row multiplies."""
        branches = 0.0
        row = 1.0
        last = 1.0
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            self._at += 1
            kind = token.lastgroup
            if kind == "close":
                break
            if kind == "skip":
                continue
            if kind == "refused":
                return math.inf
            if kind == "quantifier":
                last = self._repeated(last, token["quantifier"])
                continue
            row *= last
            last = self.choices(depth + 1) if kind == "open" else 1.0
            if kind == "or":
                branches, row = branches + row, 1.0
                self.has_branches |= depth == 0
        return branches + row * last

    def _repeated(self, ways: float, quantifier: str) -> float:
        least, most = self._bounds(quantifier)
        if ways > 1 and most * math.log10(ways) > _TOO_MANY_DIGITS:
            return math.inf
        return ways**most * (most - least + 1)

    def _bounds(self, quantifier: str) -> tuple[int, int]:
        if quantifier in "*+?":
            return 0, 1 if quantifier == "?" else self._reach
        least, _, most = quantifier[1:-1].partition(",")
        if not most:
            most = str(self._reach) if "," in quantifier else least
        return min(int(least or 0), self._reach), min(int(most), self._reach)
