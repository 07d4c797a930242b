"""A restored database does not send by itself (R17)."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.internet.defer import Deferred

from datasms_daemon.interfaces import ILine
from datasms_daemon.model import LineName, MessageId, MessageState
from datasms_daemon.store import audit, operations
from datasms_daemon.store.copies import restore, save
from tests.fakes.daemon import FakeDaemon, FakeTime, add_person, configuration, done, draft
from tests.fakes.lines import FakeLine


class World:
    """A daemon with a message in every state of being on its way, restored from a copy of before they all ended."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.time = FakeTime()
        self.push = FakeLine("datasms", self.time.reactor, drops_repeats=True)
        self.sms = FakeLine("sms-a", self.time.reactor)
        self.begin()
        add_person(self.daemon, "phone")
        self.waiting = self.send()
        done(Deferred.fromCoroutine(self.daemon.parts.core.pause("datasms", "local")))
        self.ready, self.later = self.send(), self.send(send_at=self.daemon.now + 60_000)
        save(self.database, directory / "copy")
        self.daemon.die()
        restore(directory / "copy", self.database, 1)
        self.begin()

    @property
    def database(self) -> Path:
        """The file."""
        return self.directory / "datasms.sqlite3"

    def begin(self) -> None:
        """A start."""
        lines: dict[str, ILine] = {"datasms": self.push, "sms-a": self.sms}
        self.daemon = FakeDaemon(configuration(self.directory), lines, self.time)
        for way in self.daemon.parts.dispatch.ways.values():
            way.paused = False

    def send(self, send_at: int | None = None) -> MessageId:
        """Another message."""
        return MessageId(self.daemon.submit(draft(send_at=send_at))[0])

    def sends(self) -> int:
        """How many hand-overs there ever were."""
        return len(self.push.sends) + len(self.sms.sends)

    def state(self, id_: MessageId) -> MessageState:
        """Where a message stands."""
        dossier = done(Deferred.fromCoroutine(self.daemon.parts.core.dossier(id_, None)))
        assert dossier is not None
        return dossier.progress.state


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Just restored and started."""
    return World(tmp_path)


def test_nothing_is_sent_from_a_restored_database_however_long_it_runs(world: World) -> None:
    assert world.daemon.parts.hold.reason == "copy was put in the place of the database"
    before = world.sends()
    new = world.send()
    world.time.advance(3_600)
    world.daemon.parts.dispatch.wake(LineName("datasms"))
    world.daemon.parts.dispatch.wake(LineName("sms-a"))
    assert world.sends() == before
    assert [world.state(id_) for id_ in (world.waiting, world.ready, world.later, new)] == [
        MessageState.WAITING,
        MessageState.QUEUED,
        MessageState.SCHEDULED,
        MessageState.QUEUED,
    ]


def test_it_is_still_held_after_a_restart(world: World) -> None:
    world.daemon.die()
    world.begin()
    before = world.sends()
    world.time.advance(3_600)
    assert world.sends() == before


def test_what_is_still_valid_goes_out_once_it_is_released_and_what_was_cancelled_does_not(world: World) -> None:
    world.time.advance(700)
    core = world.daemon.parts.core
    done(Deferred.fromCoroutine(core.cancel(world.later, None, "local")))
    assert done(Deferred.fromCoroutine(core.hold.release("local")))
    world.time.advance(1)
    assert world.push.taken[world.ready] + world.sms.taken[world.ready] == 1
    assert world.push.taken[world.later] == world.sms.taken[world.later] == 0
    assert world.sms.taken[world.waiting] == 1, "its deadline had passed"
    assert not done(Deferred.fromCoroutine(core.hold.release("local")))
    world.daemon.die()
    world.begin()
    assert world.daemon.parts.hold.reason is None


def test_the_restoring_and_the_release_are_in_the_audit_log(world: World) -> None:
    done(Deferred.fromCoroutine(world.daemon.parts.core.hold.release("local")))
    acts = done(world.daemon.store.read(lambda db: db.execute("SELECT who, what, object FROM audit").fetchall()))
    assert ("command line", "database restored, epoch 1", "copy") in acts
    assert acts[-1] == ("local", "queue released", "copy was put in the place of the database")
    assert done(world.daemon.store.read(audit.verify)) is None


def test_every_restoring_is_another_epoch(world: World) -> None:
    world.daemon.die()
    save(world.database, world.directory / "copy")
    restore(world.directory / "copy", world.database, 2)
    world.begin()
    assert done(world.daemon.store.read(lambda db: operations.meta(db, operations.EPOCH))) == "2"
