"""A device with several channels, on the real store and core: order, ownership, what is gone, what is shown once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from datasms_daemon.config.kinds import Duration
from datasms_daemon.config.records import DatasmsLine, StepOptions
from datasms_daemon.lines.datasms import DatasmsDriver
from datasms_daemon.model import (
    AddressGone,
    Device,
    DeviceId,
    DeviceState,
    Dossier,
    Later,
    LineDown,
    LineName,
    MessageId,
    MessageState,
    Person,
    PersonId,
    PushReceipt,
    Reach,
    ReceiptState,
    Recipient,
    Unknown,
)
from datasms_daemon.store import directory, messages, retirement
from datasms_daemon.store.retirement import Retirement
from tests.fakes.channels import FakeChannel
from tests.fakes.daemon import NUMBER, PERSON, FakeDaemon, FakeTime, add_person, configuration, done, draft
from tests.fakes.lines import FakeLine

STEPS = (
    StepOptions(line=LineName("datasms"), wait=Duration(60_000)),
    StepOptions(line=LineName("sms-a"), wait=Duration(600_000)),
)
FCM, WEB, VIBER = Reach("fcm", {"token": "t"}), Reach("web", {"endpoint": "e"}), Reach("viber", {"id": "v"})
ONE, TWO = DeviceId("d1"), DeviceId("d2")


class World:
    """A person with one device; a client channel ``fcm``, another ``web``, and ``viber``, which shows texts."""

    def __init__(self, tmp_path: Path, *reaches: Reach) -> None:
        self.time = FakeTime()
        self.channels = {
            "fcm": FakeChannel("fcm", carries_text=False),
            "web": FakeChannel("web", carries_text=False),
            "viber": FakeChannel("viber"),
        }
        line = DatasmsDriver(
            DatasmsLine(name=LineName("datasms")), self.channels, lambda device: None, lambda: self.daemon.now
        )
        self.sms = FakeLine("sms-a", self.time.reactor)
        self.daemon = FakeDaemon(configuration(tmp_path, *STEPS), {"datasms": line, "sms-a": self.sms}, self.time)
        self.daemon.parts.channels.use(self.channels)
        add_person(self.daemon)
        self.add(ONE, *reaches)

    def add(self, id_: DeviceId, first: Reach, *others: Reach) -> list[DeviceId]:
        """A device of the person; which ones had its addresses."""
        new = Device(id_, PERSON, first.channel, first.address, others=others)
        return done(self.daemon.store.write(lambda db: directory.add_device(db, new)))

    def update(self, id_: DeviceId, first: Reach, others: tuple[Reach, ...] | None = None) -> Device:
        """What a client does."""
        work = self.daemon.parts.backend.update_device(id_, first, others, {}, "phone")
        return done(Deferred.fromCoroutine(work))

    def device(self, id_: DeviceId = ONE) -> Device:
        """As it is stored."""
        found = done(self.daemon.store.read(lambda db: directory.device(db, id_)))
        assert found is not None
        return found

    def gone(self, reach: Reach, id_: DeviceId = ONE) -> Retirement:
        """The service says so."""
        now = self.daemon.now
        return done(self.daemon.store.write(lambda db: retirement.retire(db, id_, reach, now)))

    def back(self, reach: Reach) -> tuple[PersonId | None, list[DeviceId]]:
        """Somebody writes from an address."""
        return done(self.daemon.store.write(lambda db: directory.writer(db, reach.channel, reach.address)))

    def send(self) -> MessageId:
        """One message."""
        return MessageId(self.daemon.submit(draft())[0])

    def look(self, id_: MessageId) -> Dossier:
        """What is stored of it."""
        found = done(self.daemon.store.read(lambda db: messages.dossier(db, id_)))
        assert found is not None
        return found

    def pushed(self) -> list[int]:
        """How many pushes fcm, web and viber got."""
        return [len(self.channels[name].orders) for name in ("fcm", "web", "viber")]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A device reached by fcm, web and viber in this order."""
    return World(tmp_path, FCM, WEB, VIBER)


def test_a_device_is_stored_with_its_channels_in_their_order(world: World) -> None:
    assert world.device().reaches == (FCM, WEB, VIBER)
    for found in (
        done(world.daemon.store.read(lambda db: directory.active_devices(db, PERSON))),
        done(world.daemon.store.read(lambda db: directory.devices(db, PERSON))),
    ):
        assert [device.reaches for device in found] == [(FCM, WEB, VIBER)]


