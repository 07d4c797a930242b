"""Copies of the database, and what may take its place."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from msgspec import structs

from datasms_daemon.errors import StoreError
from datasms_daemon.model import InboundText, LineName
from datasms_daemon.store import inbound, opening, operations
from datasms_daemon.store.copies import AHEAD, reading, restore, save
from datasms_daemon.store.schema import MIGRATIONS
from tests.fakes.releases import declare


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database in which something is written."""
    path = tmp_path / "datasms.sqlite3"
    opening.prepare(path)
    remember(path, "before")
    return path


def remember(path: Path, value: str) -> None:
    with closing(opening.writer_connection(path)) as db:
        operations.set_meta(db, "fact", value)


def fact(path: Path) -> str | None:
    with closing(opening.reader_connection(path)) as db:
        return operations.meta(db, "fact")


def test_a_copy_of_a_database_in_use_holds_what_was_committed(database: Path, tmp_path: Path) -> None:
    lock = opening.Lock(database)
    with closing(opening.writer_connection(database)) as db:
        operations.set_meta(db, "fact", "committed")
        db.execute("BEGIN IMMEDIATE")
        operations.set_meta(db, "fact", "not yet")
        save(database, tmp_path / "copy")
        db.execute("ROLLBACK")
    lock.release()
    assert fact(tmp_path / "copy") == "committed"


def test_restoring_keeps_the_former_database_beside_it(database: Path, tmp_path: Path) -> None:
    save(database, tmp_path / "copy")
    remember(database, "after")
    kept = restore(tmp_path / "copy", database, 1)
    assert kept is not None
    assert (fact(database), fact(kept)) == ("before", "after")
    again = restore(tmp_path / "copy", database, 1)
    assert again not in (None, kept)
    assert fact(kept) == "after"


def test_what_only_the_log_of_writes_holds_is_kept_with_the_former_database(database: Path, tmp_path: Path) -> None:
    save(database, tmp_path / "copy")
    crashed = opening.writer_connection(database)
    operations.set_meta(crashed, "fact", "only in the log")
    assert database.with_name(database.name + "-wal").stat().st_size
    kept = restore(tmp_path / "copy", database, 1)
    crashed.close()
    assert kept is not None
    assert kept.with_name(kept.name + "-wal").stat().st_size
    assert fact(database) == "before"


def test_a_missing_database_is_simply_put_in_its_place(database: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.sqlite3"
    assert restore(database, new, 1) is None
    assert fact(new) == "before"


def test_a_copy_of_an_older_version_is_upgraded_and_nothing_else_is_left_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I50: a second copy would be one that nobody knows of."""
    copy, database = tmp_path / "copy", tmp_path / "datasms.sqlite3"
    with monkeypatch.context() as patched:
        declare(patched, MIGRATIONS[0])
        opening.prepare(copy)
        remember(copy, "old")
    with pytest.raises(StoreError, match="older version; start the daemon"), reading(copy):
        pass
    assert restore(copy, database, 1) is None
    with reading(database) as db:
        assert operations.meta(db, "fact") == "old"
    assert list(tmp_path.glob("*.before-*")) == []


def test_a_database_in_use_is_not_replaced(database: Path, tmp_path: Path) -> None:
    """I30: one process a file."""
    save(database, tmp_path / "copy")
    remember(database, "after")
    lock = opening.Lock(database)
    with pytest.raises(StoreError, match="is in use by process"):
        restore(tmp_path / "copy", database, 1)
    lock.release()
    assert fact(database) == "after"


@pytest.mark.parametrize(
    ("content", "why"), [(b"", "is empty"), (b"no database at all" * 100, "cannot be copied"), (None, "newer datasms")]
)
def test_what_is_no_copy_of_ours_is_refused_and_changes_nothing(
    database: Path, tmp_path: Path, content: bytes | None, why: str
) -> None:
    """I28: a damaged or newer file is found out before it is used."""
    copy = tmp_path / "copy"
    if content is None:
        save(database, copy)
        with closing(sqlite3.connect(copy)) as db:
            newest = "(SELECT max(name) FROM _sqlite_migrations)"
            db.execute(f"UPDATE _sqlite_migrations SET name = 'm9999_from_the_future' WHERE name = {newest}")
            db.commit()
    else:
        copy.write_bytes(content)
    with pytest.raises(StoreError, match=why):
        restore(copy, database, 1)
    assert fact(database) == "before"


def loosen(path: Path) -> None:
    """An attempt of no message: the short check of a start does not look for that."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("INSERT INTO attempts (message, n, step, line, state, started_at) VALUES ('x', 1, 0, 'sms', '', 1)")


def test_a_damaged_database_takes_the_place_of_no_good_copy(database: Path, tmp_path: Path) -> None:
    """I28."""
    save(database, tmp_path / "copy")
    good = (tmp_path / "copy").read_bytes()
    before = sorted(tmp_path.iterdir())
    loosen(database)
    with pytest.raises(StoreError, match="keep the backups from before"):
        save(database, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == good
    assert sorted(tmp_path.iterdir()) == before
    assert not tuple(tmp_path.glob("*unchecked*"))


def test_a_damaged_copy_takes_the_place_of_no_database(database: Path, tmp_path: Path) -> None:
    """I28."""
    save(database, tmp_path / "copy")
    loosen(tmp_path / "copy")
    with pytest.raises(StoreError, match="is damaged"):
        restore(tmp_path / "copy", database, 1)
    assert fact(database) == "before"


def test_a_database_is_not_copied_onto_itself_nor_from_nowhere(database: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(database)
    with pytest.raises(StoreError, match="is the database itself"):
        save(database, tmp_path / "link")
    with pytest.raises(StoreError, match="there is no database"):
        save(tmp_path / "missing", tmp_path / "copy")
    assert fact(database) == "before"


def test_what_comes_after_a_restore_stands_behind_every_cursor_that_was_given_before(
    database: Path, tmp_path: Path
) -> None:
    """A client keeps its place in the inbox, an application in the texts: neither knows that time went back."""
    text = InboundText(LineName("sms"), "+420603123456", "", "Hello", 1, "1")
    with closing(opening.writer_connection(database)) as db:
        inbound.add(db, text, None, None)
        save(database, tmp_path / "copy")
        for key in range(2, 9):
            inbound.add(db, structs.replace(text, key=str(key)), None, None)
        (cursor,) = db.execute("SELECT max(seq) FROM inbound").fetchone()
    restore(tmp_path / "copy", database, 1)
    with closing(opening.writer_connection(database)) as db:
        inbound.add(db, structs.replace(text, key="after"), None, None)
        assert db.execute("SELECT max(seq) FROM inbound").fetchone()[0] > cursor
        assert db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'pushes'").fetchone() == (AHEAD,)
