"""Texts in fewer letters: without diacritics, and within an alphabet that knows no others."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from datasms_daemon.rules.text import Alphabet, carries

NO_WORD = "?"
"""Stands for a character that has no likeness in the alphabet."""

# Letters with a stroke, which Unicode does not take apart.
_STROKES = str.maketrans("łŁđĐøØħĦŧŦ", "lLdDoOhHtT")
_ALIKE = """
" „“”‟«»″〝〞＂
' ‚‘’‛‹›′`´ʼʻ
- ‐‑‒–—―−⁃
* •·‣●▪
... …
EUR €
GBP £
JPY ¥
(C) ©
(R) ®
No №
x ×
/ ÷⁄
<= ≤
>= ≥
!= ≠
-> →
<- ←
o °
! ¡
? ¿
par. §
ss ß
SS ẞ
ae æ
AE Æ
oe œ
OE Œ
d ð
D Ð
th þ
TH Þ
i ı
n ŋ
N Ŋ
"""
_LIKENESSES = {char: char.translate(_STROKES) for char in "łŁđĐøØħĦŧŦ"} | {
    char: likeness for likeness, chars in map(str.split, _ALIKE.split("\n")[1:-1]) for char in chars
}
# Of Unicode's categories: marks and formats go, separators and controls become a space.
_CATEGORIES = {"Mn": "", "Me": "", "Cf": "", "Zs": " ", "Zl": " ", "Zp": " ", "Cc": " "}


def without_diacritics(text: str) -> str:
    """Latin letters without accents and strokes, everything else as it was (composed, Unicode NFC)."""
    if text.isascii():
        return text
    taken_apart = unicodedata.normalize("NFD", text.translate(_STROKES))
    return unicodedata.normalize("NFC", "".join(_bare(taken_apart)))


def _bare(text: str) -> Iterator[str]:
    on_latin = False
    for char in text:
        if unicodedata.category(char) != "Mn":
            on_latin = char.isascii() and char.isalpha()
        elif on_latin and "\u0300" <= char <= "\u036f":
            continue
        yield char


def within(text: str, alphabet: Alphabet) -> str:
    """The text with each character that the alphabet lacks replaced by one or more that look alike, else by ``?``."""
    if carries(text, alphabet):
        return text
    composed = unicodedata.normalize("NFC", text)
    return "".join(char if carries(char, alphabet) else _likeness(char, alphabet) for char in composed)


@lru_cache(maxsize=4096)
def _likeness(char: str, alphabet: Alphabet) -> str:
    alike = _known(char, alphabet)
    if alike is None:
        pieces = [_known(piece, alphabet) for piece in unicodedata.normalize("NFKD", char)]
        alike = None if None in pieces else "".join(piece or "" for piece in pieces)
    return NO_WORD if alike is None else alike


def _known(char: str, alphabet: Alphabet) -> str | None:
    if carries(char, alphabet):
        return char
    if char in _LIKENESSES:
        return _LIKENESSES[char]
    return _CATEGORIES.get(unicodedata.category(char))
