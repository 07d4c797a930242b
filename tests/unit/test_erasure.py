"""A person is erased: nothing on the disk tells of him any more (I50), and a backup that is put back is made good."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from datasms_daemon import assembly
from datasms_daemon.interfaces import ILine
from datasms_daemon.model import (
    AttemptState,
    Button,
    Destination,
    Device,
    DeviceId,
    Erased,
    GroupId,
    InboundSearch,
    InboundText,
    LineName,
    LineReceipt,
    LineText,
    MessageId,
    MessageQuery,
    MessageState,
    NewRegistration,
    Person,
    PersonId,
    ReceiptState,
    StoredAttachment,
)
from datasms_daemon.store import attachments, audit, directory, erasure, inbound, opening, operations, registrations
from datasms_daemon.store.copies import restore, save
from datasms_daemon.store.store import Db
from tests.fakes.daemon import FakeDaemon, FakeTime, configuration, done, draft
from tests.fakes.lines import FakeLine

WHO = PersonId("erasme-novak-id")
NUMBER, OLD_NUMBER = "+420603777888", "+420603777999"
OTHER = PersonId("svoboda")
OTHER_NUMBER = "+420603111222"
CANARIES = (
    WHO,
    NUMBER,
    OLD_NUMBER,
    "Canary Name",
    "canary@example.org",
    "canary-push-token",
    "canary-other-token",
    "canary-waiting-token",
    "canary-public-key",
    "canary phone name",
    "canary text",
    "canary title",
    "canary line text",
    "canary button",
    "canary reply",
    "https://canary.example.org/",
    "canary reference",
    "canary from outside",
    "canary-reason",
)
STRANGER = "+420603555666"
STRANGE = (STRANGER, "strange text", "strange reference", "strange file", "strange from outside", "strange-part")
KEPT = ("kept text", OTHER_NUMBER, "Svoboda")


class World:
    """A person of whom there is everything there can be, and another one."""

    def __init__(self, directory_: Path) -> None:
        self.directory = directory_
        self.time = FakeTime()
        self.push = FakeLine("datasms", self.time.reactor, drops_repeats=True)
        self.sms = FakeLine("sms-a", self.time.reactor)
        self.begin()
        done(self.daemon.store.write(_people))
        buttons = (Button("canary button", "canary reply"), Button("Look", url="https://canary.example.org/"))
        own = {"sms-a": LineText("canary line text")}
        self.over = self.send("canary text 1", title="canary title", per_line=own, buttons=buttons)
        done(Deferred.fromCoroutine(self.daemon.parts.core.cancel(self.over, None, "local")))
        self.waiting = self.send("canary text 2", reference="canary reference")
        self.later = self.send("canary text 3", send_at=self.daemon.now + 3_600_000, number=OLD_NUMBER)
        self.kept = self.send("kept text", number=OTHER_NUMBER)
        done(self.daemon.store.write(self._more))

    def begin(self) -> None:
        """A life of the daemon."""
        lines: dict[str, ILine] = {"datasms": self.push, "sms-a": self.sms}
        self.daemon = FakeDaemon(configuration(self.directory), lines, self.time)

    def send(self, text: str, number: str = NUMBER, **fields: Any) -> MessageId:
        """One message, with an answer that is kept for repeated requests."""
        return MessageId(self.daemon.submit(draft(text, number=number, **fields))[0])

    def erase(self) -> Erased | None:
        """As an administrator wants it."""
        return done(Deferred.fromCoroutine(self.daemon.parts.archive.erase(WHO, "local")))

    def erase_number(self, number: str) -> Erased | PersonId:
        """As an administrator wants it."""
        return done(Deferred.fromCoroutine(self.daemon.parts.archive.erase_number(number, "local")))

    def attach(self, content: bytes) -> str:
        """The id of a file that an application handed over."""

        async def pieces() -> AsyncIterator[bytes]:
            yield content

        taking = self.daemon.parts.attachments.take("crm", "plan.pdf", pieces(), None)
        stored = done(Deferred.fromCoroutine(taking))
        assert isinstance(stored, StoredAttachment)
        return stored.attachment.id

    def files(self) -> set[str]:
        """The ids of all files that are there."""
        return {path.name for path in (self.directory / "attachments").iterdir()}

    def restore(self, copy: Path) -> None:
        """Puts an older database back and starts anew."""
        self.daemon.die()
        restore(copy, self.directory / "datasms.sqlite3", 1)
        self.begin()

    def catch_up(self) -> int:
        """What the start does."""
        return done(Deferred.fromCoroutine(self.daemon.parts.erasure.catch_up()))

    def found(self) -> list[tuple[str, str]]:
        """Every canary that any file of the state directory holds."""
        return [
            (path.name, canary)
            for path in sorted(self.directory.rglob("*"))
            if path.is_file() and ".replaced" not in path.name and path.name != "copy"
            for canary in (*CANARIES, *STRANGE, *KEPT)
            if canary.encode() in path.read_bytes()
        ]

    def _more(self, db: Db) -> None:
        now = self.daemon.now
        for n, (from_, person) in enumerate(((NUMBER, WHO), ("viber-1", WHO), (OTHER_NUMBER, OTHER))):
            text = "kept text" if person == OTHER else "canary from outside"
            received = InboundText(LineName("sms-a"), from_, "+420603000000", text, now, str(n))
            inbound.add(db, received, None, person)
        received = InboundText(LineName("sms-a"), OTHER_NUMBER, "+420603000000", "kept text", now, "forwarded")
        for n, to in enumerate((NUMBER, f"person:{WHO}", OTHER_NUMBER)):
            inbound.add(db, received, Destination(f"forward:{to}", "kept text", "rule"), OTHER, n, now + 3_600_000)
        waiting = NewRegistration(
            "fcm", {"token": "canary-waiting-token"}, {}, "canary phone name", "", "", "192.0.2.1"
        )
        registrations.insert(db, "r1", "s", "sel", "ver", waiting, WHO, now, now + 3_600_000)
        answer = f'{{"to":"{NUMBER}"}}'
        db.execute("INSERT INTO idempotency VALUES ('crm', 'k', 'h', 's', ?, ?)", (answer, now))
        db.execute("INSERT INTO receipts VALUES ('sms-a', 'p', 'delivered', ?, ?, NULL, ?)", (now, NUMBER, now))
        db.execute("UPDATE attempts SET reason = 'canary-reason' WHERE message = ?", (self.waiting,))
        operations.audit(db, now, "crm", "person written", WHO)


def _people(db: Db) -> None:
    person = Person(WHO, "Canary Name", (NUMBER, OLD_NUMBER), "canary@example.org", (GroupId("night-shift"),))
    directory.put_persons(db, [person, Person(OTHER, "Svoboda", (OTHER_NUMBER,))])
    keys = {"p256dh": "canary-public-key"}
    directory.add_device(
        db, Device(DeviceId("d1"), WHO, "fcm", {"token": "canary-push-token"}, keys, "canary phone name")
    )
    directory.add_device(db, Device(DeviceId("d2"), WHO, "fcm", {"token": "canary-other-token"}))
    directory.revoke(db, DeviceId("d2"))
    directory.add_device(db, Device(DeviceId("d3"), OTHER, "fcm", {"token": "kept-token"}))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Before anything was erased."""
    monkeypatch.setattr(assembly, "deferToThreadPool", lambda reactor, pool, work: _now(work))
    world = World(tmp_path)
    monkeypatch.setattr(world.time.reactor, "getThreadPool", lambda: None, raising=False)
    return world


