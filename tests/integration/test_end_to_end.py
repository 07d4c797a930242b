"""The daemon as an operator runs it, between a push service and an SMSC: what people get, and when."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.live import eventually
from tests.fakes.stage import Stage, epoch_ms

NUMBER = "+420603123456"
LATE_MS = 1_000
AT_ONCE_S = 10.0


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Stage(tmp_path) as stage:
        yield stage.start()


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Stage]:
    """Deadlines so far away that an SMS within ``AT_ONCE_S`` cannot be theirs, on a busy machine either."""
    with Stage(tmp_path, wait="40s", ttl="5m") as stage:
        yield stage.start()


def test_a_text_from_the_phone_itself_registers_its_device(stage: Stage) -> None:
    device = stage.register(NUMBER, "fcm", {"token": "token-a"})
    found = stage.daemon.clients(device.token)("GET", "/mx/v1/device")
    assert found.status == 200
    assert (found.body["id"], found.body["channel"], found.body["state"]) == (device.id, "fcm", "active")
    person = stage.gateway("GET", f"/v1/persons/{found.body['person']}").body
    assert person["numbers"] == [NUMBER]
    assert stage.acknowledgements(1) == [0]


def test_a_confirmed_message_is_not_sent_by_sms(stage: Stage) -> None:
    device = stage.register(NUMBER, "fcm", {"token": "token-a"})
    id_ = stage.submit(NUMBER, "Pump 3 stopped")
    eventually(lambda: bool(stage.pushes(id_)), "the push comes")
    assert stage.confirm(device, id_).body == {"confirmed": [id_], "unknown": []}
    assert stage.reaches(id_, "delivered")["line"] == "datasms"
    stage.confirm(device, id_, "read")
    assert stage.reaches(id_, "read")["read_at"] is not None
    time.sleep(2.5)
    assert stage.texts("Pump 3 stopped") == []


def test_an_unconfirmed_message_goes_by_sms_once_and_at_its_deadline(stage: Stage) -> None:
    """I14: never early; I9: by the deadline and by nothing else."""
    stage.register(NUMBER, "fcm", {"token": "token-a"})
    id_ = stage.submit(NUMBER, "Pump 3 stopped")
    eventually(lambda: bool(stage.texts("Pump 3 stopped")), "the SMS comes")
    deadline = epoch_ms(stage.message(id_)["attempts"][0]["deadline"])
    (sms,) = stage.texts("Pump 3 stopped")
    assert sms["to"] == NUMBER.removeprefix("+")
    assert deadline <= sms["at"] <= deadline + LATE_MS
    stage.smsc.tell("receipt", id=sms["id"], to=sms["to"], stat="DELIVRD")
    found = stage.reaches(id_, "delivered")
    assert found["line"] == "sms"
    assert [(attempt["line"], attempt["state"]) for attempt in found["attempts"]] == [
        ("datasms", "timed_out"),
        ("sms", "delivered"),
    ]
    assert len(stage.texts("Pump 3 stopped")) == 1


def test_a_person_without_a_device_gets_the_sms_at_once(patient: Stage) -> None:
    patient.submit(NUMBER, "Pump 3 stopped")
    eventually(lambda: bool(patient.texts("Pump 3 stopped")), "the SMS comes", AT_ONCE_S)


def test_an_address_that_is_gone_sends_the_sms_at_once_and_retires_the_device(patient: Stage) -> None:
    device = patient.register(NUMBER, "fcm", {"token": "token-a"})
    patient.fcm.tell("script", address="token-a", answers=[[404, "UNREGISTERED"]])
    eventually(lambda: bool(patient.fcm.said("scripted")), "the stand-in knows its answers")
    id_ = patient.submit(NUMBER, "Pump 3 stopped")
    eventually(lambda: bool(patient.texts("Pump 3 stopped")), "the SMS comes", AT_ONCE_S)
    assert patient.message(id_)["attempts"][0]["outcome"] == "address_gone"
    client = patient.daemon.clients(device.token)
    eventually(lambda: client("GET", "/mx/v1/device").body["state"] == "retired", "the device is retired")


def test_a_receipt_after_the_fallback_is_shown_as_late(stage: Stage) -> None:
    """I20: the loser of receipt and deadline is recorded as late, and nothing is sent because of it."""
    device = stage.register(NUMBER, "fcm", {"token": "token-a"})
    id_ = stage.submit(NUMBER, "Pump 3 stopped")
    eventually(lambda: bool(stage.texts("Pump 3 stopped")), "the SMS comes")
    stage.confirm(device, id_)
    found = stage.reaches(id_, "delivered")
    assert (found["attempts"][0]["late"], found["attempts"][1]["late"]) == (True, False)
    time.sleep(0.5)
    assert len(stage.texts("Pump 3 stopped")) == 1


def test_a_push_service_that_is_busy_is_asked_again(tmp_path: Path) -> None:
    with Stage(tmp_path, wait="40s", ttl="5m") as stage:
        stage.start()
        device = stage.register(NUMBER, "fcm", {"token": "token-a"})
        stage.fcm.tell("script", address="token-a", answers=[[503, "UNAVAILABLE"]])
        eventually(lambda: bool(stage.fcm.said("scripted")), "the stand-in knows its answers")
        id_ = stage.submit(NUMBER, "Pump 3 stopped")
        eventually(lambda: bool(stage.pushes(id_)), "the push is repeated", 35)
        stage.confirm(device, id_)
        found = stage.reaches(id_, "delivered")
        assert [attempt["outcome"] for attempt in found["attempts"]] == ["later", "accepted"]
        assert stage.texts("Pump 3 stopped") == []


def test_a_restart_in_the_middle_keeps_the_deadline(tmp_path: Path) -> None:
    """I29: what an orderly stop leaves undone goes on where it stood."""
    with Stage(tmp_path, wait="5s") as stage:
        stage.start()
        stage.register(NUMBER, "fcm", {"token": "token-a"})
        id_ = stage.submit(NUMBER, "Pump 3 stopped")
        eventually(lambda: bool(stage.pushes(id_)), "the push comes")
        before = stage.reaches(id_, "waiting")["attempts"][0]["deadline"]
        assert stage.daemon.terminate() in (0, -15)
        stage.start()
        assert stage.message(id_)["attempts"][0]["deadline"] == before
        eventually(lambda: bool(stage.texts("Pump 3 stopped")), "the SMS comes")
        (sms,) = stage.texts("Pump 3 stopped")
        assert epoch_ms(before) <= sms["at"] <= epoch_ms(before) + LATE_MS
        assert len(stage.pushes(id_)) == 1


def test_a_deadline_that_passed_while_the_daemon_was_away_is_kept_at_its_return(stage: Stage) -> None:
    """I15: found by query; late by the absence and no more."""
    stage.register(NUMBER, "fcm", {"token": "token-a"})
    id_ = stage.submit(NUMBER, "Pump 3 stopped")
    eventually(lambda: bool(stage.pushes(id_)), "the push comes")
    stage.reaches(id_, "waiting")
    stage.daemon.kill()
    time.sleep(2.5)
    assert stage.texts("Pump 3 stopped") == []
    stage.start()
    returned = time.time() * 1000
    eventually(lambda: bool(stage.texts("Pump 3 stopped")), "the SMS comes")
    (sms,) = stage.texts("Pump 3 stopped")
    assert sms["at"] <= returned + LATE_MS
    assert stage.message(id_)["attempts"][0]["state"] == "timed_out"


def test_a_text_that_is_no_registration_reaches_the_application_it_is_for(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        with stage.daemon.config_file.open("a", encoding="utf-8") as file:
            file.write('[[inbound]]\nname = "answers"\nto = "account:tests"\n')
        stage.start()
        stage.smsc.tell("text", sender="420603123456", to="420603000000", text="On my way")
        found = stage.gateway("GET", "/v1/inbound?after=0&wait=10").body["items"]
        assert [(one["from"], one["text"]) for one in found] == [(NUMBER, "On my way")]
        assert stage.acknowledgements(1) == [0]
