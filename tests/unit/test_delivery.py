"""The core on virtual time: a message's way from acceptance to its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from twisted.internet.defer import Deferred

from datasms_daemon.config.kinds import Duration
from datasms_daemon.config.records import StepOptions
from datasms_daemon.errors import StoreHeld
from datasms_daemon.model import (
    Accepted,
    AddressGone,
    AttemptState,
    AuditQuery,
    Conflict,
    DeviceId,
    DeviceReceipt,
    Dossier,
    Handover,
    Later,
    LineDown,
    LineName,
    LineReceipt,
    MessageId,
    MessageQuery,
    MessageState,
    NotSent,
    OnUnknown,
    Outcome,
    Person,
    PersonId,
    ReceiptState,
    Success,
    Unknown,
)
from datasms_daemon.rules.buckets import Bucket
from datasms_daemon.store import directory, messages
from datasms_daemon.store.store import Db
from tests.fakes.daemon import NUMBER, PERSON, FakeDaemon, FakeTime, add_person, configuration, done, draft
from tests.fakes.lines import FakeLine, Script

PUSH = StepOptions(line=LineName("datasms"), wait=Duration(60_000))
SMS = StepOptions(line=LineName("sms-a"), wait=Duration(600_000))


class World:
    """A daemon with a person who has one device, and its lines."""

    def __init__(self, tmp_path: Path, *steps: StepOptions, devices: tuple[str, ...] = ("phone",)) -> None:
        self.time = FakeTime()
        self.push = FakeLine("datasms", self.time.reactor, drops_repeats=True)
        self.sms = FakeLine("sms-a", self.time.reactor)
        self.config = configuration(tmp_path, *(steps or (PUSH, SMS)))
        self.daemon = self.begin()
        add_person(self.daemon, *devices)

    def begin(self) -> FakeDaemon:
        """A (new) life of the daemon."""
        self.daemon = FakeDaemon(self.config, {"datasms": self.push, "sms-a": self.sms}, self.time)
        return self.daemon

    def restart(self) -> None:
        """kill -9 and start again."""
        self.daemon.die()
        self.begin()

    def send(self, text: str = "Pump 3 stopped", number: str = NUMBER, **more: object) -> MessageId:
        """Submits one message."""
        return MessageId(self.daemon.submit(draft(text, number=number, **more))[0])

    def look(self, id_: MessageId) -> Dossier:
        """What is stored of a message."""
        found = done(self.daemon.store.read(lambda db: messages.dossier(db, id_)))
        assert found is not None
        return found

    def state(self, id_: MessageId) -> MessageState:
        """Where it stands."""
        return self.look(id_).progress.state

    def confirm(self, id_: MessageId, state: ReceiptState = ReceiptState.DELIVERED, device: str = "phone") -> None:
        """The device's own word."""
        receipts = (DeviceReceipt(id_, state, self.daemon.now),)
        done(Deferred.fromCoroutine(self.daemon.parts.receipts.from_device(DeviceId(device), receipts)))

    def sms_receipt(
        self, provider_id: str, state: ReceiptState = ReceiptState.DELIVERED, to: str | None = None
    ) -> None:
        """The SMSC's word."""
        receipt = LineReceipt(LineName("sms-a"), (provider_id,), state, self.daemon.now, to)
        done(Deferred.fromCoroutine(self.daemon.parts.receipts.from_line(receipt)))


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Push for a minute, then SMS for ten."""
    return World(tmp_path)


def says(outcome: Outcome | Exception, seconds: float = 0.0, *, taken: bool = False) -> Script:
    """A far end that always does the same."""
    return lambda handover: (outcome, seconds, taken)


def test_a_confirmed_message_is_delivered_and_no_sms_leaves(world: World) -> None:
    id_ = world.send()
    assert world.state(id_) is MessageState.WAITING
    world.confirm(id_)
    world.time.advance(100_000)
    assert world.state(id_) is MessageState.DELIVERED
    assert world.sms.taken[id_] == 0


def test_an_unconfirmed_message_leaves_by_sms_once_and_exactly_at_its_deadline(world: World) -> None:
    """I9, I14."""
    id_ = world.send()
    world.time.advance(59.999)
    assert world.sms.taken[id_] == 0
    world.time.advance(0.001)
    assert world.sms.taken[id_] == 1
    world.time.advance(1_000)
    assert world.sms.taken[id_] == 1
    assert [attempt.state for attempt in world.look(id_).attempts] == [AttemptState.TIMED_OUT, AttemptState.TIMED_OUT]


def test_the_receipt_of_the_sms_makes_the_message_delivered(world: World) -> None:
    id_ = world.send()
    world.time.advance(60)
    world.sms_receipt(f"{id_}/2")
    dossier = world.look(id_)
    assert dossier.progress.state is MessageState.DELIVERED
    assert [attempt.state for attempt in dossier.attempts] == [AttemptState.TIMED_OUT, AttemptState.DELIVERED]


def test_a_dead_address_sends_the_sms_at_once_and_retires_the_device(world: World) -> None:
    """I9, I41."""
    world.push.script = says(AddressGone("UNREGISTERED"))
    id_ = world.send()
    assert world.sms.taken[id_] == 1
    assert world.daemon.parts.clock.now_ms() == world.look(id_).message.created_at
    second = world.send()
    assert [attempt.line for attempt in world.look(second).attempts] == ["sms-a"]


def test_a_late_receipt_is_shown_as_late_and_ends_the_message(world: World) -> None:
    """I20."""
    id_ = world.send()
    world.time.advance(60)
    world.confirm(id_)
    dossier = world.look(id_)
    assert dossier.progress.state is MessageState.DELIVERED
    assert [(one.state, one.late) for one in dossier.attempts] == [
        (AttemptState.DELIVERED, True),
        (AttemptState.CANCELLED, False),
    ]


def test_a_late_receipt_cancels_what_is_still_unsent(world: World) -> None:
    world.sms.window = 0
    id_ = world.send()
    world.time.advance(60)
    assert world.look(id_).progress.ready == "sms-a"
    world.confirm(id_)
    world.sms.window = 10
    world.daemon.parts.dispatch.wake(LineName("sms-a"))
    world.time.advance(10_000)
    assert world.sms.taken[id_] == 0
    assert world.state(id_) is MessageState.DELIVERED


def test_a_receipt_may_be_quicker_than_the_answer_of_the_push(world: World) -> None:
    world.push.script = says(Accepted(("m/1",)), 2.0, taken=True)
    id_ = world.send()
    world.confirm(id_)
    world.time.advance(5)
    dossier = world.look(id_)
    assert dossier.progress.state is MessageState.DELIVERED
    assert dossier.attempts[0].state is AttemptState.DELIVERED
    assert dossier.attempts[0].late is False
    assert dossier.attempts[0].outcome == "accepted"


def test_the_answer_to_a_hand_over_counts_although_the_sender_was_told_of_no_success_meanwhile(tmp_path: Path) -> None:
    """I9."""
    world = World(tmp_path)
    world.config.priority["normal"] = replace(world.config.priority["normal"], ndr_after=Duration(1_000))
    world.restart()
    world.push.script = says(NotSent("no service", final=True), 2.0)
    id_ = world.send()
    world.time.advance(3)
    dossier = world.look(id_)
    assert dossier.progress.ndr_at is not None
    assert [attempt.outcome for attempt in dossier.attempts] == ["not_sent", "accepted"]


def test_a_receipt_that_comes_before_the_submit_response_is_applied_afterwards(world: World) -> None:
    """I22."""
    world.sms.script = says(Accepted(("early",)), 2.0, taken=True)
    id_ = world.send()
    world.time.advance(60)
    world.sms_receipt("early")
    assert world.state(id_) is MessageState.SENDING
    world.time.advance(2)
    assert world.state(id_) is MessageState.DELIVERED


def test_receipts_repeated_and_shuffled_change_nothing_after_the_first(world: World) -> None:
    """I23."""
    id_ = world.send()
    for state in (ReceiptState.READ, ReceiptState.DELIVERED, ReceiptState.READ, ReceiptState.DELIVERED):
        world.confirm(id_, state)
    dossier = world.look(id_)
    assert dossier.progress.state is MessageState.READ
    trace = done(world.daemon.store.read(lambda db: messages.trace(db, id_)))
    assert [event.kind for event in trace].count("read") == 1
    assert "delivered" not in [event.kind for event in trace]


def test_delivered_may_still_become_read_and_nothing_else(world: World) -> None:
    """I11."""
    id_ = world.send()
    world.confirm(id_)
    world.confirm(id_, ReceiptState.READ)
    assert world.state(id_) is MessageState.READ
    world.time.advance(1_000_000)
    assert world.state(id_) is MessageState.READ


def test_the_receipt_of_another_line_or_number_changes_nothing(world: World) -> None:
    """I21."""
    id_ = world.send()
    world.time.advance(60)
    world.sms_receipt(f"{id_}/2", to="+420603999999")
    other = LineReceipt(LineName("sms-b"), (f"{id_}/2",), ReceiptState.DELIVERED, world.daemon.now)
    done(Deferred.fromCoroutine(world.daemon.parts.receipts.from_line(other)))
    assert world.state(id_) is MessageState.WAITING


def test_a_message_of_two_parts_has_arrived_when_both_have(world: World) -> None:
    world.sms.script = says(Accepted(("one", "two")), taken=True)
    id_ = world.send()
    world.time.advance(60)
    world.sms_receipt("two")
    assert world.state(id_) is MessageState.WAITING
    world.sms_receipt("two")
    assert world.state(id_) is MessageState.WAITING
    world.sms_receipt("one")
    assert world.state(id_) is MessageState.DELIVERED


def test_one_receipt_speaks_for_all_parts_to_which_the_smsc_gave_one_id(world: World) -> None:
    world.sms.script = says(Accepted(("one", "one", "two")), taken=True)
    id_ = world.send()
    world.time.advance(60)
    world.sms_receipt("one")
    assert world.state(id_) is MessageState.WAITING
    world.sms_receipt("two")
    assert world.state(id_) is MessageState.DELIVERED
    world.sms_receipt("one")
    assert world.state(id_) is MessageState.DELIVERED


def test_a_message_of_two_parts_has_failed_as_soon_as_one_has(world: World) -> None:
    world.sms.script = says(Accepted(("one", "two")), taken=True)
    id_ = world.send()
    world.time.advance(60)
    world.sms_receipt("two", ReceiptState.FAILED)
    assert world.state(id_) is MessageState.FAILED


def test_a_temporary_refusal_is_tried_again_within_the_deadline(world: World) -> None:
    answers: list[Outcome] = [Later("503"), Accepted()]
    world.push.script = lambda handover: (answers.pop(0), 0.0, True)
    id_ = world.send()
    assert world.state(id_) is MessageState.QUEUED
    world.time.advance(15)
    dossier = world.look(id_)
    assert [(one.n, one.step, one.state) for one in dossier.attempts] == [
        (1, 0, AttemptState.FAILED),
        (2, 0, AttemptState.SENT),
    ]
    assert dossier.attempts[1].deadline == dossier.message.created_at + 60_000


def test_a_retry_that_would_come_after_the_deadline_goes_to_the_next_line_at_once(world: World) -> None:
    world.push.script = says(Later("429", world.daemon.now + 3_600_000))
    id_ = world.send()
    assert world.sms.taken[id_] == 1


def test_a_line_that_is_down_gives_way_at_once_but_the_last_one_goes_on_trying(world: World) -> None:
    world.push.script = says(LineDown("403"))
    answers: list[Outcome] = [LineDown("bad password"), Accepted(("x",))]
    world.sms.script = lambda handover: (answers.pop(0), 0.0, True)
    id_ = world.send()
    assert world.state(id_) is MessageState.QUEUED
    world.time.advance(20)
    assert [attempt.line for attempt in world.look(id_).attempts] == ["datasms", "sms-a", "sms-a"]
    assert world.state(id_) is MessageState.WAITING


def test_an_unknown_outcome_on_a_line_to_devices_is_sent_again(world: World) -> None:
    answers: list[Outcome] = [Unknown("cut"), Accepted()]
    world.push.script = lambda handover: (answers.pop(0), 0.0, True)
    id_ = world.send()
    world.time.advance(15)
    assert world.push.taken[id_] == 2
    assert world.sms.taken[id_] == 0


def test_an_unknown_outcome_of_an_sms_waits_for_its_receipt_and_is_never_sent_again(world: World) -> None:
    world.sms.script = says(Unknown("no answer"), taken=True)
    id_ = world.send()
    world.time.advance(60)
    assert world.state(id_) is MessageState.WAITING
    world.time.advance(3_600)
    assert world.sms.taken[id_] == 1
    assert world.state(id_) is MessageState.UNKNOWN


@pytest.mark.parametrize(
    ("policy", "state"), [(OnUnknown.REPORT, MessageState.UNKNOWN), (OnUnknown.NEXT, MessageState.WAITING)]
)
def test_the_policy_for_unknown_outcomes_decides(tmp_path: Path, policy: OnUnknown, state: MessageState) -> None:
    first = StepOptions(line=LineName("datasms"), on_unknown=policy)
    world = World(tmp_path, first, SMS)
    world.push.script = says(Unknown("cut"))
    id_ = world.send()
    assert world.state(id_) is state
    assert world.sms.taken[id_] == (1 if policy is OnUnknown.NEXT else 0)


@pytest.mark.parametrize("crashes", [True, False])
def test_a_rule_may_want_an_sms_sent_again_when_nobody_knows(tmp_path: Path, crashes: bool) -> None:
    """Rather two than none; the receipt of any of them will do."""
    world = World(tmp_path, replace(SMS, on_unknown=OnUnknown.RESEND, attempts=3), devices=())
    world.sms.script = says(Accepted(("x",)), 5.0, taken=True) if crashes else says(Unknown("cut"), taken=True)
    id_ = world.send()
    if crashes:
        world.restart()
    world.sms.script = says(Accepted(("y",)), taken=True)
    world.time.advance(60)
    assert (world.sms.taken[id_], world.state(id_)) == (2, MessageState.WAITING)
    assert [one.state for one in world.look(id_).attempts] == [AttemptState.UNKNOWN, AttemptState.SENT]
    world.sms_receipt("y")
    assert world.state(id_) is MessageState.DELIVERED


def test_what_a_line_cannot_carry_moves_on_and_without_another_line_fails(world: World) -> None:
    world.push.script = says(NotSent("too long", final=True))
    world.sms.script = says(NotSent("no text", final=True))
    id_ = world.send()
    assert world.look(id_).progress.code == "not_sent"
    assert world.state(id_) is MessageState.FAILED


def test_a_message_whose_validity_is_over_is_not_sent(world: World) -> None:
    id_ = world.send(ttl_ms=30_000)
    world.time.advance(29.999)
    assert world.state(id_) is MessageState.WAITING
    world.time.advance(0.001)
    assert world.state(id_) is MessageState.EXPIRED
    world.time.advance(100)
    assert world.sms.taken[id_] == 0


def test_a_message_whose_validity_is_over_while_nobody_knows_of_its_sms_is_unknown(tmp_path: Path) -> None:
    """It may have arrived."""
    world = World(tmp_path, SMS)
    world.sms.script = says(Unknown("cut"), taken=True)
    id_ = world.send(ttl_ms=30_000)
    world.time.advance(31)
    dossier = world.look(id_)
    assert (dossier.progress.state, dossier.progress.code) == (MessageState.UNKNOWN, "unknown_outcome")
    assert [attempt.state for attempt in dossier.attempts] == [AttemptState.UNKNOWN]


def test_a_driver_that_raises_does_not_stop_the_line(world: World, logged_failures: list[dict[str, object]]) -> None:
    """I35."""
    world.push.script = says(RuntimeError("bug"))
    bad = world.send()
    world.push.script = says(Accepted(), taken=True)
    good = world.send()
    assert world.state(good) is MessageState.WAITING
    world.time.advance(15)
    assert world.state(bad) is MessageState.WAITING
    assert len(logged_failures) == 1
    logged_failures.clear()


def test_a_message_on_which_the_driver_always_raises_is_parked(
    tmp_path: Path, logged_failures: list[dict[str, object]]
) -> None:
    """I35, I38."""
    world = World(tmp_path, StepOptions(line=LineName("datasms"), wait=Duration(3_600_000)))
    world.push.script = says(RuntimeError("bug"))
    id_ = world.send()
    world.time.advance(3_000)
    assert world.look(id_).progress.code == "parked"
    dead = done(Deferred.fromCoroutine(world.daemon.parts.core.search.dead(None, 10, "local")))
    assert [dossier.message.id for dossier in dead.items] == [id_]
    logged_failures.clear()


def test_a_hand_over_that_a_crash_interrupted_is_unknown_and_an_sms_is_not_sent_again(tmp_path: Path) -> None:
    """I26."""
    world = World(tmp_path, SMS, devices=())
    world.sms.script = says(Accepted(("x",)), 5.0, taken=True)
    id_ = world.send()
    assert world.state(id_) is MessageState.SENDING
    world.restart()
    assert world.daemon.interrupted == 1
    world.time.advance(599)
    dossier = world.look(id_)
    assert dossier.attempts[0].state is AttemptState.UNKNOWN
    assert dossier.progress.state is MessageState.WAITING
    assert world.sms.taken[id_] == 1


def test_a_push_that_a_crash_interrupted_is_made_again(world: World) -> None:
    world.push.script = says(Accepted(), 5.0, taken=True)
    id_ = world.send()
    world.restart()
    world.time.advance(20)
    assert world.state(id_) is MessageState.WAITING
    assert world.push.taken[id_] == 2


def test_deadlines_that_passed_while_the_daemon_was_away_are_kept_at_the_start(world: World) -> None:
    """I15."""
    ids = [world.send() for _ in range(7)]
    world.daemon.die()
    world.time.advance(3_000)
    world.begin()
    world.time.advance(0)
    assert all(world.sms.taken[id_] == 1 for id_ in ids)


@pytest.mark.parametrize("step_ms", [-86_400_000, -3_600_000, 3_600_000, 86_400_000])
def test_a_step_of_the_wall_clock_neither_fires_nor_delays_a_deadline(world: World, step_ms: int) -> None:
    """I13."""
    id_ = world.send()
    world.time.advance(30)
    world.time.step_ms = step_ms
    world.daemon.beat()
    world.time.advance(29.9)
    assert world.sms.taken[id_] == 0
    world.time.advance(0.1)
    assert world.sms.taken[id_] == 1


def test_a_wall_clock_that_is_a_day_behind_at_the_start_delays_nothing_by_a_day(world: World) -> None:
    """I16."""
    id_ = world.send()
    world.time.advance(50)
    world.daemon.beat()
    world.daemon.die()
    world.time.step_ms = -86_400_000
    world.begin()
    world.time.advance(11)
    assert world.sms.taken[id_] == 1


def test_a_line_without_room_leaves_messages_ready_and_urgent_ones_go_first(tmp_path: Path) -> None:
    world = World(tmp_path, SMS, devices=())
    world.sms.window = 0
    bulk = [world.send(priority="low") for _ in range(5)]
    alarm = world.send(priority="high")
    world.sms.window = 1
    sent: list[MessageId] = []

    def one_a_second(handover: Handover) -> tuple[Outcome, float, bool]:
        sent.append(handover.message)
        return Accepted((handover.message,)), 1.0, True

    world.sms.script = one_a_second
    world.daemon.parts.dispatch.wake(LineName("sms-a"))
    world.time.advance(10)
    assert sent == [alarm, *bulk]


def test_a_step_that_asks_for_read_is_not_done_when_delivered(tmp_path: Path) -> None:
    wants_read = StepOptions(line=LineName("datasms"), wait=Duration(60_000), success=Success.READ)
    world = World(tmp_path, wants_read, SMS)
    id_ = world.send()
    world.confirm(id_)
    assert world.state(id_) is MessageState.WAITING
    world.time.advance(60)
    assert world.sms.taken[id_] == 1


def test_delivered_after_the_wait_for_read_does_not_keep_the_next_line_from_being_used(tmp_path: Path) -> None:
    """I20: nobody has read it; what is late is kept, and read ends it still."""
    wants_read = StepOptions(line=LineName("datasms"), wait=Duration(60_000), success=Success.READ)
    world = World(tmp_path, wants_read, SMS)
    world.sms.window = 0
    unread, read = world.send(), world.send()
    world.time.advance(61)
    world.confirm(unread)
    world.confirm(read)
    world.confirm(read, ReceiptState.READ)
    world.sms.window = 10
    world.daemon.parts.dispatch.wake(LineName("sms-a"))
    assert (world.sms.taken[unread], world.sms.taken[read]) == (1, 0)
    assert (world.state(unread), world.state(read)) == (MessageState.WAITING, MessageState.READ)
    first, _ = world.look(unread).attempts
    assert (first.state, first.late) == (AttemptState.DELIVERED, True)


def test_delivered_between_two_tries_is_not_read_yet(tmp_path: Path) -> None:
    wants_read = StepOptions(line=LineName("datasms"), wait=Duration(60_000), success=Success.READ)
    world = World(tmp_path, wants_read, SMS)
    world.push.script = says(Unknown("reset"), taken=True)
    id_ = world.send()
    world.confirm(id_)
    assert world.state(id_) is MessageState.QUEUED
    world.push.script = says(Accepted(), taken=True)
    world.time.advance(59)
    assert world.state(id_) is MessageState.WAITING
    world.time.advance(1)
    assert world.sms.taken[id_] == 1


def test_a_device_that_confirms_before_its_service_answers_has_confirmed(world: World) -> None:
    """I22, for what is shown of the push, and for what is withdrawn when the message is passed on."""
    world.push.script = says(Accepted(), 1.0, taken=True)
    ids = [world.send(), world.send()]
    for id_, state in zip(ids, (ReceiptState.DELIVERED, ReceiptState.READ), strict=True):
        world.confirm(id_, state)
    world.time.advance(2)
    assert [world.look(id_).pushes[0].state for id_ in ids] == ["delivered", "read"]


def test_a_step_that_is_content_with_acceptance_sends_nothing_more(tmp_path: Path) -> None:
    """I25."""
    content = StepOptions(line=LineName("datasms"), wait=Duration(60_000), success=Success.ACCEPTED)
    world = World(tmp_path, content, SMS)
    id_ = world.send()
    world.time.advance(3_600)
    assert world.state(id_) is MessageState.WAITING
    assert world.sms.taken[id_] == 0
    world.time.advance(90_000)
    assert (world.state(id_), world.look(id_).progress.code) == (MessageState.UNKNOWN, "no_receipt")


def test_a_message_with_another_recipient_than_accepted_is_not_sent(world: World) -> None:
    """I39."""
    world.sms.window = 0
    first, second = world.send("for Novak"), world.send("for Novak too", number="+420603654321")
    done(world.daemon.store.write(lambda db: db.execute("UPDATE messages SET recipient = '+420603000000'") and None))
    world.time.advance(60)
    world.sms.window = 10
    world.daemon.parts.dispatch.wake(LineName("sms-a"))
    assert world.look(first).progress.code == world.look(second).progress.code == "tampered"
    assert not world.sms.sends


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        ("plan = 'x'", "damaged"),
        ("state = 'x'", "damaged"),
        ("attempt_state = 'x'", "damaged"),
        ("per_line = '{'", "damaged"),
        ("plan = '[]'", "damaged"),
        ("plan = CAST(x'ff' AS TEXT)", "damaged"),
        ("text = CAST(x'ff' AS TEXT)", "tampered"),
    ],
)
@pytest.mark.parametrize("is_ready", [True, False])
def test_a_message_that_is_damaged_keeps_no_other_from_going_on(
    world: World, damage: str, code: str, is_ready: bool, logged_failures: list[dict[str, Any]]
) -> None:
    """I35, I28: neither deadlines nor its line stand still."""
    if is_ready:
        world.push.window = 0
    damaged, other = world.send(), world.send()
    done(
        world.daemon.store.write(lambda db: db.execute(f"UPDATE messages SET {damage} WHERE id = '{damaged}'") and None)
    )
    world.push.window = 10
    world.daemon.parts.dispatch.wake(LineName("datasms"))
    world.time.advance(61)
    assert world.sms.taken[other] == 1
    assert world.look(other).progress.state is MessageState.WAITING
    ended = done(world.daemon.store.read(lambda db: db.execute("SELECT id, code FROM messages").fetchall()))
    assert dict(ended) == {damaged: code, other: None}
    logged_failures.clear()


@pytest.mark.parametrize("is_ready", [True, False])
def test_a_message_whose_very_id_is_damaged_holds_everything(world: World, is_ready: bool) -> None:
    """I28: nothing could be written down of it, and it would be found again and again."""
    if is_ready:
        world.push.window = 0
    damaged, other = world.send(), world.send()

    def unit(db: Db) -> None:
        db.execute("PRAGMA defer_foreign_keys = ON")
        for column in ("messages SET id", "events SET message", "attempts SET message", "pushes SET message"):
            db.execute(f"UPDATE {column} = CAST(x'ff' AS TEXT) WHERE {column.split()[-1]} = '{damaged}'")

    done(world.daemon.store.write(unit))
    world.push.window = 10
    world.daemon.parts.dispatch.wake(LineName("datasms"))
    world.time.advance(61)
    assert world.daemon.failed[0].check(StoreHeld)
    assert world.sms.taken[other] == 0


def test_a_message_whose_text_is_damaged_can_be_looked_at_like_all_others(world: World) -> None:
    """I28: an operator has to see which it is, and must not seal it anew (I39)."""
    world.sms.window = 0
    damaged, other = world.send(), world.send()
    statement = f"UPDATE messages SET text = 'Pump' || CAST(x'ff' AS TEXT) WHERE id = '{damaged}'"
    done(world.daemon.store.write(lambda db: db.execute(statement) and None))
    world.time.advance(86_500)
    core = world.daemon.parts.core
    found = done(Deferred.fromCoroutine(core.search.messages(MessageQuery(), "local", "messages read")))
    assert {one.message.id for one in found.items} == {damaged, other}
    assert world.look(damaged).message.text == "Pump\N{REPLACEMENT CHARACTER}"
    assert isinstance(done(Deferred.fromCoroutine(core.resend(damaged, "operator"))), Conflict)


def test_a_message_that_is_damaged_keeps_no_daemon_from_starting(
    world: World, logged_failures: list[dict[str, Any]]
) -> None:
    """I35, I26."""
    world.push.script = says(Accepted(), 30.0)
    damaged, other = world.send(), world.send()
    done(
        world.daemon.store.write(
            lambda db: db.execute("UPDATE messages SET plan = 'x' WHERE id = ?", (damaged,)) and None
        )
    )
    world.restart()
    world.time.advance(61)
    assert (world.state(damaged), world.sms.taken[other]) == (MessageState.FAILED, 1)
    logged_failures.clear()


def test_a_message_with_another_recipient_than_accepted_is_not_sent_again_either(world: World) -> None:
    """I39: an operator who resends what ended as tampered must not seal it anew."""
    world.sms.window = 0
    id_ = world.send(number="+420603654321")
    done(world.daemon.store.write(lambda db: db.execute("UPDATE messages SET recipient = '+420603000000'") and None))
    world.time.advance(86_500)
    answer = done(Deferred.fromCoroutine(world.daemon.parts.core.resend(id_, "operator")))
    assert isinstance(answer, Conflict)
    assert answer.detail == "it is not what was accepted any more"


@pytest.mark.parametrize("is_taken_over", [True, False])
def test_a_text_for_one_person_does_not_go_to_a_number_that_is_another_ones_by_now(
    world: World, is_taken_over: bool
) -> None:
    """I39: who it was accepted for decides; a number that is nobody's any more is still the one that was asked for."""
    world.push.script = says(Accepted())
    id_ = world.send()
    moved = [Person(PERSON, numbers=("+420603999999",)), Person(PersonId("new"), numbers=(NUMBER,))]
    done(world.daemon.store.write(lambda db: directory.put_persons(db, moved[: 1 + is_taken_over])))
    world.time.advance(700)
    assert world.sms.taken[id_] == (0 if is_taken_over else 1)
    progress = world.look(id_).progress
    if is_taken_over:
        assert (progress.state, progress.code) == (MessageState.FAILED, "number_moved")