def test_the_preferred_channel_alone_is_used_while_it_takes_messages(world: World) -> None:
    world.send()
    assert world.pushed() == [1, 0, 0]


def test_the_next_channel_is_tried_at_once_and_its_word_counts(world: World) -> None:
    world.channels["fcm"].outcomes = [Later("busy")]
    id_ = world.send()
    assert world.pushed() == [1, 1, 0]
    found = world.look(id_)
    assert (found.progress.state, len(found.attempts)) == (MessageState.WAITING, 1)
    assert [(push.channel, push.state) for push in found.pushes] == [("web", "sent")]
    host = world.channels["web"].host
    assert host is not None
    receipt = PushReceipt("web", "web-1", ReceiptState.DELIVERED, world.daemon.now)
    done(Deferred.fromCoroutine(host.receipt(receipt)))  # type: ignore[arg-type]
    assert world.look(id_).progress.state is MessageState.DELIVERED


def test_a_word_quicker_than_the_answer_counts_for_the_channel_that_was_used(world: World) -> None:
    """I22."""
    world.channels["fcm"].outcomes = [LineDown("401")]
    host = world.channels["web"].host
    assert host is not None
    receipt = PushReceipt("web", "web-1", ReceiptState.DELIVERED, world.daemon.now)
    done(Deferred.fromCoroutine(host.receipt(receipt)))  # type: ignore[arg-type]
    assert world.look(world.send()).progress.state is MessageState.DELIVERED


def test_a_dead_address_is_passed_over_and_the_next_one_is_preferred(world: World) -> None:
    world.channels["fcm"].outcomes = [AddressGone("410")]
    id_ = world.send()
    assert world.pushed() == [1, 1, 0]
    assert [(push.channel, push.state) for push in world.look(id_).pushes] == [("web", "sent")]
    device = world.device()
    assert (device.state, device.reaches) == (DeviceState.ACTIVE, (WEB, VIBER))
    world.send()
    assert world.pushed() == [1, 2, 0]


def test_a_device_whose_addresses_are_all_dead_is_retired_and_the_next_line_takes_over(world: World) -> None:
    for channel in world.channels.values():
        channel.outcomes = [AddressGone("410")]
    id_ = world.send()
    assert (world.device().state, world.device().others) == (DeviceState.RETIRED, ())
    assert world.sms.taken[id_] == 1
    world.send()
    assert world.pushed() == [1, 1, 1]


def test_an_address_that_was_exchanged_meanwhile_stays(world: World) -> None:
    """I41, for the preferred address and for the others."""
    new = (Reach("fcm", {"token": "new"}), Reach("web", {"endpoint": "new"}))
    world.update(ONE, new[0], new[1:])
    assert (world.gone(FCM), world.gone(WEB)) == (Retirement(), Retirement())
    assert world.device().reaches == new


def test_an_address_of_another_channel_is_not_meant(world: World) -> None:
    """I41: two channels may know the same address."""
    assert world.gone(Reach("web", FCM.address)) == Retirement()
    assert world.device().reaches == (FCM, WEB, VIBER)


@pytest.mark.parametrize("gone", [FCM, WEB])
def test_a_dead_way_counts_like_a_dead_device(world: World, gone: Reach) -> None:
    assert world.gone(gone) == Retirement((ONE,))
    query = "SELECT (SELECT count(*) FROM devices WHERE gone_at > 0), (SELECT count(*) FROM reaches WHERE gone_at > 0)"
    row = done(world.daemon.store.read(lambda db: tuple(db.execute(query).fetchone())))
    assert row == (0, 1)


def test_deletions_are_held_for_ways_as_for_devices(tmp_path: Path) -> None:
    """Threat "lies: token dead for all": 50 of 60 others go, then it is held."""
    world = World(tmp_path, FCM)
    others = [Reach("web", {"endpoint": f"{n}"}) for n in range(60)]
    for n, other in enumerate(others):
        world.add(DeviceId(f"x{n}"), Reach("fcm", {"token": f"{n}"}), other)
    answers = [world.gone(other, DeviceId(f"x{n}")) for n, other in enumerate(others)]
    assert sum(len(answer.retired) for answer in answers) == 50
    assert [answer.hold is not None for answer in answers].index(True) == 50
    hold = answers[50].hold
    assert hold is not None
    assert (hold.channel, hold.gone, hold.known) == ("web", 50, 60)


