"""Attachments in the core: on the disk before they are promised, bound to a message, gone when nobody needs them."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator, Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from twisted.internet.defer import Deferred

from datasms_daemon import assembly
from datasms_daemon.config.archive import Archive
from datasms_daemon.config.attachments import Attachments as Options
from datasms_daemon.config.classes import ClassOptions
from datasms_daemon.config.kinds import DAY, HOUR, Duration, Size
from datasms_daemon.errors import DiskFull, StoreFailed
from datasms_daemon.model import (
    CHUNK,
    AcceptedSubmission,
    Attachment,
    Conflict,
    DeviceId,
    DeviceReceipt,
    Download,
    MessageId,
    MessageState,
    PersonId,
    Problem,
    QuotaReached,
    ReceiptState,
    Refused,
    StoredAttachment,
    Submission,
)
from tests.fakes.channels import FakeChannel
from tests.fakes.daemon import FakeDaemon, FakeTime, add_person, configuration, done, draft
from tests.fakes.lines import FakeLine

PNG = b"\x89PNG\r\n\x1a\n" + bytes(1000)


class World:
    """A daemon with a person who has one device."""

    def __init__(self, tmp_path: Path, options: Options) -> None:
        self.directory = tmp_path / "attachments"
        self.time = FakeTime()
        # Texts stay longer than attachments, whose own times are looked at here.
        self.config = replace(
            configuration(tmp_path), attachments=options, archive=Archive(keep_text=Duration(30 * DAY))
        )
        self.begin()
        add_person(self.daemon, "phone")

    def begin(self) -> None:
        """A (new) life of the daemon."""
        self.push = FakeLine("datasms", self.time.reactor, drops_repeats=True)
        self.sms = FakeLine("sms-a", self.time.reactor)
        self.daemon = FakeDaemon(self.config, {"datasms": self.push, "sms-a": self.sms}, self.time)
        done(Deferred.fromCoroutine(self.daemon.parts.attachments.sweep()))

    def restart(self) -> None:
        """kill -9 and start again."""
        self.daemon.die()
        self.begin()

    def give(
        self, *pieces: bytes, sender: str = "crm", name: str = "plan.png", expected: int | None = None
    ) -> StoredAttachment | QuotaReached | None:
        """A sender hands a file over."""
        taking = self.daemon.parts.attachments.take(sender, name, each(pieces or (PNG,)), expected)
        return done(Deferred.fromCoroutine(taking))

    def given(self, *pieces: bytes, sender: str = "crm", name: str = "plan.png") -> Attachment:
        """One that was taken."""
        stored = self.give(*pieces, sender=sender, name=name)
        assert isinstance(stored, StoredAttachment)
        return stored.attachment

    def accept(self, *ids: str, sender: str = "crm", **more: Any) -> AcceptedSubmission | Refused:
        """A message with these attachments."""
        submission = Submission(sender, (draft(attachments=ids, pointer="/messages/0", **more),))
        answer = done(Deferred.fromCoroutine(self.daemon.parts.core.accept(submission)))
        assert isinstance(answer, AcceptedSubmission | Refused)
        return answer

    def sent(self, *ids: str, **more: Any) -> MessageId:
        """The id of one that was accepted."""
        answer = self.accept(*ids, **more)
        assert isinstance(answer, AcceptedSubmission), answer
        return answer.messages[0].id

    def files(self) -> set[str]:
        """What is in the directory."""
        return {path.name for path in self.directory.iterdir()} if self.directory.exists() else set()

    def rows(self) -> set[str]:
        """The attachments that the store knows."""
        return {
            row[0]
            for row in done(self.daemon.store.read(lambda db: db.execute("SELECT id FROM attachments").fetchall()))
        }

    def change(self, statement: str, *values: object) -> None:
        """Somebody changes the database by hand."""
        done(self.daemon.store.write(lambda db: db.execute(statement, values).rowcount))

    def later(self, ms: int) -> None:
        """Time passes and the heart beats."""
        self.time.advance(ms / 1000)
        self.daemon.beat()


async def each(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    """As a request's body comes."""
    for piece in pieces:
        yield piece


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """What would run in a thread runs at once."""
    monkeypatch.setattr(assembly, "deferToThreadPool", lambda reactor, pool, work: _now(work))
    monkeypatch.setattr("tests.fakes.daemon.MemoryReactorClock.getThreadPool", lambda self: None, raising=False)
    return World(tmp_path, Options(quota=Size(10_240), quota_files=5))


