"""Whether the database is as it should be: the whole file, and some of the messages that are not over (I28)."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing, suppress
from pathlib import Path

import msgspec

from datasms_daemon.model import MessageId
from datasms_daemon.store import messages, opening
from datasms_daemon.store import statements as sql
from datasms_daemon.store.rows import Sealed
from datasms_daemon.store.writer import Db

MOST = 5
"""Faults that are told; there may be more."""
SOONEST = 100
PLACES = 20
AT_A_PLACE = 10
_STEPS = 100_000
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR})


class Check:
    """One look at every page, row and index of a file. It reads one state of it, and others write meanwhile; but for as
    long as it takes the log of writes cannot begin anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ended = threading.Event()
        self._connection: sqlite3.Connection | None = None

    def run(self) -> tuple[str, ...] | None:
        """What is wrong, empty when nothing is; None: it was ended before."""
        with closing(opening.reader_connection(self._path)) as connection:
            connection.set_progress_handler(self._ended.is_set, _STEPS)
            self._connection = connection
            try:
                return None if self._ended.is_set() else (*_damage(connection), *_loose(connection))
            except sqlite3.Error as error:
                code = getattr(error, "sqlite_errorcode", 0) & 0xFF
                if code == sqlite3.SQLITE_INTERRUPT:
                    return None
                if code in _DAMAGED:
                    return (str(error),)
                raise
            finally:
                self._connection = None

    def end(self) -> None:
        """Lets ``run`` answer None at once; may be called from any thread."""
        self._ended.set()
        connection = self._connection
        if connection is not None:
            # The flag is not asked for while the pages are gone through. It may have come to its end this moment.
            with suppress(sqlite3.ProgrammingError):
                connection.interrupt()


def sample(db: Db) -> list[Sealed]:
    """Messages that are not over: those due soonest, and a few of the times after.

    It takes no longer the more there are. One that is damaged is left out: it fails by that when its time comes (I35).
    """
    first, last = (db.execute(statement).fetchone()[0] for statement in (sql.SELECT_NEXT_DUE, sql.SELECT_LAST_DUE))
    if first is None:
        return []
    ids: set[MessageId] = set()
    for place in range(PLACES):
        at = first + (last - first) * place // (PLACES - 1)
        limit = AT_A_PLACE if place else SOONEST
        ids.update(row[0] for row in db.execute(sql.SELECT_DUE_IDS, {"at": at, "limit": limit}))
    found = []
    for id_ in sorted(ids):
        with suppress(msgspec.DecodeError, ValueError):
            found.append(messages.one(db, id_)[0])
    return found


def _damage(connection: sqlite3.Connection) -> list[str]:
    found = [row[0] for row in connection.execute(f"PRAGMA integrity_check({MOST})")]
    return [] if found == ["ok"] else found


def _loose(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute("PRAGMA foreign_key_check").fetchmany(MOST)
    return [f"a row of {table} belongs to one of {parent} that is not there" for table, _, parent, _ in rows]
