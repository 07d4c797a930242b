"""Applications under supervision, in the whole core on virtual time."""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from twisted.internet.defer import Deferred, succeed

from datasms_daemon import assembly
from datasms_daemon.config.applications import Application
from datasms_daemon.config.archive import Archive
from datasms_daemon.config.inbound import InboundRouting
from datasms_daemon.config.kinds import DAY, Duration
from datasms_daemon.config.records import Config, InboundRule, Mxservice
from datasms_daemon.model import (
    ApplicationView,
    InboundText,
    LineName,
    LineReceipt,
    MessageState,
    NewRegistration,
    ReceiptState,
    Registration,
)
from tests.fakes.applications import Applications
from tests.fakes.daemon import NUMBER, PERSON, add_person, done
from tests.unit.test_inbound_texts import World

T = TypeVar("T")

INFO = Application(name="info", command=("/bin/false",))


class AppWorld(World):
    """All texts go to the application ``info``, which is in this process."""

    def __init__(self, tmp_path: Path, options: Application = INFO, rule_text: str = "$0") -> None:
        self.options = options
        self.app = Applications()
        super().__init__(tmp_path, InboundRule(name="all", to=f"app:{options.name}", text=rule_text))

    def begin(self) -> None:
        """A (new) life of the daemon."""
        kept = Archive(keep_text=Duration(30 * DAY))
        self.config = msgspec.structs.replace(self.config, application=(self.options,), archive=kept)
        super().begin()
        applications = self.daemon.parts.applications
        done(Deferred.fromCoroutine(applications.start()))
        done(Deferred.fromCoroutine(applications.use((self.options,), {self.options.name: self.app.make})))
        self.time.advance(0)

    def sms(self, text: str, key: str = "1", from_: str = NUMBER) -> None:
        """A text comes in, is answered, and handed over."""
        super().sms(text, key, from_)
        self.time.advance(0)

    def view(self) -> ApplicationView:
        """As operators see it."""
        (view,) = done(Deferred.fromCoroutine(self.daemon.parts.core.applications.all()))
        return view

    def ask(self, call: Awaitable[T]) -> T:
        """What the host answers."""
        return done(Deferred.fromCoroutine(_awaited(call)))

    def reload(self, *options: Application) -> None:
        """Another configuration."""
        makers = {one.name: self.app.make for one in options}
        done(Deferred.fromCoroutine(self.daemon.parts.applications.use(options, makers)))
        self.time.advance(0)

    def texts_received(self) -> list[tuple[int, str, int]]:
        """Id, text and number of the try."""
        return [(one.id, one.text, one.tries) for one in self.app.texts]


async def _awaited(call: Awaitable[T]) -> T:
    return await call


@pytest.fixture
def world(tmp_path: Path) -> AppWorld:
    return AppWorld(tmp_path)


def fails(*calls: str, text: str | None = None) -> Any:
    """A script in which these calls raise, for ``text`` only if one is given."""

    def script(call: str, about: object) -> None:
        if call in calls and text in (None, getattr(about, "text", None)):
            raise KeyError("a bug")

    return script


def quiet(logged_failures: list[dict[str, Any]], count: int) -> None:
    """So many alarms were logged."""
    assert len(logged_failures) == count
    logged_failures.clear()


# Texts


def test_a_text_is_handed_over_once_and_acknowledged(world: AppWorld) -> None:
    world.sms("hours")
    ((id_, text, tries),) = world.texts_received()
    assert (text, tries, world.app.texts[0].from_) == ("hours", 1, NUMBER)
    assert world.view() == ApplicationView("info", "command", "running", None, 0, 0)
    world.restart()
    assert len(world.texts_received()) == 1
    assert id_ == world.app.texts[0].id


def test_what_the_rule_passes_on_is_what_the_application_gets(tmp_path: Path) -> None:
    world = AppWorld(tmp_path, rule_text="<$0>")
    world.sms("hours")
    assert world.app.texts[0].text == "<hours>"


def test_a_text_that_an_application_failed_on_comes_again_under_the_same_id_after_a_pause(
    world: AppWorld, logged_failures: list[dict[str, Any]]
) -> None:
    world.app.script = fails("received")
    world.sms("hours")
    assert (world.view().state, world.view().waiting, world.view().restarts) == ("waiting", 1, 1)
    assert (world.view().reason or "").startswith("KeyError in test_applications.py, line ")
    world.app.script = fails()
    world.time.advance(0.4)
    assert len(world.texts_received()) == 1
    world.time.advance(0.6)
    (first, again) = world.texts_received()
    assert (first[0], again[2]) == (again[0], 2)
    assert (world.view().state, world.view().waiting) == ("running", 0)
    quiet(logged_failures, 1)


