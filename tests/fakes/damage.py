"""Databases that are really damaged: bytes of the file are changed behind everybody's back."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

PAGE = 4096


def root(database: Path, name: str) -> int:
    """Where in the file a small table or index lies: its first byte."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        page: int = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (name,)).fetchone()[0]
    return (page - 1) * PAGE


def change(database: Path, name: str, old: bytes, new: bytes) -> None:
    """Other bytes of the same number in the page of a small table or index, which the log of writes must not hold."""
    assert len(old) == len(new)
    start = root(database, name)
    with database.open("r+b") as file:
        file.seek(start)
        page = file.read(PAGE)
        assert old in page, f"{name} is not so small, or still in the log of writes"
        file.seek(start)
        file.write(page.replace(old, new))


def spoil(database: Path, name: str) -> None:
    """Nonsense where the page of a table or index says what is where in it."""
    with database.open("r+b") as file:
        file.seek(root(database, name))
        file.write(b"\xa5" * 64)
