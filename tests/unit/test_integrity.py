"""Damage of the database is found, and nothing is sent or accepted from then on (I28)."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_twisted
from msgspec import structs
from twisted.internet.defer import Deferred
from twisted.logger import LogLevel, capturedLogs
from twisted.python.failure import Failure

from datasms_daemon.assembly import Reactor
from datasms_daemon.config.kinds import HOUR, Duration
from datasms_daemon.config.load import Loaded
from datasms_daemon.delivery.hold import REFUSES
from datasms_daemon.delivery.integrity import AGAIN_MS, MOST_LOG_BYTES
from datasms_daemon.delivery.reads import SPAN_MS
from datasms_daemon.errors import StoreHeld
from datasms_daemon.interfaces import ILine
from datasms_daemon.model import LineName, MessageId, MessageQuery, MessageState, Recipient
from datasms_daemon.ops.systemd import Notifier
from datasms_daemon.service import DaemonService
from datasms_daemon.store import integrity, opening
from datasms_daemon.store.integrity import AT_A_PLACE, PLACES, SOONEST, Check
from datasms_daemon.store.store import Db, ThreadStore
from tests.fakes.daemon import START_MS, FakeDaemon, FakeTime, add_person, configuration, done, draft
from tests.fakes.damage import change, spoil
from tests.fakes.lines import FakeLine

FIRST_S = 60


class World:
    """A daemon with a message that is tried, one that waits for its time, and one that an application refers to."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.database = directory / "datasms.sqlite3"
        self.time = FakeTime()
        self.push = FakeLine("datasms", self.time.reactor, drops_repeats=True)
        self.sms = FakeLine("sms-a", self.time.reactor)
        self.begin()
        add_person(self.daemon, "phone")
        self.waiting, self.later = self.send(), self.send(send_at=self.daemon.now + 2 * HOUR)
        self.referred = self.send(reference="order-4711")

    def begin(self, **store: object) -> None:
        """A start."""
        lines: dict[str, ILine] = {"datasms": self.push, "sms-a": self.sms}
        config = configuration(self.directory)
        config = structs.replace(config, store=structs.replace(config.store, **store))
        self.daemon = FakeDaemon(config, lines, self.time)

    def send(self, **more: object) -> MessageId:
        """Another message."""
        return MessageId(self.daemon.submit(structs.replace(draft(), **more))[0])

    def run(self, seconds: int) -> None:
        """Time passes, and the heart beats, at the end at least."""
        while seconds > 0:
            step = 600 if seconds > 1200 else 10
            self.time.advance(step)
            self.daemon.beat()
            seconds -= step

    def damage(self) -> None:
        """An index tells something else than its table, which nobody has noticed yet."""
        assert done(self.daemon.store.checkpoint())
        change(self.database, "messages_reference", b"order-4711", b"order-4712")

    def files(self) -> tuple[bytes, bytes]:
        """The database and its log of writes."""
        return self.database.read_bytes(), self.database.with_name("datasms.sqlite3-wal").read_bytes()

    def figure(self, name: str) -> float | None:
        """What the daemon's meters show."""
        return self.daemon.parts.metrics.registry.get_sample_value(name)

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
    return World(tmp_path)


def alarm_of(logged_failures: list[dict[str, Any]]) -> str:
    """The one alarm that there was."""
    (event,) = logged_failures
    logged_failures.clear()
    assert (event["log_level"], "log_failure" in event) == (LogLevel.critical, False)
    assert str(event["log_format"]).startswith("nothing is sent or accepted")
    return str(event["why"])


# --- the whole file --------------------------------------------------------------------------------------------------


@pytest.fixture
def database(world: World) -> Path:
    """Written, and closed."""
    world.daemon.die()
    return world.database