def _now(work: Callable[[], object]) -> Deferred[object]:
    answer: Deferred[object] = Deferred()
    answer.callback(work())
    return answer


def test_everything_that_tells_of_the_person_is_gone_from_every_byte_of_every_file(world: World) -> None:
    """I50."""
    there = {canary for _, canary in world.found()}
    # A revoked device keeps no address.
    assert there == {*CANARIES, *KEPT} - {"canary-other-token"}
    assert world.erase() == Erased(messages=3, cancelled=2, devices=2)
    assert {canary for _, canary in world.found()} == set(KEPT)


def test_who_looked_for_the_person_before_leaves_nothing_that_tells_of_him(world: World) -> None:
    """I50."""
    search = world.daemon.parts.core.search
    for query in (
        MessageQuery(words=("canary", "text"), to=NUMBER),
        MessageQuery(person=WHO, reference="canary reference"),
        MessageQuery(words=("canary",)),
    ):
        assert done(Deferred.fromCoroutine(search.messages(query, "local", "texts read"))).items
    inbound_query = InboundSearch(from_=NUMBER, person=WHO, words=("canary",))
    assert done(Deferred.fromCoroutine(search.inbound(inbound_query, "local", "inbound texts read"))).items
    world.erase()
    assert {canary for _, canary in world.found()} == set(KEPT)
    for query in (MessageQuery(words=("canary",)), MessageQuery(to=NUMBER), MessageQuery(person=WHO)):
        assert done(Deferred.fromCoroutine(search.messages(query, "local", "texts read"))).items == ()
    shown = done(Deferred.fromCoroutine(search.messages(MessageQuery(), "local", "texts read"))).items
    assert [one.message.text for one in shown] == ["kept text", "", "", ""]
    assert done(Deferred.fromCoroutine(search.inbound(inbound_query, "local", "inbound texts read"))).items == ()