def _now(work: object) -> Deferred[object]:
    answer: Deferred[object] = Deferred()
    try:
        answer.callback(work())  # type: ignore[operator]
    except Exception:
        answer.errback()
    return answer


# --- taken in --------------------------------------------------------------------------------------------------------


def test_what_came_in_pieces_is_one_file_under_a_name_of_our_own(world: World) -> None:
    stored = world.give(PNG[:3], PNG[3:10], PNG[10:], name="../../../etc/plan\0.png")
    assert isinstance(stored, StoredAttachment)
    one = stored.attachment
    assert (one.name, one.type, one.size, one.sha256) == ("plan.png", "image/png", len(PNG), sha256(PNG).hexdigest())
    assert stored.expires_at == world.daemon.now + DAY
    assert len(bytes.fromhex(one.id)) == 16
    assert world.files() == {one.id}
    path = world.directory / one.id
    assert path.read_bytes() == PNG
    assert (path.stat().st_mode & 0o777, world.directory.stat().st_mode & 0o777) == (0o600, 0o700)


def test_file_and_directory_are_synced_before_the_row_is_there(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """I4."""
    seen: list[tuple[str, int]] = []
    real = os.fsync

    def fsync(file: int) -> None:
        seen.append((str(Path(f"/proc/self/fd/{file}").readlink()), len(world.rows())))
        real(file)

    monkeypatch.setattr(os, "fsync", fsync)
    one = world.given()
    assert seen == [
        (str(world.directory.parent), 0),
        (str(world.directory / one.id), 0),
        (str(world.directory), 0),
    ]


def test_a_body_that_breaks_off_leaves_nothing(world: World) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield PNG
        raise ConnectionError("the client is gone")

    taking = Deferred.fromCoroutine(world.daemon.parts.attachments.take("crm", "x", broken(), None))
    with pytest.raises(ConnectionError, match="the client is gone"):
        done(taking)
    assert (world.files(), world.rows()) == (set(), set())


@pytest.mark.parametrize("call", ["write", "fsync", "open"])
def test_a_full_disk_leaves_nothing_and_is_told(world: World, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    world.given()
    before = world.files()

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(DiskFull, match="no room"):
        world.give()
    monkeypatch.undo()
    assert (world.files(), world.rows()) == (before, before)


def test_an_empty_file_is_none(world: World) -> None:
    assert world.give(b"") is None
    assert (world.files(), world.rows()) == (set(), set())


def test_with_too_little_room_nothing_is_begun(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.daemon.parts.attachments, "_has_room", lambda: False)
    with pytest.raises(DiskFull, match="too little room"):
        world.give()
    assert world.files() == set()


def test_when_the_disk_fills_up_meanwhile_nothing_more_is_taken(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was accepted needs the rest of the disk."""
    answers = iter([True, True, False])
    monkeypatch.setattr(world.daemon.parts.attachments, "_has_room", lambda: next(answers))
    with pytest.raises(DiskFull, match="too little room"):
        world.give(b"a", b"b", b"c")
    assert (world.files(), world.rows()) == (set(), set())


def test_a_sender_may_keep_so_many_bytes_and_others_are_not_concerned(world: World) -> None:
    for _ in range(4):
        world.given(bytes(2400))
    assert world.give(bytes(641)) == QuotaReached("A sender may keep 10K of attachments at a time")
    assert isinstance(world.give(bytes(640)), StoredAttachment)
    assert isinstance(world.give(bytes(641), sender="erp"), StoredAttachment)
    assert len(world.files()) == len(world.rows()) == 6


def test_a_sender_may_keep_so_many_files(world: World) -> None:
    for _ in range(5):
        world.given(b"x")
    assert world.give(b"x") == QuotaReached("A sender may keep 5 attachments at a time")


def test_what_would_be_too_much_is_refused_before_it_comes(world: World) -> None:
    read: list[bytes] = []

    async def noted() -> AsyncIterator[bytes]:
        read.append(PNG)
        yield PNG

    taking = world.daemon.parts.attachments.take("crm", "x", noted(), 10_241)
    assert isinstance(done(Deferred.fromCoroutine(taking)), QuotaReached)
    assert read == []


def test_when_the_store_fails_the_file_stays_because_its_row_may_be_there(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I4, I27."""
    answer: Deferred[object] = Deferred()
    answer.errback(StoreFailed("the disk is gone"))
    monkeypatch.setattr(world.daemon.store, "write", lambda unit: answer)
    with pytest.raises(StoreFailed, match="the disk is gone"):
        world.give()
    assert len(world.files()) == 1


def test_a_sender_sees_its_own_only(world: World) -> None:
    one = world.given()
    found = done(Deferred.fromCoroutine(world.daemon.parts.attachments.of_sender("crm", one.id)))
    assert found is not None
    assert found.attachment == one
    assert done(Deferred.fromCoroutine(world.daemon.parts.attachments.of_sender("erp", one.id))) is None
    assert done(Deferred.fromCoroutine(world.daemon.parts.attachments.of_sender("crm", "0" * 32))) is None


# --- with messages ---------------------------------------------------------------------------------------------------


def test_a_message_takes_its_attachments_to_devices_and_not_to_an_sms(world: World) -> None:
    one, two = world.given(), world.given(b"%PDF-1.7", name="plan.pdf")
    world.sent(two.id, one.id, two.id)
    (handover,) = world.push.sends
    assert handover.attachments == (two, one)
    world.later(11 * 60_000)
    (fallback,) = world.sms.sends
    assert (fallback.text, fallback.attachments) == (handover.text, ())


def test_beside_a_notice_no_attachment_leaves(world: World) -> None:
    """The class keeps its content off the line to devices; what was attached is content too."""
    world.config = replace(world.config, class_={"internal": ClassOptions(lines=("sms-a",), notice="Ask at the desk")})
    world.restart()
    one = world.given()
    world.sent(one.id, class_="internal")
    (handover,) = world.push.sends
    assert (handover.text, handover.attachments) == ("Ask at the desk", ())
    (item,) = done(Deferred.fromCoroutine(world.daemon.parts.backend.inbox(DeviceId("phone"), 0, 10)))
    assert (item.text, item.attachments) == ("Ask at the desk", ())


@pytest.mark.parametrize("whose", ["nobody's", "another sender's", "an expired one"])
def test_an_attachment_that_is_not_the_senders_own_refuses_all(world: World, whose: str) -> None:
    good = world.given()
    bad = {"nobody's": "0" * 32, "another sender's": world.given(sender="erp").id, "an expired one": good.id}[whose]
    if whose == "an expired one":
        world.time.advance(DAY / 1000)
    ids = (bad,) if whose == "an expired one" else (good.id, bad)
    detail = "there is no such attachment, or it has expired"
    problem = Problem(f"/messages/0/attachments/{len(ids) - 1}", detail)
    assert world.accept(*ids) == Refused((problem,))
    submission = Submission("crm", (draft(attachments=ids, pointer="/messages/0"),))
    assert done(Deferred.fromCoroutine(world.daemon.parts.core.explain(submission))) == Refused((problem,))
    assert world.push.sends == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE messages SET attachments = NULL",
        "UPDATE messages SET attachments = replace(attachments, 'plan.png', 'plan.exe')",
        "UPDATE messages SET attachments = replace(attachments, 'image/png', 'text/html')",
        "UPDATE messages SET attachments = replace(attachments, '1008', '1009')",
    ],
)
def test_a_message_whose_attachments_were_changed_is_not_sent(world: World, change: str) -> None:
    """I39."""
    id_ = world.sent(world.given().id, send_at=world.daemon.now + HOUR)
    world.change(change)
    world.time.advance(HOUR / 1000 + 1)
    assert world.push.sends == []
    dossier = done(Deferred.fromCoroutine(world.daemon.parts.core.dossier(id_, None)))
    assert dossier is not None
    assert (dossier.progress.state, dossier.progress.code) == (MessageState.FAILED, "tampered")


def test_a_message_with_attachments_outlives_a_restart(world: World) -> None:
    one = world.given()
    world.sent(one.id, send_at=world.daemon.now + HOUR)
    world.restart()
    world.time.advance(HOUR / 1000 + 1)
    assert [handover.attachments for handover in world.push.sends] == [(one,)]


def test_a_dead_message_is_sent_again_with_its_attachments_while_they_are_there(world: World) -> None:
    one = world.given()
    id_ = world.sent(one.id, ttl_ms=HOUR)
    world.later(2 * HOUR)
    core = world.daemon.parts.core
    again = done(Deferred.fromCoroutine(core.resend(id_, "operator")))
    assert isinstance(again, str)
    assert world.push.sends[-1].attachments == (one,)
    world.later(4 * DAY)
    conflict = done(Deferred.fromCoroutine(core.resend(id_, "operator")))
    assert isinstance(conflict, Conflict)
    assert "attachment" in conflict.detail


# --- removed ---------------------------------------------------------------------------------------------------------


def test_one_that_no_message_names_is_removed_after_a_day_and_not_before(world: World) -> None:
    one = world.given()
    world.later(DAY - 60_000)
    assert world.files() == world.rows() == {one.id}
    world.later(60_000)
    assert (world.files(), world.rows()) == (set(), set())


def test_one_that_a_message_names_is_kept_until_a_day_after_its_validity(world: World) -> None:
    one = world.given()
    world.sent(one.id, ttl_ms=3 * DAY)
    world.later(4 * DAY - 60_000)
    assert world.files() == world.rows() == {one.id}
    world.later(60_000)
    assert (world.files(), world.rows()) == (set(), set())


def test_a_message_that_was_put_off_keeps_its_attachment_as_long_as_it_needs_it(world: World) -> None:
    one = world.given()
    id_ = world.sent(one.id, send_at=world.daemon.now + HOUR)
    until = world.daemon.now + 10 * DAY
    done(Deferred.fromCoroutine(world.daemon.parts.core.reschedule(id_, None, "operator", until)))
    world.later(9 * DAY)
    assert world.files() == {one.id}
    world.later(DAY + 60_000)
    assert [handover.attachments for handover in world.push.sends] == [(one,)]


def test_a_restart_removes_what_a_crash_left_without_a_row(world: World) -> None:
    """I4."""
    one = world.given()
    (world.directory / ("0" * 32)).write_bytes(b"half of it")
    world.restart()
    assert world.files() == world.rows() == {one.id}


def test_a_file_that_is_missing_or_cut_is_told_of_at_the_start(
    world: World, logged_failures: list[dict[str, Any]]
) -> None:
    """I4."""
    gone, cut, good = world.given(), world.given(), world.given()
    (world.directory / gone.id).unlink()
    os.truncate(world.directory / cut.id, 10)
    world.restart()
    (event,) = logged_failures
    assert event["count"] == 2
    assert set(event["shown"].split(", ")) == {gone.id, cut.id}
    logged_failures.clear()
    assert world.rows() == {gone.id, cut.id, good.id}


# --- read again ------------------------------------------------------------------------------------------------------


def granted(world: World, device: str, id_: str) -> Download | None:
    """What the device is told of a file."""
    return done(Deferred.fromCoroutine(world.daemon.parts.backend.attachment(DeviceId(device), id_)))


def read(world: World, ticket: str, offset: int = 0, size: int = CHUNK) -> bytes:
    """A piece of a file."""
    return done(Deferred.fromCoroutine(world.daemon.parts.backend.read_attachment(ticket, offset, size)))


def test_a_device_reads_what_came_with_a_message_in_its_inbox(world: World) -> None:
    content = bytes(range(200)) * 50
    one, unsent = world.given(content), world.given(b"not sent")
    add_person(world.daemon, "tablet", number="+420603000001", person=PersonId("svoboda"))
    world.sent(one.id)
    (item,) = done(Deferred.fromCoroutine(world.daemon.parts.backend.inbox(DeviceId("phone"), 0, 10)))
    assert item.attachments == (one,)
    assert granted(world, "tablet", one.id) is None
    assert granted(world, "phone", unsent.id) is None
    download = granted(world, "phone", one.id)
    assert download is not None
    assert download.attachment == one
    assert read(world, download.ticket) == content
    assert read(world, download.ticket, 9_990) == content[9_990:]
    assert read(world, download.ticket, 100, 7) == content[100:107]
    assert [read(world, download.ticket, *asked) for asked in ((10_000, 5), (-1, 5), (0, 0), (0, -1))] == [b""] * 4
    assert read(world, download.ticket[:-4] + "AAAA") == b""


def test_no_piece_is_larger_than_a_chunk(world: World) -> None:
    world.daemon.parts.config = replace(world.config, attachments=Options())
    one = world.given(bytes(3 * CHUNK))
    world.sent(one.id)
    download = granted(world, "phone", one.id)
    assert download is not None
    assert len(read(world, download.ticket, 0, 10 * CHUNK)) == CHUNK


def test_a_message_that_is_over_takes_its_attachment_out_of_reach(world: World) -> None:
    one, two = world.given(), world.given()
    cancelled = world.sent(one.id)
    world.sent(two.id, ttl_ms=HOUR)
    done(Deferred.fromCoroutine(world.daemon.parts.core.cancel(cancelled, None, "operator")))
    assert granted(world, "phone", one.id) is None
    assert granted(world, "phone", two.id) is not None
    world.time.advance(HOUR / 1000)
    assert granted(world, "phone", two.id) is None


def test_a_message_whose_text_is_forgotten_takes_its_attachment_out_of_reach(world: World) -> None:
    """I50: it is content too, and is shown no longer than the text is."""
    config = replace(world.config, archive=replace(world.config.archive, keep_text=Duration(0)))
    one = world.given()
    id_ = world.sent(one.id, ttl_ms=DAY)
    receipt = (DeviceReceipt(id_, ReceiptState.READ, world.daemon.now),)
    done(Deferred.fromCoroutine(world.daemon.parts.receipts.from_device(DeviceId("phone"), receipt)))
    assert granted(world, "phone", one.id) is not None
    world.daemon.parts.configure(config, {})
    world.time.advance(1)
    done(Deferred.fromCoroutine(world.daemon.parts.archive.purge()))
    assert granted(world, "phone", one.id) is None


def test_a_link_is_for_the_service_of_a_channel_that_shows_content_and_for_a_while(world: World) -> None:
    one = world.given()
    downloads = world.daemon.parts.downloads
    shown = FakeChannel("viber", carries_text=True)
    world.daemon.parts.channels.use({"viber": shown, "fcm": FakeChannel("fcm", carries_text=False)})

    def opened(ticket: str) -> Download | None:
        return done(Deferred.fromCoroutine(world.daemon.parts.backend.media(ticket)))

    link = downloads.ticket("viber", one, HOUR)
    download = opened(link)
    assert download is not None
    assert (download.attachment, read(world, download.ticket)) == (one, PNG)
    assert opened(downloads.ticket("fcm", one, HOUR)) is None
    assert opened(downloads.ticket("gone", one, HOUR)) is None
    world.sent(one.id)
    of_device = granted(world, "phone", one.id)
    assert of_device is not None
    assert opened(of_device.ticket) is None
    world.time.advance(HOUR / 1000)
    assert opened(link) is None
    assert read(world, link) == b""


def test_a_link_is_good_for_ten_minutes_at_least_and_a_week_at_most(world: World) -> None:
    one, downloads = world.given(), world.daemon.parts.downloads
    world.daemon.parts.channels.use({"viber": FakeChannel("viber", carries_text=True)})
    short, long = downloads.ticket("viber", one, 1000), downloads.ticket("viber", one, 30 * DAY)
    world.sent(one.id, ttl_ms=30 * DAY)
    world.time.advance(599)
    assert read(world, short) == PNG
    world.time.advance(1)
    assert read(world, short) == b""
    world.time.advance(7 * DAY / 1000 - 601)
    assert read(world, long) == PNG
    world.time.advance(1)
    assert read(world, long) == b""
