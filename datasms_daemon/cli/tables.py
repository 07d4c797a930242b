"""Long lists, written out page by page: none is ever held whole."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import click
import msgspec

from datasms_daemon.cli.output import json_line
from datasms_daemon.gateway.tables import table

T = TypeVar("T", bound=msgspec.Struct)


def export(shape: type[T], pages: Iterable[tuple[T, ...]], format_: str) -> None:
    """Writes all pages to standard output: ``csv`` with one line of names at its head, or ``ndjson``."""
    for number, items in enumerate(pages):
        if format_ == "csv":
            click.echo(table(shape, items, heads=number == 0), nl=False)
        else:
            for item in items:
                click.echo(json_line(item))