def test_what_was_still_to_be_forwarded_to_the_person_goes_nowhere(world: World) -> None:
    world.erase()
    statement = "SELECT target, effect, due_at IS NULL FROM inbound WHERE key = 'forwarded' ORDER BY n"
    rows = done(world.daemon.store.read(lambda db: db.execute(statement).fetchall()))
    who, number = done(world.daemon.store.write(lambda db: erasure.hashes(db, WHO, (NUMBER,))))
    assert rows == [
        (f"forward:{number}", "erased", 1),
        (f"forward:person:{who}", "erased", 1),
        (f"forward:{OTHER_NUMBER}", None, 0),
    ]


def test_what_was_under_way_is_cancelled_and_never_sent(world: World) -> None:
    world.erase()
    before = world.sms.taken.copy()
    world.time.advance(100_000)
    assert world.sms.taken[world.later] == world.push.taken[world.later] == 0
    assert world.sms.taken[world.waiting] == before[world.waiting] == 0
    assert world.sms.taken[world.kept] == 1
    dossier = done(Deferred.fromCoroutine(world.daemon.parts.core.dossier(world.waiting, None)))
    assert dossier is not None
    assert dossier.progress.state is MessageState.CANCELLED


def test_a_receipt_that_comes_after_the_erasure_brings_no_number_back(world: World) -> None:
    """It finds its message and is not kept for one that is still to come."""
    id_ = world.send("canary text 4", lines=("sms-a",))
    world.erase()
    state, now = ReceiptState.DELIVERED, world.daemon.now
    receipt = LineReceipt(LineName("sms-a"), (f"{id_}/1",), state, now, NUMBER)
    done(Deferred.fromCoroutine(world.daemon.parts.receipts.from_line(receipt)))
    assert done(world.daemon.store.read(lambda db: db.execute("SELECT count(*) FROM receipts").fetchone()[0])) == 0
    dossier = done(Deferred.fromCoroutine(world.daemon.parts.core.dossier(id_, None)))
    assert dossier is not None
    assert [one.state for one in dossier.attempts] == [AttemptState.DELIVERED]


def test_the_audit_log_holds_and_tells_only_that_somebody_was_erased(world: World) -> None:
    """I51."""
    world.erase()
    world.daemon.die()
    db = opening.writer_connection(world.directory / "datasms.sqlite3")
    try:
        assert audit.verify(db) is None
        hidden = erasure.hashes(db, WHO, ())[0]
        acts = db.execute("SELECT who, what FROM audit WHERE object = ? ORDER BY seq", (hidden,)).fetchall()
    finally:
        db.close()
    assert acts == [("crm", "person written"), ("local", "person erased")]


def test_a_person_that_is_not_there_cannot_be_erased(world: World) -> None:
    assert world.erase() is not None
    assert world.erase() is None