@pytest.mark.parametrize("way", ["add", "update"])
@pytest.mark.parametrize(
    ("had", "wanted", "left"),
    [
        ((FCM,), (FCM,), (DeviceState.RETIRED, (FCM,))),
        ((FCM, WEB), (FCM,), (DeviceState.ACTIVE, (WEB,))),
        ((FCM,), (VIBER, FCM), (DeviceState.RETIRED, (FCM,))),
        ((FCM, WEB), (VIBER, FCM), (DeviceState.ACTIVE, (WEB,))),
        ((WEB, FCM), (FCM,), (DeviceState.ACTIVE, (WEB,))),
        ((WEB, FCM), (VIBER, FCM), (DeviceState.ACTIVE, (WEB,))),
        ((WEB, FCM), (FCM, WEB), (DeviceState.RETIRED, (WEB,))),
    ],
)
def test_an_address_belongs_to_one_device_wherever_it_stands(
    tmp_path: Path,
    had: tuple[Reach, ...],
    wanted: tuple[Reach, ...],
    left: tuple[DeviceState, tuple[Reach, ...]],
    way: str,
) -> None:
    """I40: whoever comes last has it, by registration as by update."""
    world = World(tmp_path, *had)
    if way == "add":
        assert world.add(TWO, *wanted) == [ONE]
    else:
        world.add(TWO, Reach("fcm", {"token": "own"}))
        world.update(TWO, wanted[0], wanted[1:])
    assert world.device(TWO).reaches == wanted
    assert (world.device().state, world.device().reaches) == left


@pytest.mark.parametrize("whose", ["other", PERSON])
def test_an_address_that_an_update_takes_from_another_person_is_told_to_both(tmp_path: Path, whose: str) -> None:
    """I40: by update as by registration."""
    world = World(tmp_path, WEB)
    add_person(world.daemon, person=PersonId("other"), number="+420603000001")
    own = Device(TWO, PersonId(whose), "fcm", {"token": "own"})
    done(world.daemon.store.write(lambda db: directory.add_device(db, own)))
    world.update(TWO, WEB)
    query = "SELECT person, sender, text FROM messages ORDER BY id"
    sent = done(world.daemon.store.read(lambda db: db.execute(query).fetchall()))
    assert [(person, sender) for person, sender, _ in sent] == [(PERSON, "datasms"), ("other", "datasms")][
        : 2 * (whose == "other")
    ]
    assert all("somebody else" in text for _, _, text in sent)


def test_an_address_taken_over_does_not_count_as_gone(world: World) -> None:
    world.add(TWO, FCM, WEB)
    assert world.device().reaches == (VIBER,)
    query = "SELECT (SELECT count(*) FROM devices WHERE gone_at > 0) + (SELECT count(*) FROM reaches WHERE gone_at > 0)"
    assert done(world.daemon.store.read(lambda db: db.execute(query).fetchone()[0])) == 0


def test_devices_without_an_address_share_their_channel(tmp_path: Path) -> None:
    direct = Reach("direct", {})
    world = World(tmp_path, FCM, direct)
    assert world.add(TWO, direct) == []
    assert (world.device().reaches, world.device(TWO).reaches) == ((FCM, direct), (direct,))


def test_an_update_replaces_all_channels_and_brings_a_device_back(world: World) -> None:
    world.gone(FCM)
    world.gone(VIBER)
    world.gone(WEB)
    assert world.device().state is DeviceState.RETIRED
    updated = world.update(ONE, VIBER, (FCM,))
    assert (updated.state, updated.reaches) == (DeviceState.ACTIVE, (VIBER, FCM))


def test_an_update_that_names_no_others_leaves_them(world: World) -> None:
    new = Reach("fcm", {"token": "new"})
    assert world.update(ONE, new).reaches == (new, WEB, VIBER)
    assert world.update(ONE, VIBER).reaches == (VIBER, WEB)
    assert world.update(ONE, VIBER, ()).reaches == (VIBER,)


