"""Words in texts, whatever their case and their diacritics.

Both sides are folded alike and compared letter by letter: a word is found as a part of another, and no character of it
means anything but itself.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

# Marks of Latin, Greek, Cyrillic, Hebrew and Arabic letters, soft hyphens, and what steers the direction and joining of
# letters. The vowel signs of other scripts are no diacritics: there they make another word.
_MARKS = re.compile(
    "[\u00ad\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    "\u1ab0-\u1aff\u1dc0-\u1dff\u200b-\u200f\u202a-\u202e\u2060-\u2064\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f\ufeff]+"
)
# Letters with a stroke, which Unicode does not take apart, and the i without a dot.
_STROKES = str.maketrans("łđøħŧı", "ldohti")
# Anything but letters of ASCII and marks on them; U+0345 becomes a letter of its own when its case is folded.
_OTHER = re.compile("[^\\x00-\\x7f\u0300-\u0344\u0346-\u036f]")


def fold(text: str) -> str:
    """The text in small letters without diacritics, compatible forms made one (Unicode NFKD)."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", text)
    # Most texts are of this kind, and a search reads very many.
    if _OTHER.search(apart) is None:
        return apart.encode("ascii", "ignore").decode("ascii").lower()
    return _MARKS.sub("", apart.casefold()).translate(_STROKES)


def words_of(asked: str) -> tuple[str, ...]:
    """The folded words of what somebody looks for, each once; none when there is nothing in it to look for."""
    return tuple(dict.fromkeys(fold(asked).split()))


def occur(words: Sequence[str], title: str | None, text: str) -> bool:
    """Whether every one of the folded words is in the title or in the text."""
    folded = fold(text if title is None else f"{title}\n{text}")
    return all(word in folded for word in words)
