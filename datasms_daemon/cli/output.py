"""How results look: aligned columns for people, JSON for programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import click
import msgspec

from datasms_daemon.ops.printable import printable, printable_json

NOTHING = "-"


def json_text(result: object) -> str:
    """A result as JSON, indented."""
    compact = msgspec.json.encode(result)
    # Unicode knows more ends of lines, which may stand within a text.
    return "\n".join(map(printable_json, msgspec.json.format(compact, indent=2).decode().split("\n")))


def json_line(result: object) -> str:
    """A result as JSON on one line."""
    return printable_json(msgspec.json.encode(result).decode())


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Writes aligned columns under their heads; None shows as a dash. Nothing at all where there are no rows."""
    cells = [[_cell(value) for value in row] for row in rows]
    if not cells:
        click.echo("(none)")
        return
    aligned([list(heads), *cells])


def aligned(rows: Sequence[Sequence[str]]) -> None:
    """Writes columns as wide as their widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def fields(pairs: Iterable[tuple[str, object]]) -> None:
    """Writes one name and value a line."""
    aligned([[name, _cell(value)] for name, value in pairs])


def local(time: str | None) -> str | None:
    """An RFC 3339 time in this terminal's time zone."""
    if time is None:
        return None
    return datetime.fromisoformat(time).astimezone().isoformat(" ", "seconds")


def after(start: str, time: str | None) -> str | None:
    """How long after ``start`` something was."""
    if time is None:
        return None
    seconds = (datetime.fromisoformat(time) - datetime.fromisoformat(start)).total_seconds()
    if abs(seconds) < 600:
        return f"{seconds:+.2f} s"
    hours, minutes = divmod(round(abs(seconds) / 60), 60)
    return f"{'-' if seconds < 0 else '+'}{hours} h {minutes:02} min"


def _cell(value: object) -> str:
    if value is None or value == "":
        return NOTHING
    if isinstance(value, tuple | list):
        return ", ".join(map(_cell, value)) or NOTHING
    return printable(str(value))
