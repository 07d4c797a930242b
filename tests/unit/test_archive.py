"""What is over is forgotten when it was kept long enough, and not before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from twisted.internet.defer import Deferred

from datasms_daemon.config.archive import Archive, ArchiveClass
from datasms_daemon.config.kinds import DAY, HOUR, Duration
from datasms_daemon.config.senders import Sender
from datasms_daemon.delivery import archive as archive_module
from datasms_daemon.model import Button, Conflict, DeviceId, Due, LineText, MessageId, MessageState
from datasms_daemon.rules.audit import erased
from datasms_daemon.store import audit, operations
from datasms_daemon.store.retention_statements import SELECT_KIND, SELECT_NEXT_KIND
from datasms_daemon.store.store import Db
from tests.fakes.daemon import NUMBER, PERSON, FakeDaemon, FakeTime, add_person, configuration, done, draft
from tests.fakes.lines import FakeLine


class World:
    """A daemon whose messages go by SMS and are delivered when the test says so."""

    def __init__(self, directory: Path, **archive: Any) -> None:
        self.time = FakeTime()
        self.push = FakeLine("datasms", self.time.reactor, drops_repeats=True)
        self.sms = FakeLine("sms-a", self.time.reactor)
        config = configuration(directory)
        self.config = replace(config, archive=Archive(**archive), sender={"erp": Sender(keep_text=Duration(2 * HOUR))})
        self.daemon = FakeDaemon(self.config, {"datasms": self.push, "sms-a": self.sms}, self.time)
        add_person(self.daemon)

    def over(self, sender: str = "crm", **fields: Any) -> MessageId:
        """A message that is over."""
        id_ = MessageId(self.daemon.submit(draft(**fields), sender)[0])
        done(Deferred.fromCoroutine(self.daemon.parts.core.cancel(id_, None, "local")))
        return id_

    def purge(self) -> int:
        """What the heart does."""
        return done(Deferred.fromCoroutine(self.daemon.parts.archive.purge()))

    def row(self, id_: MessageId) -> dict[str, Any]:
        """The message's row."""

        def unit(db: Db) -> dict[str, Any]:
            cursor = db.execute("SELECT * FROM messages WHERE id = :id", {"id": id_})
            return dict(zip([column[0] for column in cursor.description], cursor.fetchone(), strict=True))

        return done(self.daemon.store.read(unit))

    def count(self, statement: str) -> int:
        """One number from the database."""
        found: int = done(self.daemon.store.read(lambda db: db.execute(statement).fetchone()[0]))
        return found


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Texts for a day, names for ninety."""
    return World(tmp_path)


def test_a_text_is_forgotten_a_day_after_the_end_and_not_before(world: World) -> None:
    buttons = (Button("Restart", "RESTART 3"),)
    id_ = world.over(title="Pumps", per_line={"sms-a": LineText("P3 stopped")}, reference="crm-1", buttons=buttons)
    world.time.advance(86_400)
    assert world.purge() == 0
    assert world.row(id_)["text"] == "Pump 3 stopped"
    world.time.advance(1)
    assert world.purge() == 1
    row = world.row(id_)
    assert (row["text"], row["title"], row["per_line"], row["buttons"]) == ("", None, None, None)
    assert (row["recipient"], row["person"], row["reference"]) == (NUMBER, PERSON, "crm-1")
    assert world.count("SELECT count(*) FROM events") > 0


def test_what_is_not_over_is_whole_however_old(world: World) -> None:
    """I39."""
    id_ = MessageId(world.daemon.submit(draft(send_at=world.daemon.now + 3 * DAY, ttl_ms=DAY))[0])
    world.time.advance(3 * 86_400 - 1)
    assert world.purge() == 0
    assert world.row(id_)["text"] == "Pump 3 stopped"
    world.time.advance(1)
    assert world.sms.taken[id_] + world.push.taken[id_] == 1


def test_who_it_was_for_is_a_keyed_hash_when_all_was_kept_long_enough_and_the_trace_is_gone(tmp_path: Path) -> None:
    world = World(tmp_path, keep_metadata=Duration(2 * HOUR))
    id_ = world.over(reference="crm-1")
    world.time.advance(7_201)
    assert [world.purge() for _ in range(3)] == [1, 1, 0]
    row, key = world.row(id_), (tmp_path / "audit.key").read_bytes()
    assert (row["recipient"], row["person"]) == (erased(key, NUMBER), erased(key, PERSON))
    assert (row["reference"], row["state"], row["sender"]) == (None, "cancelled", "crm")
    assert world.count("SELECT count(*) FROM events") == 0


def test_a_class_and_a_sender_have_times_of_their_own_and_the_class_counts_first(tmp_path: Path) -> None:
    classes = {"otp": ArchiveClass(keep_text=Duration(0)), "contract": ArchiveClass(keep_text=Duration(3 * DAY))}
    world = World(tmp_path, class_=classes)
    code, contract = world.over("erp", class_="otp"), world.over("erp", class_="contract")
    erp, crm = world.over("erp"), world.over("crm")

    def forgotten() -> list[MessageId]:
        world.purge()
        return [id_ for id_ in (code, contract, erp, crm) if not world.row(id_)["text"]]

    world.time.advance(1)
    assert forgotten() == [code]
    world.time.advance(7_200)
    assert forgotten() == [code, erp]
    world.time.advance(86_400)
    assert forgotten() == [code, erp, crm]
    world.time.advance(3 * 86_400)
    assert forgotten() == [code, contract, erp, crm]


def test_a_shorter_time_holds_for_what_is_there_already(world: World) -> None:
    id_ = world.over()
    world.time.advance(3_601)
    assert world.purge() == 0
    world.daemon.parts.config = replace(world.config, archive=Archive(keep_text=Duration(HOUR)))
    assert world.purge() == 1
    assert world.row(id_)["text"] == ""


def test_a_message_whose_text_is_gone_cannot_be_sent_again(world: World) -> None:
    id_ = world.over()
    world.time.advance(86_401)
    world.purge()
    answer = done(Deferred.fromCoroutine(world.daemon.parts.core.resend(id_, "local")))
    assert answer == Conflict(MessageState.CANCELLED, "its text is not kept any more")


def test_many_are_forgotten_a_bounded_number_at_a_time_and_in_the_end_all(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_module, "BATCH", 4)
    for _ in range(10):
        world.over()
    world.time.advance(2 * 86_400)
    archive = world.daemon.parts.archive
    assert done(Deferred.fromCoroutine(archive.due())) == (Due("texts", 10, DAY),)
    assert done(Deferred.fromCoroutine(archive.purge(1))) == 4
    assert done(Deferred.fromCoroutine(archive.due())) == (Due("texts", 6, DAY),)
    assert done(Deferred.fromCoroutine(archive.purge_all("local"))) == 6
    assert done(Deferred.fromCoroutine(archive.due())) == ()
    log = done(world.daemon.store.read(lambda db: db.execute("SELECT who, what, object FROM audit").fetchall()))
    assert log[-1] == ("local", "archive purged", "6")


def test_texts_from_outside_acts_and_old_registrations_go_in_their_time(tmp_path: Path) -> None:
    world = World(tmp_path, keep_inbound=Duration(HOUR), keep_audit=Duration(2 * HOUR))
    now = world.daemon.now

    def unit(db: Db) -> None:
        operations.audit(db, now, "crm", "line paused", "sms-a")
        for key, at in (("a", now), ("b", now + HOUR)):
            db.execute(
                "INSERT INTO inbound (line, sender, recipient, text, at, key, n, why, incomplete) "
                "VALUES ('sms-a', '1', '2', 'x', ?, ?, 0, 'nobody', 0)",
                (at, key),
            )

    done(world.daemon.store.write(unit))
    world.time.advance(3_601)
    assert world.purge() == 1
    assert world.count("SELECT count(*) FROM inbound WHERE key = 'b'") == 1
    world.time.advance(3_600)
    world.purge()
    assert world.count("SELECT count(*) FROM audit") == 0
    assert done(world.daemon.store.read(audit.verify)) is None


def test_the_kinds_are_found_by_steps_in_an_index(world: World) -> None:
    values = {"purged": 0, "sender": "crm", "class_": "", "before": 0, "most": 1}

    def unit(db: Db) -> list[str]:
        return [
            row[3]
            for statement in (SELECT_KIND, SELECT_NEXT_KIND)
            for row in db.execute(f"EXPLAIN QUERY PLAN {statement}", values)
        ]

    plans = done(world.daemon.store.read(unit))
    assert all("SEARCH messages USING INDEX messages_kept" in plan.replace("COVERING ", "") for plan in plans), plans


def test_a_device_sees_what_comes_after_everything_before_was_forgotten(tmp_path: Path) -> None:
    """It keeps its place in the inbox: the number of a push that is gone is never given to another."""
    world = World(tmp_path, keep_text=Duration(0), keep_metadata=Duration(0))
    add_person(world.daemon, "phone")
    world.over()
    read = world.count("SELECT max(seq) FROM pushes")
    world.time.advance(1)
    while world.purge():
        pass
    assert world.count("SELECT count(*) FROM pushes") == 0
    world.daemon.submit(draft("Fire"))
    backend = world.daemon.parts.backend
    (item,) = done(Deferred.fromCoroutine(backend.inbox(DeviceId("phone"), read, 50)))
    assert item.text == "Fire"
