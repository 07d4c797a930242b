"""The whole core under one seed: random far ends, receipts, crashes, clock steps; the invariants after each step.

A failure prints its seed; ``DATASMS_SEED`` runs that one again, ``DATASMS_STEPS`` makes the run longer.
"""

from __future__ import annotations

import os
from collections import Counter
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from msgspec.structs import replace
from twisted.internet.defer import Deferred

from datasms_daemon.config.calendars import CalendarOptions, calendars_of
from datasms_daemon.config.kinds import Duration
from datasms_daemon.config.records import Rule, StepOptions, When
from datasms_daemon.model import (
    Accepted,
    AddressGone,
    Attempt,
    DeviceId,
    DeviceReceipt,
    Dossier,
    Event,
    Handover,
    Later,
    LineDown,
    LineName,
    LineReceipt,
    MessageId,
    MessageState,
    NotSent,
    OnUnknown,
    Outcome,
    PersonId,
    Reach,
    ReceiptState,
    Success,
    Unknown,
    WhenClosed,
)
from datasms_daemon.rules.openings import Openings
from datasms_daemon.store import messages
from tests.fakes.daemon import FakeDaemon, FakeTime, add_person, configuration, done, draft
from tests.fakes.lines import FakeLine

STEPS = int(os.environ.get("DATASMS_STEPS", "26000"))
SEEDS = [int(os.environ["DATASMS_SEED"])] if "DATASMS_SEED" in os.environ else [20261123, 7, 4711, 90210]
PEOPLE = 12
LIVE = 40
BACKWARDS_MS = 51_000
"""A start with the clock set back goes on from the last heartbeat; the longest time here without one."""
SOMETIMES = (
    "fallback", "late receipt", "unknown outcome", "overdue at restart", "clock step", "interrupted hand-over",
    "early receipt", "delivered", "read", "expired", "failed", "cancelled", "unknown", "retry", "disk room",
    "held", "opened", "passed over", "closed before the claim", "other calendars", "calendars let go",
)  # fmt: skip


def step(line: str, wait_s: int, success: Success = Success.DELIVERED, unknown: OnUnknown | None = None) -> StepOptions:
    """One step of a rule."""
    return StepOptions(line=LineName(line), wait=Duration(wait_s * 1000), success=success, on_unknown=unknown)


RULES = (
    Rule(name="short", when=When(class_=("a",)), steps=(step("datasms", 20), step("sms-a", 60))),
    Rule(name="long", when=When(class_=("b",)), steps=(step("datasms", 60), step("sms-a", 90), step("sms-b", 60))),
    Rule(name="read", when=When(class_=("c",)), steps=(step("datasms", 45, Success.READ), step("sms-b", 30))),
    Rule(name="next", when=When(class_=("d",)), steps=(step("sms-a", 40, unknown=OnUnknown.NEXT), step("sms-b", 40))),
    Rule(name="report", when=When(class_=("e",)), steps=(step("sms-a", 40, unknown=OnUnknown.REPORT),)),
    Rule(name="content", when=When(class_=("f",)), steps=(step("sms-b", 40, Success.ACCEPTED),)),
    Rule(name="held", when=When(class_=("h",)), steps=(step("datasms", 20), step("sms-a", 60)), calendar="blinks"),
    Rule(
        name="passed over", when=When(class_=("i",)), steps=(step("datasms", 20),), calendar="blinks",
        when_closed=WhenClosed.SKIP, continue_=True,
    ),
    Rule(name="then", when=When(class_=("i",)), steps=(step("sms-b", 60),), calendar="rarely"),
)  # fmt: skip


def minutes(is_open: int, of: int) -> CalendarOptions:
    """Open for the first minutes of each period."""
    clocks = [f"{each // 60:02}:{each % 60:02}" for each in range(1440)]
    spans = tuple(f"{clocks[each]}-{clocks[each + is_open]}" for each in range(0, 1440, of))
    return CalendarOptions(timezone="Europe/Prague", hours={"mon-sun": spans})


