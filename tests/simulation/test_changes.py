"""Everything that may change while messages are under way, at once and under one seed.

Reloads exchange rules, classes, calendars and lines; operators pause, resume, cancel, put off, resend, erase and put a
backup back; numbers move from person to person; people write long texts over two lines. The world keeps its own books
and holds every single hand-over against them. A failure prints its seed; ``DATASMS_SEED`` runs that one again,
``DATASMS_STEPS`` makes the run longer.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred, execute

from datasms_daemon import assembly
from datasms_daemon.model import (
    AcceptedSubmission,
    Conflict,
    DeviceReceipt,
    Dossier,
    Idempotency,
    LineName,
    LineReceipt,
    LineState,
    LineStatus,
    MessageId,
    Person,
    PersonId,
    ReceiptState,
    Recipient,
    Submission,
)
from datasms_daemon.store import audit, directory, messages
from tests.fakes.changing import CLASSES, SMS, Sent, configuration
from tests.fakes.daemon import done, draft
from tests.fakes.lines import FakeLine
from tests.fakes.writers import Writers

STEPS = int(os.environ.get("DATASMS_STEPS", "3000"))
SEEDS = [int(os.environ["DATASMS_SEED"])] if "DATASMS_SEED" in os.environ else [20261126, 17]
LIVE = 60
MARKS = {"the number is another person's now": "number moved", "the line is not configured": "line gone"}
TTL_MS = {"high": 3_600_000, "normal": 86_400_000, "low": 3 * 86_400_000}
SOMETIMES = (
    "backup", "attempts used up", "paused with work", "day limit reached", "limit lifted", "restored", "released",
    "erased under way", "erased again", "number moved", "put off", "resent", "notice", "left out by its class",
    "replayed", "line exchanged", "line gone", "refused reload", "held", "texts forgotten", "whole text",
    "incomplete text", "repeated part", "clock step", "interrupted hand-over", "narrowed", "cancelled", "delivered",
)  # fmt: skip


class Changes(Writers):
    """Who changes what."""

    def __init__(self, tmp_path: Path, seed: int) -> None:
        super().__init__(tmp_path, seed)
        self.submissions: list[tuple[Submission, tuple[str, ...]]] = []
        self.acts: tuple[tuple[Callable[[], None], float], ...] = (
            (self.submit, 26), (self.device_receipt, 8), (self.line_receipt, 12), (self.pass_time, 30),
            (self.part, 14), (self.cancel, 1.5), (self.put_off, 3), (self.resend, 1.5), (self.replay, 1.5),
            (self.pause, 1.5), (self.resume, 2), (self.trouble, 1.5), (self.reload, 2.5), (self.crash, 0.8),
            (self.clock_step, 0.6), (self.erase, 0.5), (self.move_numbers, 0.8), (self.forget, 1.5),
            (self.back_up_or_restore, 0.4), (self.release, 2),
        )  # fmt: skip

    def act(self) -> None:
        """One step of somebody."""
        acts, weights = zip(*self.acts, strict=True)
        self.random.choices(acts, weights)[0]()

    # --- senders -----------------------------------------------------------------------------------------------------

    def submit(self) -> None:
        if len(self.live) >= LIVE:
            return
        number = self.random.choice([*self.books.owner, "+420603000090", "+420603000091"])
        person = self.books.owner.get(number)
        by_person = person is not None and self.random.random() < 0.4
        to = Recipient("/to/0", person=PersonId(person or "")) if by_person else Recipient("/to/0", number=number)
        lines = self.random.choice((None, None, None, ("datasms",), ("sms-a", "sms-c"), ("datasms", "sms-a")))
        of_key = self.random.choice((None, None, None, ("datasms", "sms-a", "sms-b")))
        class_ = self.random.choice((None, None, *CLASSES))
        now, ttl = self.daemon.now, self.random.choice((20_000, 90_000, 600_000, 7_200_000))
        send_at = now + self.random.randrange(1, 120_000) if self.random.random() < 0.15 else None
        said = draft(
            self.name(), recipients=(to, to), priority=self.random.choice(tuple(TTL_MS)), class_=class_,
            lines=lines, send_at=send_at, ttl_ms=ttl,
        )  # fmt: skip
        known_by = Idempotency(said.text, said.text) if self.random.random() < 0.3 else None
        submission = Submission("crm", (said,), of_key, known_by)
        starts = send_at or now
        sent = Sent(MessageId(""), said.text, number, person, class_, submission.lines(said), ttl, starts, starts + ttl)
        self.seen["narrowed"] += sent.lines is not None
        self.accept(submission, sent)

    def accept(self, submission: Submission, sent: Sent) -> None:
        """Hands it in, and notes what became of it."""
        self.coming[sent.text] = sent
        answer = done(Deferred.fromCoroutine(self.core.accept(submission)))
        assert isinstance(answer, AcceptedSubmission), answer
        (message,) = answer.messages
        self.note(sent, message.id)
        if submission.idempotency is not None:
            self.submissions.append((submission, (message.id,)))

    def note(self, sent: Sent, id_: MessageId) -> None:
        """It has an id now."""
        sent.id = id_
        self.books.sent[id_] = sent
        self.live.append(id_)
        plan = self.look(id_).progress.plan
        if sent.class_ in ("secret", "bound"):
            assert {step.line for step in plan} <= CLASSES[sent.class_], "a line that the class forbids"
            self.seen["left out by its class"] += 1

    def look(self, id_: MessageId) -> Dossier:
        found = done(self.daemon.store.read(lambda db: messages.dossier(db, id_)))
        assert found is not None, "I1: an accepted message is gone"
        return found

    def cancel(self) -> None:
        if self.live:
            known = self.books.sent[self.random.choice(self.live)]
            answer = done(Deferred.fromCoroutine(self.core.cancel(known.id, None, "sim")))
            known.is_stopped |= isinstance(answer, Dossier)
            self.seen["cancelled"] += isinstance(answer, Dossier)

    def put_off(self) -> None:
        # Again and again, as long as it is not tried.
        untried = [id_ for id_ in self.live if self.look(id_).progress.attempt == 0][:4]
        if not untried:
            return
        known = self.books.sent[self.random.choice(untried)]
        now, before = self.daemon.now, (known.not_before, known.valid_until)
        send_at = self.random.choice((None, now + self.random.randrange(1, 200_000)))
        known.not_before = send_at or now
        known.valid_until = known.not_before + known.ttl
        answer = done(Deferred.fromCoroutine(self.core.reschedule(known.id, None, "sim", send_at)))
        if isinstance(answer, Dossier):
            assert answer.progress.state.is_final or answer.progress.valid_until == known.valid_until
            self.seen["put off"] += 1
        else:
            known.not_before, known.valid_until = before

    def resend(self) -> None:
        over = [id_ for id_ in self.books.sent if id_ not in self.live]
        if not over:
            return
        known = self.books.sent[self.random.choice(over)]
        dossier, now = self.look(known.id), self.daemon.now
        ttl = TTL_MS[dossier.message.priority]
        to = known.to if known.person is None else self.number_of(known.person)
        if to is None:
            return
        again = Sent(
            MessageId(""), known.text, to, self.books.owner.get(to), known.class_, known.lines, ttl, now, now + ttl
        )
        self.coming[known.text] = again
        answer = done(Deferred.fromCoroutine(self.core.resend(known.id, "sim")))
        if isinstance(answer, Conflict):
            return
        assert answer is not None
        assert not known.is_erased, "an erased message was sent once more"
        self.note(again, answer)
        self.seen["resent"] += 1

    def replay(self) -> None:
        if not self.submissions:
            return
        submission, ids = self.random.choice(self.submissions)
        answer = done(Deferred.fromCoroutine(self.core.accept(submission)))
        assert isinstance(answer, AcceptedSubmission)
        assert (answer.replayed, tuple(one.id for one in answer.messages)) == (True, ids), "I5"
        self.seen["replayed"] += 1

    # --- the outside world -------------------------------------------------------------------------------------------

    def device_receipt(self) -> None:
        if not self.live:
            return
        id_ = self.random.choice(self.live)
        pushes = self.look(id_).pushes
        if pushes:
            state = self.random.choice((ReceiptState.DELIVERED, ReceiptState.READ))
            receipts = (DeviceReceipt(id_, state, self.daemon.now),)
            device = self.random.choice(pushes).device
            assert not done(Deferred.fromCoroutine(self.daemon.parts.receipts.from_device(device, receipts)))

    def line_receipt(self) -> None:
        if not self.provider_ids:
            return
        line, id_ = self.provider_ids.pop(self.random.randrange(len(self.provider_ids)))
        state = self.random.choice((ReceiptState.DELIVERED, ReceiptState.DELIVERED, ReceiptState.FAILED))
        receipt = LineReceipt(LineName(line), (id_,), state, self.daemon.now)
        done(Deferred.fromCoroutine(self.daemon.parts.receipts.from_line(receipt)))

    def pass_time(self) -> None:
        self.time.advance(self.random.choice((0.0, 0.3, 2.0, 7.0, 31.0)))
        self.daemon.beat()

    # --- operators ---------------------------------------------------------------------------------------------------

    def pause(self) -> None:
        line = self.random.choice(("datasms", *SMS))
        view = done(Deferred.fromCoroutine(self.core.pause(line, "sim")))
        if view is not None:
            self.books.paused.add(line)
            self.seen["paused with work"] += view.waiting > 0

    def resume(self) -> None:
        ways, today = self.daemon.parts.dispatch.ways, self.daemon.parts.dispatch.today()
        exhausted = [name for name, way in ways.items() if way.is_exhausted(today)]
        line = self.random.choice([*exhausted, "datasms", *SMS])
        way = ways.get(LineName(line))
        if way is None:
            return
        self.books.paused.discard(line)
        if way.is_exhausted(today) and self.random.random() < 0.3:
            self.books.lifted.add((line, today))
            self.seen["limit lifted"] += 1
        elif way.is_exhausted(today):
            return
        done(Deferred.fromCoroutine(self.core.resume(line, "sim")))

    def trouble(self) -> None:
        """A line is down, or well again."""
        way = self.random.choice(tuple(self.daemon.parts.dispatch.ways.values()))
        assert isinstance(way.line, FakeLine)
        way.line.state = LineStatus(self.random.choice((LineState.UP, LineState.DOWN)), "sim")

    def reload(self) -> None:
        """Another file, which is no good now and then."""
        former = self.path.read_text("utf-8")
        is_good = self.random.random() < 0.85
        text = configuration(self.random, self.state_dir)
        self.path.write_text(text if is_good else text + "\n[oops]\n", "utf-8")
        had = {name: way.line for name, way in self.daemon.parts.dispatch.ways.items()}
        answer = done(self.configured.reload())
        assert bool(answer.problems) is not is_good, answer
        if not is_good:
            self.path.write_text(former, "utf-8")
            self.seen["refused reload"] += 1
            return
        ways = self.daemon.parts.dispatch.ways
        self.seen["line exchanged"] += sum(name in had and way.line is not had[name] for name, way in ways.items())

    def crash(self) -> None:
        self.end()
        self.begin()
        self.time.advance(0)

    def clock_step(self) -> None:
        self.time.step_ms += self.random.choice((-86_400_000, -3_600_000, -900, 900, 3_600_000, 43_200_000))
        self.daemon.beat()
        self.seen["clock step"] += 1

    def erase(self) -> None:
        """A person wants to be forgotten; somebody new gets the number."""
        number, person = self.random.choice(tuple(self.books.owner.items()))
        erased = done(Deferred.fromCoroutine(self.daemon.parts.archive.erase(PersonId(person), "sim")))
        assert erased is not None
        self.seen["erased under way"] += erased.cancelled
        for known in self.books.sent.values():
            if known.person == person or (known.person is None and known.to == number):
                known.is_stopped = known.is_erased = True
        del self.books.owner[number]
        self.settle_people()

    def move_numbers(self) -> None:
        """Two persons exchange their numbers."""
        (one, first), (other, second) = self.random.sample(tuple(self.books.owner.items()), 2)
        people = [
            Person(PersonId(first), numbers=(other,)),
            Person(PersonId(second), numbers=(one,)),
        ]
        assert done(self.daemon.store.write(lambda db: directory.put_persons(db, people))) == ()
        self.books.owner |= {one: second, other: first}

    def forget(self) -> None:
        self.seen["texts forgotten"] += done(Deferred.fromCoroutine(self.daemon.parts.archive.purge()))

    def back_up_or_restore(self) -> None:
        if self.copy is None or self.random.random() < 0.6:
            self.back_up()
            return
        self.check_texts()
        self.restore()
        self.doubt_texts()
        self.submissions = [one for one in self.submissions if all(id_ in self.books.sent for id_ in one[1])]
        self.seen["restored"] += 1

    def release(self) -> None:
        if self.is_held:
            done(Deferred.fromCoroutine(self.daemon.parts.hold.release("sim")))
            self.seen["released"] += 1

    # --- the books ---------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """What must hold after each step."""
        assert not self.broken, "\n".join(self.broken)
        assert done(self.daemon.store.read(messages.orphans)) == 0, "I12: an unfinished message has no next event"
        self.read_texts()

    def bury(self) -> None:
        """Those that are over are left alone."""
        for id_ in tuple(self.live):
            progress = done(self.daemon.store.read(partial(messages.progress, id_=id_)))
            assert progress is not None, "I1: an accepted message is gone"
            if progress.state.is_final:
                self.live.remove(id_)
                self.note_end(id_)

    def run(self, steps: int) -> None:
        """Acts and checks, then leaves everything alone until it is over."""
        for number in range(steps):
            self.act()
            self.check()
            if number % 10 == 0:
                self.bury()
        self.settle()

    def settle(self) -> None:
        self.release()
        for line in ("datasms", *SMS):
            self.books.paused.discard(line)
            self.books.lifted.add((line, self.daemon.parts.dispatch.today()))
            done(Deferred.fromCoroutine(self.core.resume(line, "sim")))
        self.time.advance(6 * 86_400)
        self.check()
        self.bury()
        assert not self.live, f"I12: never finished: {self.live}"
        self.check_texts()
        assert done(self.daemon.store.read(audit.verify)) is None, "I51"

    def note_end(self, id_: MessageId) -> None:
        """What its trace tells of rare ways."""
        dossier = self.look(id_)
        self.seen[dossier.progress.state.value] += 1
        for event in done(self.daemon.store.read(lambda db: messages.trace(db, id_))):
            self.seen["held"] += event.kind == "held"
            self.seen[MARKS.get(str(event.detail.get("reason")), "other")] += 1
        tries = sum(one.step == 0 for one in dossier.attempts)
        if dossier.message.priority == "high" and dossier.progress.step > 0:
            self.seen["attempts used up"] += tries == 2


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nothing_leaves_that_must_not_and_nothing_is_lost_whatever_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged_failures: list[dict[str, object]]
) -> None:
    """I1, I5, I12, I35, I39, I46, I50, I51, R7, R17."""
    monkeypatch.setattr(assembly, "deferToThreadPool", lambda reactor, pool, work: execute(work))
    seen: Counter[str] = Counter()
    for seed in SEEDS:
        directory_ = tmp_path / str(seed)
        directory_.mkdir()
        changes = Changes(directory_, seed)
        try:
            changes.run(STEPS)
        except AssertionError as failure:
            failure.add_note(f"DATASMS_SEED={seed}")
            raise
        changes.daemon.die()
        seen += changes.seen
    never = [name for name in SOMETIMES if not seen[name]]
    assert not never, f"seeds {SEEDS}: never happened: {never}"
    assert all("new configuration is not used" in str(event.get("log_format")) for event in logged_failures)
    logged_failures.clear()