def test_a_text_nobody_can_digest_does_not_hold_up_others(
    world: AppWorld, logged_failures: list[dict[str, Any]]
) -> None:
    world.app.script = fails("received", text="poison")
    world.sms("poison", "1")
    world.sms("good", "2")
    world.time.advance(300)
    assert [text for _, text, _ in world.texts_received()].count("good") == 1
    assert world.view().waiting == 1
    assert 5 <= [text for _, text, _ in world.texts_received()].count("poison") <= 9
    logged_failures.clear()


def test_an_application_that_takes_too_long_is_started_again(
    world: AppWorld, logged_failures: list[dict[str, Any]]
) -> None:
    world.app.hang = "received"
    world.sms("hours")
    world.time.advance(29)
    assert world.view().state == "running"
    world.app.hang = None
    world.time.advance(1)
    assert (world.view().state, world.view().reason) == ("waiting", "it took too long")
    world.time.advance(1)
    assert (len(world.app.lives), world.view().waiting) == (2, 0)
    quiet(logged_failures, 1)


def test_a_crash_of_the_daemon_in_the_middle_loses_no_text(world: AppWorld) -> None:
    world.app.hang = "received"
    world.sms("one", "1")
    world.sms("two", "2")
    world.app.hang = None
    world.restart()
    world.time.advance(60)
    assert [text for _, text, _ in world.texts_received()] == ["one", "two", "one"]
    assert world.view().waiting == 0


def test_texts_wait_for_an_application_that_is_off(world: AppWorld) -> None:
    world.reload()
    world.sms("hours")
    assert world.texts_received() == []
    world.reload(INFO)
    assert [text for _, text, _ in world.texts_received()] == ["hours"]


# Its life


def test_its_life_is_init_work_idle_and_shutdown(world: AppWorld) -> None:
    world.time.advance(59)
    world.sms("hours")
    world.time.advance(60)
    world.reload()
    assert world.app.calls == ["init", "received", "idle", "shutdown"]


def test_it_is_idle_in_time_however_often_it_is_woken_for_nothing(world: AppWorld) -> None:
    """Work begins its time anew, what only might be work does not."""
    for _ in range(24):
        world.time.advance(5)
        done(Deferred.fromCoroutine(world.daemon.parts.applications.work(world.daemon.now)))
    assert world.app.calls == ["init", "idle", "idle"]
    world.sms("hours")
    world.time.advance(59)
    assert world.app.calls == ["init", "idle", "idle", "received"]
    world.time.advance(1)
    assert world.app.calls[4:] == ["idle"]


def test_pauses_grow_to_a_minute_and_a_steady_life_makes_them_short_again(
    world: AppWorld, logged_failures: list[dict[str, Any]]
) -> None:
    world.app.script = fails("init")
    world.reload(msgspec.structs.replace(INFO, idle=10_000))
    world.time.advance(600)
    made = len(world.app.lives)
    assert 13 <= made <= 27
    world.app.script = fails()
    world.time.advance(61)
    assert world.view().state == "running"
    world.time.advance(60)
    world.app.script = fails("idle")
    world.time.advance(10)
    world.app.script = fails()
    world.time.advance(1)
    assert world.view().state == "running"
    logged_failures.clear()


def test_an_unchanged_application_goes_on_over_a_reload_and_a_changed_one_is_made_anew(world: AppWorld) -> None:
    world.reload(INFO)
    assert len(world.app.lives) == 1
    world.reload(msgspec.structs.replace(INFO, options={"a": "b"}))
    assert (len(world.app.lives), world.app.calls) == (2, ["init", "shutdown", "init"])


def test_an_application_that_says_it_cannot_go_on_is_started_again(
    world: AppWorld, logged_failures: list[dict[str, Any]]
) -> None:
    world.app.host.failed("it ended")
    world.time.advance(0)
    assert (world.view().state, world.view().reason) == ("waiting", "it ended")
    world.time.advance(1)
    assert world.app.calls == ["init", "shutdown", "init"]
    quiet(logged_failures, 1)


# What it may ask


