"""Time-ordered ids (UUID version 7, RFC 9562 section 5.7): an index grows at its right edge only."""

from __future__ import annotations

from collections.abc import Callable


def first_id(ms: int) -> str:
    """What no id of that moment (UTC ms) or later sorts before."""
    text = f"{max(0, ms):012x}"
    return f"{text[:8]}-{text[8:]}"


class IdSource:
    """Makes ids that sort in the order they were made, even within one millisecond."""

    def __init__(self, now_ms: Callable[[], int], random: Callable[[int], bytes]) -> None:
        self._now_ms = now_ms
        self._random = random
        self._last = 0

    def __call__(self) -> str:
        """A new UUIDv7 in its usual text form."""
        # 74 random bits below the time; if another id of this millisecond drew more, step just above it.
        random = int.from_bytes(self._random(10), "big") >> 6
        drawn = self._now_ms() << 74 | random
        if drawn <= self._last:
            drawn = self._last + 1 + (random & 0xFFFFFFFF)
        self._last = drawn
        number = (drawn >> 74 << 80) | (7 << 76) | ((drawn >> 62 & 0xFFF) << 64) | (2 << 62) | (drawn & (1 << 62) - 1)
        text = f"{number:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
