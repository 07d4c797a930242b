"""Group commit: one wait for the disk for all, and none suffers for another."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, gatherResults
from twisted.python.failure import Failure

from datasms_daemon.errors import DiskFull, StoreFailed, StoreHeld, Unreadable
from datasms_daemon.store.writer import Db, InlineWriter, Reactor, ThreadWriter, commit
from tests.fakes.damage import spoil


def open_table(path: Path) -> Db:
    """A database with one table of numbers."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, factory=Db)
    db.execute("CREATE TABLE IF NOT EXISTS numbers (n INTEGER PRIMARY KEY)")
    return db


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Db]:
    """An empty table."""
    opened = open_table(tmp_path / "db")
    yield opened
    opened.close()


def adds(n: int) -> Callable[[Db], int]:
    """A unit that adds a number and answers it."""

    def unit(db: Db) -> int:
        db.execute("INSERT INTO numbers VALUES (?)", (n,))
        return n

    return unit


def numbers(db: Db) -> list[int]:
    """What is stored."""
    return [row[0] for row in db.execute("SELECT n FROM numbers ORDER BY n")]


def test_all_units_are_in_one_transaction(db: Db) -> None:
    begun: list[str] = []
    db.set_trace_callback(begun.append)
    assert commit(db, [adds(1), adds(2), adds(3)]) == [1, 2, 3]
    assert [statement for statement in begun if statement.startswith(("BEGIN", "COMMIT"))] == [
        "BEGIN IMMEDIATE",
        "COMMIT",
    ]


def test_a_unit_that_raises_takes_nobody_with_it(db: Db) -> None:
    def raises(db: Db) -> None:
        db.execute("INSERT INTO numbers VALUES (99)")
        raise ValueError("no")

    answers = commit(db, [adds(1), raises, adds(2)])
    assert (answers[0], answers[2]) == (1, 2)
    assert isinstance(answers[1], Failure)
    assert answers[1].check(ValueError)
    assert numbers(db) == [1, 2]


def test_a_unit_that_breaks_a_constraint_fails_alone(db: Db) -> None:
    answers = commit(db, [adds(1), adds(1), adds(2)])
    assert isinstance(answers[1], Failure)
    assert numbers(db) == [1, 2]


def test_text_that_cannot_be_read_fails_its_unit_alone_and_is_not_quoted(db: Db) -> None:
    """I28, I50: it may be a person's."""
    damaged = "SELECT CAST(x'736563726574ff' AS TEXT)"
    answers = commit(db, [adds(1), lambda db: db.execute(damaged).fetchone(), adds(2)])
    assert numbers(db) == [1, 2]
    assert answers[1].check(Unreadable)
    assert "secret" not in answers[1].getTraceback(detail="verbose")


def test_a_full_disk_refuses_and_recovers(db: Db) -> None:
    """R4: nothing is stored, nothing is broken, and when there is room again it goes on."""
    used = db.execute("PRAGMA page_count").fetchone()[0]
    db.execute(f"PRAGMA max_page_count = {used}")

    def big(db: Db) -> None:
        db.execute("CREATE TABLE big AS SELECT zeroblob(100000) AS b")

    answers = commit(db, [adds(1), big])
    assert all(isinstance(answer, Failure) and answer.check(DiskFull) for answer in answers)
    assert numbers(db) == []
    db.execute("PRAGMA max_page_count = 1000000")
    assert commit(db, [adds(1)]) == [1]


def test_a_broken_store_says_so_once_and_answers_nothing_any_more(db: Db) -> None:
    """I27."""
    failed: list[Failure] = []
    writer = InlineWriter(db, failed.append)

    def breaks(db: Db) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    refused: list[Failure] = []
    writer.write(breaks).addErrback(refused.append)
    assert refused[0].check(StoreFailed)
    assert len(failed) == 1


def test_a_damaged_file_is_not_a_disk_that_failed(tmp_path: Path) -> None:
    """I28."""
    with closing(open_table(tmp_path / "db")) as db:
        db.executemany("INSERT INTO numbers VALUES (?)", ((n,) for n in range(1, 10)))
    spoil(tmp_path / "db", "numbers")
    with closing(open_table(tmp_path / "db")) as db:
        with pytest.raises(StoreHeld, match="the database is damaged"):
            commit(db, [adds(10), adds(11)])
        assert not db.in_transaction


@pytest_twisted.ensureDeferred
async def test_the_thread_commits_in_order_and_stops_when_all_is_written(tmp_path: Path, reactor: Reactor) -> None:
    failed: list[Failure] = []
    writer = ThreadWriter(lambda: open_table(tmp_path / "db"), reactor, failed.append)
    answers = [writer.write(adds(n)) for n in range(1000)]
    assert await gatherResults(answers) == list(range(1000))
    last = writer.write(adds(1000))
    await writer.stop()
    assert await last == 1000
    left = open_table(tmp_path / "db")
    assert numbers(left) == list(range(1001))
    left.close()
    assert not failed


@pytest_twisted.ensureDeferred
async def test_what_is_not_committed_when_the_database_is_held_is_not_taken(tmp_path: Path, reactor: Reactor) -> None:
    failed: list[Failure] = []
    writer = ThreadWriter(lambda: open_table(tmp_path / "db"), reactor, failed.append)
    assert await writer.write(adds(1)) == 1
    refused = [writer.write(adds(2))]
    writer.refuse("it is damaged")
    refused.append(writer.write(adds(3)))
    for answer in refused:
        with pytest.raises(StoreHeld, match="it is damaged"):
            await answer
    await writer.stop()
    left = open_table(tmp_path / "db")
    assert numbers(left) == [1]
    left.close()
    assert not failed, "that is for a disk that fails, and ends the process"


@pytest_twisted.ensureDeferred
async def test_what_waits_while_the_disk_is_busy_is_committed_together(tmp_path: Path, reactor: Reactor) -> None:
    writer = ThreadWriter(lambda: open_table(tmp_path / "db"), reactor, lambda failure: None)
    go_on = threading.Event()
    transactions: list[str] = []

    def slow(db: Db) -> None:
        db.set_trace_callback(transactions.append)
        go_on.wait(10)

    first = writer.write(slow)
    others = [writer.write(adds(n)) for n in range(50)]
    go_on.set()
    await first
    await gatherResults(others)
    assert sum(statement == "COMMIT" for statement in transactions) <= 2
    await writer.stop()


@pytest_twisted.ensureDeferred
async def test_a_caller_who_went_away_does_not_undo_his_unit(tmp_path: Path, reactor: Reactor) -> None:
    """Klein cancels what a handler awaits when the client hangs up."""
    writer = ThreadWriter(lambda: open_table(tmp_path / "db"), reactor, lambda failure: None)
    gone: Deferred[int] = writer.write(adds(1))
    gone.addErrback(lambda failure: -1)
    gone.cancel()
    await writer.write(adds(2))
    await writer.stop()
    left = open_table(tmp_path / "db")
    assert numbers(left) == [1, 2]
    left.close()
