"""What Infobip tells by itself: reports and texts of both APIs (protocols/infobip-omni.md §§ 3.3, 3.4, 4.2, 6)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from infobip_api_client.models.messages_api_delivery_report import MessagesApiDeliveryReport
from infobip_api_client.models.messages_api_seen_report import MessagesApiSeenReport

from datasms_daemon.channels._omni_reports import (
    Incoming,
    Report,
    ScenarioStep,
    flow_of,
    incoming_of,
    phone_of,
    reports_of,
)
from datasms_daemon.model import ReceiptState

MARK = "datasms:infobip"
TO = "420603555019"
OK = {"groupId": 0, "groupName": "OK", "id": 0, "name": "NO_ERROR", "permanent": False}


def body(*results: object) -> bytes:
    return msgspec.json.encode({"results": results})


def result(group: int, id_: int, error: dict[str, Any] | None = None, **changed: Any) -> dict[str, Any]:
    """A delivery report of OMNI."""
    known: dict[str, Any] = {
        "bulkId": "b1",
        "messageId": "m1.d1",
        "to": TO,
        "sentAt": "2026-11-18T11:06:40.000+0000",
        "doneAt": "2026-11-18T11:06:41.000+0000",
        "messageCount": 1,
        "price": {"pricePerMessage": 0.01, "currency": "EUR"},
        "status": {"groupId": group, "groupName": "x", "id": id_, "name": "x", "description": "x"},
        "error": error or OK,
        "channel": "SMS",
        "callbackData": MARK,
    }
    return known | changed


def messages_result(group: int, id_: int, **changed: Any) -> dict[str, Any]:
    """A delivery report of the Messages API."""
    known: dict[str, Any] = {
        "event": "DELIVERY",
        "channel": "VIBER_BM",
        "sender": "Acme",
        "destination": TO,
        "sentAt": "2026-11-18T11:06:40.000+0000",
        "doneAt": "2026-11-18T11:06:41.000+0000",
        "bulkId": "b1",
        "messageId": "m1.d1",
        "callbackData": MARK,
        "messageCount": 1,
        "status": {"groupId": group, "groupName": "x", "id": id_, "name": "x", "description": "x"},
        "error": {"id": 0},
    }
    return known | changed


def one(said: bytes, not_last: tuple[str, ...] = ()) -> Report | None:
    """The only report in a body; None when it was passed over."""
    told = reports_of(said, MARK, not_last)
    assert told is not None
    assert told.results == 1
    return told.reports[0] if told.reports else None


DELIVERED = Report("m1.d1", ReceiptState.DELIVERED)
SENT = Report("m1.d1", ReceiptState.SENT)
READ = Report("m1.d1", ReceiptState.READ)


@pytest.mark.parametrize("make", [result, messages_result])
@pytest.mark.parametrize(
    ("group", "id_", "expected"),
    [
        (3, 5, DELIVERED),
        (3, 2, SENT),
        (3, 77, SENT),
        (0, 0, None),
        (1, 7, None),
        (1, 26, None),
        (2, 9, Report("m1.d1", ReceiptState.FAILED, "status 9 error 0")),
        (4, 15, Report("m1.d1", ReceiptState.FAILED, "status 15 error 0")),
        (5, 14, Report("m1.d1", ReceiptState.FAILED, "status 14 error 0")),
        (9, 900, None),
    ],
)
def test_a_status_group_means_what_the_sheet_says(make: Any, group: int, id_: int, expected: Report | None) -> None:
    """I25: the operator having it is not yet the person having it."""
    assert one(body(make(group, id_))) == expected


@pytest.mark.parametrize("id_", [1, 9, 11, 12, 352, 629, 7002])
def test_a_permanent_error_of_the_number_itself_retires_it(id_: int) -> None:
    report = one(body(result(2, 9, {"id": id_, "permanent": True})))
    assert report == Report("m1.d1", ReceiptState.FAILED, f"status 9 error {id_}", "+420603555019")


@pytest.mark.parametrize(
    "error",
    [
        {"id": 1, "permanent": False},
        {"id": 1},
        {"id": 27, "permanent": False},
        {"id": 351, "permanent": False},
        {"id": 2050, "permanent": True},
        {"id": 4103, "permanent": True},
        {"id": 7010, "permanent": True},
        {"id": 7011, "permanent": True},
        {"id": 7082, "permanent": True},
        {"id": 99_999, "permanent": True},
        {"permanent": True},
    ],
)
def test_no_other_error_retires_a_number(error: dict[str, Any]) -> None:
    report = one(body(result(2, 9, error)))
    assert report is not None
    assert (report.state, report.dead) == (ReceiptState.FAILED, None)


def test_a_dead_number_is_found_in_the_reports_of_the_messages_api_too() -> None:
    report = one(body(messages_result(2, 9, error={"id": 7002, "permanent": True})))
    assert report is not None
    assert report.dead == "+420603555019"


@pytest.mark.parametrize("to", [None, "", "Acme", "0", "4206035550190000000"])
def test_a_report_without_a_number_retires_nobody(to: str | None) -> None:
    report = one(body(result(2, 9, {"id": 1, "permanent": True}, to=to)))
    assert report is not None
    assert report.dead is None


def test_a_failed_step_is_not_the_end_when_infobip_goes_on_to_the_next() -> None:
    failed = body(result(2, 9, {"id": 7002, "permanent": True}, channel="VIBER"))
    assert one(failed, not_last=("VIBER",)) is None
    assert one(failed, not_last=("WHATSAPP",)) is not None
    assert one(body(result(3, 5, channel="VIBER")), not_last=("VIBER",)) == DELIVERED


@pytest.mark.parametrize(
    "said", [result(5, 23), result(5, 24, {"id": 5492, "permanent": True}), messages_result(5, 23)]
)
def test_the_refusal_of_a_repeat_says_nothing_about_the_first(said: dict[str, Any]) -> None:
    assert one(body(said)) is None


@pytest.mark.parametrize(
    "said",
    [
        {"messageId": "m1.d1", "from": "Acme", "to": TO, "sentAt": "x", "seenAt": "2026-11-18T11:06:41.000+0000"},
        {"event": "SEEN", "messageId": "m1.d1", "channel": "VIBER_BM", "seenAt": "x", "callbackData": MARK},
        {"event": "SEEN", "messageId": "m1.d1"},
    ],
)
def test_seen_is_read(said: dict[str, Any]) -> None:
    assert one(body(said)) == READ


@pytest.mark.parametrize(
    "said", [result(2, 9, callbackData="newsletter"), messages_result(3, 5, callbackData="datasms:other")]
)
def test_reports_of_others_on_the_same_account_are_passed_over(said: dict[str, Any]) -> None:
    assert one(body(said)) is None


@pytest.mark.parametrize("mark", [None, ""])
def test_a_report_without_our_mark_counts(mark: str | None) -> None:
    assert one(body(result(3, 5, callbackData=mark))) == DELIVERED


@pytest.mark.parametrize(
    "broken",
    [None, 5, "x", [], {}, {"messageId": None}, {"messageId": "m1.d1", "status": 5}, {"messageId": "m1.d1"}],
)
def test_a_broken_result_does_not_spoil_its_neighbours(broken: object) -> None:
    told = reports_of(body(broken, result(3, 5), broken), MARK)
    assert told is not None
    assert (told.reports, told.passed_over, told.results) == ((DELIVERED,), 2, 3)


@pytest.mark.parametrize(
    "said", [b"", b"x", b"\xff", b"null", b"[]", b"{}", b'{"results": 5}', b"[" * 5000, b'{"results":[' * 5000]
)
def test_a_body_that_is_none_of_infobips_is_nothing(said: bytes) -> None:
    assert reports_of(said, MARK) is None
    assert incoming_of(said) is None


def test_infobips_own_client_reads_the_reports_of_these_tests() -> None:
    """The Messages API's; it has no models for OMNI."""
    delivery = MessagesApiDeliveryReport.from_dict({"results": [messages_result(3, 5)]})
    assert delivery is not None
    assert delivery.results[0].message_id == "m1.d1"
    known = messages_result(3, 5)
    seen = {key: known[key] for key in ("channel", "sender", "destination", "sentAt", "bulkId", "messageId")}
    seen |= {"event": "SEEN", "seenAt": "2026-11-18T11:06:41.000+0000"}
    read = MessagesApiSeenReport.from_dict({"results": [seen]})
    assert read is not None
    assert one(body(seen)) == READ


