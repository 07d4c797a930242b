"""What leaves of a message on its lines, with the whole core; what is stored stays what the sender gave."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from twisted.internet.defer import Deferred

from datasms_daemon.config.kinds import Duration
from datasms_daemon.config.records import Config, DatasmsLine, Sender, SmppLine, StepOptions
from datasms_daemon.config.texts import Text
from datasms_daemon.model import (
    DeviceId,
    Dossier,
    LineName,
    LineText,
    MessageId,
    MessageState,
    SkippedLine,
    Submission,
)
from datasms_daemon.store import messages
from tests.fakes.daemon import FakeDaemon, FakeTime, add_person, configuration, done, draft
from tests.fakes.lines import FakeLine

PUSH, SMS, BACKUP = LineName("datasms"), LineName("sms-a"), LineName("sms-b")
STEPS = tuple(StepOptions(line=line, wait=Duration(60_000)) for line in (PUSH, SMS, BACKUP))


class World:
    """A person with a device, a line to it and two SMS lines."""

    def __init__(self, config: Config) -> None:
        self.time = FakeTime()
        lines = [FakeLine(name, self.time.reactor) for name in (PUSH, SMS, BACKUP)]
        self.lines = {line.name: line for line in lines}
        self.daemon = FakeDaemon(config, {line.name: line for line in lines}, self.time)
        add_person(self.daemon, "phone")

    def send(self, text: str, **more: object) -> MessageId:
        """Submits one message."""
        return MessageId(self.daemon.submit(draft(text, **more))[0])  # type: ignore[arg-type]

    def look(self, id_: MessageId) -> Dossier:
        """What is stored of it."""
        found = done(self.daemon.store.read(lambda db: messages.dossier(db, id_)))
        assert found is not None
        return found

    def left(self, line: LineName) -> list[str]:
        """The texts that were handed to the line."""
        return [handover.text for handover in self.lines[line].sends]

    def inbox(self) -> list[str]:
        """What the device finds."""
        return [
            item.text for item in done(Deferred.fromCoroutine(self.daemon.parts.backend.inbox(DeviceId("phone"), 0, 9)))
        ]


def changed(config: Config, line: LineName, **options: object) -> Config:
    """The configuration with one line's options set."""
    lines: list[DatasmsLine | SmppLine] = [
        replace(each, **options) if each.name == line else each for each in config.line
    ]
    return replace(config, line=tuple(lines))


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Push, SMS, another SMS."""
    return configuration(tmp_path, *STEPS)


def test_each_line_sends_in_its_own_words_and_the_stored_text_stays(config: Config) -> None:
    """I39 holds on: the seal is that of the text as it was given."""
    world = World(changed(config, SMS, header="$sender: ", outside="replace"))
    id_ = world.send("„Čerpadlo“ 3")
    world.time.advance(130)
    assert world.left(PUSH) == ["„Čerpadlo“ 3"]
    assert world.left(SMS) == ['crm: "Cerpadlo" 3']
    assert world.left(BACKUP) == ["„Čerpadlo“ 3"]
    assert world.look(id_).message.text == "„Čerpadlo“ 3"


def test_a_text_for_one_line_goes_through_the_lines_words_as_well(config: Config) -> None:
    world = World(changed(config, SMS, header="ACME: "))
    world.send("long", per_line={"smpp": LineText("short")})
    world.time.advance(130)
    assert (world.left(PUSH), world.left(SMS), world.left(BACKUP)) == (["long"], ["ACME: short"], ["short"])


def test_a_device_finds_in_its_inbox_what_its_line_says(config: Config) -> None:
    world = World(changed(config, PUSH, header="ACME: "))
    world.send("ž")
    world.send("ž", nomodify=True)
    world.send("ž", per_line={PUSH: LineText("own")})
    assert world.inbox() == world.left(PUSH) == ["ACME: ž", "ž", "ACME: own"]


def test_what_must_not_be_modified_is_stored_so_and_leaves_as_given(config: Config) -> None:
    world = World(changed(config, SMS, header="ACME: "))
    id_ = world.send("ž", nomodify=True)
    world.time.advance(70)
    assert world.left(SMS) == ["ž"]
    assert world.look(id_).message.nomodify


def test_a_sender_may_be_one_whose_texts_are_not_modified_unless_a_message_says_otherwise(config: Config) -> None:
    config = changed(config, PUSH, header="ACME: ")
    world = World(replace(config, sender={"crm": Sender(nomodify=True)}))
    world.send("a")
    world.send("b", nomodify=False)
    assert world.left(PUSH) == ["a", "ACME: b"]
    for nomodify, text in ((None, "c"), (False, "ACME: c")):
        one = Submission("crm", (draft("c", nomodify=nomodify),))
        (explained,) = done(Deferred.fromCoroutine(world.daemon.parts.core.explain(one)))  # type: ignore[misc]
        assert explained.steps[0].text == text


def test_a_text_that_is_too_long_for_a_line_goes_on_to_the_next_step_with_the_reason(config: Config) -> None:
    world = World(changed(config, SMS, max_parts=1, when_over="refuse"))
    id_ = world.send("a" * 161)
    world.time.advance(60)
    assert world.left(SMS) == []
    assert world.left(BACKUP) == ["a" * 161]
    (skipped,) = [
        event for event in done(world.daemon.store.read(lambda db: messages.trace(db, id_))) if event.kind == "skipped"
    ]
    assert skipped.detail == {"line": SMS, "reason": "the text is 2 SMS long, the line sends at most 1"}
    assert [attempt.line for attempt in world.look(id_).attempts] == [PUSH, BACKUP]


def test_a_message_that_is_too_long_for_its_last_line_has_failed(tmp_path: Path) -> None:
    world = World(changed(configuration(tmp_path, STEPS[1]), SMS, max_parts=1, when_over="refuse"))
    id_ = world.send("a" * 161)
    progress = world.look(id_).progress
    assert (progress.state, progress.code) == (MessageState.FAILED, "too_long")


def test_a_reload_changes_the_words_of_lines_whose_own_options_stay(config: Config) -> None:
    world = World(config)
    world.send("„a“")
    world.daemon.parts.configure(replace(config, text=Text(replace={"„": '"', "“": '"'})), {})
    world.send("„b“")
    assert world.left(PUSH) == ["„a“", '"b"']


def test_a_resent_message_is_as_unmodified_as_the_first(config: Config) -> None:
    world = World(config)
    id_ = world.send("ž", nomodify=True)
    world.time.advance(1_000)
    again = done(Deferred.fromCoroutine(world.daemon.parts.core.resend(id_, "operator")))
    assert isinstance(again, str)
    assert world.look(MessageId(again)).message.nomodify


def test_explain_shows_what_would_leave_and_what_may_not(config: Config) -> None:
    config = changed(changed(config, SMS, max_parts=1, when_over="refuse"), BACKUP, header="ACME: ")
    world = World(config)
    text = "a" * 161
    (explained,) = done(Deferred.fromCoroutine(world.daemon.parts.core.explain(Submission("crm", (draft(text),)))))  # type: ignore[misc]
    assert [(step.line, step.parts, step.text) for step in explained.steps] == [
        (PUSH, None, text), (BACKUP, 2, f"ACME: {text}")
    ]  # fmt: skip
    assert explained.skipped == (SkippedLine(SMS, "the text is 2 SMS long, the line sends at most 1"),)