def test_it_answers_a_text_once_however_often_it_is_handed_over(
    world: AppWorld, logged_failures: list[dict[str, Any]]
) -> None:
    def script(call: str, about: object) -> None:
        if call == "received":
            world.ask(world.app.host.reply(world.app.texts[-1].id, f"answer {len(world.app.texts)}"))
            if len(world.app.texts) < 3:
                raise KeyError

    world.app.script = script
    world.sms("hours")
    world.time.advance(10)
    assert len(world.texts_received()) == 3
    assert world.sent() == [("app:info", NUMBER, "answer 1", "normal")]
    logged_failures.clear()


def test_a_text_that_it_fails_on_for_weeks_still_has_one_answer(
    world: AppWorld, logged_failures: list[dict[str, Any]]
) -> None:
    """What is answered twice is forgotten after seven days, but not while the text may be handed over again."""

    def script(call: str, about: Any) -> Any:
        if call == "received":
            world.ask(world.app.host.reply(about.id, "8-17"))
            raise KeyError("a bug")
        return None

    world.app.script = script
    world.sms("hours")
    world.reload()
    world.time.advance(8 * 86_400)
    world.daemon.beat()
    world.reload(INFO)
    assert len(world.texts_received()) > 1
    assert [text for _, _, text, _ in world.sent()] == ["8-17"]
    logged_failures.clear()


def test_it_is_told_once_that_its_message_has_ended(world: AppWorld) -> None:
    id_ = world.ask(world.app.host.send(NUMBER, "Hello", "high", "k", "r1"))
    again = world.ask(world.app.host.send(NUMBER, "Hello", "high", "k", "r1"))
    assert again == id_
    assert world.app.notices == []
    receipt = LineReceipt(world.lines["sms-a"].name, (f"{id_}/1",), ReceiptState.DELIVERED, world.daemon.now)
    done(Deferred.fromCoroutine(world.daemon.parts.host.receipt(receipt)))
    world.time.advance(0)
    (notice,) = world.app.notices
    assert (notice.message, notice.to, notice.state, notice.reference) == (id_, NUMBER, MessageState.DELIVERED, "r1")
    world.restart()
    world.time.advance(60)
    assert len(world.app.notices) == 1


def test_of_a_message_whose_end_it_knows_nothing_is_remembered(world: AppWorld) -> None:
    """Also where it had ended before it was known whose it is, as when it is handed in once more under its key."""
    id_ = world.ask(world.app.host.send(NUMBER, "Hello", "high", "k", None))
    receipt = LineReceipt(world.lines["sms-a"].name, (f"{id_}/1",), ReceiptState.DELIVERED, world.daemon.now)
    done(Deferred.fromCoroutine(world.daemon.parts.host.receipt(receipt)))
    world.time.advance(0)
    assert world.ask(world.app.host.send(NUMBER, "Hello", "high", "k", None)) == id_
    world.time.advance(0)
    assert world.daemon.parts.applications._senders == {}


def test_an_end_that_it_was_not_told_is_told_after_a_restart(world: AppWorld) -> None:
    id_ = world.ask(world.app.host.send(NUMBER, "Hello", None, None, None))
    world.app.hang = "notification"
    receipt = LineReceipt(world.lines["sms-a"].name, (f"{id_}/1",), ReceiptState.DELIVERED, world.daemon.now)
    done(Deferred.fromCoroutine(world.daemon.parts.host.receipt(receipt)))
    world.time.advance(0)
    world.app.hang = None
    world.restart()
    assert [notice.message for notice in world.app.notices] == [id_, id_]


def test_an_answer_to_its_message_comes_to_it(tmp_path: Path) -> None:
    world = AppWorld(tmp_path)
    world.daemon.parts.configure(msgspec.structs.replace(world.config, inbound=()), {})
    world.ask(world.app.host.send(NUMBER, "Are you coming?", None, None, None))
    world.sms("Yes")
    assert [text for _, text, _ in world.texts_received()] == ["Yes"]


def test_it_finds_persons_by_number_and_id(world: AppWorld) -> None:
    add_person(world.daemon)
    for who, found in (("603 123 456", PERSON), (f"person:{PERSON}", PERSON), ("+420777000000", None), ("x", None)):
        person = world.ask(world.app.host.person(who))
        assert (person and person.id) == found