def test_the_number_may_belong_to_somebody_else_afterwards(world: World) -> None:
    world.erase()
    done(world.daemon.store.write(lambda db: directory.put_persons(db, [Person(PersonId("new"), numbers=(NUMBER,))])))
    id_ = world.send("for the new owner")
    world.daemon.die()
    world.begin()
    assert done(Deferred.fromCoroutine(world.daemon.parts.erasure.catch_up())) == 0
    dossier = done(Deferred.fromCoroutine(world.daemon.parts.core.dossier(id_, None)))
    assert dossier is not None
    assert dossier.message.text == "for the new owner"


def test_a_restored_backup_is_erased_again_before_anything_else(world: World) -> None:
    """Threat 3f."""
    database, copy = world.directory / "datasms.sqlite3", world.directory / "copy"
    save(database, copy)
    world.erase()
    world.daemon.die()
    restore(copy, database, 1)
    assert "Canary Name" in {canary for _, canary in world.found()}
    world.begin()
    assert done(Deferred.fromCoroutine(world.daemon.parts.erasure.catch_up())) == 1
    assert {canary for _, canary in world.found()} == set(KEPT)
    assert done(Deferred.fromCoroutine(world.daemon.parts.erasure.catch_up())) == 0


def test_who_had_the_number_of_an_erased_person_when_the_backup_was_made_stays(world: World) -> None:
    """Nobody is erased because he once had a number; the audit log names him, for the case that he is the same."""
    copy = world.directory / "copy"
    former = Person(OTHER, "Svoboda", (OTHER_NUMBER, NUMBER))
    canary = Person(WHO, "Canary Name", (OLD_NUMBER,))
    done(world.daemon.store.write(lambda db: directory.put_persons(db, [canary, former])))
    save(world.directory / "datasms.sqlite3", copy)
    moved = [Person(OTHER, "Svoboda", (OTHER_NUMBER,)), Person(WHO, "Canary Name", (NUMBER, OLD_NUMBER))]
    done(world.daemon.store.write(lambda db: [directory.put_persons(db, [person]) for person in moved]))
    world.erase()
    world.restore(copy)
    assert world.catch_up() == 1
    known = done(world.daemon.store.read(lambda db: [directory.person(db, one) for one in (WHO, OTHER)]))
    assert known == [None, former]
    noted = "SELECT object FROM audit WHERE what = 'has a number that was erased with another person'"
    assert done(world.daemon.store.read(lambda db: db.execute(noted).fetchall())) == [(OTHER,)]
    assert world.catch_up() == 0


def test_an_erasure_that_a_crash_cut_short_is_finished_by_the_next_start(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "erase_messages", _crash)
    with pytest.raises(RuntimeError, match="pulled"):
        world.erase()
    monkeypatch.undo()
    monkeypatch.setattr(assembly, "deferToThreadPool", lambda reactor, pool, work: _now(work))
    monkeypatch.setattr(world.time.reactor, "getThreadPool", lambda: None, raising=False)
    assert done(Deferred.fromCoroutine(world.daemon.parts.erasure.catch_up())) == 1
    assert {canary for _, canary in world.found()} == set(KEPT)


def _crash(*_: object) -> None:
    raise RuntimeError("the disk was pulled")


def test_a_recipient_is_not_shown(world: World) -> None:
    world.erase()
    dossier = done(Deferred.fromCoroutine(world.daemon.parts.core.dossier(world.over, None)))
    assert dossier is not None
    assert dossier.message.to is not None
    assert dossier.message.to.startswith("#")


def test_files_of_an_erased_person_go_at_once_but_those_that_others_got_too(world: World) -> None:
    own, shared, unsent = (world.attach(content) for content in (b"canary file", b"kept text", b"kept text"))
    world.send("canary text 4", attachments=(own, shared))
    world.send("kept text", number=OTHER_NUMBER, attachments=(shared,))
    assert world.erase() is not None
    assert world.files() == {shared, unsent}
    assert done(world.daemon.store.read(attachments.sizes)).keys() == {shared, unsent}
    assert b"canary file" not in b"".join(path.read_bytes() for path in world.directory.rglob("*") if path.is_file())


