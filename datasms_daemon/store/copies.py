"""Copies of the database: making one while the daemon runs, and putting one in its place while it does not."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from datasms_daemon.errors import StoreError
from datasms_daemon.store import opening, operations
from datasms_daemon.store import statements as sql
from datasms_daemon.store.integrity import Check
from datasms_daemon.store.writer import Db

CURSORS = ("pushes", "inbound")
"""The tables whose numbers clients and applications keep as cursors."""
AHEAD = 10**9
"""More numbers than were given since the copy was made: a cursor from then must not stand before what is to come."""


def save(database: Path, target: Path) -> None:
    """``target`` is a complete copy of ``database`` as it is now.

    StoreError: there is nothing to copy, or nowhere, or it is damaged; then a former copy stays.
    """
    if not database.is_file():
        raise StoreError(f"there is no database at {database}")
    if target.exists() and target.samefile(database):
        raise StoreError(f"{target} is the database itself")
    unchecked = target.with_name(target.name + ".unchecked")
    _copy(database, unchecked)
    unchecked.replace(target)


@contextmanager
def reading(database: Path) -> Iterator[Db]:
    """A connection that only reads, while a daemon runs or not. StoreError: there is no such database, or no daemon of
    this version has upgraded it yet."""
    if not database.is_file():
        raise StoreError(f"there is no database at {database}")
    with closing(opening.reader_connection(database)) as connection:
        if not opening.is_present(connection):
            raise StoreError(f"{database} is of an older version; start the daemon, which upgrades it")
        yield connection


def sealed_connection(database: Path, file: Path | None) -> Db:
    """A connection that reads ``file``, or the database itself, with the database's key of the audit log.

    StoreError: there is no such database, or its key is gone.
    """
    if not database.with_name(opening.AUDIT_KEY).is_file():
        raise StoreError(f"there is no {opening.AUDIT_KEY} beside {database}")
    connection = opening.reader_connection(file or database)
    connection.audit_key = opening.audit_key(database)
    return connection


def restore(copy: Path, database: Path, now: int) -> Path | None:
    """``database`` is from now on what ``copy`` holds; the answer is where its former content lies, None: had none.

    It is of the past: what was sent since stands in it as not sent, so nothing is sent from it until it is released.

    StoreError: a daemon runs, or the copy is damaged, newer than this program, or no copy of ours.
    """
    if not copy.stat().st_size:
        # To SQLite an empty file is a good database without tables.
        raise StoreError(f"{copy} is empty")
    lock = opening.Lock(database)
    try:
        staged = database.with_name(database.name + ".restoring")
        _copy(copy, staged)
        # The copy is still there: nothing would remove another one, and an erasure would not reach it (I50).
        opening.prepare(staged, keep_former=False)
        _hold(staged, copy.name, now)
        kept = _put_aside(database)
        staged.replace(database)
    finally:
        lock.release()
    return kept


def _hold(database: Path, copy: str, now: int) -> None:
    with closing(opening.writer_connection(database)) as db:
        db.execute("BEGIN IMMEDIATE")
        epoch = int(operations.meta(db, operations.EPOCH) or 0) + 1
        operations.set_meta(db, operations.EPOCH, str(epoch))
        operations.set_meta(db, operations.HOLD, f"{copy} was put in the place of the database")
        for name in CURSORS:
            values = {"name": name, "ahead": AHEAD}
            if db.execute(sql.SKIP_SEQUENCE, values).rowcount == 0:
                db.execute(sql.BEGIN_SEQUENCE, values)
        operations.audit(db, now, "command line", f"database restored, epoch {epoch}", copy)
        db.execute("COMMIT")


def _copy(source: Path, target: Path) -> None:
    """A copy in which nothing is damaged."""
    try:
        with closing(opening.reader_connection(source)) as connection:
            opening.backup(connection, target)
        wrong = Check(target).run()
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"{source} cannot be copied to {target}: {error}") from error
    if wrong:
        target.unlink()
        raise StoreError(f"{source} is damaged ({'; '.join(wrong)}); keep the backups from before")


def _put_aside(database: Path) -> Path | None:
    """The log of writes belongs to the file it was written for and moves along; SQLite finds it by its name."""
    if not database.exists():
        return None
    number = 1
    while (kept := database.with_name(f"{database.name}.replaced-{number}")).exists():
        number += 1
    for suffix in ("-wal", "-shm", ""):
        part = database.with_name(database.name + suffix)
        if part.exists():
            part.replace(kept.with_name(kept.name + suffix))
    return kept