@pytest.mark.parametrize(
    ("to", "text", "priority", "told"),
    [
        ("12", "x", None, "there is no phone number to send to"),
        (NUMBER, "", None, "a text has 1 to 65536 characters"),
        (NUMBER, "x", "urgent", "there is no priority urgent"),
        ("person:nobody", "x", None, "there is no person nobody"),
    ],
)
def test_what_cannot_be_sent_is_told_in_a_sentence(
    world: AppWorld, to: str, text: str, priority: str | None, told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        world.ask(world.app.host.send(to, text, priority, None, None))


def test_nothing_can_be_done_with_a_text_of_somebody_else_or_an_acknowledged_one(world: AppWorld) -> None:
    world.sms("hours")
    for id_ in (world.app.texts[0].id, 99):
        with pytest.raises(ValueError, match="there is no text"):
            world.ask(world.app.host.complete_registration(id_, "ABCD"))


# The registration as an application


class RegistrationWorld(AppWorld):
    """SMS that register go to an application of that name, in place of the daemon itself."""

    def __init__(self, tmp_path: Path) -> None:
        super().__init__(tmp_path, Application(name="registration", command=("/bin/false",)))

    def begin(self) -> None:
        """A (new) life of the daemon."""
        rules = (InboundRule(name="copies", to="account:archive", continue_=True), *Config().inbound)
        clients = Mxservice(registration_number="+420777000111")
        self.config = msgspec.structs.replace(self.config, inbound=rules, mxservice=clients)
        super().begin()

    def asked(self) -> Registration:
        """A client asks for a number."""
        new = NewRegistration("fcm", {"token": "t1"}, {}, "Phone", "android", "app/1", "192.0.2.1")
        found = done(Deferred.fromCoroutine(self.daemon.parts.backend.register(new)))
        assert found is not None
        return found

    def completes(self, number: str) -> list[bool]:
        """From now on the application completes what comes, with this number; what it was answered."""
        said: list[bool] = []

        def script(call: str, about: object) -> None:
            if call == "received":
                said.append(self.ask(self.app.host.complete_registration(self.app.texts[-1].id, number)))
                if len(said) < 3:
                    raise KeyError

        self.app.script = script
        return said


@pytest.fixture
def registering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RegistrationWorld:
    """Slow hashes run where they are called."""
    monkeypatch.setattr(assembly, "deferToThreadPool", lambda reactor, pool, work: succeed(work()))
    monkeypatch.setattr("datasms_daemon.crypto.tokens._SCRYPT_N", 2)
    world = RegistrationWorld(tmp_path)
    monkeypatch.setattr(world.time.reactor, "getThreadPool", lambda: None, raising=False)
    return world


def devices(world: AppWorld) -> int:
    """How many there are."""
    return int(done(world.daemon.store.read(lambda db: db.execute("SELECT count(*) FROM devices").fetchone()))[0])


def test_a_program_completes_a_registration_once_and_is_answered_alike_each_time(
    registering: RegistrationWorld, logged_failures: list[dict[str, Any]]
) -> None:
    registration = registering.asked()
    said = registering.completes(registration.number)
    registering.sms(registration.text)
    registering.time.advance(10)
    assert (said, devices(registering)) == ([True, True, True], 1)
    logged_failures.clear()


def test_a_wrong_number_is_wrong_each_time_and_counts_once(
    registering: RegistrationWorld, logged_failures: list[dict[str, Any]]
) -> None:
    said = registering.completes("ABCD-EFGH-JKLMN")
    registering.sms("DATASMS ABCD-EFGH-JKLMN")
    registering.time.advance(10)
    assert (said, devices(registering)) == ([False, False, False], 0)
    tries = done(registering.daemon.store.read(lambda db: db.execute("SELECT count(*) FROM wrong_tries").fetchone()))
    assert tries == (1,)
    logged_failures.clear()


def test_a_registration_number_goes_to_no_other_target_and_is_forgotten_once_acknowledged(
    registering: RegistrationWorld,
) -> None:
    registration = registering.asked()
    registering.sms(registration.text)
    assert [one.text for one in registering.app.texts] == [registration.text]
    rows = done(
        registering.daemon.store.read(lambda db: db.execute("SELECT target, text, passed FROM inbound").fetchall())
    )
    assert rows == [("app:registration", "", None)]


def test_what_came_through_a_channel_proves_no_phone(registering: RegistrationWorld) -> None:
    routing = InboundRouting(default="app:registration")
    config = msgspec.structs.replace(registering.config, inbound=(), inbound_routing=routing)
    registering.daemon.parts.configure(config, {})
    registering.app.hang = "received"
    inbound = InboundText(LineName("fcm"), "+420603123456", "", "hello", registering.daemon.now, "1", {"token": "x"})
    done(Deferred.fromCoroutine(registering.daemon.parts.host.inbound(inbound)))
    registering.time.advance(0)
    with pytest.raises(ValueError, match="only an SMS from a phone number"):
        registering.ask(registering.app.host.complete_registration(registering.app.texts[0].id, "ABCD"))
