"""What services tell of pushes and people, on the real core: receipts, texts, addresses that go and come back."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from twisted.internet.defer import Deferred

from datasms_daemon import assembly
from datasms_daemon.config.calendars import CalendarOptions, calendars_of
from datasms_daemon.config.kinds import Duration
from datasms_daemon.config.records import DatasmsLine, StepOptions
from datasms_daemon.lines.datasms import DatasmsDriver
from datasms_daemon.model import (
    Accepted,
    AttemptState,
    Button,
    Content,
    Device,
    DeviceId,
    DeviceState,
    Dossier,
    HookAnswer,
    HookCall,
    InboundText,
    IssuedRegistration,
    Later,
    LineName,
    MessageId,
    MessageState,
    Outcome,
    PersonId,
    PushReceipt,
    ReceiptState,
    Unknown,
)
from datasms_daemon.store import directory, messages
from tests.fakes.channels import FakeChannel
from tests.fakes.daemon import NUMBER, PERSON, FakeDaemon, FakeTime, add_person, configuration, done, draft
from tests.fakes.lines import FakeLine

PUSH = StepOptions(line=LineName("datasms"), wait=Duration(60_000))
SMS = StepOptions(line=LineName("sms-a"), wait=Duration(600_000))
USER = {"id": "user=="}


class World:
    """A person with a device in the channel ``viber``, which shows texts by itself; SMS behind it."""

    def __init__(self, tmp_path: Path, *outcomes: Outcome) -> None:
        self.time = FakeTime()
        self.viber = FakeChannel("viber", *outcomes)
        self.channels = {"viber": self.viber}
        self.sms = FakeLine("sms-a", self.time.reactor)
        self.config = configuration(tmp_path, PUSH, SMS)
        self.begin()
        add_person(self.daemon)
        device = Device(DeviceId("d1"), PERSON, "viber", USER)
        done(self.daemon.store.write(lambda db: directory.add_device(db, device)))

    def begin(self) -> None:
        """A (new) life."""
        line = DatasmsDriver(
            DatasmsLine(name=LineName("datasms")), self.channels, lambda device: None, lambda: self.daemon.now
        )
        self.daemon = FakeDaemon(self.config, {"datasms": line, "sms-a": self.sms}, self.time)
        self.daemon.parts.channels.use(self.channels)

    def send(self, **more: object) -> MessageId:
        """One message."""
        return MessageId(self.daemon.submit(draft(**more))[0])  # type: ignore[arg-type]

    def look(self, id_: MessageId) -> Dossier:
        """What is stored of it."""
        found = done(self.daemon.store.read(lambda db: messages.dossier(db, id_)))
        assert found is not None
        return found

    def device(self) -> Device:
        """The first device of the person."""
        return done(self.daemon.store.read(lambda db: directory.devices(db, PERSON)))[0]

    def told(self, provider_id: str, state: ReceiptState, reason: str | None = None) -> None:
        """The service says something of a push."""
        assert self.viber.host is not None
        receipt = PushReceipt("viber", provider_id, state, self.daemon.now, reason)
        done(Deferred.fromCoroutine(self.viber.host.receipt(receipt)))  # type: ignore[arg-type]

    def wrote(self, text: str, user: dict[str, str] | None = None, key: str = "k1") -> None:
        """Somebody writes to the bot."""
        assert self.viber.host is not None
        address = USER if user is None else user
        inbound = InboundText(LineName("viber"), f"viber:{address['id']}", "bot", text, self.daemon.now, key, address)
        done(Deferred.fromCoroutine(self.viber.host.inbound(inbound)))  # type: ignore[arg-type]

    def archived(self) -> list[tuple[str | None, PersonId | None]]:
        """All texts from outside, with their persons."""
        return done(
            self.daemon.store.read(lambda db: [tuple(row) for row in db.execute("SELECT text, person FROM inbound")])
        )


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Slow hashes run where they are called."""
    monkeypatch.setattr(assembly, "deferToThreadPool", lambda reactor, pool, work: _now(work))
    monkeypatch.setattr("datasms_daemon.crypto.tokens._SCRYPT_N", 2)
    world = World(tmp_path)
    monkeypatch.setattr(world.time.reactor, "getThreadPool", lambda: None, raising=False)
    return world


