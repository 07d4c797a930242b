"""A million messages that wait for a receipt: the start, the memory, and 50,000 deadlines within five seconds."""

from __future__ import annotations

import itertools
import os
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from bench.accept import number
from bench.measure import Figure, Settings, buckets, memory_mib, percentile, quantile
from bench.people import done, open_store
from bench.processes import Daemon, write_certificate
from datasms_daemon.crypto import binding
from datasms_daemon.model import (
    Accepted,
    Event,
    LineName,
    Message,
    MessageId,
    Step,
)
from datasms_daemon.ops.clock import wall_ms
from datasms_daemon.ops.ids import IdSource
from datasms_daemon.rules import lifecycle
from datasms_daemon.rules.decisions import Decision, Handed
from datasms_daemon.rules.openings import ALWAYS_OPEN
from datasms_daemon.store import messages, operations
from datasms_daemon.store.rows import NewMessage, Sealed
from datasms_daemon.store.store import Db, InlineStore

UNIT = 10_000
DUE = 50_000
DUE_MS = 5_000
LEAD_MS = 30_000
HOUR_MS = 3_600_000
SETTLE_S = 2.0
POLL_S = 0.02
LATENESS = "datasms_deadline_lateness_seconds"
LINES = """
[[line]]
name = "datasms"
driver = "datasms"
[[line]]
name = "sms"
driver = "smpp"
host = "127.0.0.1"
port = 9
system_id = "bench"
[[rule]]
name = "push, then SMS"
steps = [ { line = "datasms" }, { line = "sms" } ]
"""


class Filler:
    """Writes messages that were pushed and wait for the device's receipt, by the store's own verbs."""

    def __init__(self, store: InlineStore, mac_key: bytes) -> None:
        self._store = store
        self._mac_key = mac_key
        self._new_id = IdSource(wall_ms, os.urandom)
        self._count = itertools.count()

    def fill(self, deadlines: Iterator[int]) -> None:
        """One message a deadline."""
        while some := list(itertools.islice(deadlines, UNIT)):
            done(self._store.write(lambda db, some=some: self._insert(db, some)))  # type: ignore[misc]

    def _insert(self, db: Db, deadlines: list[int]) -> None:
        now = wall_ms()
        made = [self._waiting(now, deadline) for deadline in deadlines]
        messages.insert(db, [new for new, _ in made])
        messages.apply(db, [decision for _, decision in made], now)

    def _waiting(self, now: int, deadline: int) -> tuple[NewMessage, Decision]:
        index, id_ = next(self._count), MessageId(self._new_id())
        to, text = number(index), f"Pump {index} stopped: pressure 0.4 bar, flow 0 l/s"
        plan = (Step(LineName("datasms"), deadline - now), Step(LineName("sms"), 2 * HOUR_MS))
        valid_until = now + 24 * HOUR_MS
        queued = lifecycle.begin(id_, plan, now, None, valid_until, ALWAYS_OPEN).progress
        claimed = lifecycle.claim(queued, now, 60_000, ALWAYS_OPEN)
        assert claimed is not None
        message = Message(id_, id_, "bench", to, None, "normal", None, None, text, None, now, None, valid_until)
        mac = binding.bind(self._mac_key, id_, to, None, text, None, {})
        event = Event(now, "accepted", {"rules": "push, then SMS", "lines": "datasms, sms"})
        new = NewMessage(Sealed(message, mac), 10, claimed.progress, (event,), claimed.attempt)
        sent = lifecycle.handed(claimed.progress, 1, Accepted(("1",)), Handed(now, 0.0, False, True, ALWAYS_OPEN))
        return new, sent


class Watcher:
    """Asks for a sign of life every 20 ms on one connection, and how late the oldest deadline is: ms, as seen."""

    def __init__(self, daemon: Daemon) -> None:
        self.turns: list[float] = []
        self.oldest: list[float] = []
        self._daemon = daemon
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=work) for work in (self._ask, self._look)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends it."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        request = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self._daemon.state / "datasms.sock"))
            while not self._stop.wait(POLL_S):
                asked = time.monotonic()
                connection.sendall(request)
                answer = connection.recv(1 << 16)
                assert answer.startswith(b"HTTP/1.1 200"), answer
                self.turns.append((time.monotonic() - asked) * 1000)

    def _look(self) -> None:
        with closing(sqlite3.connect(f"file:{self._daemon.database}?mode=ro", uri=True)) as db:
            while not self._stop.wait(POLL_S):
                due = db.execute("SELECT min(due_at) FROM messages WHERE due_at IS NOT NULL").fetchone()[0]
                self.oldest.append(max(0.0, wall_ms() - due))


