"""Buttons go with the text, through the core: stored, sealed, shown where the text is, and never without it."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from twisted.internet.defer import Deferred

from datasms_daemon.config.classes import ClassOptions
from datasms_daemon.config.kinds import HOUR, Duration
from datasms_daemon.config.records import Config, StepOptions
from datasms_daemon.model import Button, DeviceId, Dossier, LineName, LineText, MessageId, MessageQuery, MessageState
from datasms_daemon.store import messages, search
from tests.fakes.daemon import FakeDaemon, FakeTime, add_person, configuration, done, draft
from tests.fakes.lines import FakeLine

PUSH, SMS = LineName("datasms"), LineName("sms-a")
CONFIRM, OPEN = Button("Confirm", "YES 4711"), Button("Open the ticket", url="https://crm.example.org/4711")
BUTTONS = (CONFIRM, OPEN)


class World:
    """A person with a device, a line to it and an SMS line."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.time = FakeTime()
        self.begin()
        add_person(self.daemon, "phone")

    def begin(self) -> None:
        """A (new) life of the daemon."""
        self.push = FakeLine(PUSH, self.time.reactor, drops_repeats=True)
        self.sms = FakeLine(SMS, self.time.reactor)
        self.daemon = FakeDaemon(self.config, {PUSH: self.push, SMS: self.sms}, self.time)

    def send(self, **more: object) -> MessageId:
        """One message with two buttons."""
        return MessageId(self.daemon.submit(draft(**{"buttons": BUTTONS} | more))[0])  # type: ignore[arg-type]

    def look(self, id_: MessageId) -> Dossier:
        """What is stored of it."""
        found = done(self.daemon.store.read(lambda db: messages.dossier(db, id_)))
        assert found is not None
        return found

    def inbox(self) -> list[tuple[str, tuple[Button, ...]]]:
        """What the device finds."""
        items = done(Deferred.fromCoroutine(self.daemon.parts.backend.inbox(DeviceId("phone"), 0, 9)))
        return [(item.text, item.buttons) for item in items]

    def tamper(self) -> None:
        """Somebody makes a button lead elsewhere."""
        statement = "UPDATE messages SET buttons = replace(buttons, 'crm', 'evil')"
        done(self.daemon.store.write(lambda db: db.execute(statement) and None))


def of(tmp_path: Path) -> Config:
    """Push, then SMS after a minute."""
    return configuration(tmp_path, *(StepOptions(line=line, wait=Duration(60_000)) for line in (PUSH, SMS)))


@pytest.fixture
def world(tmp_path: Path) -> World:
    """As configured above."""
    return World(of(tmp_path))


def test_devices_get_them_and_an_sms_is_the_text_alone(world: World) -> None:
    id_ = world.send()
    world.time.advance(61)
    assert [handover.buttons for handover in world.push.sends] == [BUTTONS]
    assert [(handover.text, handover.buttons) for handover in world.sms.sends] == [("Pump 3 stopped", ())]
    assert world.inbox() == [("Pump 3 stopped", BUTTONS)]
    assert world.look(id_).message.buttons == BUTTONS


def test_a_text_of_the_line_s_own_has_them_too(world: World) -> None:
    world.send(per_line={PUSH: LineText("own")})
    assert world.inbox() == [("own", BUTTONS)]
    assert [(handover.text, handover.buttons) for handover in world.push.sends] == [("own", BUTTONS)]


def test_a_notice_has_none_of_what_it_stands_for(tmp_path: Path) -> None:
    class_ = replace(ClassOptions(), lines=(SMS,), notice="A message waits for you")
    world = World(replace(of(tmp_path), class_={"internal": class_}))
    world.send(class_="internal")
    assert [(handover.text, handover.buttons) for handover in world.push.sends] == [("A message waits for you", ())]
    assert world.inbox() == [("A message waits for you", ())]


def test_they_are_there_after_a_restart(world: World) -> None:
    world.send(send_at=world.daemon.now + HOUR)
    world.daemon.die()
    world.begin()
    world.time.advance(HOUR / 1000 + 1)
    assert [handover.buttons for handover in world.push.sends] == [BUTTONS]


def test_a_message_whose_buttons_were_changed_is_not_sent(world: World) -> None:
    """I39."""
    id_ = world.send(send_at=world.daemon.now + HOUR)
    world.tamper()
    world.time.advance(HOUR / 1000 + 1)
    assert world.push.sends == []
    progress = world.look(id_).progress
    assert (progress.state, progress.code) == (MessageState.FAILED, "tampered")


def test_an_inbox_does_not_show_buttons_that_were_changed(
    world: World, logged_failures: list[dict[str, object]]
) -> None:
    """I39."""
    world.send()
    world.tamper()
    assert world.inbox() == []
    assert len(logged_failures) == 1
    logged_failures.clear()


@pytest.mark.parametrize(
    "damage", ["text = CAST(x'ff' AS TEXT)", "buttons = '['", "buttons = '[{}]'", "per_line = 'x'", "attachments = '{'"]
)
def test_a_message_that_is_damaged_hides_no_other_in_the_inbox(
    world: World, damage: str, logged_failures: list[dict[str, object]]
) -> None:
    """I35, I39."""
    id_ = world.send(per_line={PUSH: LineText("own")})
    world.send(text="another")
    statement = f"UPDATE messages SET {damage} WHERE id = :id"
    done(world.daemon.store.write(lambda db: db.execute(statement, {"id": id_}) and None))
    assert world.inbox()[-1] == ("another", BUTTONS)
    logged_failures.clear()


def test_a_message_is_sent_again_with_them(world: World) -> None:
    id_ = world.send()
    core = world.daemon.parts.core
    done(Deferred.fromCoroutine(core.cancel(id_, None, "operator")))
    again = done(Deferred.fromCoroutine(core.resend(id_, "operator")))
    assert isinstance(again, str)
    assert world.look(MessageId(again)).message.buttons == BUTTONS


def test_where_a_text_may_not_be_shown_its_buttons_are_not_either(world: World) -> None:
    """I50: the text is kept no longer, though it is still there."""
    world.send()
    (shown,) = done(world.daemon.store.read(lambda db: search.find(db, MessageQuery()))).found
    (hidden,) = done(world.daemon.store.read(lambda db: search.find(db, MessageQuery(), lambda *_: False))).found
    assert (shown.message.text, shown.message.buttons) == ("Pump 3 stopped", BUTTONS)
    assert (hidden.message.text, hidden.message.buttons) == ("", ())
