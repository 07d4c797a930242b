"""The daemon's SMPP lines and SMSCs that other people wrote: what goes over the wire, and what is stored of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from datasms_daemon.rules.text import decode_gsm
from tests.fakes.live import eventually
from tests.fakes.smpp_peers import OUR_NUMBER, PEERS, PeerStage
from tests.fakes.stage import epoch_ms

ALPHABET = decode_gsm(bytes(code for code in range(128) if code != 0x1B)) + "^{}\\[~]|€"
EMOJI = "Čau 😀👩🏽‍🚀🇨🇿"
# An odd number of septets before pairs: wherever a part ends, it would be in the middle of one.
PAIRS = "x" + "€[]" * 130
FACES = "ž" + "😀" * 90


@pytest.fixture(scope="module", params=PEERS)
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PeerStage]:
    with PeerStage(request.param, tmp_path_factory.mktemp("peer")) as stage:
        yield stage


def outcomes(found: dict[str, Any]) -> list[str]:
    """Of the stored attempts."""
    return [attempt["outcome"] for attempt in found["attempts"]]


# What is sent


def test_the_whole_alphabet_is_read_as_it_was_written(stage: PeerStage) -> None:
    sms = stage.sent("plain", ALPHABET)
    assert (sms.text, sms.parts[0]["coding"], sms.parts[0]["udh"]) == (ALPHABET, 0, None)
    assert sms.parts[0]["registered"] == 1


def test_emoji_are_read_as_they_were_written(stage: PeerStage) -> None:
    sms = stage.sent("plain", EMOJI)
    assert (sms.text, sms.parts[0]["coding"]) == (EMOJI, 8)


@pytest.mark.parametrize(("text", "coding", "parts"), [(PAIRS, 0, 6), (FACES, 8, 3)], ids=["gsm", "ucs-2"])
@pytest.mark.parametrize("account", ["plain", "sar"])
def test_each_part_of_a_long_text_is_whole_by_itself(
    stage: PeerStage, account: str, text: str, coding: int, parts: int
) -> None:
    sms = stage.sent(account, text, parts)
    assert sms.text == text
    assert {part["coding"] for part in sms.parts} == {coding}
    if account == "sar":
        places = [part["sar"] for part in sms.parts]
        assert {part["udh"] for part in sms.parts} == {None}
    else:
        places = [list(bytes.fromhex(element)[2:]) for part in sms.parts for element in part["udh"]]
    assert len({reference for reference, _, _ in places}) == 1
    assert [[total, number] for _, total, number in places] == [[parts, n] for n in range(1, parts + 1)]


@pytest.mark.parametrize(("text", "coding"), [(PAIRS, 0), (FACES, 8)], ids=["gsm", "ucs-2"])
def test_a_payload_holds_the_whole_text(stage: PeerStage, text: str, coding: int) -> None:
    sms = stage.sent("payload", text)
    assert (sms.text, sms.parts[0]["coding"], sms.parts[0]["payload"]) == (text, coding, True)


@pytest.mark.parametrize("account", ["plain", "absolute"])
def test_the_smsc_is_told_when_to_give_up(stage: PeerStage, account: str) -> None:
    sms = stage.sent(account, "Pump 3 stopped")
    valid_until = epoch_ms(stage.reaches(sms.id, "waiting")["valid_until"])
    assert abs(sms.parts[0]["valid_until"] - valid_until) <= 2_000


# What became of it


@pytest.mark.parametrize("by", ["tlv", "text"])
@pytest.mark.parametrize(("stat", "status"), [("DELIVRD", "delivered"), ("UNDELIV", "failed")])
def test_a_receipt_decides(stage: PeerStage, by: str, stat: str, status: str) -> None:
    sms = stage.sent("plain", "Pump 3 stopped")
    answers = len(stage.of("plain", "answered"))
    stage.tell("plain", "receipt", id=sms.parts[0]["id"], to=sms.to[1:], stat=stat, by=by)
    assert stage.reaches(sms.id, status)["attempts"][0]["state"] == status
    eventually(lambda: len(stage.of("plain", "answered")) > answers, "the receipt is answered")
    assert stage.of("plain", "answered")[answers]["status"] == 0


def test_a_long_text_is_delivered_when_its_last_part_is(stage: PeerStage) -> None:
    sms = stage.sent("plain", PAIRS, 6)
    for part in sms.parts[1:]:
        stage.tell("plain", "receipt", id=part["id"], to=sms.to[1:], stat="DELIVRD", by="both")
    first = {"id": sms.parts[0]["id"], "to": sms.to[1:], "by": "both"}
    stage.tell("plain", "receipt", stat="ENROUTE", **first)
    assert stage.reaches(sms.id, "waiting")["delivered_at"] is None
    stage.tell("plain", "receipt", stat="DELIVRD", **first)
    stage.reaches(sms.id, "delivered")


def test_an_smsc_may_give_all_parts_one_id_and_send_one_receipt(stage: PeerStage) -> None:
    stage.tell("plain", "answers", answers=[{"id": "whole-1"}] * 6)
    sms = stage.sent("plain", PAIRS, 6)
    stage.tell("plain", "receipt", id="whole-1", to=sms.to[1:], stat="DELIVRD", by="both")
    stage.reaches(sms.id, "delivered")


def test_a_receipt_may_come_before_the_response(stage: PeerStage) -> None:
    stage.tell("plain", "answers", answers=[{"receipt": "DELIVRD"}])
    id_, _ = stage.send("plain", "Pump 3 stopped")
    assert outcomes(stage.reaches(id_, "delivered")) == ["accepted"]


@pytest.mark.parametrize(("account", "base", "other"), [("hex", 16, "d"), ("decimal", 10, "X")])
def test_an_id_may_be_written_in_two_bases(stage: PeerStage, account: str, base: int, other: str) -> None:
    stage.tell(account, "base", base=base)
    sms = stage.sent(account, "Pump 3 stopped")
    id_ = format(int(sms.parts[0]["id"], base), other)
    stage.tell(account, "receipt", id=id_, to=sms.to[1:], stat="DELIVRD", by="text")
    stage.reaches(sms.id, "delivered")


# Refused, lost, cut


def test_a_throttled_message_is_sent_again_and_once(stage: PeerStage) -> None:
    stage.tell("sar", "answers", answers=[{"status": 0x58}])
    id_, to = stage.send("sar", "Pump 3 stopped")
    assert outcomes(stage.reaches(id_, "waiting")) == ["later", "accepted"]
    assert len(stage.submitted(to)) == 2


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"status": 0x0B}, "address_gone"),
        ({"status": 0x66}, "not_sent"),
        ({"nack": 0x02}, "not_sent"),
    ],
)
def test_a_refusal_ends_the_message(stage: PeerStage, answer: dict[str, int], outcome: str) -> None:
    stage.tell("payload", "answers", answers=[answer])
    id_, to = stage.send("payload", "Pump 3 stopped")
    assert outcomes(stage.reaches(id_, "failed")) == [outcome]
    assert len(stage.submitted(to)) == 1


def test_a_nack_that_every_message_would_get_is_a_line_that_is_down(stage: PeerStage) -> None:
    stage.tell("payload", "answers", answers=[{"nack": 0x03}])
    id_, _ = stage.send("payload", "Pump 3 stopped")
    assert outcomes(stage.reaches(id_, "waiting")) == ["line_down", "accepted"]


@pytest.mark.parametrize(("account", "octets"), [("hex", 0), ("decimal", 18)])
def test_what_became_of_a_message_whose_answer_is_cut_is_unknown_and_it_is_not_repeated(
    stage: PeerStage, account: str, octets: int
) -> None:
    """I7: after the last octet left, nobody knows, and nothing is sent blindly."""
    before = len(stage.binds(account))
    stage.tell(account, "answers", answers=[{"cut": octets}])
    id_, to = stage.send(account, "Pump 3 stopped")
    assert stage.attempt(id_, "unknown")["state"] == "unknown"
    eventually(lambda: len(stage.binds(account)) > before, "the line is bound again")
    assert stage.sent(account, "Pump 4 stopped").text == "Pump 4 stopped"
    assert len(stage.submitted(to)) == 1


def test_an_answer_after_the_smscs_unbind_counts(stage: PeerStage) -> None:
    before = len(stage.binds("absolute"))
    stage.tell("absolute", "answers", answers=[{"unbind": True}])
    id_, to = stage.send("absolute", "Pump 3 stopped")
    assert outcomes(stage.reaches(id_, "waiting")) == ["accepted"]
    eventually(lambda: len(stage.of("absolute", "unbound")) == 1, "the unbind is answered")
    eventually(lambda: len(stage.binds("absolute")) > before, "the line is bound again")
    assert len(stage.submitted(to)) == 1


def test_a_long_text_goes_on_after_an_unbind_in_its_middle(stage: PeerStage) -> None:
    stage.tell("sar", "answers", answers=[{}, {}, {"unbind": True}])
    sms = stage.sent("sar", PAIRS, 6)
    assert sms.text == PAIRS
    assert [part["sar"][1:] for part in sms.parts] == [[6, n] for n in range(1, 7)]
    assert len({part["sar"][0] for part in sms.parts}) == 1


def test_an_idle_line_that_is_unbound_comes_back_and_takes_what_has_waited_for_it(stage: PeerStage) -> None:
    before, from_ = len(stage.binds("payload")), stage.number("payload")
    order = {"from": from_[1:], "to": OUR_NUMBER[1:], "coding": 8, "by": "udh"}
    stage.tell("payload", "queue", text=FACES, **order)
    stage.tell("payload", "unbind")
    eventually(lambda: len(stage.binds("payload")) > before, "the line is bound again")
    assert stage.received(from_) == [FACES]
    assert stage.sent("payload", "Pump 3 stopped").text == "Pump 3 stopped"


# The link


def test_a_wrong_password_takes_the_line_down(stage: PeerStage) -> None:
    line = stage.line("refused")
    assert (line["state"], line["reason"]) == ("down", "bind refused: ESME_RINVPASWD (0x0E)")


def test_both_ends_ask_whether_the_other_lives(stage: PeerStage) -> None:
    stage.tell("quiet", "enquire")
    eventually(lambda: len(stage.of("quiet", "alive")) == 1, "we answer")
    eventually(lambda: len(stage.of("quiet", "enquired")) >= 2, "we ask")
    assert stage.binds("quiet") == ["bind_transceiver"]


def test_an_unknown_command_is_refused_and_nothing_else_happens(stage: PeerStage) -> None:
    stage.tell("quiet", "nonsense")
    eventually(lambda: len(stage.of("quiet", "nacked")) == 1, "it is refused")
    assert stage.of("quiet", "nacked")[0]["status"] == 0x03
    assert stage.binds("quiet") == ["bind_transceiver"]


def test_a_pair_sends_and_receives(stage: PeerStage) -> None:
    assert sorted(stage.binds("pair")) == ["bind_receiver", "bind_transmitter"]
    sms = stage.sent("pair", "Pump 3 stopped")
    stage.tell("pair", "receipt", id=sms.parts[0]["id"], to=sms.to[1:], stat="DELIVRD", by="both")
    stage.reaches(sms.id, "delivered")


@pytest.mark.parametrize("stage", ["npm smpp"], indirect=True)
def test_a_line_over_tls_sends_and_receives(stage: PeerStage) -> None:
    sms = stage.sent("tls", EMOJI)
    stage.tell("tls", "receipt", id=sms.parts[0]["id"], to=sms.to[1:], stat="DELIVRD", by="both")
    stage.reaches(sms.id, "delivered")


# What comes in


@pytest.mark.parametrize(
    ("by", "is_reversed"),
    [("udh", False), ("udh", True), ("sar", False), ("sar", True), ("payload", False), ("data_sm", False)],
)
@pytest.mark.parametrize(("text", "coding"), [(PAIRS, 0), (FACES, 8)], ids=["gsm", "ucs-2"])
def test_a_long_text_is_stored_as_one(stage: PeerStage, by: str, is_reversed: bool, text: str, coding: int) -> None:
    from_ = stage.number("plain")
    order = {"from": from_[1:], "to": OUR_NUMBER[1:], "text": text, "coding": coding}
    stage.tell("plain", "text", by=by, reversed=is_reversed, **order)
    assert stage.received(from_) == [text]


@pytest.mark.parametrize(("text", "coding"), [(ALPHABET, 0), (EMOJI, 8)], ids=["gsm", "ucs-2"])
def test_a_short_text_is_stored(stage: PeerStage, text: str, coding: int) -> None:
    from_ = stage.number("plain")
    stage.tell("plain", "text", **{"from": from_[1:]}, to=OUR_NUMBER[1:], text=text, coding=coding, by="udh")
    assert stage.received(from_) == [text]