class Round:
    """One life of the daemon on the filled store, and what was seen of its deadlines."""

    def __init__(self, daemon: Daemon) -> None:
        first = add_due(daemon)
        with daemon:
            self.start_s = daemon.start()
            self.ready_mib = memory_mib(daemon.pid)
            if wall_ms() > first:
                raise RuntimeError("LEAD_MS is too short for this machine")
            before = buckets(daemon.metrics(), LATENESS)
            time.sleep(max(0, first - wall_ms()) / 1000 - 1)
            watcher = Watcher(daemon)
            time.sleep(1 + DUE_MS / 1000 + SETTLE_S)
            watcher.stop()
            self.told_ms = 1000 * quantile(before, buckets(daemon.metrics(), LATENESS), 0.99)
            self.most_mib = memory_mib(daemon.pid, "VmHWM")
        lateness = lateness_of(daemon.database, first)
        if len(lateness) != DUE:
            raise RuntimeError(f"{len(lateness)} of {DUE} deadlines were kept")
        self.late_ms = percentile(lateness, 0.99)
        self.oldest_ms = percentile(watcher.oldest, 0.99)
        self.turn_ms = percentile(watcher.turns, 0.99)
        self.longest_ms = max(watcher.turns)


def run(settings: Settings) -> list[Figure]:
    """Fills the store once; each round adds the deadlines that come due, starts the daemon and watches them."""
    write_certificate(settings.directory)
    daemon = Daemon(settings.directory, LINES, settings.profile)
    prepare(daemon, settings.messages - DUE)
    rounds = [Round(daemon) for _ in range(settings.rounds)]
    with daemon:
        forget(daemon.database)
        cold = daemon.start()

    def figure(name: str, target: str, unit: str, value: Callable[[Round], float]) -> Figure:
        return Figure(f"million: {name}", target, unit, [value(one) for one in rounds])

    return [
        figure("from start to ready", "< 5", "s", lambda one: one.start_s),
        Figure("million: from start to ready, nothing of the file in memory", "", "s", [cold]),
        figure("resident memory when ready", "< 250", "MiB", lambda one: one.ready_mib),
        figure("most resident memory, deadlines included", "< 250", "MiB", lambda one: one.most_mib),
        figure("lateness p99 of 50,000 in 5 s, as decided", "< 250", "ms", lambda one: one.late_ms),
        figure("lateness p99, the daemon's own histogram", "", "ms", lambda one: one.told_ms),
        figure("oldest deadline not committed, p99 of looks", "< 250", "ms", lambda one: one.oldest_ms),
        figure("longest reactor turn, by a poll each 20 ms", "< 100", "ms", lambda one: one.longest_ms),
        figure("reactor turn, p99 of polls", "", "ms", lambda one: one.turn_ms),
    ]


def forget(database: Path) -> None:
    """The system lets go of what it holds of the file in memory."""
    fd = os.open(database, os.O_RDONLY)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)


def prepare(daemon: Daemon, count: int) -> None:
    """So many messages with deadlines between two and twelve hours from now, on a line that an operator paused."""
    store, key = open_store(daemon.database), os.urandom(32)
    (daemon.state / "mac.key").write_bytes(key)
    first = wall_ms() + 2 * HOUR_MS
    Filler(store, key).fill(first + index * 10 * HOUR_MS // count for index in range(count))
    done(store.write(lambda db: operations.set_paused(db, LineName("sms"), True)))
    store.stop()


def add_due(daemon: Daemon) -> int:
    """DUE messages more whose deadlines come one after the other within DUE_MS; when the first one does."""
    store = open_store(daemon.database)
    first = wall_ms() + LEAD_MS
    deadlines = (first + index * DUE_MS // DUE for index in range(DUE))
    Filler(store, (daemon.state / "mac.key").read_bytes()).fill(deadlines)
    store.stop()
    return first


def lateness_of(database: Path, first: int) -> list[float]:
    """By how many ms each deadline of this round was decided late."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        rows = db.execute(
            "SELECT finished_at - deadline FROM attempts WHERE deadline >= ? AND deadline < ? AND finished_at NOT NULL",
            (first, first + DUE_MS),
        )
        return [float(row[0]) for row in rows]
