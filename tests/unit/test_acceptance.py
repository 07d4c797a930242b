"""Acceptance: all of a submission or nothing, once for one key, routed by what is known of each recipient."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from twisted.internet.defer import Deferred

from datasms_daemon.config.records import Rule, SenderOptions, StepOptions, When
from datasms_daemon.delivery.number_files import NumberFiles
from datasms_daemon.errors import DiskFull
from datasms_daemon.model import (
    AcceptedSubmission,
    Conflict,
    Draft,
    Group,
    GroupId,
    Idempotency,
    KeyReused,
    Limited,
    LineName,
    LineText,
    MessageQuery,
    MessageState,
    Person,
    PersonId,
    Recipient,
    Refused,
    Submission,
)
from datasms_daemon.store import directory, search
from datasms_daemon.store.store import Db
from tests.fakes.daemon import NUMBER, FakeDaemon, FakeTime, add_person, configuration, done, draft
from tests.fakes.lines import FakeLine

NIGHT = Rule(
    name="night shift alarms",
    when=When(priority=("high",), recipient_group=("night-shift",)),
    steps=(StepOptions(line=LineName("sms-b")),),
)


@pytest.fixture
def daemon(tmp_path: Path) -> FakeDaemon:
    """One person with a device, a group of three persons in two levels."""
    time = FakeTime()
    lines = {
        "datasms": FakeLine("datasms", time.reactor, drops_repeats=True),
        "sms-a": FakeLine("sms-a", time.reactor),
        "sms-b": FakeLine("sms-b", time.reactor),
    }
    daemon = FakeDaemon(configuration(tmp_path, rules=(NIGHT,)), dict(lines), time)
    add_person(daemon, "phone")

    def unit(db: Db) -> None:
        directory.put_persons(
            db, [Person(PersonId("a"), numbers=("+420603000001",)), Person(PersonId("b"), numbers=("+420603000002",))]
        )
        directory.put_groups(db, [Group(GroupId("works"), members=(PersonId("a"),))])
        directory.put_groups(
            db,
            [Group(GroupId("night-shift"), members=(PersonId("b"), PersonId("novak")), parent=GroupId("works"))],
        )

    done(daemon.store.write(unit))
    return daemon


def accept(daemon: FakeDaemon, *drafts: Draft, **more: object) -> AcceptedSubmission | Refused | Limited | KeyReused:
    """What the core answers."""
    submission = Submission("crm", drafts, **more)  # type: ignore[arg-type]
    return done(Deferred.fromCoroutine(daemon.parts.core.accept(submission)))


def stored(daemon: FakeDaemon) -> list[str | None]:
    """The recipients of all messages."""
    found = done(daemon.store.read(lambda db: list(search.newest(db, MessageQuery(limit=500)))))
    return [dossier.message.to for dossier in reversed(found)]


def to(*recipients: Recipient) -> Draft:
    """A draft for these."""
    return replace(draft(), recipients=recipients)


def test_one_bad_recipient_at_any_place_refuses_all(daemon: FakeDaemon) -> None:
    """I3."""
    good = [Recipient(f"/to/{n}", number=f"+4206030001{n:02d}") for n in range(5)]
    for place in range(6):
        recipients = [*good[:place], Recipient(f"/to/{place}", person=PersonId("nobody")), *good[place:]]
        answer = accept(daemon, to(*recipients))
        assert isinstance(answer, Refused)
        assert [problem.pointer for problem in answer.problems] == [f"/to/{place}"]
    assert stored(daemon) == []


def test_every_fault_is_told_at_once(daemon: FakeDaemon) -> None:
    answer = accept(daemon, to(Recipient("/to/0", person=PersonId("x")), Recipient("/to/1", group=GroupId("y"))))
    assert isinstance(answer, Refused)
    assert [problem.detail for problem in answer.problems] == ["there is no person x", "there is no group y"]


def test_a_group_reaches_everybody_in_it_and_below_once(daemon: FakeDaemon) -> None:
    both = to(Recipient("/to/0", group=GroupId("works")), Recipient("/to/1", number=NUMBER))
    answer = accept(daemon, both)
    assert isinstance(answer, AcceptedSubmission)
    assert sorted(message.to or "" for message in answer.messages) == ["+420603000001", "+420603000002", NUMBER]


@pytest.mark.parametrize("first", [True, False])
def test_one_who_is_named_by_another_of_his_numbers_and_in_a_group_gets_it_there_and_once(
    daemon: FakeDaemon, first: bool
) -> None:
    other = "+420603000009"
    person = Person(PersonId("a"), numbers=("+420603000001", other), groups=(GroupId("works"),))
    done(daemon.store.write(lambda db: directory.put_persons(db, [person])))
    named = [Recipient("/to/0", group=GroupId("works")), Recipient("/to/1", number=other)]
    answer = accept(daemon, to(*(reversed(named) if first else named)))
    assert isinstance(answer, AcceptedSubmission)
    assert sorted(message.to or "" for message in answer.messages) == ["+420603000002", other, NUMBER]


def test_the_same_key_and_body_is_answered_as_before_and_stored_once(daemon: FakeDaemon) -> None:
    """I5."""
    key = Idempotency("k1", "hash")
    first, again = accept(daemon, draft(), idempotency=key), accept(daemon, draft(), idempotency=key)
    assert isinstance(first, AcceptedSubmission)
    assert again == replace(first, replayed=True)
    assert len(stored(daemon)) == 1


def test_the_same_key_with_another_body_is_refused(daemon: FakeDaemon) -> None:
    """I5."""
    accept(daemon, draft(), idempotency=Idempotency("k1", "hash"))
    assert accept(daemon, draft("other"), idempotency=Idempotency("k1", "other")) == KeyReused()
    assert len(stored(daemon)) == 1


def test_two_senders_may_use_the_same_key(daemon: FakeDaemon) -> None:
    """I5."""
    key = Idempotency("k1", "hash")
    accept(daemon, draft(), idempotency=key)
    other = Submission("erp", (draft("other"),), idempotency=Idempotency("k1", "x"))
    assert isinstance(done(Deferred.fromCoroutine(daemon.parts.core.accept(other))), AcceptedSubmission)
    assert len(stored(daemon)) == 2


def test_a_refused_submission_does_not_use_up_its_key(daemon: FakeDaemon) -> None:
    key = Idempotency("k1", "hash")
    accept(daemon, to(Recipient("/to/0", person=PersonId("nobody"))), idempotency=key)
    assert isinstance(accept(daemon, draft(), idempotency=key), AcceptedSubmission)


def test_what_is_accepted_goes_on_when_the_client_has_hung_up(daemon: FakeDaemon) -> None:
    """Dispatch hangs on the commit, never on the request."""
    waiting = Deferred.fromCoroutine(daemon.parts.core.accept(Submission("crm", (draft(),))))
    waiting.addErrback(lambda failure: None)
    waiting.cancel()
    found = done(daemon.store.read(lambda db: list(search.newest(db, MessageQuery()))))
    assert [dossier.progress.attempt for dossier in found] == [1]


def test_rules_decide_by_priority_and_group(daemon: FakeDaemon) -> None:
    member = Recipient("/to/0", number="+420603000002")
    explained = [
        done(Deferred.fromCoroutine(daemon.parts.core.explain(Submission("crm", (one,)))))
        for one in (replace(to(member), priority="high"), to(member), draft())
    ]
    lines = [[step.line for step in one[0].steps] for one in explained if not isinstance(one, Refused)]
    assert lines == [["sms-b"], ["sms-a"], ["datasms", "sms-a"]]
    assert stored(daemon) == []


def limited(daemon: FakeDaemon, **limits: tuple[str, ...]) -> None:
    """From now on all senders have these limits."""
    config = replace(daemon.parts.config, sender_defaults=replace(SenderOptions(), **limits))
    daemon.parts.configure(config, {}, NumberFiles(config))


def test_a_recipient_whom_the_sender_may_not_write_to_refuses_all(daemon: FakeDaemon) -> None:
    """I3: numbers, persons and members of groups alike; explain says the same."""
    limited(daemon, numbers=("!^\\+420603000002", r"^\+42060300000", "^" + NUMBER[1:]))
    whole = to(
        Recipient("/to/0", number="+420603000001"),
        Recipient("/to/1", number="+420777000000"),
        Recipient("/to/2", person=PersonId("b")),
        Recipient("/to/3", group=GroupId("night-shift")),
    )
    answer = accept(daemon, whole)
    assert isinstance(answer, Refused)
    assert [(problem.pointer, problem.detail) for problem in answer.problems] == [
        ("/to/1", "this sender may not write to this number"),
        ("/to/2", "this sender may not write to person b"),
        ("/to/3", "this sender may not write to person b in group night-shift"),
    ]
    assert done(Deferred.fromCoroutine(daemon.parts.core.explain(Submission("crm", (whole,))))) == answer
    assert stored(daemon) == []
    assert isinstance(accept(daemon, to(Recipient("/to/0", number="+420603000001"))), AcceptedSubmission)


def test_a_person_without_a_number_is_not_among_the_allowed_numbers(daemon: FakeDaemon) -> None:
    done(daemon.store.write(lambda db: directory.put_persons(db, [Person(PersonId("app-only"))])))
    recipient = to(Recipient("/to/0", person=PersonId("app-only")))
    limited(daemon, numbers=(r"^\+420",))
    assert isinstance(accept(daemon, recipient), Refused)
    limited(daemon, numbers=(r"!^\+420",))
    assert isinstance(accept(daemon, recipient), AcceptedSubmission)


def test_a_priority_that_the_sender_may_not_use_is_refused_where_it_stands(daemon: FakeDaemon) -> None:
    limited(daemon, priorities=("!high",))
    answer = accept(daemon, draft(), draft(priority="high", pointer="/messages/1"))
    assert isinstance(answer, Refused)
    assert [(problem.pointer, problem.detail) for problem in answer.problems] == [
        ("/messages/1/priority", "this sender may not use high")
    ]


def test_the_lines_of_a_sender_and_of_its_key_narrow_each_other(daemon: FakeDaemon) -> None:
    limited(daemon, lines=("!datasms",))
    lines = []
    for of_key in (None, ("datasms", "sms-a"), ("datasms",)):
        submission = Submission("crm", (draft(),), of_key)
        (found,) = done(Deferred.fromCoroutine(daemon.parts.core.explain(submission)))  # type: ignore[misc]
        lines.append([step.line for step in found.steps])
    assert lines == [["sms-a"], ["sms-a"], []]


def test_what_may_not_be_sent_any_more_is_not_resent_and_the_reason_is_told(daemon: FakeDaemon) -> None:
    daemon.parts.dispatch.ways[LineName("datasms")].paused = True
    (id_,) = daemon.submit(draft(ttl_ms=1_000))
    daemon.time.advance(2)
    limited(daemon, numbers=("!.",))
    answer = done(Deferred.fromCoroutine(daemon.parts.core.resend(id_, "operator")))  # type: ignore[arg-type]
    assert answer == Conflict(MessageState.EXPIRED, "this sender may not write to person novak")


@pytest.mark.parametrize(("asked", "of_key"), [(("datasms",), None), (None, ("datasms",)), (("datasms", "x"), ("x",))])
def test_a_resent_message_leaves_by_no_line_that_its_sender_did_not_ask_for(
    daemon: FakeDaemon, asked: tuple[str, ...] | None, of_key: tuple[str, ...] | None
) -> None:
    """A text for the app only does not become an SMS because an operator sends it once more (I46)."""
    daemon.parts.dispatch.ways[LineName("datasms")].paused = True
    accepted = accept(daemon, draft(ttl_ms=1_000, lines=asked), allowed_lines=of_key)
    assert isinstance(accepted, AcceptedSubmission)
    daemon.time.advance(2)
    new = done(Deferred.fromCoroutine(daemon.parts.core.resend(accepted.messages[0].id, "operator")))
    dossier = done(Deferred.fromCoroutine(daemon.parts.core.dossier(new, "crm")))  # type: ignore[arg-type]
    assert dossier is not None
    assert "sms-a" not in [step.line for step in dossier.progress.plan]


def test_explain_counts_the_parts_of_the_text_that_the_line_would_send(daemon: FakeDaemon) -> None:
    long = draft("x" * 200, per_line={"sms-a": LineText("short")})
    (plain,) = done(Deferred.fromCoroutine(daemon.parts.core.explain(Submission("crm", (draft("x" * 200),)))))  # type: ignore[misc]
    (own,) = done(Deferred.fromCoroutine(daemon.parts.core.explain(Submission("crm", (long,)))))  # type: ignore[misc]
    assert [step.parts for step in plain.steps] == [None, 2]
    assert [step.parts for step in own.steps] == [None, 1]


def test_lines_narrow_the_plan_and_say_why_the_others_are_left_out(daemon: FakeDaemon) -> None:
    (found,) = done(  # type: ignore[misc]
        Deferred.fromCoroutine(daemon.parts.core.explain(Submission("crm", (draft(lines=("datasms",)),))))
    )
    assert [step.line for step in found.steps] == ["datasms"]
    assert [(line.line, line.reason) for line in found.skipped] == [("sms-a", "not asked for")]


def test_without_room_on_the_disk_nothing_new_is_taken(daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """R4."""
    monkeypatch.setattr(daemon.parts.core, "_has_room", lambda: False)
    with pytest.raises(DiskFull):
        accept(daemon, draft())
    monkeypatch.undo()
    assert isinstance(accept(daemon, draft()), AcceptedSubmission)


def test_a_resent_message_is_a_new_one_with_the_same_content(daemon: FakeDaemon) -> None:
    daemon.parts.dispatch.ways[LineName("datasms")].paused = True
    (id_,) = daemon.submit(draft(ttl_ms=1_000, reference="crm-1"))
    daemon.time.advance(2)
    new = done(Deferred.fromCoroutine(daemon.parts.core.resend(id_, "operator")))  # type: ignore[arg-type]
    dossier = done(Deferred.fromCoroutine(daemon.parts.core.dossier(new, "crm")))  # type: ignore[arg-type]
    assert dossier is not None
    assert (dossier.message.resend_of, dossier.message.reference, dossier.message.to) == (id_, "crm-1", NUMBER)
