"""A day of mixed traffic on virtual time: 50,000 messages, each of which its trace explains at the end.

Alarms, ordinary messages and advertisements share three lines with rates and limits, offices open and close, far ends
refuse, are busy, say nothing, and confirm or not. A failure prints its seed; ``DATASMS_SEED`` runs that one again,
``DATASMS_DAY`` another number of messages.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
from msgspec import structs
from msgspec.structs import replace
from twisted.internet.defer import Deferred

from datasms_daemon.config.calendars import CalendarOptions
from datasms_daemon.config.kinds import Duration, Price
from datasms_daemon.config.lines import DatasmsLine, SmppLine
from datasms_daemon.config.records import Config, Rule, StepOptions, When
from datasms_daemon.model import (
    Accepted,
    AcceptedSubmission,
    AddressGone,
    Attempt,
    Device,
    DeviceId,
    DeviceReceipt,
    Dossier,
    Draft,
    Event,
    Handover,
    Later,
    LineDown,
    LineName,
    LineReceipt,
    MessageId,
    MessageState,
    NotSent,
    Outcome,
    Person,
    PersonId,
    Progress,
    ReceiptState,
    Recipient,
    ReportQuery,
    Submission,
    Unknown,
    WhenClosed,
)
from datasms_daemon.store import directory, messages
from datasms_daemon.store.store import Db
from tests.fakes.daemon import START_MS, FakeDaemon, FakeTime, configuration, done
from tests.fakes.lines import FakeLine

MESSAGES = int(os.environ.get("DATASMS_DAY", "50000"))
SEED = int(os.environ.get("DATASMS_SEED", "20270115"))
PEOPLE = 1_000
TICK_S = 60
TICKS = 24 * 60
NEWS = {180: 0.12, 700: 0.06}
"""Advertisements come in two floods: the minute of the day, and which share of all messages."""
DAY_LIMIT = MESSAGES * 3 // 10
ALARM_S = 5
"""How long an alarm may wait for the first line, whatever else waits there: for one of four hand-overs to end."""
REFUSALS: tuple[Outcome, ...] = (Later("busy"), Later("busy"), Unknown("cut"), LineDown("refused"))
HOUR = 3_600_000
DAY = 24 * HOUR
SMS_A, SMS_B, PUSH = LineName("sms-a"), LineName("sms-b"), LineName("datasms")


def step(line: LineName, wait_s: int) -> StepOptions:
    """One step of a rule."""
    return StepOptions(line=line, wait=Duration(wait_s * 1000))


RULES = (
    Rule(name="alarms", when=When(priority=("high",)), steps=(step(PUSH, 45), step(SMS_A, 300), step(SMS_B, 300))),
    Rule(name="advertisements", when=When(class_=("advert",)), steps=(step(SMS_B, 3 * 3600),), calendar="office"),
    Rule(
        name="skips",
        when=When(class_=("now",)),
        steps=(step(SMS_A, 600),),
        calendar="office",
        when_closed=WhenClosed.SKIP,
    ),
    Rule(name="office", when=When(calendar=("office",)), steps=(step(PUSH, 600), step(SMS_A, 7200))),
    Rule(name="closed", when=When(calendar=("!office",)), steps=(step(PUSH, 8 * 3600), step(SMS_A, 7200))),
)
OFFICE = CalendarOptions(timezone="Europe/Prague", hours={"mon-sun": ("06:30-12:00", "12:30-18:00", "20:00-21:00")})


def day_configuration(directory: Path) -> Config:
    """Push at 20 a second, a cheap SMS line with a day limit, a dear one without."""
    return replace(
        configuration(directory, rules=RULES),
        calendar={"office": OFFICE},
        line=(
            DatasmsLine(name=PUSH, rate=20),
            SmppLine(name=SMS_A, host="a.example", system_id="a", day_limit=DAY_LIMIT, price=Price(800_000)),
            SmppLine(name=SMS_B, host="b.example", system_id="b", price=Price(1_200_000)),
        ),
    )


class Day:
    """The world for 24 hours."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.random = Random(seed)
        self.time = FakeTime()
        self.lines: dict[str, FakeLine] = {
            PUSH: FakeLine(PUSH, self.time.reactor, self.devices, drops_repeats=True, window=100),
            SMS_A: FakeLine(SMS_A, self.time.reactor, partial(self.smsc, SMS_A), window=4),
            SMS_B: FakeLine(SMS_B, self.time.reactor, partial(self.smsc, SMS_B), window=4),
        }
        self.daemon = FakeDaemon(day_configuration(directory), {**self.lines}, self.time, seed)
        self.ids: list[MessageId] = []
        self.confirmed: set[MessageId] = set()
        self.coming: list[tuple[float, int, Callable[[], None]]] = []
        self.count = count()
        # No power fails here: nobody waits for the disk.
        done(self.daemon.store.read(lambda db: db.execute("PRAGMA synchronous = OFF")))
        done(self.daemon.store.write(self.people))

    def people(self, db: Db) -> None:
        """Two in three have a device."""
        numbers = [f"+4206030{n:05d}" for n in range(PEOPLE)]
        directory.put_persons(db, [Person(PersonId(f"p{n}"), numbers=(number,)) for n, number in enumerate(numbers)])
        for n in range(PEOPLE):
            if n % 3:
                directory.add_device(db, Device(DeviceId(f"d{n}"), PersonId(f"p{n}"), "fcm", {"token": f"t{n}"}))

    # --- the far ends ------------------------------------------------------------------------------------------------

    def devices(self, handover: Handover) -> tuple[Outcome | Exception, float, bool]:
        """Most pushes are taken, and most of those confirmed, some when the SMS has left long ago."""
        seconds = self.random.choice((0.2, 0.5, 1.0, 2.0))
        if self.random.random() < 0.93:
            state = self.random.choice((ReceiptState.DELIVERED, ReceiptState.READ))
            device = self.random.choice(handover.devices).id
            self.later(seconds, (1.0, 5.0, 20.0, 40.0, 300.0, 9000.0), partial(self.confirm, handover, device, state))
            return Accepted(), seconds, True
        return self.random.choice((*REFUSALS, NotSent("too long", final=True))), seconds, False

    def smsc(self, line: LineName, handover: Handover) -> tuple[Outcome | Exception, float, bool]:
        """The same for SMS; one receipt in twenty says that it failed."""
        seconds = self.random.choice((0.2, 0.5, 1.0, 2.0))
        if self.random.random() < 0.93:
            id_ = f"{handover.message}/{handover.attempt}"
            state = ReceiptState.FAILED if self.random.random() < 0.05 else ReceiptState.DELIVERED
            self.later(seconds, (2.0, 10.0, 400.0), partial(self.receipt, handover.message, line, id_, state))
            return Accepted((id_,)), seconds, True
        return self.random.choice((*REFUSALS, AddressGone("no such number"))), seconds, False

    def later(self, after: float, delays: tuple[float, ...], what: Callable[[], None]) -> None:
        """Four in five of these come, after one of the delays."""
        if self.random.random() < 0.8:
            self.come(after + self.random.choice(delays), what)

    def come(self, seconds: float, what: Callable[[], None]) -> None:
        """Outside the reactor, whose clock sorts all its calls for each that is added."""
        heappush(self.coming, (self.time.reactor.seconds() + seconds, next(self.count), what))

    def confirm(self, handover: Handover, device: DeviceId, state: ReceiptState) -> None:
        """The device says that it has it."""
        self.confirmed.add(handover.message)
        receipts = (DeviceReceipt(handover.message, state, self.daemon.now),)
        assert not done(Deferred.fromCoroutine(self.daemon.parts.receipts.from_device(device, receipts)))

    def receipt(self, id_: MessageId, line: LineName, provider_id: str, state: ReceiptState) -> None:
        """The SMSC says what became of it."""
        if state is ReceiptState.DELIVERED:
            self.confirmed.add(id_)
        receipt = LineReceipt(line, (provider_id,), state, self.daemon.now)
        done(Deferred.fromCoroutine(self.daemon.parts.receipts.from_line(receipt)))

    def advance(self, seconds: float) -> None:
        """Time passes here and there."""
        end = self.time.reactor.seconds() + seconds
        while self.coming and self.coming[0][0] <= end:
            at, _, what = heappop(self.coming)
            self.time.advance(max(0.0, at - self.time.reactor.seconds()))
            what()
        self.time.advance(max(0.0, end - self.time.reactor.seconds()))

    # --- the senders -------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """A day, then until everything is over."""
        due = 0.0
        for tick in range(TICKS):
            due += MESSAGES * (1 - sum(NEWS.values())) * self.share(tick)
            self.submit("crm", [self.ordinary() for _ in range(int(due))])
            due -= int(due)
            self.submit("news", [self.advert() for _ in range(int(MESSAGES * NEWS.get(tick, 0)))])
            self.advance(TICK_S)
            if tick % 30 == 0:
                self.daemon.beat()
        if missing := MESSAGES - len(self.ids):
            self.submit("crm", [self.ordinary() for _ in range(missing)])
        self.advance(5 * 86_400)

    def share(self, tick: int) -> float:
        """Of the ordinary messages, in this minute: by day three times as many as at night."""
        return (1.5 if tick < TICKS // 2 else 0.5) / TICKS

    def ordinary(self) -> Draft:
        """An alarm now and then, some for later, some that are soon worth nothing."""
        priority = self.random.choices(("high", "normal", "low"), (1, 7, 2))[0]
        more: dict[str, object] = {"class_": "now"} if self.random.random() < 0.05 else {}
        if self.random.random() < 0.03:
            more["send_at"] = self.daemon.now + self.random.randrange(1, 6 * HOUR)
        if self.random.random() < 0.02:
            more["ttl_ms"] = self.random.randrange(1_000, 120_000)
        return self.draft("Pump 3 stopped", priority, **more)

    def advert(self) -> Draft:
        """Low, and by SMS only."""
        return self.draft("Half price, today only", "low", class_="advert")

    def draft(self, text: str, priority: str, **more: object) -> Draft:
        number = f"+4206030{self.random.randrange(PEOPLE):05d}"
        return Draft((Recipient("/to/0", number=number),), text, priority, **more)  # type: ignore[arg-type]

    def submit(self, sender: str, drafts: list[Draft]) -> None:
        """In submissions of at most a thousand; one in two hundred messages is taken back."""
        for start in range(0, len(drafts), 1000):
            submission = Submission(sender, tuple(drafts[start : start + 1000]))
            answer = done(Deferred.fromCoroutine(self.daemon.parts.core.accept(submission)))
            assert isinstance(answer, AcceptedSubmission), answer
            made = [message.id for message in answer.messages]
            self.ids += made
            for id_ in made:
                if self.random.random() < 0.005:
                    self.come(self.random.choice((0.5, 30.0)), partial(self.cancel, id_))

    def cancel(self, id_: MessageId) -> None:
        """The sender takes it back, if it is not over."""
        done(Deferred.fromCoroutine(self.daemon.parts.core.cancel(id_, None, "crm")))

    # --- the books ---------------------------------------------------------------------------------------------------

    def stories(self) -> Iterator[tuple[Dossier, tuple[Event, ...]]]:
        """Every message with its attempts and its trace."""

        def read(db: Db) -> list[tuple[Dossier, tuple[Event, ...]]]:
            found = [(messages.dossier(db, id_), messages.trace(db, id_)) for id_ in some]
            return [(dossier, trace) for dossier, trace in found if dossier is not None]

        for start in range(0, len(self.ids), 1000):
            some = self.ids[start : start + 1000]
            yield from done(self.daemon.store.read(read))

    def check_books(self, ends: Counter[MessageState]) -> None:
        """The report tells the same of all of them as their stories."""
        query = ReportQuery(since=START_MS)
        (row,) = done(Deferred.fromCoroutine(self.daemon.parts.core.report(query))).rows
        assert row.sums.messages == MESSAGES
        assert row.sums.delivered == ends[MessageState.DELIVERED] + ends[MessageState.READ]
        assert row.sums.failed == ends[MessageState.FAILED] + ends[MessageState.EXPIRED] + ends[MessageState.UNKNOWN]
        by_line = done(Deferred.fromCoroutine(self.daemon.parts.core.report(structs.replace(query, by=("line",))))).rows
        costs = {row.keys[0]: (row.sums.cost, row.sums.parts) for row in by_line}
        assert costs[SMS_A] == (800_000 * costs[SMS_A][1], costs[SMS_A][1])
        assert costs[SMS_B] == (1_200_000 * costs[SMS_B][1], costs[SMS_B][1])
        assert 0 < row.sums.avoided <= row.sums.delivered
        assert row.sums.saved == row.sums.avoided_parts * 800_000


ENDS = {"expired": MessageState.EXPIRED, "cancelled": MessageState.CANCELLED, "read": MessageState.READ}


def explain(progress: Progress, trace: tuple[Event, ...]) -> MessageState | None:
    """The final state that the trace tells, read from its begin; None: it tells of no end."""
    ended = MessageState.FAILED if not progress.plan else None
    for event in trace:
        if ended is None and event.kind == "delivered":
            ended = MessageState.DELIVERED
        elif ended is None and event.kind in ("failed", "unknown") and "code" in event.detail:
            ended = MessageState(event.kind)
            assert event.detail["code"] == progress.code
        elif ended is None or (ended is MessageState.DELIVERED and event.kind == "read"):
            ended = ENDS.get(event.kind, ended)
    return ended


def check_steps(progress: Progress, attempts: tuple[Attempt, ...], trace: tuple[Event, ...]) -> None:
    """Each step was tried, was passed over for a reason that the trace tells, or was not reached."""
    entered = {0} | {int(event.detail["step"] or 0) for event in trace if event.kind == "step"}
    tried = {attempt.step for attempt in attempts}
    for number, one in enumerate(progress.plan):
        if number > progress.step:
            assert number not in tried | entered, "a step that was not reached has left traces"
        elif number not in tried:
            reasons = [event.kind for event in trace if event.detail.get("line") in (one.line, None)]
            ends = {"deadline", "skipped", "expired", "cancelled", "delivered", "read"}
            assert ends & {*reasons, *(event.kind for event in trace)}, "a step was left without a reason"
        assert number > progress.step or number in entered


class Handed(NamedTuple):
    """A message and the first time that it was handed over."""

    priority: str
    asked_at: int
    line: LineName
    started_at: int


def handed(dossier: Dossier) -> list[Handed]:
    """Nothing when its first step was passed over."""
    message = dossier.message
    asked_at = max(message.created_at, message.send_at or 0)
    return [
        Handed(message.priority, asked_at, one.line, one.started_at) for one in dossier.attempts[:1] if not one.step
    ]


def check_alarms(firsts: list[Handed]) -> None:
    """I37: however much else waits, an alarm is handed over at once, unless its line stands still for the day."""
    days: dict[int, list[int]] = {}
    for one in firsts:
        if one.line == SMS_A:
            days.setdefault(one.started_at // DAY, []).append(one.started_at)
    # At its limit the line stands still from its last hand-over of the day on.
    full = {day: max(started) for day, started in days.items()}
    alarms = [one for one in firsts if one.priority == "high"]
    waited = [one.started_at - one.asked_at for one in alarms if one.started_at // DAY == one.asked_at // DAY]
    assert len(waited) > len(alarms) * 9 // 10
    assert max(waited) <= ALARM_S * 1000
    overnight = [one for one in alarms if one.started_at // DAY > one.asked_at // DAY]
    assert all(one.line == SMS_A and one.asked_at >= full[one.asked_at // DAY] - ALARM_S * 1000 for one in overnight)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_day_of_mixed_traffic_ends_with_every_message_explained_by_its_trace(tmp_path: Path) -> None:
    """I1, I7, I8, I11, I12, I25, I37."""
    day = Day(tmp_path, SEED)
    day.run()
    assert len(day.ids) == len(set(day.ids)) == MESSAGES
    ends: Counter[MessageState] = Counter()
    sent: Counter[tuple[str, int]] = Counter()
    firsts: list[Handed] = []
    for dossier, trace in day.stories():
        progress = dossier.progress
        assert progress.state.is_final, f"I12: {progress.id} never ended"
        assert trace[0].kind == "accepted"
        assert explain(progress, trace) is progress.state, f"{SEED}: {progress}: {trace}"
        check_steps(progress, dossier.attempts, trace)
        firsts += handed(dossier)
        assert progress.state not in (MessageState.DELIVERED, MessageState.READ) or progress.id in day.confirmed
        ends[progress.state] += 1
        sent.update((one.line, one.started_at // DAY) for one in dossier.attempts)
    assert sum(ends.values()) == MESSAGES, "I1: an accepted message is gone"
    assert max(count for (line, _), count in sent.items() if line == SMS_A) == DAY_LIMIT, "the limit holds, and is met"
    assert {*ends} == {state for state in MessageState if state.is_final}, f"{SEED}: something never happened"
    check_alarms(firsts)
    day.check_books(ends)
    day.daemon.die()
