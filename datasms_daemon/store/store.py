"""The store as the rest of the daemon holds it: write a unit, read a unit, stop."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from datasms_daemon.store import opening
from datasms_daemon.store.integrity import Check
from datasms_daemon.store.writer import Db, InlineWriter, Reactor, ThreadWriter, Unit, Writer, leniently

__all__ = ["Db", "InlineStore", "Store", "ThreadStore", "Unit"]

T = TypeVar("T")
READERS = 2
CHECK_NICE = 10


class Failed(Protocol):
    """Called once when the store can no longer be relied on."""

    def __call__(self, failure: Failure, /) -> None: ...


class Store(Protocol):
    """Units of :mod:`datasms_daemon.store.writer` go in, answers come out."""

    def write(self, unit: Unit[T]) -> Deferred[T]:
        """The unit's answer once it is on disk."""
        ...

    def read(self, unit: Unit[T]) -> Deferred[T]:
        """The answer of a unit that only reads; sees all that was answered before. What is no text any more is shown
        as far as it is one."""
        ...

    def checkpoint(self) -> Deferred[bool]:
        """Fires when what was deleted is gone from the log too; False: a reader held it, ask again later."""
        ...

    def check(self) -> Deferred[tuple[str, ...] | None]:
        """What is wrong with the file, empty when nothing is; None: it was ended before.

        It keeps nobody waiting. One at a time.
        """
        ...

    def end_check(self) -> None:
        """Ends a check that is under way, at once."""
        ...

    def log_bytes(self) -> int:
        """How large the log of writes is: it cannot begin anew while a check reads."""
        ...

    def refuse(self, why: str) -> None:
        """From now on the file is only read: what would write fails with StoreHeld."""
        ...

    def stop(self) -> Deferred[None]:
        """Fires when all is on disk and the file is free for others."""
        ...


class ThreadStore:
    """The daemon's store: one writer thread, a few readers."""

    def __init__(self, path: Path, reactor: Reactor, failed: Failed) -> None:
        """Opens, upgrades and checks ``path``; StoreError when it cannot be used."""
        self._lock = opening.Lock(path)
        try:
            opening.prepare(path)
        except BaseException:
            self._lock.release()
            raise
        self._path = path
        self._reactor = reactor
        self._local = threading.local()
        self._pool = ThreadPool(1, READERS, "datasms-readers")
        self._pool.start()
        # One that takes minutes keeps no reader from its work.
        self._checkers = ThreadPool(0, 1, "datasms-check")
        self._checkers.start()
        self._check: Check | None = None
        self._writer: Writer = ThreadWriter(lambda: opening.writer_connection(path), reactor, failed)

    def write(self, unit: Unit[T]) -> Deferred[T]:
        """See :class:`Store`."""
        return self._writer.write(unit)

    def read(self, unit: Unit[T]) -> Deferred[T]:
        """See :class:`Store`."""
        answer: Deferred[T] = deferToThreadPool(self._reactor, self._pool, lambda: leniently(self._reader(), unit))
        return answer

    def checkpoint(self) -> Deferred[bool]:
        """See :class:`Store`."""
        return self._writer.checkpoint()

    def check(self) -> Deferred[tuple[str, ...] | None]:
        """See :class:`Store`."""
        check = self._check = Check(self._path)

        def run() -> tuple[str, ...] | None:
            # Of this thread alone: whoever has a message to send goes first.
            os.setpriority(os.PRIO_PROCESS, 0, max(CHECK_NICE, os.getpriority(os.PRIO_PROCESS, 0)))
            return check.run()

        answer: Deferred[tuple[str, ...] | None] = deferToThreadPool(self._reactor, self._checkers, run)
        return answer

    def end_check(self) -> None:
        """See :class:`Store`."""
        if self._check is not None:
            self._check.end()

    def log_bytes(self) -> int:
        """See :class:`Store`."""
        return opening.log_bytes(self._path)

    def refuse(self, why: str) -> None:
        """See :class:`Store`."""
        self._writer.refuse(why)

    def stop(self) -> Deferred[None]:
        """See :class:`Store`."""
        self.end_check()
        self._checkers.stop()
        self._pool.stop()
        return self._writer.stop().addBoth(self._release)

    def _reader(self) -> Db:
        found: Db | None = getattr(self._local, "reader", None)
        if found is None:
            found = self._local.reader = opening.reader_connection(self._path)
        return found

    def _release(self, answer: Failure | None) -> Failure | None:
        self._lock.release()
        return answer


class InlineStore:
    """The same store without threads: for tests on virtual time and for commands while no daemon runs."""

    def __init__(self, path: Path, failed: Failed) -> None:
        """As :class:`ThreadStore`."""
        self._lock = opening.Lock(path)
        try:
            opening.prepare(path)
            self._db = opening.writer_connection(path)
        except BaseException:
            self._lock.release()
            raise
        self._path = path
        self._writer: Writer = InlineWriter(self._db, failed)

    def write(self, unit: Unit[T]) -> Deferred[T]:
        """See :class:`Store`."""
        return self._writer.write(unit)

    def read(self, unit: Unit[T]) -> Deferred[T]:
        """See :class:`Store`."""
        answer: Deferred[T] = Deferred()
        answer.callback(leniently(self._db, unit))
        return answer

    def checkpoint(self) -> Deferred[bool]:
        """See :class:`Store`."""
        return self._writer.checkpoint()

    def check(self) -> Deferred[tuple[str, ...] | None]:
        """See :class:`Store`; has fired already."""
        answer: Deferred[tuple[str, ...] | None] = Deferred()
        answer.callback(Check(self._path).run())
        return answer

    def end_check(self) -> None:
        """See :class:`Store`; there is none."""

    def log_bytes(self) -> int:
        """See :class:`Store`."""
        return opening.log_bytes(self._path)

    def refuse(self, why: str) -> None:
        """See :class:`Store`."""
        self._writer.refuse(why)

    def stop(self) -> Deferred[None]:
        """See :class:`Store`."""
        stopped = self._writer.stop()
        self._lock.release()
        return stopped