def by_hand(database: Path, *statements: str) -> None:
    """What somebody does with another program."""
    with closing(sqlite3.connect(database, isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement)


def test_nothing_is_wrong_with_a_database_of_ours(database: Path) -> None:
    assert Check(database).run() == ()


def another_entry(database: Path) -> None:
    change(database, "messages_reference", b"order-4711", b"order-4712")


def another_index(database: Path) -> None:
    by_hand(
        database,
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET sql = replace(sql, 'WHERE reference IS NOT NULL', '') "
        "WHERE name = 'messages_reference'",
    )


def no_parent(database: Path) -> None:
    by_hand(database, "PRAGMA foreign_keys = OFF", "DELETE FROM messages WHERE reference IS NOT NULL")


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (another_entry, "row 3 missing from index messages_reference"),
        (another_index, "missing from index messages_reference"),
        (no_parent, "a row of attempts belongs to one of messages that is not there"),
    ],
)
def test_damage_is_named(database: Path, damage: Callable[[Path], None], told: str) -> None:
    damage(database)
    found = Check(database).run()
    assert found
    assert any(told in one for one in found), found
    assert len(found) <= 2 * integrity.MOST


@pytest.mark.parametrize("damage", [another_entry, another_index, no_parent])
def test_the_start_does_not_see_all_of_it(database: Path, damage: Callable[[Path], None]) -> None:
    """Why the file is looked through once more: the short check leaves out what takes long."""
    damage(database)
    opening.prepare(database)


@pytest.mark.parametrize("name", ["messages", "messages_reference", "sqlite_autoindex_messages_1"])
def test_a_page_that_is_nonsense_is_damage(database: Path, name: str) -> None:
    spoil(database, name)
    assert Check(database).run() == ("database disk image is malformed",)


def test_a_check_that_was_ended_says_nothing(database: Path) -> None:
    check = Check(database)
    check.end()
    assert check.run() is None


def large(directory: Path) -> Path:
    """A database that takes a while."""
    path = directory / "large"
    opening.prepare(path)
    by_hand(
        path,
        "CREATE TABLE large (a INTEGER, b TEXT) STRICT",
        "INSERT INTO large WITH RECURSIVE n (a) AS (SELECT 1 UNION ALL SELECT a + 1 FROM n WHERE a < 400000) "
        "SELECT a, hex(a) FROM n",
        "CREATE INDEX large_b ON large (b)",
    )
    return path


def test_a_check_under_way_ends_at_once(tmp_path: Path) -> None:
    check, answers = Check(large(tmp_path)), []
    thread = threading.Thread(target=lambda: answers.append(check.run()))
    thread.start()
    check.end()
    thread.join(5)
    assert answers == [None]


@pytest_twisted.ensureDeferred
async def test_the_store_looks_through_its_file_beside_its_readers_and_its_writer(
    tmp_path: Path, reactor: Reactor
) -> None:
    failed: list[Failure] = []
    store = ThreadStore(large(tmp_path), reactor, failed.append)
    checking = store.check()
    assert (await store.read(lambda db: db.execute("SELECT 1").fetchone())) == (1,)
    await store.write(lambda db: db.execute("INSERT INTO large VALUES (0, '')") and None)
    assert await checking == ()
    ended = store.check()
    await store.stop()
    assert await ended is None
    assert not failed


# --- when ------------------------------------------------------------------------------------------------------------


def test_it_is_looked_through_a_while_after_the_start_and_then_every_day_at_its_time(world: World) -> None:
    checked = "datasms_checked_timestamp_seconds"
    world.run(FIRST_S - 10)
    assert world.figure(checked) == 0
    world.run(10)
    assert world.figure(checked) == START_MS / 1000 + FIRST_S
    # It is 08:00 in the morning.
    world.run(19 * 3600 - FIRST_S - 10)
    assert world.figure(checked) == START_MS / 1000 + FIRST_S
    world.run(10)
    assert world.figure(checked) == START_MS / 1000 + 19 * 3600
    world.run(24 * 3600)
    assert world.figure(checked) == START_MS / 1000 + 43 * 3600


def test_both_times_are_those_of_the_configuration(world: World) -> None:
    world.daemon.die()
    world.begin(check_after_start=Duration(20_000), check_at="09:30")
    world.run(20)
    assert world.figure("datasms_checked_timestamp_seconds") == START_MS / 1000 + 20
    world.run(5400 - 20)
    assert world.figure("datasms_checked_timestamp_seconds") == START_MS / 1000 + 5400


