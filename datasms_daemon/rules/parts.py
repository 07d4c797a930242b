"""The parts of a text from outside, put together again."""

from __future__ import annotations

from collections.abc import Iterable

from datasms_daemon.model import InboundPart, InboundText
from datasms_daemon.rules.text import GAP, decode


def joined(parts: Iterable[InboundPart], key: str) -> InboundText:
    """The text of the parts there are, at least one, GAP where some are missing; ``key`` stands for all of them."""
    by_number = {part.number: part for part in parts}
    first = min(by_number.values(), key=lambda part: part.at)
    is_whole = len(by_number) == first.total
    return InboundText(
        first.line, first.from_, first.to, _text(by_number, first.total), first.at, key, incomplete=not is_whole
    )


def _text(by_number: dict[int, InboundPart], total: int) -> str:
    pieces: list[str] = []
    run: list[InboundPart] = []
    for number in range(1, total + 1):
        part = by_number.get(number)
        if run and (part is None or part.coding != run[0].coding):
            pieces.append(_decoded(run))
            run = []
        if part is not None:
            run.append(part)
        elif not pieces or pieces[-1] != GAP:
            pieces.append(GAP)
    return "".join(pieces) + (_decoded(run) if run else "")


def _decoded(run: list[InboundPart]) -> str:
    # Octets are joined before they are decoded: a pair may have been cut in two by the sender.
    return decode(b"".join(part.octets for part in run), run[0].coding, run[0].alphabet)