# Texts


def omni_text(**changed: Any) -> dict[str, Any]:
    known: dict[str, Any] = {
        "from": TO,
        "to": "420800123456",
        "integrationType": "VIBER",
        "receivedAt": "2026-11-18T11:06:41.000+0000",
        "messageId": "in-1",
        "pairedMessageId": "m1.d1",
        "callbackData": None,
        "message": {"type": "TEXT", "text": "DATASMS 12 34"},
        "price": {"pricePerMessage": 0, "currency": "EUR"},
    }
    return known | changed


def messages_text(*content: dict[str, Any], **changed: Any) -> dict[str, Any]:
    known: dict[str, Any] = {
        "event": "MO",
        "channel": "VIBER_BM",
        "sender": TO,
        "destination": "Acme",
        "content": content or [{"type": "TEXT", "text": "DATASMS 12 34", "cleanText": "12 34", "keyword": "DATASMS"}],
        "receivedAt": "2026-11-18T11:06:41.000+0000",
        "messageId": "in-1",
        "messageCount": 1,
        "metadata": {"correlationData": "x"},
    }
    return known | changed


def text_of(said: dict[str, Any]) -> Incoming | None:
    """The only text in a body; None when it was passed over."""
    told = incoming_of(body(said))
    assert told is not None
    assert told.results == 1
    return told.incoming[0] if told.incoming else None