def _now(work: object) -> Deferred[object]:
    answer: Deferred[object] = Deferred()
    answer.callback(work())  # type: ignore[operator]
    return answer


def test_a_channel_that_shows_the_text_gets_it(world: World) -> None:
    world.send()
    (order,) = world.viber.orders
    assert order.content == Content("Pump 3 stopped")


def test_a_channel_that_shows_the_text_gets_the_buttons_with_it(world: World) -> None:
    button = Button("Confirm", "YES 4711")
    world.send(buttons=(button,))
    (order,) = world.viber.orders
    assert order.content == Content("Pump 3 stopped", buttons=(button,))


def test_what_did_not_go_along_stands_in_the_trace_and_the_message_counts_as_sent(world: World) -> None:
    world.viber.outcomes = [Accepted(("viber-1",), ("run.exe was left out: Viber takes no .exe files",))]
    id_ = world.send()
    note = {"device": "d1", "channel": "viber", "note": "run.exe was left out: Viber takes no .exe files"}
    trace = done(world.daemon.store.read(lambda db: messages.trace(db, id_)))
    assert [event.detail for event in trace if event.kind == "note"] == [note]
    world.told("viber-1", ReceiptState.DELIVERED)
    assert world.look(id_).progress.state is MessageState.DELIVERED


def test_the_services_word_delivers_the_message_and_reads_it(world: World) -> None:
    id_ = world.send()
    world.told("viber-1", ReceiptState.DELIVERED)
    found = world.look(id_)
    assert (found.progress.state, found.pushes[0].state) == (MessageState.DELIVERED, "delivered")
    world.told("viber-1", ReceiptState.READ)
    world.told("viber-1", ReceiptState.DELIVERED)
    found = world.look(id_)
    assert (found.progress.state, found.pushes[0].state) == (MessageState.READ, "read")
    world.time.advance(700)
    assert world.sms.sends == []


def test_a_word_that_is_quicker_than_the_pushs_answer_counts(world: World) -> None:
    """I22."""
    world.told("viber-1", ReceiptState.DELIVERED)
    id_ = world.send()
    assert world.look(id_).progress.state is MessageState.DELIVERED


def test_a_word_for_another_channel_counts_for_nothing(world: World) -> None:
    """I21."""
    id_ = world.send()
    assert world.viber.host is not None
    receipt = PushReceipt("omni", "viber-1", ReceiptState.DELIVERED, world.daemon.now)
    done(Deferred.fromCoroutine(world.viber.host.receipt(receipt)))  # type: ignore[arg-type]
    assert world.look(id_).progress.state is MessageState.WAITING


def test_a_push_that_failed_on_the_only_device_goes_on_at_once(world: World) -> None:
    id_ = world.send()
    world.told("viber-1", ReceiptState.FAILED, "media not found")
    found = world.look(id_)
    assert (found.attempts[0].line, found.attempts[0].state) == ("datasms", AttemptState.FAILED)
    assert len(world.sms.sends) == 1


def test_a_push_that_failed_on_one_of_two_devices_waits_for_the_other(world: World) -> None:
    other = Device(DeviceId("d2"), PERSON, "viber", {"id": "second=="})
    done(world.daemon.store.write(lambda db: directory.add_device(db, other)))
    id_ = world.send()
    world.told("viber-1", ReceiptState.FAILED)
    assert world.look(id_).progress.state is MessageState.WAITING
    world.told("viber-2", ReceiptState.FAILED)
    assert len(world.sms.sends) == 1


def test_seen_reads_all_that_was_delivered_before(world: World) -> None:
    first, second = world.send(), world.send()
    world.time.advance(1)
    seen_at = world.daemon.now
    world.time.advance(1)
    third = world.send()
    assert world.viber.host is not None
    done(Deferred.fromCoroutine(world.viber.host.read_all("viber", USER, seen_at)))  # type: ignore[arg-type]
    states = [world.look(id_).progress.state for id_ in (first, second, third)]
    assert states == [MessageState.READ, MessageState.READ, MessageState.WAITING]


def test_an_unknown_push_is_not_repeated_where_a_repeat_would_be_seen(tmp_path: Path) -> None:
    """I26: a channel that shows the text has nobody who drops repeats."""
    world = World(tmp_path, Unknown("time limit"))
    id_ = world.send()
    world.time.advance(59)
    assert len(world.viber.orders) == 1
    assert world.look(id_).progress.state is MessageState.WAITING
    world.time.advance(2)
    assert (len(world.viber.orders), len(world.sms.sends)) == (1, 1)


