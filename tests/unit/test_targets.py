"""Texts from outside that go on to webhooks and by e-mail, in the whole core on virtual time and a real database."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from twisted.internet.defer import Deferred, succeed

from datasms_daemon import assembly
from datasms_daemon.config.archive import Archive
from datasms_daemon.config.inbound import InboundRouting
from datasms_daemon.config.kinds import DAY, HOUR, Duration
from datasms_daemon.config.records import Config, InboundRule
from datasms_daemon.config.targets import Mail, Webhook
from datasms_daemon.delivery.targets import REMOVED, Targets
from datasms_daemon.model import DeadText, Hopeless, NotTaken, Person, Taken, TargetGone, Verdict, WebhookView
from datasms_daemon.rules.handing_on import SPREAD, WAITS_MS
from datasms_daemon.store import directory, inbound
from datasms_daemon.store.store import Db
from tests.fakes.daemon import NUMBER, PERSON, add_person, done
from tests.fakes.targets import FakeTarget, FakeTargets
from tests.unit.test_inbound_texts import World

CRM = Webhook(name="crm", url="https://crm.example.org/sms", secret=None)  # type: ignore[arg-type]
ERP = replace(CRM, name="erp", url="https://erp.example.org/sms")
MAIL = Mail(host="mail.example.org", from_="sms@example.org")
OFFICE = "mail:office@example.org"

LONG_S = 7200


class TargetWorld(World):
    """Texts go to the webhooks ``crm`` and ``erp`` and to an office by e-mail, as rules say."""

    def __init__(self, tmp_path: Path, *to: str) -> None:
        self.fakes = FakeTargets()
        self.to = to
        super().__init__(tmp_path)

    def begin(self) -> None:
        """A (new) life of the daemon."""
        rules = tuple(InboundRule(name=f"to {to}", to=to, continue_=True) for to in self.to)
        self.config = replace(
            self.config, inbound=rules, inbound_routing=InboundRouting(), webhook=(CRM, ERP), mail=MAIL
        )
        super().begin()
        self.daemon.parts.targets._make = self.fakes
        self.use(self.config)

    @property
    def targets(self) -> Targets:
        return self.daemon.parts.targets

    def use(self, config: Config) -> None:
        """A configuration is taken into use."""
        self.config = config
        self.daemon.parts.configure(config, {})
        done(Deferred.fromCoroutine(self.targets.use(config, self.targets.drivers(config))))
        self.time.advance(0)

    def stop(self) -> None:
        """An orderly stop."""
        stopping = Deferred.fromCoroutine(self.targets.stop())
        self.time.advance(6)
        done(stopping)
        self.daemon.die()

    def sms(self, text: str, key: str = "1", from_: str = NUMBER) -> None:
        """A text comes in, is answered, and is handed on if it can be."""
        super().sms(text, key, from_)
        self.time.advance(0)

    def of(self, name: str) -> FakeTarget:
        return self.fakes.made[name]

    def dead(self) -> list[DeadText]:
        return list(done(Deferred.fromCoroutine(self.targets.dead(None, 50))))

    def waiting(self) -> dict[str, int]:
        return done(self.daemon.store.read(inbound.count_waiting))

    def view(self, name: str = "crm") -> WebhookView:
        return next(one for one in done(Deferred.fromCoroutine(self.targets.webhooks())) if one.name == name)

    def rows(self) -> int:
        found: int = done(self.daemon.store.read(lambda db: db.execute("SELECT count(*) FROM inbound").fetchone()[0]))
        return found

    def effect(self) -> str | None:
        """What the archive says became of the one text."""
        found: str | None = done(
            self.daemon.store.read(lambda db: db.execute("SELECT effect FROM inbound").fetchone()[0])
        )
        return found

    def metric(self, name: str, **labels: str) -> float | None:
        done(Deferred.fromCoroutine(self.targets.count()))
        return self.daemon.parts.metrics.registry.get_sample_value(name, labels)


@pytest.fixture
def world(tmp_path: Path) -> TargetWorld:
    return TargetWorld(tmp_path, "webhook:crm")


def alarms(logged_failures: list[dict[str, Any]], *words: str) -> None:
    """Just these alarms were logged."""
    assert len(logged_failures) == len(words), logged_failures
    for event, word in zip(logged_failures, words, strict=True):
        assert word in event["log_format"].format(**event)
    logged_failures.clear()


# --- handing on ------------------------------------------------------------------------------------------------------


def test_a_text_is_handed_on_once_to_each_of_its_targets(tmp_path: Path) -> None:
    world = TargetWorld(tmp_path, "webhook:crm", "webhook:erp", OFFICE)
    world.sms("Hello")
    assert [world.of(name).texts for name in ("crm", "erp", "mail")] == [["Hello"]] * 3
    world.sms("Hello")
    world.restart()
    world.sms("Hello")
    world.time.advance(100)
    # Those of the second life have got nothing.
    assert [world.of(name).texts for name in ("crm", "erp", "mail")] == [[], [], []]
    assert world.waiting() == {}
    assert world.metric("datasms_dead_texts", target="mail") == 0


def test_what_arrives_names_the_text_and_where_it_goes(tmp_path: Path) -> None:
    world = TargetWorld(tmp_path, "webhook:crm", OFFICE)
    add_person(world.daemon)
    world.sms("Hello")
    (called,), (mailed,) = world.of("crm").parcels, world.of("mail").parcels
    assert (called.target, mailed.target) == ("webhook:crm", OFFICE)
    assert (called.text.from_, called.text.text, called.text.line, called.text.person) == (
        NUMBER, "Hello", "sms-a", PERSON,
    )  # fmt: skip
    assert called.id != mailed.id
    assert called.id.startswith("in_")
    assert len(called.id) == 35
    assert world.metric("datasms_handed_on_total", target="webhook:crm", outcome="taken") == 1
    assert world.metric("datasms_handed_on_total", target="mail", outcome="taken") == 1


def test_a_text_is_stored_with_the_answer_to_its_line_and_handed_on_after_a_crash(world: TargetWorld) -> None:
    world.of("crm").hangs = True
    world.sms("Hello")
    (first,) = world.of("crm").parcels
    world.restart()
    assert [again.id for again in world.of("crm").parcels] == [first.id]
    assert world.of("crm").texts == ["Hello"]
    assert world.waiting() == {}


def test_an_orderly_stop_leaves_what_hangs_for_the_next_start(world: TargetWorld) -> None:
    world.of("crm").hangs = True
    world.sms("Hello")
    former = world.of("crm")
    world.stop()
    assert former.is_stopped
    world.begin()
    assert world.of("crm").texts == ["Hello"]


def test_tries_follow_the_schedule_and_the_last_one_is_the_last(
    world: TargetWorld, logged_failures: list[dict[str, Any]]
) -> None:
    world.of("crm").answer = lambda parcel: NotTaken("it answered 500")
    began = world.daemon.now
    world.sms("Hello")
    at: list[int] = []
    while world.waiting():
        count = len(world.of("crm").parcels)
        at.append(world.daemon.now)
        end = world.daemon.now + 30 * HOUR
        while len(world.of("crm").parcels) == count and world.waiting() and world.daemon.now < end:
            world.time.advance(60)
    alarms(logged_failures, "it answered 500")
    waits = [after - before for before, after in pairwise(at)]
    assert len(world.of("crm").parcels) == len(WAITS_MS) + 1
    for wait, due in zip(waits, WAITS_MS, strict=False):
        assert due <= wait <= due * (1 + SPREAD) + 60_000
    assert len({parcel.id for parcel in world.of("crm").parcels}) == 1
    (dead,) = world.dead()
    assert (dead.target, dead.why, dead.tries, dead.reason) == (
        "webhook:crm", "rule to webhook:crm", 10, "tried 10 times; the last time: it answered 500",
    )  # fmt: skip
    assert 3 * DAY < dead.died_at - began < 3.6 * DAY
    assert world.view() == WebhookView("crm", "crm.example.org", "on", dead.reason, 0, 1)
    assert world.metric("datasms_dead_texts", target="webhook:crm") == 1
    assert world.metric("datasms_handed_on_total", target="webhook:crm", outcome="dead") == 1
    assert world.metric("datasms_handed_on_total", target="webhook:crm", outcome="again") == 9


def test_the_far_ends_wish_to_wait_is_honoured(world: TargetWorld) -> None:
    world.of("crm").answer = lambda parcel: NotTaken("it answered 429", world.daemon.now + 600_000)
    world.sms("Hello")
    world.time.advance(599)
    assert len(world.of("crm").parcels) == 1
    world.time.advance(2)
    assert len(world.of("crm").parcels) == 2


def test_a_target_that_hangs_holds_up_no_other_and_gets_four_at_once(tmp_path: Path) -> None:
    world = TargetWorld(tmp_path, "webhook:crm", "webhook:erp", OFFICE)
    world.of("crm").hangs = True
    for n in range(6):
        world.sms(f"Hello {n}", str(n))
    assert [len(world.of(name).parcels) for name in ("crm", "erp", "mail")] == [4, 6, 6]
    world.of("crm").waiting[0].callback(Taken())
    assert len(world.of("crm").parcels) == 5


def test_a_fault_in_a_driver_costs_one_try_of_one_text(
    world: TargetWorld, logged_failures: list[dict[str, Any]]
) -> None:
    def fails(parcel: Any) -> Taken:
        if parcel.text.text == "bad":
            raise KeyError("+420603123456 canary")
        return Taken()

    world.of("crm").answer = fails
    world.sms("bad")
    world.sms("good", "2")
    assert world.of("crm").texts == ["bad", "good"]
    assert world.waiting() == {"webhook:crm": 1}
    assert "canary" not in str([event["why"] for event in logged_failures])
    alarms(logged_failures, "KeyError")


def test_what_can_never_be_taken_is_dead_at_once_and_can_be_resent(
    tmp_path: Path, logged_failures: list[dict[str, Any]]
) -> None:
    world = TargetWorld(tmp_path, OFFICE)
    world.of("mail").answer = lambda parcel: Hopeless("the relay answered 550 5.1.1")
    world.sms("Hello")
    alarms(logged_failures, "550 5.1.1")
    (dead,) = world.dead()
    assert (dead.target, dead.tries, dead.reason) == (OFFICE, 1, "the relay answered 550 5.1.1")
    assert world.effect() == "dead"
    world.time.advance(LONG_S)
    (first,) = world.of("mail").parcels
    world.of("mail").answer = lambda parcel: Taken()
    assert done(Deferred.fromCoroutine(world.targets.resend(dead.seq, "op"))) is True
    world.time.advance(0)
    assert [parcel.id for parcel in world.of("mail").parcels] == [first.id] * 2
    assert (world.dead(), world.waiting(), world.effect()) == ([], {}, "handed on")
    assert done(Deferred.fromCoroutine(world.targets.resend(dead.seq, "op"))) is None


# --- 410 -------------------------------------------------------------------------------------------------------------


def gone(world: TargetWorld, logged_failures: list[dict[str, Any]]) -> None:
    """The webhook has answered 410."""
    world.of("crm").answer = lambda parcel: TargetGone("it answered 410")
    world.sms("Hello")
    alarms(logged_failures, "webhook:crm is stopped")


def test_a_webhook_that_answers_410_is_not_called_until_it_is_resumed(
    world: TargetWorld, logged_failures: list[dict[str, Any]]
) -> None:
    gone(world, logged_failures)
    world.sms("More", "2")
    world.time.advance(LONG_S)
    assert world.of("crm").texts == ["Hello"]
    assert world.view() == WebhookView("crm", "crm.example.org", "stopped", "it answered 410", 2, 0)
    assert world.metric("datasms_webhook_stopped", webhook="crm") == 1
    assert world.metric("datasms_to_hand_on", target="webhook:crm") == 2
    world.restart()
    world.time.advance(100)
    assert world.of("crm").texts == []
    assert world.view().state == "stopped"
    view = done(Deferred.fromCoroutine(world.targets.resume("crm", "op")))
    assert view is not None
    assert view.state == "on"
    world.time.advance(0)
    assert sorted(world.of("crm").texts) == ["Hello", "More"]
    world.restart()
    assert world.view().state == "on"


def test_a_stopped_webhook_that_gets_another_address_is_called_again(
    world: TargetWorld, logged_failures: list[dict[str, Any]]
) -> None:
    gone(world, logged_failures)
    world.use(replace(world.config, webhook=(replace(CRM, timeout=Duration(9_000)), ERP)))
    assert (world.view().state, world.of("crm").texts) == ("stopped", [])
    world.use(replace(world.config, webhook=(replace(CRM, url="https://new.example.org/"), ERP)))
    assert (world.view().state, world.of("crm").texts) == ("on", ["Hello"])


def test_a_resumed_webhook_of_a_restored_database_waits_for_its_release(
    world: TargetWorld, logged_failures: list[dict[str, Any]]
) -> None:
    gone(world, logged_failures)
    world.daemon.parts.deadlines.is_held = True
    done(Deferred.fromCoroutine(world.targets.resume("crm", "op")))
    world.time.advance(100)
    assert world.of("crm").texts == ["Hello"]


# --- reload ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("to", "label"), [("webhook:crm", "webhook:crm"), (OFFICE, "mail")])
def test_what_waits_for_a_target_that_is_taken_away_is_dead_and_not_dropped(
    tmp_path: Path, to: str, label: str, logged_failures: list[dict[str, Any]]
) -> None:
    world = TargetWorld(tmp_path, to)
    before = world.config
    world.of(label.removeprefix("webhook:")).answer = lambda parcel: NotTaken("it answered 500")
    world.sms("Hello")
    world.use(replace(world.config, webhook=(ERP,), mail=Mail(), inbound=()))
    alarms(logged_failures, f"1 texts for {label}, which is gone")
    (dead,) = world.dead()
    assert (dead.target, dead.reason, world.waiting()) == (to, REMOVED, {})
    assert world.metric("datasms_dead_texts", target=label) == 1
    assert world.metric("datasms_to_hand_on", target=label) is None
    assert done(Deferred.fromCoroutine(world.targets.resend(dead.seq, "op"))) is False
    world.use(before)
    assert done(Deferred.fromCoroutine(world.targets.resend(dead.seq, "op"))) is True
    world.time.advance(0)
    assert world.of(label.removeprefix("webhook:")).texts == ["Hello"]


def test_a_target_that_was_taken_away_while_the_daemon_was_down_is_told_at_the_start(
    world: TargetWorld, logged_failures: list[dict[str, Any]]
) -> None:
    world.of("crm").hangs = True
    world.sms("Hello")
    world.daemon.die()
    world.to = ()
    super(TargetWorld, world).begin()
    world.targets._make = world.fakes
    world.use(replace(world.config, webhook=()))
    alarms(logged_failures, "which is gone")
    assert [dead.reason for dead in world.dead()] == [REMOVED]


def test_texts_wait_for_a_webhook_that_is_switched_off(world: TargetWorld) -> None:
    on = world.config
    world.use(replace(on, webhook=(replace(CRM, enabled=False), ERP)))
    world.sms("Hello")
    world.time.advance(LONG_S)
    assert world.view() == WebhookView("crm", "crm.example.org", "off", None, 1, 0)
    assert done(Deferred.fromCoroutine(world.targets.test("crm"))) is None
    world.use(on)
    assert world.of("crm").texts == ["Hello"]


def test_a_change_of_one_webhook_leaves_the_others_alone(world: TargetWorld) -> None:
    crm, erp = world.of("crm"), world.of("erp")
    world.use(replace(world.config, webhook=(replace(CRM, timeout=Duration(9_000)), ERP)))
    assert (crm.is_stopped, erp.is_stopped) == (True, False)
    assert (world.of("crm") is crm, world.of("erp") is erp) == (False, True)


def test_a_webhook_can_be_tried(world: TargetWorld) -> None:
    assert done(Deferred.fromCoroutine(world.targets.test("crm"))) == Verdict(True, ("it answered 204",))
    assert done(Deferred.fromCoroutine(world.targets.test("pizza"))) is None
    assert done(Deferred.fromCoroutine(world.targets.resume("pizza", "op"))) is None


def test_a_restored_database_hands_nothing_on_until_it_is_released(world: TargetWorld) -> None:
    world.daemon.parts.deadlines.is_held = True
    world.sms("Hello")
    world.time.advance(3600)
    assert world.of("crm").texts == []
    world.daemon.parts.deadlines.is_held = False
    world.time.advance(61)
    assert world.of("crm").texts == ["Hello"]


# --- forgetting ------------------------------------------------------------------------------------------------------


def purge(world: TargetWorld) -> None:
    """What the heart does."""
    done(Deferred.fromCoroutine(world.daemon.parts.archive.purge()))


def test_retention_waits_for_what_is_still_to_be_handed_on_and_keeps_the_dead_from_their_death(
    world: TargetWorld, logged_failures: list[dict[str, Any]]
) -> None:
    world.use(replace(world.config, archive=Archive(keep_inbound=Duration(HOUR))))
    world.of("crm").answer = lambda parcel: NotTaken("it answered 500")
    world.sms("Hello")
    while not world.dead():
        world.time.advance(1800)
        purge(world)
        assert world.rows() == 1
    logged_failures.clear()
    purge(world)
    assert world.rows() == 1
    assert done(Deferred.fromCoroutine(world.daemon.parts.archive.due())) == ()
    world.time.advance(3601)
    assert [due.count for due in done(Deferred.fromCoroutine(world.daemon.parts.archive.due()))] == [1]
    purge(world)
    assert world.rows() == 0


def test_what_was_handed_on_is_forgotten_in_its_time(world: TargetWorld) -> None:
    world.use(replace(world.config, archive=Archive(keep_inbound=Duration(HOUR))))
    world.sms("Hello")
    world.time.advance(3601)
    purge(world)
    assert world.rows() == 0


def test_who_is_erased_has_nothing_on_the_way_any_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """I50: neither what he wrote nor what others wrote that goes to his own mailbox."""
    world = TargetWorld(tmp_path, "webhook:crm", "mail:jan@example.org")
    someone = Person(PERSON, numbers=(NUMBER,), email="Jan@Example.org")

    def unit(db: Db) -> None:
        directory.put_persons(db, [someone])

    done(world.daemon.store.write(unit))
    world.of("crm").hangs = world.of("mail").hangs = True
    world.sms("Hello")
    world.sms("Somebody else's", "2", "+420777000222")
    monkeypatch.setattr(world.time.reactor, "getThreadPool", lambda: None, raising=False)
    monkeypatch.setattr(assembly, "deferToThreadPool", lambda reactor, pool, work: succeed(work()))
    done(Deferred.fromCoroutine(world.daemon.parts.archive.erase(PERSON, "op")))
    assert world.waiting() == {"webhook:crm": 1}
    for waiting in (*world.of("crm").waiting, *world.of("mail").waiting):
        waiting.callback(NotTaken("it answered 500"))
    assert world.waiting() == {"webhook:crm": 1}
