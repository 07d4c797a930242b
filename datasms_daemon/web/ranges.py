"""Which part of something a request asks for (RFC 9110 § 14). Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

_ONE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


class Part(NamedTuple):
    """Bytes from ``start`` up to ``stop``, and whether that was asked for as a part."""

    start: int
    stop: int
    is_part: bool

    @property
    def size(self) -> int:
        """How many bytes."""
        return self.stop - self.start


def part_of(header: str | None, size: int) -> Part | None:
    """What a Range header means for ``size`` bytes; None: there is nothing there (416).

    The whole where there is no header, where it cannot be read, and where it asks for several parts.
    """
    whole = Part(0, size, False)
    match = None if header is None else _ONE.fullmatch(header.replace(" ", ""))
    if match is None or match[0] == "bytes=-":
        return whole
    first, last = match.groups()
    if not first:
        return Part(max(0, size - int(last)), size, True) if int(last) and size else None
    if last and int(last) < int(first):
        return whole
    start, stop = int(first), min(int(last) + 1, size) if last else size
    return Part(start, stop, True) if start < size else None
