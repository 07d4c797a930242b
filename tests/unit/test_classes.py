"""Classes of content: what they forbid never leaves, by no line and in no byte."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress

from datasms_daemon.config.kinds import Duration
from datasms_daemon.config.records import ClassOptions, Config, StepOptions
from datasms_daemon.demo.smsc import Smsc, SmscConnection
from datasms_daemon.lines.smpp import SmppDriver
from datasms_daemon.model import (
    AcceptedSubmission,
    DeviceId,
    Dossier,
    Later,
    LineName,
    LineState,
    LineStatus,
    LineText,
    MessageId,
    MessageState,
    Problem,
    Refused,
    SkippedLine,
    Submission,
)
from datasms_daemon.store import messages
from tests.fakes.daemon import FakeDaemon, FakeTime, add_person, configuration, done, draft
from tests.fakes.lines import FakeLine, accept_at_once
from tests.fakes.smpp_host import UtcOf, smpp_options
from tests.fakes.smpp_wire import MemoryNet

PUSH, SMS = LineName("datasms"), LineName("sms-a")
NOTICE = "A message waits for you in the app"
STEPS = tuple(StepOptions(line=line, wait=Duration(60_000)) for line in (PUSH, SMS))
SECRET = "Diagnosis: influenza"


def with_class(state_dir: Path, **options: object) -> Config:
    """The class ``internal`` with these options, and one without any."""
    internal = replace(ClassOptions(), **options)
    return replace(configuration(state_dir, *STEPS), class_={"internal": internal, "advert": ClassOptions()})


class TappedSmsc(Smsc):
    """Keeps every byte it gets."""

    octets = b""

    def buildProtocol(self, addr: IAddress | None) -> SmscConnection:
        """IProtocolFactory: a protocol with a tap before it."""
        protocol = super().buildProtocol(addr)
        through = protocol.dataReceived

        def tapped(data: bytes) -> None:
            self.octets += data
            through(data)

        protocol.dataReceived = tapped  # type: ignore[method-assign]
        return protocol


class World:
    """A person with a device; an SMS line whose far end is the SMSC stand-in."""

    def __init__(self, config: Config) -> None:
        self.time = FakeTime()
        self.push = FakeLine(PUSH, self.time.reactor)
        self.smsc = TappedSmsc(self.time.reactor, "secret")
        self.net = MemoryNet(self.time.reactor, self.smsc)
        options = smpp_options(name=SMS, header="$title> ")
        config = replace(config, line=tuple(options if line.name == SMS else line for line in config.line))
        self.sms = SmppDriver(options, self.net, self.time.reactor, UtcOf(self.time.reactor), Random(1))
        self.daemon = FakeDaemon(config, {PUSH: self.push, SMS: self.sms}, self.time)
        add_person(self.daemon, "phone")
        self.net.settle()

    def send(self, text: str = SECRET, **more: object) -> MessageId:
        """Submits one message and lets a minute pass without a receipt."""
        id_ = MessageId(self.daemon.submit(draft(text, title="Results", **more))[0])  # type: ignore[arg-type]
        self.net.advance(61)
        return id_

    def look(self, id_: MessageId) -> Dossier:
        """What is stored of it."""
        found = done(self.daemon.store.read(lambda db: messages.dossier(db, id_)))
        assert found is not None
        return found

    def sent(self) -> list[bytes]:
        """The texts the SMSC took."""
        return [submission.pdu.short_message for submission in self.smsc.submissions]

    def secret_octets(self) -> list[bytes]:
        """What the SMSC got of text and title, however it may have been coded."""
        words = ("Diagnosis", "influenza", "Results")
        coded = [word.encode(how) for word in words for how in ("ascii", "utf-16-be", "utf-16-le")]
        return [each for each in coded if each in self.smsc.octets]


def test_only_the_notice_leaves_by_a_line_that_the_class_forbids(tmp_path: Path) -> None:
    """The stored and sealed text stays what the sender gave (I39), and the header does not tell the title either."""
    world = World(with_class(tmp_path, lines=("datasms",), notice=NOTICE))
    id_ = world.send(class_="internal")
    assert [(handover.text, handover.title) for handover in world.push.sends] == [(SECRET, "Results")]
    assert world.sent() == [f"> {NOTICE}".encode()]
    assert world.secret_octets() == []
    assert world.look(id_).message.text == SECRET


def test_what_the_sender_gave_for_the_line_does_not_leave_either(tmp_path: Path) -> None:
    world = World(with_class(tmp_path, lines=("datasms",), notice=NOTICE))
    for line in (SMS, "smpp"):
        world.send(class_="internal", per_line={line: LineText(SECRET)})
    assert world.sent() == [f"> {NOTICE}".encode()] * 2
    assert world.secret_octets() == []


def test_other_classes_and_messages_without_one_leave_as_they_are(tmp_path: Path) -> None:
    world = World(with_class(tmp_path, lines=("datasms",), notice=NOTICE))
    for class_ in ("advert", None):
        world.send(class_=class_)
    assert world.sent() == [f"Results> {SECRET}".encode()] * 2
    assert world.secret_octets() != []


def test_a_reload_that_allows_the_class_does_not_let_out_what_was_accepted_before(tmp_path: Path) -> None:
    world = World(with_class(tmp_path, lines=("datasms",), notice=NOTICE))
    world.daemon.submit(draft(SECRET, title="Results", class_="internal"))
    world.daemon.parts.configure(with_class(tmp_path), {})
    world.net.advance(61)
    assert NOTICE.encode() in world.smsc.octets
    assert world.secret_octets() == []


def test_without_a_notice_the_line_is_left_out_with_the_reason(tmp_path: Path) -> None:
    world = World(with_class(tmp_path, lines=("datasms",)))
    id_ = world.send(class_="internal")
    assert world.smsc.submissions == []
    assert world.secret_octets() == []
    assert world.look(id_).progress.state is MessageState.FAILED
    accepted = done(world.daemon.store.read(lambda db: messages.trace(db, id_)))[0]
    assert accepted.detail["skipped"] == "sms-a: texts of class internal may not leave here"


@pytest.mark.parametrize("lines", [("sms-a",), ("sms-b",), ("sms-a", "sms-b")])
def test_a_line_that_is_down_for_a_while_has_no_backup_that_the_class_forbids(
    tmp_path: Path, lines: tuple[str, ...]
) -> None:
    """The text waits for the line or takes the backup, as the class allows; it is never left without any."""
    config = with_class(tmp_path, lines=lines)
    backed = tuple(replace(line, backup="sms-b") if line.name == SMS else line for line in config.line)
    time = FakeTime()
    far_ends = {name: FakeLine(name, time.reactor) for name in ("datasms", "sms-a", "sms-b")}
    daemon = FakeDaemon(replace(config, line=backed), {**far_ends}, time)
    far_ends["sms-a"].state = LineStatus(LineState.DOWN, "refused")
    far_ends["sms-a"].script = lambda handover: (Later("not bound"), 0.0, False)
    daemon.submit(draft(SECRET, class_="internal"))
    far_ends["sms-a"].state, far_ends["sms-a"].script = LineStatus(LineState.UP), accept_at_once
    time.advance(59)
    taken = {name for name, line in far_ends.items() if line.taken}
    assert taken == {"sms-a" if lines == ("sms-a",) else "sms-b"}
    daemon.die()


def test_a_device_finds_the_notice_when_the_class_forbids_its_line(tmp_path: Path) -> None:
    world = World(with_class(tmp_path, lines=("sms-a",), notice=NOTICE))
    world.send(class_="internal")
    items = done(Deferred.fromCoroutine(world.daemon.parts.backend.inbox(DeviceId("phone"), 0, 9)))
    assert [(item.text, item.title) for item in items] == [(NOTICE, None)]
    assert [(handover.text, handover.title) for handover in world.push.sends] == [(NOTICE, None)]


def test_explain_shows_the_notice_and_what_is_left_out(tmp_path: Path) -> None:
    one = Submission("crm", (draft(SECRET, class_="internal"),))
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    world = World(with_class(tmp_path / "a", lines=("datasms",), notice=NOTICE))
    (explained,) = done(Deferred.fromCoroutine(world.daemon.parts.core.explain(one)))  # type: ignore[misc]
    assert [step.text for step in explained.steps] == [SECRET, f"> {NOTICE}"]
    world = World(with_class(tmp_path / "b", lines=("datasms",)))
    (explained,) = done(Deferred.fromCoroutine(world.daemon.parts.core.explain(one)))  # type: ignore[misc]
    assert [step.line for step in explained.steps] == [PUSH]
    assert explained.skipped == (SkippedLine(SMS, "texts of class internal may not leave here"),)


def test_a_resent_message_has_the_notices_of_now(tmp_path: Path) -> None:
    world = World(with_class(tmp_path, lines=("datasms",), notice=NOTICE))
    id_ = world.send(class_="internal")
    done(Deferred.fromCoroutine(world.daemon.parts.core.cancel(id_, None, "operator")))
    world.daemon.parts.configure(with_class(tmp_path, lines=("datasms",), notice="Look into the app"), {})
    again = done(Deferred.fromCoroutine(world.daemon.parts.core.resend(id_, "operator")))
    assert isinstance(again, str)
    assert world.look(MessageId(again)).message.per_line == {SMS: LineText("Look into the app", notice=True)}


@pytest.mark.parametrize(
    ("class_", "is_taken"), [("internal", True), ("advert", True), (None, True), ("intern", False)]
)
def test_where_classes_are_declared_no_other_may_be_named(tmp_path: Path, class_: str | None, is_taken: bool) -> None:
    world = World(with_class(tmp_path, lines=("datasms",), notice=NOTICE))
    one = Submission("crm", (draft("x", class_=class_),))
    answer = done(Deferred.fromCoroutine(world.daemon.parts.core.accept(one)))
    if is_taken:
        assert isinstance(answer, AcceptedSubmission)
    else:
        assert answer == Refused((Problem("/class", "unknown class; there are advert, internal"),))


def test_where_none_is_declared_any_word_is_a_class(tmp_path: Path) -> None:
    world = World(configuration(tmp_path, *STEPS))
    assert world.look(world.send("x", class_="whatever")).message.class_ == "whatever"
