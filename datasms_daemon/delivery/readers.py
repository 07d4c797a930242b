"""Applications that wait for texts from outside: told as soon as one for them is committed."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from datasms_daemon.rules.inbound import ACCOUNT

MOST = 32
"""Waiters of one sender."""


class Readers:
    """Who waits, by the sender whose texts they are."""

    def __init__(self) -> None:
        self._of: dict[str, dict[object, Callable[[], None]]] = {}

    def watch(self, sender: str, arrived: Callable[[], None]) -> Callable[[], None] | None:
        """Calls ``arrived`` at each text for the sender; the answer ends that. None: too many wait for them already."""
        waiting = self._of.get(sender, {})
        if len(waiting) >= MOST:
            return None
        key = object()
        self._of.setdefault(sender, waiting)[key] = arrived

        def end() -> None:
            waiting.pop(key, None)
            if not waiting and self._of.get(sender) is waiting:
                del self._of[sender]

        return end

    def waiting(self, sender: str) -> int:
        """How many wait for a sender's texts."""
        return len(self._of.get(sender, {}))

    def tell(self, targets: Iterable[str]) -> None:
        """To be called with the destinations of a text once it is committed."""
        for target in dict.fromkeys(targets):
            if target.startswith(ACCOUNT):
                for arrived in tuple(self._of.get(target.removeprefix(ACCOUNT), {}).values()):
                    arrived()