def test_a_file_that_a_crash_left_of_an_erased_person_goes_with_the_next_start(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = world.attach(b"canary file")
    world.send("canary text 4", attachments=(id_,))
    with monkeypatch.context() as crashing:
        crashing.setattr(world.daemon.parts.erasure, "_remove", _crash)
        with pytest.raises(RuntimeError, match="pulled"):
            world.erase()
    assert world.files() == {id_}
    done(Deferred.fromCoroutine(world.daemon.parts.attachments.sweep()))
    assert world.files() == set()


# --- numbers that are nobody's ---------------------------------------------------------------------------------------


def strange(world: World) -> list[MessageId]:
    """There is all there can be of a number that is nobody's."""
    file = world.attach(b"strange file")
    over = world.send("strange text 1", STRANGER, attachments=(file,))
    done(Deferred.fromCoroutine(world.daemon.parts.core.cancel(over, None, "local")))
    later = world.send("strange text 2", STRANGER, send_at=world.daemon.now + 3_600_000, reference="strange reference")

    def unit(db: Db) -> None:
        now = world.daemon.now
        received = InboundText(LineName("sms-a"), STRANGER, "+420603000000", "strange from outside", now, "s1")
        inbound.add(db, received, None, None)
        part = (STRANGER, "+420603000000", b"strange-part", now)
        db.execute(
            "INSERT INTO inbound_parts (line, key, sender, recipient, reference, total, number, alphabet, coding,"
            " octets, at, whole) VALUES ('sms-a', 'p1', ?, ?, 1, 2, 1, 'gsm', 0, ?, ?, '')",
            part,
        )
        db.execute("INSERT INTO idempotency VALUES ('crm', 'k2', 'h', 's', ?, ?)", (f'{{"to":"{STRANGER}"}}', now))
        operations.audit(db, now, "crm", "number looked at", STRANGER)

    done(world.daemon.store.write(unit))
    return [over, later]


def test_everything_that_tells_of_a_number_is_gone_from_every_byte_of_every_file(world: World) -> None:
    """I50; what is somebody else's stays."""
    _, later = strange(world)
    assert {canary for _, canary in world.found()} >= {*STRANGE, *KEPT}
    assert world.erase_number(STRANGER) == Erased(messages=2, cancelled=1, devices=0)
    assert {canary for _, canary in world.found()} == {*CANARIES, *KEPT} - {"canary-other-token"}
    world.time.advance(100_000)
    assert world.sms.taken[later] == 0
    assert world.erase_number(STRANGER) == Erased(0, 0, 0)


def test_a_number_of_a_person_is_erased_with_the_person_only(world: World) -> None:
    before = world.found()
    assert world.erase_number(NUMBER) == WHO
    assert world.found() == before


def test_that_a_number_was_erased_is_in_the_audit_log_under_its_hash(world: World) -> None:
    """I51."""
    strange(world)
    world.erase_number(STRANGER)

    def unit(db: Db) -> list[tuple[str, str]]:
        hidden = erasure.hashes(db, PersonId(STRANGER), ())
        return db.execute("SELECT who, what FROM audit WHERE object = ? ORDER BY seq", hidden).fetchall()

    assert done(world.daemon.store.write(unit)) == [("crm", "number looked at"), ("local", "number erased")]


def test_a_restored_backup_lacks_an_erased_number_again(world: World) -> None:
    """Threat 3f."""
    strange(world)
    copy = world.directory / "copy"
    save(world.directory / "datasms.sqlite3", copy)
    world.erase_number(STRANGER)
    world.restore(copy)
    assert world.catch_up() == 1
    assert not {canary for _, canary in world.found()} & {*STRANGE}
    assert world.catch_up() == 0


def test_a_person_who_had_an_erased_number_when_the_backup_was_made_is_there_without_it(world: World) -> None:
    copy = world.directory / "copy"
    save(world.directory / "datasms.sqlite3", copy)
    without = Person(WHO, "Canary Name", (NUMBER,), "canary@example.org")
    done(world.daemon.store.write(lambda db: directory.put_persons(db, [without])))
    assert world.erase_number(OLD_NUMBER) == Erased(messages=1, cancelled=1, devices=0)
    world.restore(copy)
    assert world.catch_up() == 1
    person = done(world.daemon.store.read(lambda db: directory.person(db, WHO)))
    assert person is not None
    assert person.numbers == (NUMBER,)
    assert OLD_NUMBER not in {canary for _, canary in world.found()}