def test_a_phone_that_the_person_never_proved_is_refused(world: World) -> None:
    with pytest.raises(ValueError, match="phone"):
        world.update(ONE, FCM, (Reach("omni", {"phone": "+420603999888"}),))
    assert world.device().reaches == (FCM, WEB, VIBER)
    own = Reach("omni", {"phone": "+420603123456"})
    assert world.update(ONE, FCM, (own,)).reaches == (FCM, own)


def test_a_revoked_device_holds_no_address(world: World) -> None:
    done(world.daemon.store.write(lambda db: directory.revoke(db, ONE)))
    assert world.add(TWO, WEB, FCM) == []
    assert world.device().others == ()
    assert world.back(VIBER) == (None, [])


def test_who_writes_from_any_of_the_addresses_is_the_person(world: World) -> None:
    assert world.back(VIBER) == (PERSON, [])


@pytest.mark.parametrize("order", [(VIBER,), (FCM, WEB, VIBER), (VIBER, FCM, WEB)])
def test_a_way_that_was_gone_comes_back_when_its_user_writes(world: World, order: tuple[Reach, ...]) -> None:
    for reach in order:
        world.gone(reach)
    assert world.back(VIBER) == (PERSON, [ONE])
    device = world.device()
    assert device.state is DeviceState.ACTIVE
    assert VIBER in device.reaches


def test_a_way_that_somebody_else_has_now_does_not_come_back(world: World) -> None:
    world.gone(VIBER)
    world.add(TWO, VIBER)
    assert world.back(VIBER) == (PERSON, [])
    assert (world.device().reaches, world.device(TWO).reaches) == ((FCM, WEB), (VIBER,))


@pytest.mark.parametrize("had", [(VIBER,), (VIBER, FCM), (FCM, VIBER)])
@pytest.mark.parametrize("was_gone", [False, True])
def test_a_way_that_somebody_else_had_since_never_comes_back(
    tmp_path: Path, had: tuple[Reach, ...], was_gone: bool
) -> None:
    """I40: who writes after its last holder was revoked is that one, not the person who had the address before."""
    world = World(tmp_path, *had)
    if was_gone:
        world.gone(VIBER)
    world.add(TWO, VIBER)
    done(world.daemon.store.write(lambda db: directory.revoke(db, TWO)))
    assert world.back(VIBER) == (None, [])
    device = world.device()
    assert device.state is not DeviceState.ACTIVE or device.reaches == (FCM,)


PHONE = Reach("viber", {"phone": NUMBER})


@pytest.mark.parametrize("had", [(PHONE,), (PHONE, FCM), (FCM, PHONE)])
@pytest.mark.parametrize("was_gone", [False, True])
def test_a_phone_whose_number_is_another_persons_now_gets_nothing_for_the_former_one(
    tmp_path: Path, had: tuple[Reach, ...], was_gone: bool
) -> None:
    """I39, I40: not as a push, nor is he taken for the one who writes from there."""
    world = World(tmp_path, *had)
    if was_gone:
        world.gone(PHONE)
    other = PersonId("other")
    people = (Person(PERSON, numbers=("+420603999999",)), Person(other, numbers=(NUMBER,)))
    assert done(Deferred.fromCoroutine(world.daemon.parts.core.directory.put_persons(people, "operator"))) == ()
    assert world.back(PHONE) == (None, [])
    world.daemon.submit(draft(recipients=(Recipient("/to/0", person=PERSON),)))
    assert world.channels["viber"].orders == []
    assert len(world.channels["fcm"].orders) == (FCM in had)


def test_a_phone_stays_with_its_person_whatever_is_written_of_others(tmp_path: Path) -> None:
    world = World(tmp_path, PHONE)
    people = (Person(PERSON, numbers=(NUMBER, "+420603999999")), Person(PersonId("x"), numbers=("+420603000001",)))
    assert done(Deferred.fromCoroutine(world.daemon.parts.core.directory.put_persons(people, "operator"))) == ()
    done(Deferred.fromCoroutine(world.daemon.parts.core.directory.put_persons((Person(PERSON),), "operator")))
    assert world.device().reaches == (PHONE,)
    world.gone(PHONE)
    assert done(Deferred.fromCoroutine(world.daemon.parts.core.directory.put_persons(people, "operator"))) == ()
    assert world.back(PHONE) == (PERSON, [ONE])


