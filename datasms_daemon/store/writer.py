"""One writing connection and group commit: whatever waits is committed together, with one wait for the disk.

A *unit* is a function of the connection. Units run one after the other in one transaction; if one of them raises, the
transaction is taken back and each is run again in a transaction of its own, so that none suffers for another. A unit
must therefore have no effect but on the connection. What a unit answers is given out only after the commit.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from datasms_daemon.errors import DiskFull, StoreFailed, StoreHeld, Unreadable

T = TypeVar("T")


class Db(sqlite3.Connection):
    """A connection to the store. ``audit_key`` seals what its units write to the audit log."""

    audit_key = b""


Unit = Callable[[Db], T]
Asked = tuple[Unit[Any], Deferred[Any]]
MOST_UNITS = 256


class Reactor(IReactorFromThreads, IReactorTime):
    """What a thread of ours needs of a reactor."""


class Writer(Protocol):
    """Commits units; the one in a thread and the one for tests do the same work."""

    def write(self, unit: Unit[T]) -> Deferred[T]:
        """Fires with the unit's answer once it is on disk; fails with what the unit raised, DiskFull, StoreFailed."""
        ...

    def checkpoint(self) -> Deferred[bool]:
        """Fires when nothing of what was overwritten is left in the log; False: a reader held it, ask again later."""
        ...

    def refuse(self, why: str) -> None:
        """From now on every unit fails with StoreHeld; those that are not committed yet too."""
        ...

    def stop(self) -> Deferred[None]:
        """Fires when all that was asked for is committed, the log is checkpointed and the connection closed."""
        ...


def commit(db: Db, units: list[Unit[Any]]) -> list[Any]:
    """Runs all units and commits; the answers in order, a Failure for each unit that failed.

    StoreFailed is raised when the disk did: nothing that was answered from then on could be relied on (I27); StoreHeld
    when the file is damaged (I28), which a unit may say itself.
    """
    try:
        return _together(db, units)
    except _UnitRaisedError as raised:
        _roll_back(db)
        if len(units) == 1:
            return [raised.failure]
        return [answer for unit in units for answer in commit(db, [unit])]
    except StoreHeld:
        _roll_back(db)
        raise
    except sqlite3.Error as error:
        _roll_back(db)
        if _is_full(error):
            return [Failure(DiskFull("no room for the database"))] * len(units)
        if _is_damage(error):
            raise StoreHeld(f"the database is damaged ({error})") from error
        raise StoreFailed(f"{type(error).__name__}: {error}") from error


def _together(db: Db, units: list[Unit[Any]]) -> list[Any]:
    answers = []
    db.execute("BEGIN IMMEDIATE")
    for unit in units:
        try:
            answers.append(_strictly(db, unit))
        except Exception as error:
            if isinstance(error, sqlite3.OperationalError | StoreHeld) or _is_damage(error):
                raise
            raise _UnitRaisedError(Failure(error)) from error
    db.execute("COMMIT")
    return answers


def leniently(db: Db, unit: Unit[T]) -> T:
    """The unit's answer. Text that is no UTF-8 any more is read all the same, for the rows beside it: its shape or its
    seal will tell (I39)."""
    try:
        return unit(db)
    except sqlite3.OperationalError as error:
        if not _is_unreadable(error):
            raise
    db.text_factory = partial(str, encoding="utf-8", errors="replace")
    try:
        return unit(db)
    finally:
        db.text_factory = str


def _strictly(db: Db, unit: Unit[T]) -> T:
    """The unit's answer; Unreadable where Python would quote the text that it cannot read."""
    try:
        return unit(db)
    except sqlite3.OperationalError as error:
        if _is_unreadable(error):
            raise Unreadable("a row holds text that is no UTF-8") from None
        raise


def _is_unreadable(error: sqlite3.OperationalError) -> bool:
    """Whether it is Python that does not understand a value: what SQLite itself says has a code."""
    return not hasattr(error, "sqlite_errorcode") and str(error).startswith("Could not decode")


class _UnitRaisedError(Exception):
    def __init__(self, failure: Failure) -> None:
        super().__init__()
        self.failure = failure


def _roll_back(db: Db) -> None:
    if db.in_transaction:
        try:
            db.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise StoreFailed(f"cannot roll back: {error}") from error


