"""kill -9 under load, again and again: nothing acknowledged is lost, nothing is shown or sent by SMS twice.

I1, I7, I11, I26 and R1 of the goals. The seed is printed; DATASMS_KILL_SEED repeats a run.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random, SystemRandom

import pytest

from tests.fakes.live import Caller, eventually
from tests.fakes.load import Client, Submitter
from tests.fakes.stage import Device, Stage

ANY_MOMENT = 60
AT_FDATASYNC = 40
CONNECTED, PUSHED, WITHOUT = "+420603000001", "+420603000002", "+420603000003"
FINAL = ("delivered", "read", "failed", "expired", "cancelled", "unknown")


class Run:
    """One stage under load, its deaths, and what must hold after each."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self.stage = stage
        self.random = Random(seed)
        self._caller: dict[str, Caller] = {}
        self._device: Device | None = None
        self.submitters: list[Submitter] = []
        self.client: Client | None = None
        self.at_fdatasync = 0

    def begin(self) -> None:
        """Devices are registered, the load begins."""
        self.stage.start()
        self.stage.smsc.tell("automatic")
        self._device = self.stage.register(CONNECTED, "direct", {})
        self.stage.register(PUSHED, "fcm", {"token": "token-a"})
        self._reachable()
        kept = self.stage.daemon.directory
        for n, name in enumerate(("a", "b")):
            numbers = (CONNECTED, CONNECTED, PUSHED, WITHOUT)
            submitter = Submitter(lambda: self._caller.get("gateway"), numbers, kept / name, name, n)
            self.submitters.append(submitter.start())
        self.client = Client(lambda: self._caller.get("clients"), 1).start()

    def kill_at_any_moment(self) -> None:
        """A life that ends after a random time, one in four before it is ready."""
        daemon = self.stage.daemon
        daemon.start()
        if self.random.random() < 0.25:
            time.sleep(self.random.uniform(0.1, 1.2))
        else:
            eventually(lambda: self._reachable() or not daemon.is_alive, "the daemon is ready")
            assert daemon.is_alive, daemon.log
            time.sleep(self.random.uniform(0, 0.8))
        self._gone()

    def kill_at_fdatasync(self, n: int) -> None:
        """A life that ends in the n-th fdatasync of a thread, or soon if it does not come to that."""
        daemon = self.stage.daemon
        inject = f"inject=fdatasync:signal=SIGKILL:when={n}"
        daemon.start(["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", inject])
        eventually(lambda: self._reachable() or not daemon.is_alive, "the daemon is ready, or dead")
        end = time.monotonic() + 2
        while daemon.is_alive and time.monotonic() < end:
            time.sleep(0.01)
        self.at_fdatasync += not daemon.is_alive
        self._gone()

    def play(self) -> None:
        """All the deaths, and peace at last."""
        self.begin()
        time.sleep(1)
        self._gone()
        deaths = [0] * ANY_MOMENT + [self.random.randrange(2, 90) for _ in range(AT_FDATASYNC)]
        self.random.shuffle(deaths)
        for n in deaths:
            if n:
                self.kill_at_fdatasync(n)
            else:
                self.kill_at_any_moment()
        self.settle()

    def settle(self) -> None:
        """No more load; every message comes to an end."""
        daemon = self.stage.daemon
        self.stage.start()
        self._reachable()
        eventually(lambda: all(one.last_unanswered is None or one.acknowledged for one in self.submitters), "answers")
        for submitter in self.submitters:
            submitter.stop()
        eventually(lambda: self._unfinished() == 0, f"every message ends: {daemon.log[-1000:]}", 60)
        time.sleep(1.5)
        self.end()
        self._caller = {}
        assert daemon.terminate() in (0, -15)

    def end(self) -> None:
        """Nobody asks any more."""
        for worker in (*self.submitters, self.client):
            if worker is not None:
                worker.stop()

    def conclude(self) -> None:
        """What must hold in the end."""
        assert self.client is not None
        acknowledged = [id_ for one in self.submitters for id_ in one.acknowledged]
        sms = Counter(one["text"] for one in self.stage.smsc.said("submit"))
        shown = self.client.shown
        sys.stdout.write(
            f"{self.stage.daemon.lives} lives, {self.at_fdatasync} ended in fdatasync, {len(acknowledged)} "
            f"acknowledged, {len(shown)} shown to the client, {len(sms)} sent by SMS\n"
        )
        assert len(acknowledged) > 100
        assert self.at_fdatasync >= AT_FDATASYNC // 2
        assert [text for text, count in sms.items() if count > 1] == []
        assert [id_ for id_, count in shown.items() if count > 1] == []
        with closing(sqlite3.connect(self.stage.daemon.database)) as db:
            for_client = {row[0] for row in db.execute("SELECT message FROM pushes WHERE channel = 'direct'")}
        assert set(shown) == for_client

    def _reachable(self) -> bool:
        """Lets the load in once the daemon has said where it is."""
        daemon = self.stage.daemon
        if not self._caller and daemon.is_ready:
            assert self._device is not None
            self._caller = {"gateway": daemon.gateway(self.stage.key), "clients": daemon.clients(self._device.token)}
        return bool(self._caller)

    def _gone(self) -> None:
        self.stage.daemon.kill()
        self._caller = {}
        self.check()

    def _unfinished(self) -> int:
        with closing(sqlite3.connect(f"file:{self.stage.daemon.database}?mode=ro", uri=True)) as db:
            marks = ", ".join("?" * len(FINAL))
            found = db.execute(f"SELECT count(*) FROM messages WHERE state NOT IN ({marks})", FINAL).fetchone()
        count: int = found[0]
        return count

    @contextmanager
    def _copy(self) -> Iterator[sqlite3.Connection]:
        """The files as the death left them; the recovery of the files themselves is the daemon's business."""
        copy = self.stage.daemon.directory / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for suffix in ("", "-wal"):
            source = Path(f"{self.stage.daemon.database}{suffix}")
            if source.exists():
                shutil.copy(source, copy)
        with closing(sqlite3.connect(copy / self.stage.daemon.database.name)) as db:
            yield db

    def check(self) -> None:
        """What must hold at every moment."""
        acknowledged = {id_: text for one in self.submitters for id_, text in tuple(one.acknowledged.items())}
        with self._copy() as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            stored = dict(db.execute("SELECT id, text FROM messages").fetchall())
            lost = acknowledged.items() - stored.items()
            assert not lost
            twice = [text for text, count in Counter(stored.values()).items() if count > 1]
            assert twice == []
            active = "SELECT message FROM attempts WHERE finished_at IS NULL GROUP BY message HAVING count(*) > 1"
            assert db.execute(active).fetchall() == []
            nothing_next = f"SELECT id, state FROM messages WHERE due_at IS NULL AND state NOT IN {FINAL}"
            assert db.execute(nothing_next).fetchall() == []


# A daemon killed in the middle of a handshake leaves http.client with a socket that only the collector closes.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_hundred_deaths_lose_nothing_and_show_nothing_twice(tmp_path: Path) -> None:
    seed = int(os.environ.get("DATASMS_KILL_SEED") or SystemRandom().randrange(1 << 32))
    sys.stdout.write(f"seed {seed}\n")
    with Stage(tmp_path, wait="1s", sms_wait="5s", ttl="2m") as stage:
        run = Run(stage, seed)
        try:
            run.play()
        finally:
            run.end()
        run.check()
        run.conclude()