class Checking:
    """Stands in for the checks of a store: they take as long as the test wants, and the log of writes grows."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.under_way: list[Deferred[tuple[str, ...] | None]] = []
        self.log_bytes = self.ends = 0
        store = world.daemon.store
        monkeypatch.setattr(store, "check", self._check)
        monkeypatch.setattr(store, "end_check", self._end)
        monkeypatch.setattr(store, "log_bytes", lambda: self.log_bytes)

    def _check(self) -> Deferred[tuple[str, ...] | None]:
        self.under_way.append(Deferred())
        return self.under_way[-1]

    def _end(self) -> None:
        self.ends += 1


def test_one_that_takes_days_is_not_begun_twice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    checking = Checking(world, monkeypatch)
    world.run(50 * 3600)
    assert len(checking.under_way) == 1
    checking.under_way[0].callback(())
    world.run(10)
    assert len(checking.under_way) == 2
    checking.under_way[1].callback(())


def test_one_that_lets_the_log_grow_too_large_is_ended_and_tried_again_in_an_hour(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    checking = Checking(world, monkeypatch)
    world.run(FIRST_S)
    checking.log_bytes = MOST_LOG_BYTES
    world.run(60)
    assert checking.ends == 0
    checking.log_bytes += 1
    world.run(10)
    assert checking.ends == 1
    checking.under_way[0].callback(None)
    assert world.daemon.parts.hold.reason is None
    checking.log_bytes = 0
    world.run(AGAIN_MS // 1000 - 10)
    assert len(checking.under_way) == 1
    world.run(10)
    assert len(checking.under_way) == 2
    checking.under_way[1].callback(())
    assert world.figure("datasms_checked_timestamp_seconds") == world.daemon.now / 1000


def test_one_that_cannot_be_made_is_told_and_made_the_next_day(
    world: World, monkeypatch: pytest.MonkeyPatch, logged_failures: list[dict[str, Any]]
) -> None:
    checking = Checking(world, monkeypatch)
    world.run(FIRST_S)
    checking.under_way[0].errback(Failure(MemoryError("no room for that")))
    assert logged_failures[0]["log_failure"].check(MemoryError)
    logged_failures.clear()
    world.run(19 * 3600)
    assert len(checking.under_way) == 2
    checking.under_way[1].callback(())


def test_the_stop_waits_for_the_end_of_one_that_is_under_way(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    checking = Checking(world, monkeypatch)
    world.run(FIRST_S)
    stopping = Deferred.fromCoroutine(world.daemon.parts.integrity.stop())
    assert (checking.ends, stopping.called) == (1, False)
    with capturedLogs() as told:
        checking.under_way[0].callback(None)
    done(stopping)
    assert not told, "that it was not looked through to its end is nobody's concern"


def test_the_stop_waits_for_none_where_there_is_none(world: World) -> None:
    done(Deferred.fromCoroutine(world.daemon.parts.integrity.stop()))


# --- what follows ----------------------------------------------------------------------------------------------------


@pytest.fixture
def damaged(world: World, logged_failures: list[dict[str, Any]]) -> World:
    """Found out a minute ago."""
    world.damage()
    world.run(FIRST_S)
    assert "row 3 missing from index messages_reference" in alarm_of(logged_failures)
    world.run(60)
    return world


def test_nothing_is_sent_from_a_damaged_database(damaged: World) -> None:
    before = damaged.sends()
    damaged.run(3 * 3600)
    for name in ("datasms", "sms-a"):
        damaged.daemon.parts.dispatch.wake(LineName(name))
    damaged.time.advance(3600)
    assert damaged.sends() == before
    assert damaged.state(damaged.later) is MessageState.SCHEDULED


def test_a_claim_that_comes_too_late_is_no_fault(
    world: World, monkeypatch: pytest.MonkeyPatch, logged_failures: list[dict[str, Any]]
) -> None:
    world.push.window = 0
    world.send()
    world.push.window = 10
    claims: list[Deferred[object]] = []

    def write(unit: object) -> Deferred[object]:
        claims.append(Deferred())
        return claims[-1]

    monkeypatch.setattr(world.daemon.store, "write", write)
    world.daemon.parts.dispatch.wake(LineName("datasms"))
    world.daemon.parts.hold.damaged("a page is nonsense")
    assert alarm_of(logged_failures) == "a page is nonsense"
    (claim,) = claims
    claim.errback(Failure(StoreHeld("a page is nonsense")))
    assert len(claims) == 1


def test_damage_that_is_found_while_a_release_is_written_is_not_released(
    world: World, monkeypatch: pytest.MonkeyPatch, logged_failures: list[dict[str, Any]]
) -> None:
    hold, writing = world.daemon.parts.hold, Deferred[None]()
    hold.doubt("a seal does not fit")
    with monkeypatch.context() as patched:
        patched.setattr(world.daemon.store, "write", lambda _: writing)
        releasing = Deferred.fromCoroutine(hold.release("local"))
    hold.damaged("a page is nonsense")
    writing.callback(None)
    with pytest.raises(StoreHeld):
        done(releasing)
    assert (hold.reason, world.daemon.parts.core.not_ready()) == ("a seal does not fit; a page is nonsense", REFUSES)
    logged_failures.clear()


def test_nothing_more_is_accepted_or_changed_and_nothing_is_written(damaged: World) -> None:
    before, core = damaged.files(), damaged.daemon.parts.core
    with pytest.raises(StoreHeld):
        damaged.send()
    for act in (core.cancel(damaged.later, None, "local"), core.add_key("crm", ("send",)), core.hold.release("local")):
        with pytest.raises(StoreHeld, match="missing from index"):
            done(Deferred.fromCoroutine(act))
    damaged.run(24 * 3600)
    assert damaged.files() == before


def test_what_is_in_it_can_still_be_read(damaged: World) -> None:
    search = damaged.daemon.parts.core.search
    found = done(Deferred.fromCoroutine(search.messages(MessageQuery(), "local", "messages read")))
    assert {dossier.message.id for dossier in found.items} == {damaged.waiting, damaged.later, damaged.referred}
    done(Deferred.fromCoroutine(search.reads.flush(everything=True)))


def test_what_is_read_of_it_is_told_while_it_runs(damaged: World) -> None:
    """The log is all that keeps it, and a crash may come."""
    loaded = Loaded(configuration(damaged.directory), "")
    heart = DaemonService(loaded, None, {}, cast(Reactor, damaged.time.reactor), pytest.fail, Notifier({}))
    heart._parts = damaged.daemon.parts
    search = damaged.daemon.parts.core.search
    for _ in range(2):
        done(Deferred.fromCoroutine(search.messages(MessageQuery(), "local", "messages read")))
    damaged.time.advance(SPAN_MS / 1000)
    with capturedLogs() as told:
        done(Deferred.fromCoroutine(heart._beat()))
    assert [(event["who"], event["count"]) for event in told] == [("local", 3)]


def test_it_is_told_where_operators_look(damaged: World) -> None:
    core = damaged.daemon.parts.core
    assert core.not_ready() == REFUSES
    assert core.hold.is_damaged
    assert "the database is damaged" in (core.hold.reason or "")
    assert damaged.figure("datasms_held") == 1
    core.set_ready("stopping")
    assert core.not_ready() == "stopping"


def test_it_is_not_looked_through_again(damaged: World, monkeypatch: pytest.MonkeyPatch) -> None:
    checking = Checking(damaged, monkeypatch)
    damaged.run(48 * 3600)
    assert not checking.under_way


def test_a_start_ends_the_hold_until_the_damage_is_found_again(
    damaged: World, logged_failures: list[dict[str, Any]]
) -> None:
    damaged.daemon.die()
    damaged.begin()
    assert damaged.daemon.parts.core.not_ready() is None
    damaged.run(FIRST_S)
    assert "messages_reference" in alarm_of(logged_failures)


def test_a_file_that_was_mended_while_the_daemon_was_stopped_is_good(damaged: World) -> None:
    damaged.daemon.die()
    by_hand(damaged.database, "REINDEX")
    damaged.begin()
    damaged.run(FIRST_S)
    assert damaged.daemon.parts.core.not_ready() is None
    assert damaged.figure("datasms_checked_timestamp_seconds") == damaged.daemon.now / 1000


# --- messages that are not over --------------------------------------------------------------------------------------


def look_at(world: World) -> list[MessageId]:
    """The messages that a start would look at."""
    return [sealed.message.id for sealed in done(world.daemon.store.read(integrity.sample))]


def test_the_start_looks_at_messages_that_are_not_over(world: World) -> None:
    done(Deferred.fromCoroutine(world.daemon.parts.core.cancel(world.later, None, "local")))
    assert look_at(world) == sorted([world.waiting, world.referred])


def test_it_looks_at_a_few_of_all_however_many_there_are(world: World) -> None:
    at = world.daemon.now + HOUR
    ids = [
        world.send(send_at=at + n * 60_000, recipients=(Recipient("/to/0", number=f"+420603{n:06}"),))
        for n in range(1000)
    ]
    looked = look_at(world)
    assert len(looked) <= SOONEST + PLACES * AT_A_PLACE
    assert {*ids[: SOONEST - 3], ids[-1]} <= set(looked)
    gaps = [later - earlier for earlier, later in zip(*(iter(sorted(map(ids.index, looked[3:]))),) * 2, strict=False)]
    assert max(gaps) <= 1000 / PLACES


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE messages SET recipient = '+420603000000' WHERE id = :id",
        "UPDATE messages SET text = cast(X'ff00' AS TEXT) WHERE id = :id",
    ],
)
def test_one_that_is_not_as_it_was_accepted_holds_everything_before_anything_is_sent(
    world: World, change: str, logged_failures: list[dict[str, Any]]
) -> None:
    done(world.daemon.store.write(lambda db: db.execute(change, {"id": world.later}) and None))
    world.daemon.die()
    before = world.sends()
    world.begin()
    told = alarm_of(logged_failures)
    assert told.startswith("1 of 3 messages that were looked at are not as they were accepted")
    assert world.later in told
    world.run(3 * 3600)
    assert world.sends() == before
    with pytest.raises(StoreHeld):
        world.send()
    assert world.daemon.parts.core.not_ready() == REFUSES
    assert world.figure("datasms_held") == 1
    assert world.state(world.waiting) is MessageState.WAITING


def test_one_that_fails_by_itself_keeps_no_daemon_from_starting(world: World) -> None:
    """I35."""
    broken = "UPDATE messages SET attachments = '{' WHERE id = :id"
    done(world.daemon.store.write(lambda db: db.execute(broken, {"id": world.later}) and None))
    world.daemon.die()
    world.begin()
    assert world.daemon.parts.core.not_ready() is None
    assert look_at(world) == sorted([world.waiting, world.referred])


def test_another_mac_key_costs_no_message(world: World, logged_failures: list[dict[str, Any]]) -> None:
    world.daemon.die()
    key = world.directory / "mac.key"
    right = key.read_bytes()
    key.write_bytes(bytes(32))
    world.begin()
    assert alarm_of(logged_failures).startswith("3 of 3 messages")
    world.run(3600)
    world.daemon.die()
    key.write_bytes(right)
    world.begin()
    world.run(2 * 3600)
    for id_ in (world.waiting, world.later, world.referred):
        assert world.push.taken[id_] == world.sms.taken[id_] == 1


def test_it_is_released_by_an_operator_and_what_is_not_as_it_was_is_never_sent(
    world: World, logged_failures: list[dict[str, Any]]
) -> None:
    def unit(db: Db) -> None:
        db.execute("UPDATE messages SET text = 'another' WHERE id = :id", {"id": world.later})

    done(world.daemon.store.write(unit))
    world.daemon.die()
    world.begin()
    why = alarm_of(logged_failures)
    assert done(Deferred.fromCoroutine(world.daemon.parts.core.hold.release("local")))
    assert world.daemon.parts.core.not_ready() is None
    assert world.figure("datasms_held") == 0
    accepted = world.send()
    world.run(3 * 3600)
    assert world.push.taken[accepted] == 1
    assert world.push.taken[world.later] == world.sms.taken[world.later] == 0
    acts = done(world.daemon.store.read(lambda db: db.execute("SELECT who, what, object FROM audit").fetchall()))
    assert ("local", "queue released", why) in acts
