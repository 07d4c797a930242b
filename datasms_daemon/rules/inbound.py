"""Where a text from outside goes (original.md §§ 3.1 and 3.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from datasms_daemon.model import InboundText
from datasms_daemon.rules.conditions import number_check, text_check, word_check


class _When(Protocol):
    @property
    def line(self) -> Sequence[str]: ...
    @property
    def recipient(self) -> Sequence[str]: ...
    @property
    def text(self) -> Sequence[str]: ...


class _Rule(Protocol):
    @property
    def when(self) -> _When: ...
    @property
    def to(self) -> str: ...
    @property
    def enabled(self) -> bool: ...


class InboundOptions(Protocol):
    """The parts of the configuration that inbound routing reads; ``config.Config`` has them."""

    @property
    def inbound(self) -> Sequence[_Rule]: ...
    @property
    def alias(self) -> Mapping[str, Sequence[str]]: ...


class InboundRouter:
    """The inbound rules of one configuration. Built once, never changes.

    PatternError or KeyError from the constructor: options that the loader would have refused.
    """

    def __init__(self, options: InboundOptions) -> None:
        self._rules = tuple(
            (
                word_check(rule.when.line),
                number_check(rule.when.recipient, options.alias),
                text_check(rule.when.text),
                rule.to,
            )
            for rule in options.inbound
            if rule.enabled
        )

    def target(self, inbound: InboundText) -> str | None:
        """``app:NAME`` or ``account:NAME`` of the first rule that matches; None: nobody wants it.

        ``recipient`` is the number outside, here the one that wrote.
        """
        for line, number, text, to in self._rules:
            if line(inbound.line) and number(inbound.from_) and text(inbound.text):
                return to
        return None
