"""Texts from outside in the whole core: what is stored, for whom, and what leaves again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from twisted.internet.defer import Deferred

from datasms_daemon.config.archive import Archive
from datasms_daemon.config.inbound import InboundRouting
from datasms_daemon.config.kinds import Duration
from datasms_daemon.config.records import InboundRule, Sender, SmppLine, When
from datasms_daemon.model import InboundText, LineName, MessageQuery, Person, PersonId, Submission
from datasms_daemon.store import directory, search
from tests.fakes.daemon import NUMBER, PERSON, FakeDaemon, FakeTime, add_person, configuration, done, draft
from tests.fakes.lines import FakeLine

OURS = "+420777000111"
DUTY = "+420777123456"


class World:
    """A daemon with lines that take everything, and ``crm``, which reads what comes in."""

    def __init__(self, tmp_path: Path, *rules: InboundRule) -> None:
        self.time = FakeTime()
        config = configuration(tmp_path)
        self.config = msgspec.structs.replace(
            config, inbound=rules, inbound_routing=InboundRouting(default="account:office")
        )
        self.lines = {
            "datasms": FakeLine("datasms", self.time.reactor, drops_repeats=True),
            "sms-a": FakeLine("sms-a", self.time.reactor),
        }
        self.begin()
        done(Deferred.fromCoroutine(self.daemon.parts.core.add_key("crm", ("send", "inbound"))))

    def begin(self) -> None:
        """A (new) life of the daemon."""
        self.daemon = FakeDaemon(self.config, dict(self.lines), self.time)
        self.time.advance(0)

    def restart(self) -> None:
        """kill -9 and start again."""
        self.daemon.die()
        self.begin()

    def sms(self, text: str, key: str = "1", from_: str = NUMBER) -> None:
        """A text comes in and is answered."""
        inbound = InboundText(LineName("sms-a"), from_, OURS, text, self.daemon.now, key)
        done(Deferred.fromCoroutine(self.daemon.parts.host.inbound(inbound)))

    def texts(self, sender: str) -> list[str]:
        """What an account can read."""
        found = done(Deferred.fromCoroutine(self.daemon.parts.core.inbound(sender, 0, 50)))
        return [one.text for one in found]

    def sent(self) -> list[tuple[str, str | None, str, str]]:
        """All messages: sender, number, text, priority."""
        found = done(self.daemon.store.read(lambda db: list(search.newest(db, MessageQuery()))))
        return [(one.message.sender, one.message.to, one.message.text, one.message.priority) for one in found]


def test_an_answer_goes_to_the_account_that_wrote_last(tmp_path: Path) -> None:
    world = World(tmp_path)
    add_person(world.daemon, "phone")
    world.daemon.submit(draft("Are you coming?"))
    world.sms("Yes")
    assert (world.texts("crm"), world.texts("office")) == (["Yes"], [])


def test_an_answer_by_sms_finds_who_wrote_to_a_person_without_a_number(tmp_path: Path) -> None:
    """Across channels: the message went to a device, the answer comes through the channel."""
    world = World(tmp_path)
    add_person(world.daemon, "phone")
    world.daemon.submit(draft("Are you coming?"))
    inbound = InboundText(LineName("fcm"), "fcm:phone", "", "Yes", world.daemon.now, "1", {"token": "phone"})
    done(Deferred.fromCoroutine(world.daemon.parts.host.inbound(inbound)))
    assert world.texts("crm") == ["Yes"]
    (text,) = done(Deferred.fromCoroutine(world.daemon.parts.core.inbound("crm", 0, 50)))
    assert text.person == PERSON


def test_an_answer_finds_who_wrote_to_the_person_at_another_number(tmp_path: Path) -> None:
    world = World(tmp_path)
    own = Person(PERSON, numbers=(NUMBER, "+420603999999"))
    done(world.daemon.store.write(lambda db: directory.put_persons(db, [own])))
    world.daemon.submit(draft("Are you coming?"))
    world.sms("Yes", from_="+420603999999")
    assert world.texts("crm") == ["Yes"]


def test_who_wrote_to_the_former_owner_of_a_number_gets_no_answers_from_another_number(tmp_path: Path) -> None:
    world = World(tmp_path)
    add_person(world.daemon)
    world.daemon.submit(draft("Are you coming?"))
    moved = [Person(PERSON), Person(PersonId("new"), numbers=("+420603999999", NUMBER))]
    done(world.daemon.store.write(lambda db: directory.put_persons(db, moved)))
    world.sms("Good morning", from_="+420603999999")
    assert (world.texts("crm"), world.texts("office")) == ([], ["Good morning"])


def test_what_was_not_sent_yet_is_no_question(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.daemon.submit(draft("Tomorrow", send_at=world.daemon.now + 86_400_000))
    world.sms("Yes")
    assert world.texts("office") == ["Yes"]


def test_an_answer_after_the_window_goes_to_the_default(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.daemon.submit(draft("Are you coming?"))
    world.time.advance(72 * 3600 + 1)
    world.sms("Yes")
    assert (world.texts("crm"), world.texts("office")) == ([], ["Yes"])


def test_the_window_is_the_senders_own(tmp_path: Path) -> None:
    world = World(tmp_path)
    never = msgspec.structs.replace(world.config, sender={"crm": Sender(reply_window=Duration(0))})
    world.daemon.parts.configure(never, {})
    world.daemon.submit(draft("Are you coming?"))
    world.time.advance(1)
    world.sms("Yes")
    assert (world.texts("crm"), world.texts("office")) == ([], ["Yes"])


def test_a_repeat_of_a_delivery_changes_nothing_even_where_several_get_it(tmp_path: Path) -> None:
    copy = InboundRule(name="copy", to="account:archive", text="copy of $0", continue_=True)
    world = World(tmp_path, copy)
    for _ in range(3):
        world.sms("Hello")
        world.restart()
    assert (world.texts("archive"), world.texts("office")) == (["copy of Hello"], ["Hello"])


def test_a_repeat_changes_nothing_under_other_rules_either(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.sms("Hello")
    copies = (InboundRule(name="copy", to="account:archive", text="copy of $0", continue_=True),)
    twice = (*copies, InboundRule(name="too", to="account:erp"))
    world.daemon.parts.configure(msgspec.structs.replace(world.config, inbound=twice), {})
    world.sms("Hello")
    assert (world.texts("office"), world.texts("archive"), world.texts("erp")) == (["Hello"], [], [])


def test_a_forwarded_text_leaves_once_with_the_rules_priority(tmp_path: Path) -> None:
    rule = InboundRule(name="duty", when=When(text=("^alarm (.*)",)), to=f"forward:{DUTY}", text="$1!", priority="high")
    world = World(tmp_path, rule)
    for _ in range(2):
        world.sms("alarm fire")
        world.time.advance(0)
        world.restart()
    assert world.sent() == [("forward", DUTY, "fire!", "high")]


def test_a_text_that_was_stored_is_forwarded_after_a_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, InboundRule(name="duty", to=f"forward:{DUTY}"))
    with monkeypatch.context() as patched:
        patched.setattr(world.daemon.parts.deadlines, "_fire", lambda: None)
        world.sms("fire")
    assert world.sent() == []
    world.restart()
    assert world.sent() == [("forward", DUTY, "fire", "normal")]


def test_a_text_forwarded_to_a_person_that_is_gone_stays_in_the_store(
    tmp_path: Path, logged_failures: list[dict[str, Any]]
) -> None:
    world = World(tmp_path, InboundRule(name="duty", to="forward:person:nobody"))
    world.sms("fire")
    world.time.advance(0)
    rows = done(world.daemon.store.read(lambda db: db.execute("SELECT text, due_at, effect FROM inbound").fetchall()))
    assert rows == [("fire", None, "refused")]
    assert world.sent() == []
    assert len(logged_failures) == 1
    logged_failures.clear()


def test_a_senders_messages_show_the_number_that_answers_to_him_go_to(tmp_path: Path) -> None:
    world = World(tmp_path)
    sms = SmppLine(name=LineName("sms-a"), host="a", system_id="a", inbound_number="+420603000000", suffixes=True)
    replace = msgspec.structs.replace
    world.daemon.parts.configure(replace(world.config, line=(sms,), sender={"crm": Sender(suffix="17")}), {})
    for sender in ("crm", "erp"):
        world.daemon.submit(draft(f"from {sender}"), sender)
    world.time.advance(0)
    assert [(one.text, one.source) for one in world.lines["sms-a"].sends] == [
        ("from crm", "+42060300000017"),
        ("from erp", None),
    ]
    world.daemon.submit(draft("later"), "erp")
    inbound = InboundText(LineName("sms-a"), NUMBER, "+42060300000017", "Yes", world.daemon.now, "1")
    done(Deferred.fromCoroutine(world.daemon.parts.host.inbound(inbound)))
    assert world.texts("crm") == ["Yes"]


def test_explain_stores_nothing_and_tells_who_wrote(tmp_path: Path) -> None:
    world = World(tmp_path)
    add_person(world.daemon)
    inbound = InboundText(LineName("sms-a"), NUMBER, "", "Hello", world.daemon.now, "")
    found = done(Deferred.fromCoroutine(world.daemon.parts.core.inbound_texts.explain(inbound)))
    assert (found.person, [one.target for one in found.destinations]) == (PERSON, ["account:office"])
    assert world.texts("office") == []


def test_the_number_of_a_text_that_is_forgotten_is_never_given_to_another(tmp_path: Path) -> None:
    """Who reads behind a cursor would never see it, and an answer to it would be taken for one that was given."""
    world = World(tmp_path)
    world.sms("Hello")
    (read,) = done(Deferred.fromCoroutine(world.daemon.parts.core.inbound("office", 0, 50)))
    world.daemon.parts.configure(msgspec.structs.replace(world.config, archive=Archive(keep_inbound=Duration(0))), {})
    world.time.advance(1)
    assert done(Deferred.fromCoroutine(world.daemon.parts.archive.purge())) == 1
    world.sms("Hello again", key="2")
    (new,) = done(Deferred.fromCoroutine(world.daemon.parts.core.inbound("office", read.seq, 50)))
    assert new.text == "Hello again"


def test_a_text_that_cannot_be_forwarded_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged_failures: list[dict[str, Any]]
) -> None:
    """I35."""
    rule = InboundRule(name="duty", when=When(text=("^alarm",)), to=f"forward:{DUTY}")
    world = World(tmp_path, rule)
    real = world.daemon.parts.core.accept

    async def accept(submission: Submission) -> Any:
        if submission.drafts[0].text == "alarm 1":
            raise ZeroDivisionError
        return await real(submission)

    monkeypatch.setattr(world.daemon.parts.core, "accept", accept)
    for n, number in enumerate(("+420603000001", "+420603000002"), 1):
        world.sms(f"alarm {n}", key=str(n), from_=number)
    world.time.advance(1)
    assert [text for _, _, text, _ in world.sent()] == ["alarm 2"]
    logged_failures.clear()
    monkeypatch.undo()
    world.time.advance(700)
    assert sorted(text for _, _, text, _ in world.sent()) == ["alarm 1", "alarm 2"]


def test_who_waits_for_texts_is_told_when_one_for_it_can_be_read_and_of_no_other(tmp_path: Path) -> None:
    world = World(tmp_path, InboundRule(name="x", when=When(text=("^x",)), to="account:crm"))
    core, seen, other = world.daemon.parts.core, list[list[str]](), list[str]()
    end = core.watch_inbound("crm", lambda: seen.append(world.texts("crm")))
    ends = core.watch_inbound("erp", lambda: other.append("told"))
    assert end is not None
    assert ends is not None
    world.sms("x 1")
    world.sms("x 1")
    world.sms("hello", key="2")
    end()
    world.sms("x 2", key="3")
    assert (seen, other) == ([["x 1"]], [])
    assert (core.inbound_texts.readers.waiting("crm"), core.inbound_texts.readers.waiting("erp")) == (0, 1)