@pytest.mark.parametrize("first", ["fcm", "viber"])
def test_a_message_that_may_have_arrived_is_not_repeated_where_any_channel_shows_it(tmp_path: Path, first: str) -> None:
    """I26: the repeat might go by the channel that shows the text."""
    order = (FCM, VIBER) if first == "fcm" else (VIBER, FCM)
    world = World(tmp_path, *order)
    world.channels[first].outcomes = [Unknown("time limit")]
    id_ = world.send()
    world.time.advance(59)
    assert sum(world.pushed()) == 1
    assert world.look(id_).progress.state is MessageState.WAITING
    world.time.advance(2)
    assert (sum(world.pushed()), len(world.sms.sends)) == (1, 1)


def test_a_message_that_surely_did_not_arrive_is_repeated_by_all_channels(world: World) -> None:
    for channel in world.channels.values():
        channel.outcomes = [Later("busy")]
    id_ = world.send()
    world.time.advance(59)
    assert world.pushed() == [2, 1, 1]
    assert world.look(id_).progress.state is MessageState.WAITING


def test_what_is_over_is_withdrawn_from_the_channel_that_took_it(world: World) -> None:
    world.channels["fcm"].outcomes = [Later("busy")]
    world.send()
    world.time.advance(61)
    (order,) = world.channels["web"].withdrawn
    assert (order.device.channel, order.device.address) == ("web", WEB.address)
    assert world.channels["fcm"].withdrawn == []


def test_all_delivered_to_another_way_before_is_read(world: World) -> None:
    for name in ("fcm", "web"):
        world.channels[name].outcomes = [Later("busy")]
    id_ = world.send()
    host = world.channels["viber"].host
    assert host is not None
    done(Deferred.fromCoroutine(host.read_all("viber", VIBER.address, world.daemon.now)))  # type: ignore[arg-type]
    assert world.look(id_).progress.state is MessageState.READ


@pytest.mark.parametrize("unsubscribes", [False, True])
def test_what_went_to_an_address_is_read_by_who_had_it_then_only(tmp_path: Path, unsubscribes: bool) -> None:
    """I40: another person's word does not end a message."""
    world = World(tmp_path, VIBER)
    id_ = world.send()
    if unsubscribes:
        world.gone(VIBER)
    else:
        world.add(TWO, VIBER)
    host = world.channels["viber"].host
    assert host is not None
    done(Deferred.fromCoroutine(host.read_all("viber", VIBER.address, world.daemon.now)))  # type: ignore[arg-type]
    assert world.look(id_).progress.state is (MessageState.READ if unsubscribes else MessageState.WAITING)


def test_a_person_takes_everything_along(world: World) -> None:
    done(world.daemon.store.write(lambda db: directory.delete_person(db, PERSON)))
    assert done(world.daemon.store.read(lambda db: db.execute("SELECT count(*) FROM reaches").fetchone()[0])) == 0


ADDRESSES = [Reach(channel, {"token": token}) for channel in ("fcm", "web") for token in "ab"]
WISHES = st.lists(st.sampled_from(ADDRESSES), min_size=1, max_size=4, unique_by=repr)
DOINGS = st.lists(
    st.one_of(
        st.tuples(st.just("update"), st.sampled_from("123"), WISHES),
        st.tuples(st.just("gone"), st.sampled_from("123"), WISHES),
        st.tuples(st.just("back"), st.sampled_from("123"), WISHES),
    ),
    max_size=12,
)


@given(DOINGS)
def test_whatever_happens_an_address_has_one_holder_and_only_active_devices_have_others(
    tmp_path_factory: pytest.TempPathFactory, doings: list[tuple[str, str, list[Reach]]]
) -> None:
    """I40, I41."""
    world = World(tmp_path_factory.mktemp("reaches"), FCM)
    for name in "23":
        world.add(DeviceId(f"d{name}"), Reach("fcm", {"token": name}))
    for what, name, wishes in doings:
        id_ = DeviceId(f"d{name}")
        if what == "update":
            assert world.update(id_, wishes[0], tuple(wishes[1:])).reaches == tuple(wishes)
        elif what == "gone":
            world.gone(wishes[0], id_)
        else:
            world.back(wishes[0])
        devices = [world.device(DeviceId(f"d{one}")) for one in "123"]
        held = [repr(reach) for device in devices if device.state is DeviceState.ACTIVE for reach in device.reaches]
        assert len(held) == len(set(held))
        assert all(device.state is DeviceState.ACTIVE or not device.others for device in devices)
    world.daemon.die()
