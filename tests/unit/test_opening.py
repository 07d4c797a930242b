"""Opening the database: who may, which file, what is checked."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database
from twisted.python.failure import Failure

from datasms_daemon.errors import StoreError
from datasms_daemon.store import opening
from datasms_daemon.store.schema import MIGRATIONS
from datasms_daemon.store.store import InlineStore
from tests.fakes.daemon import done
from tests.fakes.releases import declare


def never(failure: Failure) -> None:
    """The store does not fail here."""
    raise AssertionError(failure)


def columns(path: Path) -> set[tuple[str, ...]]:
    """Every column of every table and what is declared of it, whatever its place."""
    with closing(sqlite3.connect(path)) as db:
        return set(
            db.execute(
                'SELECT t.name, c.name, c.type, c."notnull", c.dflt_value, c.pk '
                "FROM sqlite_master AS t, pragma_table_info(t.name) AS c WHERE t.type = 'table'"
            )
        )


def test_a_new_database_is_private_strict_and_durable(tmp_path: Path) -> None:
    path = tmp_path / "datasms.sqlite3"
    store = InlineStore(path, never)
    settings = done(
        store.read(lambda db: [db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "journal_mode")])
    )
    tables = done(store.read(lambda db: db.execute("PRAGMA table_list").fetchall()))
    done(store.stop())
    assert settings == [2, "wal"]
    assert path.stat().st_mode & 0o777 == 0o600
    ours = [table for table in tables if not table[1].startswith(("sqlite_", "_sqlite"))]
    assert len(ours) > 15
    assert all(table[5] == 1 for table in ours), "a table without STRICT"


def test_a_second_daemon_is_refused_and_told_who_holds_the_file(tmp_path: Path) -> None:
    """I30."""
    first = InlineStore(tmp_path / "db", never)
    with pytest.raises(StoreError, match=f"in use by process {os.getpid()}"):
        InlineStore(tmp_path / "db", never)
    done(first.stop())
    done(InlineStore(tmp_path / "db", never).stop())


def test_a_file_of_a_newer_version_is_refused_and_untouched(tmp_path: Path) -> None:
    path = tmp_path / "db"
    done(InlineStore(path, never).stop())
    db = sqlite3.connect(path)
    db.execute("INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('datasms', 'm999_later', '')")
    db.commit()
    db.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="newer datasms \\(m999_later\\)"):
        InlineStore(path, never)
    assert path.read_bytes() == before


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    """I28."""
    path = tmp_path / "db"
    done(InlineStore(path, never).stop())
    data = bytearray(path.read_bytes())
    for start in range(8192, len(data) - 64, 4096):
        data[start : start + 64] = os.urandom(64)
    path.write_bytes(data)
    with pytest.raises(StoreError, match=r"damaged|no usable database"):
        InlineStore(path, never)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "db"
    path.write_text("a letter to a friend, long enough to be looked at " * 20)
    with pytest.raises(StoreError, match="no usable database"):
        InlineStore(path, never)


def test_somebody_elses_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "db"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE cats (name)")
    db.close()
    with pytest.raises(StoreError, match="another program"):
        InlineStore(path, never)


def test_an_upgrade_keeps_a_copy_of_the_former_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "db"
    done(InlineStore(path, never).stop())

    def m999_next(db: Database) -> None:
        db.execute("CREATE TABLE more (n INTEGER) STRICT")

    declare(monkeypatch, *MIGRATIONS, m999_next)
    store = InlineStore(path, never)
    assert done(store.read(lambda db: db.execute("SELECT count(*) FROM more").fetchone())) == (0,)
    done(store.stop())
    copy = sqlite3.connect(tmp_path / "db.before-m999_next")
    assert copy.execute("SELECT count(*) FROM sqlite_master WHERE name = 'more'").fetchone() == (0,)
    copy.close()


def test_a_file_of_the_first_release_has_the_tables_of_a_new_one_after_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done(InlineStore(tmp_path / "new", never).stop())
    with monkeypatch.context() as patched:
        declare(patched, MIGRATIONS[0])
        done(InlineStore(tmp_path / "old", never).stop())
    assert columns(tmp_path / "old") < columns(tmp_path / "new")
    done(InlineStore(tmp_path / "old", never).stop())
    assert columns(tmp_path / "old") == columns(tmp_path / "new")
    (copy,) = tmp_path.glob("old.before-*")
    assert copy.name == f"old.before-{MIGRATIONS[-1].__name__}"


def test_a_backup_is_whole_and_can_be_opened(tmp_path: Path) -> None:
    store = InlineStore(tmp_path / "db", never)
    done(store.write(lambda db: db.execute("INSERT INTO meta VALUES ('a', 'b')") and None))
    done(store.read(lambda db: opening.backup(db, tmp_path / "copy")))
    done(store.stop())
    copy = InlineStore(tmp_path / "copy", never)
    assert done(copy.read(lambda db: db.execute("SELECT value FROM meta WHERE name = 'a'").fetchone())) == ("b",)
    done(copy.stop())
    assert not (tmp_path / "copy.partial").exists()
