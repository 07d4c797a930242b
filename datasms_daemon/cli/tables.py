"""Long lists, written out page by page: none is ever held whole."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeVar

import msgspec

from datasms_daemon.cli.output import json_line
from datasms_daemon.cli.session import FAILED, Failed
from datasms_daemon.gateway.tables import table

T = TypeVar("T", bound=msgspec.Struct)


def export(shape: type[T], pages: Iterable[tuple[T, ...]], format_: str, file: IO[bytes]) -> int:
    """Writes all pages as ``csv`` with one line of names at its head, as ``ndjson``, or as one ``json`` array; how many
    items there were."""
    count = 0
    if format_ == "csv":
        file.write(table(shape, ()))
    for items in pages:
        if format_ == "csv":
            file.write(table(shape, items, heads=False))
        for number, item in enumerate(items if format_ != "csv" else (), count):
            if format_ == "json":
                file.write(b",\n" if number else b"[\n")
            file.write(json_line(item).encode() + (b"\n" if format_ == "ndjson" else b""))
        count += len(items)
    if format_ == "json":
        file.write(b"\n]\n" if count else b"[]\n")
    return count


@contextmanager
def private_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that only its owner may read; it takes the place of ``path`` once it is whole, else nothing of it stays.

    Failed: there is something at ``path`` that is no file.
    """
    if path.exists() and not path.is_file():
        raise Failed(FAILED, f"{path} is no file")
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(partial, flags, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