def test_a_text_comes_from_a_number_by_either_api() -> None:
    assert text_of(omni_text()) == Incoming("+420603555019", "+420800123456", "DATASMS 12 34", "in-1")
    assert text_of(messages_text()) == Incoming("+420603555019", "Acme", "DATASMS 12 34", "in-1")


def test_a_text_in_the_shape_of_the_sms_api_is_understood_too() -> None:
    said = {"from": TO, "to": "900123", "text": "Yes", "cleanText": "Yes", "messageId": "in-1", "smsCount": 1}
    assert text_of(said) == Incoming("+420603555019", "900123", "Yes", "in-1")


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"type": "IMAGE", "url": "https://x/1", "caption": "The pump"}, "[image] The pump https://x/1"),
        ({"type": "LOCATION", "latitude": 50.1, "longitude": 14.4}, "[location]"),
        ({"type": "INTERACTIVE_LIST_REPLY", "id": "1", "title": "Yes"}, "[interactive list reply] Yes"),
        ({"type": "something\nnew"}, "[unknown]"),
        ({"type": "Text", "text": "Yes"}, "Yes"),
    ],
)
def test_what_is_no_text_is_named_by_its_type(message: dict[str, Any], text: str) -> None:
    for said in (omni_text(message=message), messages_text(message)):
        incoming = text_of(said)
        assert incoming is not None
        assert incoming.text == text


def test_all_parts_of_one_message_make_one_text() -> None:
    incoming = text_of(messages_text({"type": "SUBJECT", "text": "Pump"}, {"type": "TEXT", "text": "It runs"}))
    assert incoming is not None
    assert incoming.text == "[subject] Pump\nIt runs"


@pytest.mark.parametrize(
    "said",
    [
        messages_text(event="TYPING_STARTED"),
        omni_text(**{"from": "facebook-user"}),
        omni_text(**{"from": None}),
        omni_text(message={"type": "TEXT", "text": ""}),
        omni_text(message=None),
        {},
    ],
)
def test_what_has_no_text_or_no_number_is_passed_over(said: dict[str, Any]) -> None:
    assert text_of(said) is None


def test_a_text_without_an_id_has_the_same_key_when_it_is_told_again() -> None:
    first, again, other = (
        text_of(said)
        for said in (
            omni_text(messageId=None),
            omni_text(messageId=None),
            omni_text(messageId=None, receivedAt="later"),
        )
    )
    assert first is not None
    assert other is not None
    assert first == again
    assert first.key != other.key


# The rest


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("420603555019", "+420603555019"),
        ("+420603555019", "+420603555019"),
        ("++420603555019", None),
        ("900123", None),
        ("0420603555019", None),
        ("Acme", None),
        ("420603555019\n", None),
        ("", None),
    ],
)
def test_a_number_gets_its_plus(text: str, expected: str | None) -> None:
    assert phone_of(text) == expected


SCENARIO = {"key": "AD9E", "name": "x", "default": True, "flow": [{"from": "Acme", "channel": "VIBER"}]}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (SCENARIO, (ScenarioStep("VIBER", "Acme"),)),
        ({"scenarios": [SCENARIO]}, (ScenarioStep("VIBER", "Acme"),)),
        ({"scenarios": []}, ()),
        ({"key": "AD9E"}, ()),
        ([], ()),
    ],
)
def test_a_scenario_is_read_alone_and_from_a_list(said: object, expected: tuple[ScenarioStep, ...]) -> None:
    assert flow_of(msgspec.json.encode(said)) == expected
