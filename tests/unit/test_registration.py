"""Registration flow A: a text message proves whose phone it is; and what a proved device may do."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from twisted.internet.defer import Deferred

from datasms_daemon import assembly
from datasms_daemon.config.records import Mxservice, SenderOptions
from datasms_daemon.model import (
    DeviceId,
    InboundText,
    LineName,
    NewRegistration,
    Reach,
    Registration,
    RegistrationState,
)
from datasms_daemon.store import directory
from datasms_daemon.store.store import Db
from tests.fakes.daemon import NUMBER, PERSON, FakeDaemon, FakeTime, add_person, configuration, done, draft
from tests.fakes.lines import FakeLine


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDaemon:
    """A daemon that takes registrations; slow hashes run where they are called."""
    monkeypatch.setattr(assembly, "deferToThreadPool", lambda reactor, pool, work: _now(work))
    monkeypatch.setattr("datasms_daemon.crypto.tokens._SCRYPT_N", 2)
    time = FakeTime()
    monkeypatch.setattr(time.reactor, "getThreadPool", lambda: None, raising=False)
    config = configuration(tmp_path)
    config = config.__class__(
        daemon=config.daemon, store=config.store, line=config.line, rule=config.rule,
        mxservice=Mxservice(registration_number="+420777000111"),
    )  # fmt: skip
    lines = {"datasms": FakeLine("datasms", time.reactor, drops_repeats=True), "sms-a": FakeLine("sms-a", time.reactor)}
    return FakeDaemon(config, dict(lines), time)


def _now(work: object) -> Deferred[object]:
    answer: Deferred[object] = Deferred()
    answer.callback(work())  # type: ignore[operator]
    return answer


def register(daemon: FakeDaemon, token: str = "t1", *others: Reach) -> Registration:
    """What a client that asks for a number gets."""
    new = NewRegistration("fcm", {"token": token}, {}, "Phone", "android", "app/1", "192.0.2.1", others)
    found = done(Deferred.fromCoroutine(daemon.parts.backend.register(new)))
    assert found is not None
    return found


def sms(daemon: FakeDaemon, text: str, from_: str = NUMBER, key: str | None = None) -> None:
    """A text message comes in."""
    inbound = InboundText(
        LineName("sms-a"), from_, "+420777000111", text, daemon.now, key or sha256((text + from_).encode()).hexdigest()
    )
    done(Deferred.fromCoroutine(daemon.parts.host.inbound(inbound)))


def state(daemon: FakeDaemon, registration: Registration) -> RegistrationState | None:
    """What the waiting client is told."""
    return done(Deferred.fromCoroutine(daemon.parts.backend.registration(registration.id, registration.secret)))


def activate(daemon: FakeDaemon, token: str = "t1", from_: str = NUMBER) -> tuple[DeviceId, str]:
    """A whole registration."""
    registration = register(daemon, token)
    sms(daemon, registration.text, from_)
    answer = state(daemon, registration)
    assert answer is not None
    assert answer.device is not None
    assert answer.token is not None
    return answer.device, answer.token


def test_the_sms_of_the_number_binds_the_device_to_the_phones_person(daemon: FakeDaemon) -> None:
    add_person(daemon)
    registration = register(daemon)
    assert state(daemon, registration) == RegistrationState("pending")
    sms(daemon, registration.text)
    answer = state(daemon, registration)
    assert answer is not None
    assert answer.state == "active"
    devices = done(daemon.store.read(lambda db: directory.devices(db, PERSON)))
    assert [(device.id, device.address) for device in devices] == [(answer.device, {"token": "t1"})]


def test_a_device_gets_all_channels_it_asked_for_and_only_the_phone_that_was_proved(daemon: FakeDaemon) -> None:
    add_person(daemon)
    asked = [Reach("omni", {"phone": "+420603999888"}), Reach("web", {"endpoint": "e"}), Reach("omni", {"phone": "+1"})]
    sms(daemon, register(daemon, "t1", *asked).text)
    (device,) = done(daemon.store.read(lambda db: directory.devices(db, PERSON)))
    proved = Reach("omni", {"phone": NUMBER})
    assert device.reaches == (Reach("fcm", {"token": "t1"}), proved, Reach("web", {"endpoint": "e"}))


def test_an_unknown_phone_becomes_a_person(daemon: FakeDaemon) -> None:
    activate(daemon)
    assert done(daemon.store.read(lambda db: directory.owner(db, NUMBER))) is not None


def test_case_spaces_and_dashes_are_forgiven(daemon: FakeDaemon) -> None:
    registration = register(daemon)
    sms(daemon, "  datasms " + registration.number.lower().replace("-", " "))
    answer = state(daemon, registration)
    assert answer is not None
    assert answer.state == "active"


def test_the_token_is_shown_once(daemon: FakeDaemon) -> None:
    registration = register(daemon)
    sms(daemon, registration.text)
    assert state(daemon, registration) is not None
    assert state(daemon, registration) is None


def test_the_text_never_reaches_the_archive_but_the_event_does(daemon: FakeDaemon) -> None:
    registration = register(daemon)
    sms(daemon, registration.text)
    rows = done(daemon.store.read(lambda db: db.execute("SELECT sender, text, target FROM inbound").fetchall()))
    assert rows == [(NUMBER, "", "app:registration")]
    dump = done(daemon.store.read(lambda db: "\n".join(db.iterdump())))
    assert registration.number.replace("-", "")[4:] not in dump.replace("-", "")


def test_a_number_is_good_for_one_phone_only(daemon: FakeDaemon) -> None:
    registration = register(daemon)
    sms(daemon, registration.text)
    sms(daemon, registration.text, "+420603999888")
    assert done(daemon.store.read(lambda db: directory.owner(db, "+420603999888"))) is None


def test_the_same_sms_delivered_twice_counts_once(daemon: FakeDaemon) -> None:
    registration = register(daemon)
    for _ in range(3):
        sms(daemon, registration.text, key="same")
    tries = done(daemon.store.read(lambda db: db.execute("SELECT count(*) FROM wrong_tries").fetchone()[0]))
    assert tries == 0


def test_an_expired_number_is_worth_nothing(daemon: FakeDaemon) -> None:
    registration = register(daemon)
    daemon.time.advance(86_401)
    sms(daemon, registration.text)
    assert state(daemon, registration) == RegistrationState("expired")


def test_a_sender_who_guesses_is_not_listened_to_any_more(daemon: FakeDaemon) -> None:
    guess = register(daemon, "other").text
    wrong = guess[:-9] + ("AAAA" if guess[-9:-5] != "AAAA" else "BBBB") + guess[-5:]
    for n in range(10):
        sms(daemon, wrong, key=str(n))
    registration = register(daemon)
    sms(daemon, registration.text)
    assert state(daemon, registration) == RegistrationState("pending")
    sms(daemon, registration.text, "+420603999888")
    answer = state(daemon, registration)
    assert answer is not None
    assert answer.state == "active"


def test_a_push_address_belongs_to_one_device(daemon: FakeDaemon) -> None:
    """I40."""
    first, _ = activate(daemon, "same")
    second, _ = activate(daemon, "same", "+420603999888")
    rows = done(daemon.store.read(lambda db: dict(db.execute("SELECT id, state FROM devices").fetchall())))
    assert rows == {first: "retired", second: "active"}


def test_a_token_opens_its_own_inbox_and_a_revoked_one_nothing(daemon: FakeDaemon) -> None:
    device, token = activate(daemon)
    activate(daemon, "t2", "+420603999888")
    (id_,) = daemon.submit(draft("for Novak"))
    daemon.submit(draft("for another", number="+420603999888"))
    found = done(Deferred.fromCoroutine(daemon.parts.backend.authenticate(token)))
    assert found is not None
    assert found.id == device
    inbox = done(Deferred.fromCoroutine(daemon.parts.backend.inbox(device, 0, 10)))
    assert [(item.id, item.text) for item in inbox] == [(id_, "for Novak")]
    done(Deferred.fromCoroutine(daemon.parts.core.directory.revoke(device, "operator")))
    assert done(Deferred.fromCoroutine(daemon.parts.backend.authenticate(token))) is None


def test_a_device_that_is_revoked_while_its_token_is_looked_up_is_not_let_in(
    daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    device, token = activate(daemon)
    read, went_on = daemon.store.read, Deferred[None]()

    def slow(unit: Callable[[Db], object]) -> Deferred[object]:
        found, answer = done(read(unit)), Deferred[object]()
        went_on.addCallback(lambda _: answer.callback(found))
        return answer

    with monkeypatch.context() as patched:
        patched.setattr(daemon.store, "read", slow)
        asking = Deferred.fromCoroutine(daemon.parts.backend.authenticate(token))
    done(Deferred.fromCoroutine(daemon.parts.core.directory.revoke(device, "operator")))
    went_on.callback(None)
    assert done(asking) is None
    assert done(Deferred.fromCoroutine(daemon.parts.backend.authenticate(token))) is None


def test_an_inbox_does_not_show_what_was_tampered_with(
    daemon: FakeDaemon, logged_failures: list[dict[str, object]]
) -> None:
    """I39."""
    device, _ = activate(daemon)
    daemon.submit(draft("secret"))
    done(daemon.store.write(lambda db: db.execute("UPDATE messages SET person = 'mallory'") and None))
    assert done(Deferred.fromCoroutine(daemon.parts.backend.inbox(device, 0, 10))) == ()
    assert len(logged_failures) == 1
    logged_failures.clear()


def test_a_retry_shows_a_message_once_in_the_inbox(daemon: FakeDaemon) -> None:
    device, _ = activate(daemon)
    (id_,) = daemon.submit(draft())
    daemon.die()
    second = FakeDaemon(
        daemon.parts.config, {"datasms": FakeLine("datasms", daemon.time.reactor, drops_repeats=True)}, daemon.time
    )
    inbox = done(Deferred.fromCoroutine(second.parts.backend.inbox(device, 0, 10)))
    assert [item.id for item in inbox] == [id_]
    assert done(Deferred.fromCoroutine(second.parts.backend.inbox(device, inbox[0].seq, 10))) == ()


def test_an_address_that_goes_to_another_person_is_told_to_both(daemon: FakeDaemon) -> None:
    """I40: whoever did not mean it can speak up."""
    add_person(daemon)
    activate(daemon)
    activate(daemon, from_="+420603999999")
    query = "SELECT recipient, sender, text FROM messages ORDER BY id"
    sent = done(daemon.store.read(lambda db: db.execute(query).fetchall()))
    assert [(to, sender) for to, sender, _ in sent] == [(NUMBER, "datasms"), ("+420603999999", "datasms")]
    assert "somebody else" in sent[0][2]


def test_both_are_told_although_the_daemon_dies_when_it_is_committed(
    daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I40: the notices are in the transaction that takes the address."""
    add_person(daemon)
    activate(daemon)

    write = daemon.store.write

    def dies_once_both_are_there(unit: Any) -> Any:
        answer = write(unit)
        if done(daemon.store.read(lambda db: db.execute("SELECT count(*) FROM devices").fetchone()[0])) == 2:
            raise RuntimeError("kill -9")
        return answer

    monkeypatch.setattr(daemon.store, "write", dies_once_both_are_there)
    with pytest.raises(RuntimeError, match="kill -9"):
        activate(daemon, from_="+420603999999")
    daemon.die()
    push = FakeLine("datasms", daemon.time.reactor, drops_repeats=True)
    second = FakeDaemon(daemon.parts.config, {"datasms": push}, daemon.time)
    second.time.advance(0)
    query = "SELECT recipient FROM messages ORDER BY id"
    sent = done(second.store.read(lambda db: db.execute(query).fetchall()))
    assert sent == [(NUMBER,), ("+420603999999",)]


def test_a_notice_that_may_not_be_sent_is_an_error_in_the_log_and_does_not_stop_the_registration(
    daemon: FakeDaemon, logged_failures: list[dict[str, Any]]
) -> None:
    add_person(daemon)
    activate(daemon)
    config = replace(daemon.parts.config, sender_defaults=SenderOptions(priorities=("!normal",)))
    daemon.parts.configure(config, {})
    _, state = activate(daemon, from_="+420603999999")
    assert state
    assert [event["log_format"] for event in logged_failures] == ["a notice was not taken: {why}"]
    logged_failures.clear()


def test_a_person_who_registers_his_device_again_is_told_nothing(daemon: FakeDaemon) -> None:
    add_person(daemon)
    activate(daemon)
    activate(daemon)
    assert done(daemon.store.read(lambda db: db.execute("SELECT count(*) FROM messages").fetchone()[0])) == 0
