"""What a line makes of a text before it leaves (original.md § 2.3); the stored text stays what the sender gave.

In this order: characters replaced, header, patterns replaced, diacritics, characters outside the line's alphabet, and
at last the number of parts. A text that must not be modified passes byte for byte, or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Literal, Protocol

from datasms_daemon.model import Record
from datasms_daemon.rules.letters import within, without_diacritics
from datasms_daemon.rules.patterns import TEXT_REACH, compile_pattern
from datasms_daemon.rules.templates import with_groups, with_variables
from datasms_daemon.rules.text import Alphabet, parts_of, shortened

Diacritics = Literal["keep", "strip", "when-shorter"]
Outside = Literal["ucs2", "replace"]
WhenOver = Literal["cut", "refuse"]

VARIABLES = ("sender", "title")
"""What a header may name, with ``$`` before it."""


class TooLong(Record, frozen=True):
    """The text may not leave on this line: it would be ``parts`` SMS and the line sends at most ``most``."""

    parts: int
    most: int

    @property
    def reason(self) -> str:
        """For people."""
        return f"the text is {self.parts} SMS long, the line sends at most {self.most}"


class Given(Record, frozen=True):
    """A text for one line and what its header may name; ``nomodify``: byte for byte."""

    text: str
    sender: str
    title: str | None = None
    nomodify: bool = False


class _Substitution(Protocol):
    @property
    def pattern(self) -> str: ...
    @property
    def with_(self) -> str: ...


class LineTexts(Protocol):
    """What every line may say of texts."""

    @property
    def header(self) -> str: ...
    @property
    def substitute(self) -> Sequence[_Substitution]: ...
    @property
    def diacritics(self) -> Diacritics: ...


class SmsTexts(Protocol):
    """What lines say on which texts travel in parts."""

    @property
    def alphabet(self) -> Alphabet: ...
    @property
    def outside(self) -> Outside: ...
    @property
    def max_parts(self) -> int | None: ...
    @property
    def when_over(self) -> WhenOver: ...


class Pipeline:
    """The way of texts through one line of a configuration; ``sms`` None: it knows all characters and no parts."""

    def __init__(self, replace: Mapping[str, str], line: LineTexts, sms: SmsTexts | None) -> None:
        self._replace = str.maketrans(dict(replace))
        self._header = line.header
        self._substitutes = [(compile_pattern(each.pattern, TEXT_REACH), each.with_) for each in line.substitute]
        self._diacritics = line.diacritics
        self._sms = sms
        self._is_plain = not (replace or line.header or line.substitute) and line.diacritics == "keep"
        if sms is not None:
            self._is_plain &= sms.outside == "ucs2" and sms.max_parts is None

    def leaving(self, given: Given) -> str | TooLong:
        """The text as it would leave."""
        if self._is_plain:
            return given.text
        text = given.text if given.nomodify else self._lettered(self._worded(given))
        return self._counted(text, given.nomodify)

    def parts(self, text: str) -> int | None:
        """How many SMS a leaving text is; None where it does not travel in parts."""
        return None if self._sms is None else parts_of(text, self._sms.alphabet)

    def _worded(self, given: Given) -> str:
        text = given.text.translate(self._replace)
        if self._header:
            text = with_variables(self._header, {"sender": given.sender, "title": given.title}) + text
        for pattern, template in self._substitutes:
            text = pattern.sub(partial(with_groups, template), text[:TEXT_REACH]) + text[TEXT_REACH:]
        return text

    def _lettered(self, text: str) -> str:
        kept = self._within(text)
        if self._diacritics == "keep":
            return kept
        bare = self._within(without_diacritics(text))
        if self._diacritics == "when-shorter" and (self.parts(bare) or 0) >= (self.parts(kept) or 0):
            return kept
        return bare

    def _within(self, text: str) -> str:
        return text if self._sms is None or self._sms.outside == "ucs2" else within(text, self._sms.alphabet)

    def _counted(self, text: str, nomodify: bool) -> str | TooLong:
        sms = self._sms
        if sms is None or sms.max_parts is None or (parts := parts_of(text, sms.alphabet)) <= sms.max_parts:
            return text
        if nomodify or sms.when_over == "refuse":
            return TooLong(parts, sms.max_parts)
        return shortened(text, sms.max_parts, sms.alphabet)