def test_a_push_that_was_surely_not_taken_is_repeated(tmp_path: Path) -> None:
    world = World(tmp_path, Later("busy"))
    id_ = world.send()
    world.time.advance(59)
    assert len(world.viber.orders) == 2
    assert world.look(id_).progress.state is MessageState.WAITING


def test_a_crash_while_pushing_does_not_show_the_text_twice(world: World) -> None:
    """I26: found in sending at the next start, it waits for the service's word and then goes on."""
    never: Deferred[Outcome] = Deferred()
    world.viber.push = lambda order: never  # type: ignore[assignment, method-assign, return-value]
    id_ = world.send()
    world.daemon.die()
    world.viber = FakeChannel("viber")
    world.channels = {"viber": world.viber}
    world.begin()
    world.time.advance(50)
    assert world.viber.orders == []
    assert world.look(id_).progress.state is MessageState.WAITING
    world.time.advance(20)
    assert len(world.sms.sends) == 1


def test_a_number_that_a_person_was_given_binds_the_channel_he_writes_in(world: World) -> None:
    """Flow B."""
    issued = register(world)
    assert issued.links == {"viber": f"viber:{issued.number}"}
    world.wrote(issued.text.lower().replace("-", " "), {"id": "new=="})
    devices = done(world.daemon.store.read(lambda db: directory.devices(db, PERSON)))
    (new,) = [device for device in devices if device.id != "d1"]
    assert (new.channel, new.address, new.state) == ("viber", {"id": "new=="}, DeviceState.ACTIVE)


def test_a_registration_in_a_channel_never_reaches_the_archive(world: World) -> None:
    """I47: the event does, the number does not, right or wrong."""
    world.wrote(register(world).text, {"id": "new=="})
    world.wrote("datasms WRON-GNUM-BERXX", {"id": "other=="}, "k2")
    assert [text for text, _ in world.archived()] == ["", ""]


def test_a_number_for_a_phone_is_not_proved_in_a_channel_nor_the_other_way(world: World) -> None:
    issued = register(world)
    sms = InboundText(LineName("sms-a"), NUMBER, "+420777000111", issued.text, world.daemon.now, "k9")
    done(Deferred.fromCoroutine(world.daemon.parts.host.inbound(sms)))
    devices = done(world.daemon.store.read(lambda db: directory.devices(db, PERSON)))
    assert len(devices) == 1


def test_a_text_from_a_channel_is_the_persons(world: World) -> None:
    world.wrote("On my way")
    assert world.archived() == [("On my way", PERSON)]


def test_an_address_that_is_gone_comes_back_when_its_user_writes(world: World) -> None:
    assert world.viber.host is not None
    done(Deferred.fromCoroutine(world.viber.host.gone("viber", USER, "unsubscribed")))  # type: ignore[arg-type]
    assert world.device().state is DeviceState.RETIRED
    world.wrote("Hello again")
    assert world.device().state is DeviceState.ACTIVE


def test_a_revoked_device_does_not_come_back_by_writing(world: World) -> None:
    done(world.daemon.store.write(lambda db: directory.revoke(db, DeviceId("d1"))))
    world.wrote("Hello again")
    assert world.device().state is DeviceState.REVOKED
    assert world.archived() == [("Hello again", None)]


def test_a_services_call_is_answered_by_its_channel(world: World) -> None:
    backend = world.daemon.parts.backend
    known = HookCall("viber", "", {}, b"{}")
    assert done(Deferred.fromCoroutine(backend.hook(known))) == HookAnswer(200, b"{}")
    assert done(Deferred.fromCoroutine(backend.hook(HookCall("nobody", "", {}, b"{}")))) is None


def test_what_a_person_was_given_is_in_the_audit_log(world: World) -> None:
    register(world)
    audit = done(world.daemon.store.read(lambda db: db.execute("SELECT who, what, object FROM audit").fetchall()))
    assert ("crm", "registration number issued", PERSON) in [tuple(row) for row in audit]


def test_nobody_is_given_a_number_who_does_not_exist(world: World) -> None:
    assert done(Deferred.fromCoroutine(world.daemon.parts.core.directory.register(PersonId("nobody"), "crm"))) is None


