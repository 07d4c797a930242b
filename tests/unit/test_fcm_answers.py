"""What we ask of FCM and what its answers mean: each row of protocols/fcm.md § 8 is a case."""

from __future__ import annotations

import msgspec
import pytest

from datasms_daemon.channels.fcm import outcome_of, to_request
from datasms_daemon.demo.fcm import error
from datasms_daemon.model import (
    Accepted,
    AddressGone,
    Device,
    DeviceId,
    Later,
    LineDown,
    MessageId,
    NotSent,
    Outcome,
    PersonId,
    PushOrder,
    Unknown,
)

NOW = 1_795_000_000_000  # 2026-11-18 11:06:40 UTC
HTML = b"<html><title>502 Bad Gateway</title></html>"


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b'{"name": "projects/p/messages/0:15%31"}', Accepted()),
        (404, error(404, "UNREGISTERED"), AddressGone("404 UNREGISTERED")),
        (400, error(400, "INVALID_ARGUMENT"), NotSent("400 INVALID_ARGUMENT", final=True)),
        (
            400,
            error(400, "INVALID_ARGUMENT", field="message.data[0].key"),
            NotSent("400 INVALID_ARGUMENT", final=True),
        ),
        (400, error(400, "INVALID_ARGUMENT", field="message.token"), AddressGone("400 INVALID_ARGUMENT")),
        (400, error(400, "INVALID_ARGUMENT", field="message.fid"), AddressGone("400 INVALID_ARGUMENT")),
        (
            403,
            error(403, "SENDER_ID_MISMATCH"),
            AddressGone("403 SENDER_ID_MISMATCH: the address belongs to another Firebase project"),
        ),
        (429, error(429, "QUOTA_EXCEEDED"), Later("429 QUOTA_EXCEEDED", NOW + 60_000)),
        (503, error(503, "UNAVAILABLE"), Later("503 UNAVAILABLE", None)),
        (500, error(500, "INTERNAL"), Unknown("500 INTERNAL")),
        (401, error(401, "THIRD_PARTY_AUTH_ERROR"), LineDown("401 THIRD_PARTY_AUTH_ERROR")),
        (401, error(401, "APNS_AUTH_ERROR"), LineDown("401 APNS_AUTH_ERROR")),
        (500, error(500, "UNSPECIFIED_ERROR"), Unknown("500 UNSPECIFIED_ERROR")),
        (503, error(503, "UNSPECIFIED_ERROR"), Later("503 UNSPECIFIED_ERROR", None)),
        (401, error(401), LineDown("401")),
        (403, error(403), LineDown("403")),
        (404, error(404), LineDown("404")),
        (404, HTML, LineDown("404")),
        (500, HTML, Unknown("500")),
        (502, HTML, Unknown("502")),
        (504, HTML, Unknown("504")),
        (503, HTML, Later("503", None)),
        (307, b"", LineDown("307: redirects are not followed")),
        (408, b"", Unknown("408")),
        (413, b"", NotSent("413", final=True)),
        (418, error(418, "UNREGISTERED"), NotSent("418 UNREGISTERED", final=True)),
    ],
)
def test_an_answer_means_what_the_sheet_says(status: int, body: bytes, expected: Outcome) -> None:
    assert outcome_of(status, {}, body, NOW) == expected


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"OK",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        b'{"name": ""}',
        b'{"name": null}',
        b'{"name": 5}',
        error(404, "UNREGISTERED"),
        b"[" * 5000,
    ],
)
def test_success_without_a_message_name_is_unknown(body: bytes) -> None:
    assert outcome_of(200, {}, body, NOW) == Unknown("success without a message name")


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": {"code": 404, "status": "NOT_FOUND", "details": [{"errorCode": "UNREGISTERED"}]}}',
        b'{"error": {"details": [{"@type": "type.googleapis.com/evil", "errorCode": "UNREGISTERED"}]}}',
        b'{"error": {"details": "UNREGISTERED"}}',
        b'{"error": "UNREGISTERED"}',
        b"UNREGISTERED",
    ],
)
def test_a_404_that_is_not_fcms_own_word_deletes_no_address(body: bytes) -> None:
    assert isinstance(outcome_of(404, {}, body, NOW), LineDown)