def _is_full(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL


def _is_damage(error: Exception) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class ThreadWriter:
    """Group commit in a thread of its own; the reactor never waits for the disk."""

    _log = Logger()

    def __init__(
        self,
        connect: Callable[[], Db],
        reactor: Reactor,
        failed: Callable[[Failure], None],
    ) -> None:
        """``failed`` is called once, in the reactor, when the store can no longer be relied on."""
        self._reactor = reactor
        self._failed = failed
        self._turn: list[Asked] = []
        self._waiting: queue.SimpleQueue[list[Asked] | Deferred[bool] | None] = queue.SimpleQueue()
        self._broken: Failure | None = None
        self._stopped: Deferred[None] = Deferred()
        self._thread = threading.Thread(target=self._work, args=(connect,), name="datasms-writer", daemon=True)
        self._thread.start()

    def write(self, unit: Unit[T]) -> Deferred[T]:
        """See :class:`Writer`."""
        answer: Deferred[T] = Deferred()
        if self._broken is not None:
            answer.errback(self._broken)
        else:
            # What one turn of the reactor asks for goes over together: a commit for each of many requests that came at
            # once would cost several times as much.
            if not self._turn:
                # Not callFromThread, which wakes the reactor through a pipe that it then reads, though it is awake.
                self._reactor.callLater(0, self._hand_over)
            self._turn.append((unit, answer))
        return answer

    def checkpoint(self) -> Deferred[bool]:
        """See :class:`Writer`."""
        answer: Deferred[bool] = Deferred()
        self._hand_over()
        self._waiting.put(answer)
        return answer

    def refuse(self, why: str) -> None:
        """See :class:`Writer`."""
        self._broken = Failure(StoreHeld(why))

    def stop(self) -> Deferred[None]:
        """See :class:`Writer`."""
        self._hand_over()
        self._waiting.put(None)
        return self._stopped

    def _hand_over(self) -> None:
        turn, self._turn = self._turn, []
        if turn:
            self._waiting.put(turn)

    def _work(self, connect: Callable[[], Db]) -> None:
        db = connect()
        while True:
            batch, then = self._gather()
            if batch:
                self._commit(db, batch)
            if then is None:
                break
            if isinstance(then, Deferred):
                self._reactor.callFromThread(then.callback, _truncate_log(db))
        _close(db)
        self._reactor.callFromThread(self._stopped.callback, None)

    def _gather(self) -> tuple[list[Asked], Deferred[bool] | bool | None]:
        """What waits now, and what comes behind it: a checkpoint, nothing in particular (True), the end (None)."""
        batch: list[Asked] = []
        turn = self._waiting.get()
        while isinstance(turn, list):
            batch += turn
            if len(batch) >= MOST_UNITS or self._waiting.empty():
                return batch, True
            turn = self._waiting.get()
        return batch, turn

    def _commit(self, db: Db, batch: list[Asked]) -> None:
        if self._broken is not None:
            self._reactor.callFromThread(_answer, batch, [self._broken] * len(batch))
            return
        try:
            answers = commit(db, [unit for unit, _ in batch])
        except StoreFailed:
            failure = Failure()
            self._broken = failure
            answers = [failure] * len(batch)
            self._reactor.callFromThread(self._failed, failure)
        self._reactor.callFromThread(_answer, batch, answers)


class InlineWriter:
    """The same commits, at once and in the caller's thread: for tests on virtual time and for commands."""

    def __init__(self, db: Db, failed: Callable[[Failure], None]) -> None:
        self._db = db
        self._failed = failed
        self._broken: Failure | None = None

    def write(self, unit: Unit[T]) -> Deferred[T]:
        """See :class:`Writer`; has fired already."""
        answer: Deferred[T] = Deferred()
        try:
            answers = commit(self._db, [unit]) if self._broken is None else [self._broken]
        except StoreFailed:
            failure = Failure()
            self._failed(failure)
            answers = [failure]
        _answer([(unit, answer)], answers)
        return answer

    def checkpoint(self) -> Deferred[bool]:
        """See :class:`Writer`; has fired already."""
        answer: Deferred[bool] = Deferred()
        answer.callback(_truncate_log(self._db))
        return answer

    def refuse(self, why: str) -> None:
        """See :class:`Writer`."""
        self._broken = Failure(StoreHeld(why))

    def stop(self) -> Deferred[None]:
        """See :class:`Writer`."""
        stopped: Deferred[None] = Deferred()
        _close(self._db)
        stopped.callback(None)
        return stopped


def _answer(batch: list[Asked], answers: list[Any]) -> None:
    for (_, deferred), answer in zip(batch, answers, strict=True):
        if not deferred.called:
            deferred.callback(answer)


def _truncate_log(db: Db) -> bool:
    try:
        busy: int = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except sqlite3.OperationalError:
        return False
    return not busy


def _close(db: Db) -> None:
    try:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error:
        Logger().warn("the log could not be checkpointed at the end; the next start will do it")
    db.close()