def test_cancelling_keeps_the_next_line_from_being_used(world: World) -> None:
    id_ = world.send()
    answer = done(Deferred.fromCoroutine(world.daemon.parts.core.cancel(id_, None, "operator")))
    assert isinstance(answer, Dossier)
    world.time.advance(1_000)
    assert world.state(id_) is MessageState.CANCELLED
    assert world.sms.taken[id_] == 0


def test_a_message_that_is_put_to_a_time_that_is_over_goes_now_and_is_valid_from_now_on(world: World) -> None:
    core, ttl = world.daemon.parts.core, 3_600_000
    id_ = world.send(send_at=world.daemon.now + 86_400_000, ttl_ms=ttl)
    world.time.advance(600)
    moved = done(Deferred.fromCoroutine(core.reschedule(id_, "crm", "crm", world.daemon.now - 86_400_000)))
    assert isinstance(moved, Dossier)
    assert (moved.message.send_at, moved.progress.valid_until) == (world.daemon.now, world.daemon.now + ttl)
    world.time.advance(1)
    assert world.state(id_) is MessageState.WAITING


def test_what_operators_do_with_messages_is_in_the_audit_log_and_what_their_senders_do_is_not(world: World) -> None:
    core, later = world.daemon.parts.core, world.daemon.now + 3_600_000
    one, other = world.send(send_at=later), world.send(send_at=later)
    done(Deferred.fromCoroutine(core.reschedule(one, None, "local", later + 1)))
    done(Deferred.fromCoroutine(core.cancel(one, None, "local")))
    done(Deferred.fromCoroutine(core.cancel(other, "crm", "crm")))
    log = done(Deferred.fromCoroutine(core.audit(AuditQuery())))
    assert [(act.who, act.what, act.object) for act in log] == [
        ("local", "message cancelled", one),
        ("local", "message put off", one),
    ]


def test_a_scheduled_message_waits_and_can_be_sent_at_once(world: World) -> None:
    later = world.daemon.now + 3_600_000
    one, other = world.send(send_at=later), world.send(send_at=later)
    world.time.advance(3_599)
    assert not world.push.sends
    moved = done(Deferred.fromCoroutine(world.daemon.parts.core.reschedule(other, None, "operator", None)))
    assert isinstance(moved, Dossier)
    assert world.push.taken[other] == 1
    world.time.advance(1)
    assert world.push.taken[one] == 1


def test_a_line_to_devices_keeps_its_rate(world: World) -> None:
    way = world.daemon.parts.dispatch.ways[LineName("datasms")]
    way.bucket = Bucket(1, 2.0)
    for _ in range(9):
        world.send()
    seconds = [0.0]
    for _ in range(8):
        before = len(world.push.sends)
        while len(world.push.sends) == before:
            world.time.advance(0.05)
            seconds[-1] += 0.05
        seconds.append(0.0)
    assert all(0.4 < one < 0.6 for one in seconds[:-1])