CALENDARS = (
    {"blinks": minutes(2, 3), "rarely": minutes(1, 6)},
    {"blinks": minutes(1, 4)},
    {"blinks": minutes(5, 6), "rarely": minutes(1, 2)},
)


class Simulation:
    """One run: what happened in the outside world, and what the daemon says of it."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.random = Random(seed)
        self.time = FakeTime()
        self.config = replace(configuration(directory, rules=RULES), calendar=CALENDARS[0])
        self.openings = Openings(calendars_of(self.config))
        self.lines = {
            "datasms": FakeLine("datasms", self.time.reactor, self.far_end, drops_repeats=True, window=8),
            "sms-a": FakeLine("sms-a", self.time.reactor, self.far_end, window=4),
            "sms-b": FakeLine("sms-b", self.time.reactor, self.far_end, window=2),
        }
        self.seen: Counter[str] = Counter()
        self.provider_ids: list[tuple[str, str, str]] = []
        self.known: dict[MessageId, Dossier] = {}
        self.live: list[MessageId] = []
        self.confirmed: set[MessageId] = set()
        self.accepted: set[MessageId] = set()
        self.broken: list[str] = []
        self.lives = 0
        self.begin()
        for n in range(PEOPLE):
            devices = [f"d{n}-{i}" for i in range(n % 3)]
            add_person(self.daemon, *devices, number=f"+42060300{n:04d}", person=PersonId(f"p{n}"))

    # --- the world ---------------------------------------------------------------------------------------------------

    def far_end(self, handover: Handover) -> tuple[Outcome | Exception, float, bool]:
        """What a provider does with one hand-over."""
        self.check_open(handover)
        kind = self.random.random()
        seconds = self.random.choice((0.0, 0.0, 0.2, 1.5, 6.0))
        if handover.text == "poison":
            return RuntimeError("bug"), seconds, False
        if kind < 0.62:
            return Accepted(self.new_ids(handover)), seconds, True
        if kind < 0.72:
            not_before = self.daemon.now + self.random.choice((0, 5_000, 120_000))
            return Later("busy", self.random.choice((None, not_before))), seconds, False
        if kind < 0.80:
            return Unknown("cut"), seconds, self.random.random() < 0.5
        if kind < 0.85:
            return AddressGone("gone"), seconds, False
        if kind < 0.90:
            return LineDown("refused"), seconds, False
        return NotSent("limit", final=self.random.random() < 0.3), seconds, False

    def new_ids(self, handover: Handover) -> tuple[str, ...]:
        """Provider's ids; now and then a receipt overtakes the answer that names them."""
        if handover.devices:
            return (f"fcm/{handover.message}",)
        parts = self.random.choice((1, 1, 2))
        ids = tuple(f"{handover.message}/{handover.attempt}/{part}" for part in range(parts))
        line = "sms-a" if handover.message in self.sent_on("sms-a") else "sms-b"
        self.provider_ids += [(line, id_, handover.message) for id_ in ids]
        return ids

    def sent_on(self, line: str) -> set[MessageId]:
        """The message that a line was just handed."""
        sends = self.lines[line].sends
        return {sends[-1].message} if sends else set()

    def begin(self) -> None:
        """A new life of the daemon."""
        self.lives += 1
        windows = {name: line.window for name, line in self.lines.items()}
        for line in self.lines.values():
            line.window = 0
        self.daemon = FakeDaemon(self.config, dict(self.lines), self.time, self.random.randrange(1 << 30))
        # Nothing leaves before it can be held against the database of this life.
        for name, line in self.lines.items():
            line.window = windows[name]
            self.daemon.parts.dispatch.wake(line.name)
        self.seen["interrupted hand-over"] += self.daemon.interrupted

    # --- the steps ---------------------------------------------------------------------------------------------------

    def act(self) -> None:
        """One step of somebody."""
        kind = self.random.random()
        if kind < 0.28 and len(self.live) < LIVE:
            self.submit()
        elif kind < 0.50:
            self.device_receipt()
        elif kind < 0.68:
            self.line_receipt()
        elif kind < 0.70:
            self.cancel()
        elif kind < 0.713:
            self.crash()
        elif kind < 0.723:
            self.clock_step()
        elif kind < 0.733:
            self.stall()
        elif kind < 0.743:
            self.revive()
        elif kind < 0.749:
            self.other_calendars()
        else:
            self.time.advance(self.random.choice((0.0, 0.01, 0.3, 2.0, 7.0, 31.0)))
            self.daemon.beat()

    def submit(self) -> None:
        number = f"+42060300{self.random.randrange(PEOPLE):04d}"
        more: dict[str, object] = {"class_": self.random.choice("abcdefghi")}
        if self.random.random() < 0.1:
            more["send_at"] = self.daemon.now + self.random.randrange(1, 60_000)
        if self.random.random() < 0.15:
            more["ttl_ms"] = self.random.randrange(1_000, 60_000)
        text = "poison" if self.random.random() < 0.04 else "text"
        if text == "poison":
            # The longest waits: long enough for five crashes with their back-off.
            more["class_"] = "g"
        priority = self.random.choice(("high", "normal", "low"))
        (id_,) = self.daemon.submit(draft(text, number=number, priority=priority, **more))
        self.accepted.add(MessageId(id_))
        self.live.append(MessageId(id_))

    def device_receipt(self) -> None:
        if not self.live:
            return
        id_ = self.random.choice(self.live)
        pushes = self.known[id_].pushes if id_ in self.known else ()
        if not pushes:
            return
        state = self.random.choice((ReceiptState.DELIVERED, ReceiptState.DELIVERED, ReceiptState.READ))
        receipts = (DeviceReceipt(id_, state, self.daemon.now),)
        device = self.random.choice(pushes).device
        self.confirmed.add(id_)
        for _ in range(self.random.choice((1, 1, 2))):
            unknown = done(Deferred.fromCoroutine(self.daemon.parts.receipts.from_device(device, receipts)))
            assert not unknown
        stranger = done(Deferred.fromCoroutine(self.daemon.parts.receipts.from_device(DeviceId("no"), receipts)))
        assert stranger == (id_,)

    def line_receipt(self) -> None:
        if not self.provider_ids:
            return
        index = self.random.randrange(len(self.provider_ids))
        line, provider_id, id_ = self.provider_ids[index]
        if self.random.random() < 0.7:
            self.provider_ids.pop(index)
        state = self.random.choice((ReceiptState.DELIVERED, ReceiptState.DELIVERED, ReceiptState.FAILED))
        if state is ReceiptState.DELIVERED:
            self.confirmed.add(MessageId(id_))
        receipt = LineReceipt(LineName(line), (provider_id,), state, self.daemon.now)
        before = self.daemon.parts.metrics.unmatched._value.get()
        done(Deferred.fromCoroutine(self.daemon.parts.receipts.from_line(receipt)))
        self.seen["early receipt"] += int(self.daemon.parts.metrics.unmatched._value.get() > before)

    def cancel(self) -> None:
        if self.live:
            done(Deferred.fromCoroutine(self.daemon.parts.core.cancel(self.random.choice(self.live), None, "sim")))

    def crash(self) -> None:
        """kill -9; the far ends go on living, and time passes before the next life."""
        if self.random.random() < 0.5:
            self.daemon.beat()
        self.daemon.die()
        for line in self.lines.values():
            line.in_flight.clear()
        self.time.advance(self.random.choice((0.0, 1.0, 40.0, 200.0)))
        self.begin()
        overdue = done(self.daemon.store.read(lambda db: messages.overdue(db, self.daemon.now)))
        self.seen["overdue at restart"] += overdue
        self.time.advance(0)

    def clock_step(self) -> None:
        self.time.step_ms += self.random.choice((-86_400_000, -3_600_000, -900, 900, 3_600_000, 86_400_000))
        self.daemon.beat()
        self.seen["clock step"] += 1

    def stall(self) -> None:
        """A line has no room for a while."""
        line = self.random.choice(list(self.lines.values()))
        line.window, window = 0, line.window
        self.time.advance(self.random.choice((1.0, 10.0, 50.0)))
        line.window = window
        self.daemon.parts.dispatch.wake(line.name)
        self.seen["disk room"] += 1

    def other_calendars(self) -> None:
        """A reload with other opening times, or one fewer."""
        self.config = replace(self.config, calendar=self.random.choice(CALENDARS))
        calendars = calendars_of(self.config)
        self.openings = Openings(calendars)
        self.daemon.parts.configure(self.config, calendars)
        self.seen["calendars let go"] += done(Deferred.fromCoroutine(self.daemon.parts.look_again()))
        self.seen["other calendars"] += 1

    def revive(self) -> None:
        """Devices whose address died come back with another one."""
        retired = done(
            self.daemon.store.read(lambda db: db.execute("SELECT id FROM devices WHERE state = 'retired'").fetchall())
        )
        for (device,) in retired:
            reach = Reach("fcm", {"token": f"{device}-{self.random.randrange(1 << 30)}"})
            done(Deferred.fromCoroutine(self.daemon.parts.backend.update_device(device, reach, None, {}, "phone")))

    # --- the invariants ----------------------------------------------------------------------------------------------

    def check(self, ids: list[MessageId]) -> None:
        """What must hold after each step, for the messages that are not over yet."""
        assert not self.broken, self.broken
        orphans = done(self.daemon.store.read(messages.orphans))
        assert orphans == 0, "I12: an unfinished message has no next event"
        known = {id_: self.known[id_].progress.gen for id_ in ids if id_ in self.known}
        # Every write of a message raises its gen; only those that changed can break a promise.
        now = done(self.daemon.store.read(lambda db: [messages.progress(db, id_) for id_ in ids]))
        assert all(now), "I1: an accepted message is gone"
        for id_ in [one.id for one in now if one is not None and known.get(one.id) != one.gen]:
            dossier = done(self.daemon.store.read(lambda db, id_=id_: messages.dossier(db, id_)))  # type: ignore[misc]
            assert dossier is not None, "I1: an accepted message is gone"
            self.check_one(id_, dossier)
            self.known[id_] = dossier

    def check_open(self, handover: Handover) -> None:
        """Nothing is handed over while a calendar of its step is closed."""
        progress = done(self.daemon.store.read(lambda db: messages.progress(db, handover.message)))
        assert progress is not None
        step = progress.plan[progress.step]
        if step.calendars and self.openings.opens(step, self.daemon.now) != self.daemon.now:
            # An assertion here would be taken for a fault of the driver.
            self.broken.append(f"{handover.message} handed over while closed")

    def check_one(self, id_: MessageId, dossier: Dossier) -> None:
        progress, before = dossier.progress, self.known.get(id_)
        active = [one for one in dossier.attempts if one.finished_at is None]
        assert len(active) <= 1, "I7: two active attempts"
        assert progress.step < max(1, len(progress.plan)), "I8: the step passed the plan"
        assert [one.n for one in dossier.attempts] == list(range(1, len(dossier.attempts) + 1)), "I8: attempts in order"
        steps = [one.step for one in dossier.attempts]
        assert steps == sorted(steps), "I8: the step went down"
        if before is not None:
            assert before.progress.gen <= progress.gen, "I11: an older state came back"
            assert before.progress.step <= progress.step, "I8: the step went down"
            if before.progress.state.is_final and progress.state is not before.progress.state:
                pair = (before.progress.state, progress.state)
                assert pair == (MessageState.DELIVERED, MessageState.READ), f"I11: left a final state: {pair}"
        if progress.state in (MessageState.DELIVERED, MessageState.READ):
            assert id_ in self.confirmed, "I25: delivered although nobody said so"
        if progress.state.is_final:
            assert (progress.due_at, progress.ready) == (None, None)
        else:
            assert progress.due_at is not None, "I12: no next event"
            assert not progress.held or progress.ready is None
            assert progress.due_at <= progress.valid_until or progress.state is MessageState.SCHEDULED
        for line in ("sms-a", "sms-b"):
            assert self.lines[line].taken[id_] <= 1, "R7: the same SMS twice on a line that cannot drop repeats"

    def check_end(self, id_: MessageId) -> None:
        """A message is over: its trace must explain it."""
        dossier = self.known[id_]
        trace = done(self.daemon.store.read(lambda db: messages.trace(db, id_)))
        self.check_trace(trace, dossier)
        self.seen[dossier.progress.state.value] += 1
        kinds = Counter(event.kind for event in trace)
        self.seen["held"] += kinds["held"]
        self.seen["opened"] += kinds["opened"]
        self.seen["passed over"] += sum("closed" in str(event.detail.get("reason")) for event in trace)
        self.seen["closed before the claim"] += any(
            event.kind == "held" and earlier.kind not in ("accepted", "due", "step", "calendars_changed")
            for earlier, event in pairwise(trace)
        )
        self.seen["parked"] += dossier.progress.code == "parked"
        self.seen["late receipt"] += any(one.late for one in dossier.attempts)
        self.seen["fallback"] += len({one.step for one in dossier.attempts}) > 1
        self.seen["unknown outcome"] += any(one.outcome == "unknown" for one in dossier.attempts)
        self.seen["retry"] += len(dossier.attempts) > len({one.step for one in dossier.attempts})

    def check_trace(self, trace: tuple[Event, ...], dossier: Dossier) -> None:
        causes = {
            "deadline", "address_gone", "line_down", "later", "not_sent", "unknown", "failed", "skipped",
        }  # fmt: skip
        deadlines = {one.n: one for one in dossier.attempts}
        for earlier, event in pairwise(trace):
            assert event.at >= earlier.at - BACKWARDS_MS, "the trace runs backwards"
            if event.kind == "step":
                assert earlier.kind in causes, f"I9: a fallback without a cause after {earlier.kind}"
        for event in trace:
            attempt = deadlines.get(int(event.detail.get("attempt") or 0))
            if event.kind == "deadline" and attempt is not None:
                self.check_deadline(event, attempt)

    def check_deadline(self, event: Event, attempt: Attempt) -> None:
        # A step that never had room has no attempt of its own; the newest one is then another line's.
        if attempt.deadline is None or attempt.line != event.detail["line"]:
            return
        assert event.at >= attempt.deadline, "I14: a deadline fired early"

    def run(self, steps: int) -> None:
        """Acts and checks."""
        for number in range(steps):
            self.act()
            self.check(self.live)
            if number % 50 == 0:
                over = [id_ for id_ in self.live if self.known[id_].progress.state.is_final]
                for id_ in over[: len(over) // 2 + 1]:
                    self.check_end(id_)
                    self.live.remove(id_)
                    self.known.pop(id_)
        self.settle()

    def settle(self) -> None:
        """Left alone, every message comes to its end (I12)."""
        self.time.advance(5 * 86_400)
        self.check(self.live)
        unfinished = [id_ for id_ in self.live if not self.known[id_].progress.state.is_final]
        assert not unfinished, f"I12: never finished: {unfinished}"
        stored = done(self.daemon.store.read(lambda db: {row[0] for row in db.execute("SELECT id FROM messages")}))
        assert stored == self.accepted, "I1: accepted and stored are not the same messages"


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_core_keeps_its_invariants_under_one_seed(
    tmp_path: Path, seed: int, logged_failures: list[dict[str, object]]
) -> None:
    """I1, I7, I8, I9, I11, I12, I14, I20, I23, I25, I26."""
    simulation = Simulation(tmp_path, seed)
    simulation.run(STEPS)
    never = [name for name in SOMETIMES if not simulation.seen[name]]
    assert not never, f"seed {seed}: never happened: {never}"
    assert all("failed on message" in str(event.get("log_format")) for event in logged_failures)
    logged_failures.clear()
    simulation.daemon.die()