def test_the_next_line_withdraws_what_the_service_may_still_hold(world: World) -> None:
    told: list[tuple[str, str]] = []
    world.daemon.parts.presence.watch_withdrawals(DeviceId("d1"), lambda message: told.append(("d1", message)))
    id_ = world.send()
    assert world.viber.withdrawn == []
    world.time.advance(61)
    assert [(order.message, order.device.id) for order in world.viber.withdrawn] == [(id_, "d1")]
    assert told == [("d1", id_)]
    assert len(world.sms.sends) == 1


def test_a_message_is_withdrawn_once_however_often_it_changes_behind_its_devices(world: World) -> None:
    """It is held at its next step for an hour, leaves, and is cancelled in the end."""
    office = CalendarOptions(timezone="UTC", hours={"mon-sun": ("09:00-17:00",)})
    lines = tuple(replace(line, calendar="office") if line.name == "sms-a" else line for line in world.config.line)
    config = replace(world.config, line=lines, calendar={"office": office})
    world.daemon.parts.configure(config, calendars_of(config))
    told: list[MessageId] = []
    world.daemon.parts.presence.watch_withdrawals(DeviceId("d1"), told.append)
    id_ = world.send()
    world.time.advance(61)
    assert (world.look(id_).progress.held, [order.message for order in world.viber.withdrawn]) == (True, [id_])
    world.time.advance(3600)
    assert len(world.sms.sends) == 1
    done(Deferred.fromCoroutine(world.daemon.parts.core.cancel(id_, None, "operator")))
    assert ([order.message for order in world.viber.withdrawn], told) == ([id_], [id_])


def test_a_cancelled_message_is_withdrawn(world: World) -> None:
    id_ = world.send()
    done(Deferred.fromCoroutine(world.daemon.parts.core.cancel(id_, None, "operator")))
    assert [order.message for order in world.viber.withdrawn] == [id_]


def test_a_delivered_message_is_not_withdrawn(world: World) -> None:
    world.send()
    world.told("viber-1", ReceiptState.DELIVERED)
    world.time.advance(100)
    assert world.viber.withdrawn == []


def test_a_withdrawal_that_fails_stops_no_other(world: World, logged_failures: list[dict[str, object]]) -> None:
    async def fails(order: object) -> None:
        raise RuntimeError("no")

    world.viber.withdraw = fails  # type: ignore[method-assign]
    world.send()
    world.time.advance(61)
    assert len(logged_failures) == 1
    logged_failures.clear()
    del world.viber.withdraw
    id_ = world.send()
    world.time.advance(61)
    assert [order.message for order in world.viber.withdrawn] == [id_]


def test_a_held_channel_goes_on_after_an_operator_resumed_it(world: World) -> None:
    now = world.daemon.now
    done(
        world.daemon.store.write(
            lambda db: db.execute("INSERT INTO channels (name, held_at) VALUES ('viber', ?)", (now,))
        )
    )
    channels = world.daemon.parts.core.channels
    (view,) = done(Deferred.fromCoroutine(channels.all()))
    assert (view.name, view.held) == ("viber", True)
    resumed = done(Deferred.fromCoroutine(channels.resume("viber", "operator")))
    assert resumed is not None
    assert not resumed.held
    assert done(Deferred.fromCoroutine(channels.resume("nobody", "operator"))) is None


def test_a_channel_is_tested_by_name(world: World) -> None:
    channels = world.daemon.parts.core.channels
    verdict = done(Deferred.fromCoroutine(channels.test("viber")))
    assert verdict is not None
    assert verdict.good
    assert done(Deferred.fromCoroutine(channels.test("nobody"))) is None


def test_a_channel_that_is_used_no_more_is_stopped_when_its_pushes_are_over(world: World) -> None:
    other = FakeChannel("viber")
    world.daemon.parts.channels.use({"viber": other})
    assert (world.viber.stops, other.host is not None) == (0, True)
    world.time.advance(61)
    assert (world.viber.stops, other.stops) == (1, 0)


def register(world: World) -> IssuedRegistration:
    """Flow B for the person."""
    issued = done(Deferred.fromCoroutine(world.daemon.parts.core.directory.register(PERSON, "crm")))
    assert issued is not None
    return issued
