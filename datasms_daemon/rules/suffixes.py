"""Senders' suffixes: on some lines the number that people answer to says whose words they answer."""

from __future__ import annotations

from collections.abc import Mapping


class Suffixes:
    """The suffixes of one configuration: ``numbers`` by line, where it knows suffixes, and ``suffixes`` by sender."""

    def __init__(self, numbers: Mapping[str, str], suffixes: Mapping[str, str]) -> None:
        self._numbers = numbers
        self._suffixes = suffixes
        self._senders = {suffix: sender for sender, suffix in suffixes.items()}

    def sender(self, line: str, to: str) -> str | None:
        """Whose number was written to on a line; None: nobody's own."""
        number = self._numbers.get(line, "").removeprefix("+")
        if not number or not to.removeprefix("+").startswith(number):
            return None
        return self._senders.get(to.removeprefix("+").removeprefix(number))

    def sources(self, line: str) -> dict[str, str]:
        """By sender: the number that his messages show on a line."""
        number = self._numbers.get(line)
        return {} if number is None else {sender: number + suffix for sender, suffix in self._suffixes.items()}