def test_text_of_the_far_end_does_not_get_into_a_reason() -> None:
    body = error(400, "x\r\nINJECTED token=ya29")
    assert outcome_of(400, {}, body, NOW) == NotSent("400", final=True)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("120", NOW + 120_000),
        (" 7 ", NOW + 7_000),
        ("0", NOW),
        ("86400", NOW + 3_600_000),
        ("9" * 40, NOW + 3_600_000),
        ("Wed, 18 Nov 2026 11:08:10 GMT", NOW + 90_000),
        ("Wed, 18 Nov 2026 11:06:10 GMT", NOW),
        ("Fri, 31 Dec 9999 23:59:59 GMT", NOW + 3_600_000),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_an_hour_at_most(status: int, value: str, expected: int) -> None:
    outcome = outcome_of(status, {"retry-after": value}, b"", NOW)
    assert isinstance(outcome, Later)
    assert outcome.not_before == expected


@pytest.mark.parametrize("value", ["", "soon", "-5", "1.5", "²", "Wed, 99 Nov 2026 11:08:10 GMT"])
def test_a_retry_after_that_cannot_be_read_is_a_minute_for_429_and_unnamed_for_503(value: str) -> None:
    headers = {"retry-after": value}
    assert outcome_of(429, headers, b"", NOW) == Later("429", NOW + 60_000)
    assert outcome_of(503, headers, b"", NOW) == Later("503", None)


def _order(address: dict[str, str], *, urgent: bool = True, ttl_ms: int = 60_000) -> PushOrder:
    device = Device(DeviceId("d1"), PersonId("novak"), "fcm", address)
    return PushOrder(MessageId("m1"), device, urgent, ttl_ms)


def test_a_request_carries_ids_and_urgency_for_android_and_ios() -> None:
    body = to_request(_order({"token": "abc"}), 1_000)
    assert body is not None
    assert msgspec.json.decode(body) == {
        "message": {
            "token": "abc",
            "data": {"datasms": "1", "id": "m1"},
            "android": {"priority": "HIGH", "ttl": "60s", "direct_boot_ok": True},
            "apns": {
                "headers": {"apns-priority": "5", "apns-expiration": "1060"},
                "payload": {"aps": {"content-available": 1}},
            },
        }
    }


def test_an_installation_id_goes_into_its_own_field() -> None:
    body = to_request(_order({"fid": "inst", "token": "old"}), 1_000)
    assert body is not None
    message = msgspec.json.decode(body)["message"]
    assert message["fid"] == "inst"
    assert "token" not in message


@pytest.mark.parametrize(
    ("ttl_ms", "ttl", "expiration"),
    [(0, "0s", "0"), (999, "0s", "0"), (-5, "0s", "0"), (10**13, "2419200s", "2420200")],
)
def test_ttl_stays_within_what_fcm_takes(ttl_ms: int, ttl: str, expiration: str) -> None:
    body = to_request(_order({"token": "abc"}, urgent=False, ttl_ms=ttl_ms), 1_000)
    assert body is not None
    message = msgspec.json.decode(body)["message"]
    assert message["android"]["ttl"] == ttl
    assert message["android"]["priority"] == "NORMAL"
    assert message["apns"]["headers"]["apns-expiration"] == expiration


@pytest.mark.parametrize("address", [{}, {"token": ""}, {"fid": ""}, {"channel_uri": "https://x"}])
def test_there_is_no_request_for_an_address_of_another_kind(address: dict[str, str]) -> None:
    assert to_request(_order(address), 1_000) is None
