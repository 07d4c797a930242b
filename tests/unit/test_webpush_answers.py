"""What we ask of a push service and what its answers mean: each row of protocols/webpush.md § 4 is a case."""

from __future__ import annotations

import msgspec
import pytest

from datasms_daemon.channels.webpush import outcome_of, to_request, topic_of
from datasms_daemon.crypto.webpush import client_keys, private_key
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
from tests.contract.rigs.base import KEYS
from tests.fakes.webpush_service import decrypt

NOW = 1_795_000_000_000  # 2026-11-18 11:06:40 UTC
HTML = b"<html><title>502 Bad Gateway</title></html>"
CHROME, FIREFOX = "fcm.googleapis.com", "updates.push.services.mozilla.com"
SAFARI, EDGE = "web.push.apple.com", "wns2-par02p.notify.windows.com"
CLIENT = client_keys(KEYS)
ID = MessageId("019abcde-0123-7abc-8def-0123456789ab")


def _mozilla(errno: object) -> bytes:
    return msgspec.json.encode(
        {"code": 400, "errno": errno, "error": "x", "message": "canary", "more_info": "http://x"}
    )


def _apple(reason: object) -> bytes:
    return msgspec.json.encode({"reason": reason})


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (201, b"", Accepted()),
        (202, b"", Accepted()),
        (200, HTML, Accepted()),
        (204, b"", Accepted()),
        (400, b"", NotSent("400", final=True)),
        (400, _mozilla(110), NotSent("400 errno 110", final=True)),
        (400, _mozilla(108), NotSent("400 errno 108", final=True)),
        (401, _mozilla(109), LineDown("401 errno 109")),
        (401, HTML, LineDown("401")),
        (403, _apple("BadJwtToken"), LineDown("403 BadJwtToken")),
        (403, b"the VAPID credentials do not correspond", LineDown("403")),
        (404, _mozilla(102), AddressGone("404 errno 102")),
        (404, b"", AddressGone("404")),
        (410, _mozilla(106), AddressGone("410 errno 106")),
        (410, _mozilla(103), AddressGone("410 errno 103")),
        (410, _apple("Unregistered"), AddressGone("410 Unregistered")),
        (405, _apple("MethodNotAllowed"), NotSent("405 MethodNotAllowed", final=True)),
        (406, b"", Later("406", NOW + 60_000)),
        (413, _mozilla(104), NotSent("413 errno 104", final=True)),
        (413, _apple("PayloadTooLarge"), NotSent("413 PayloadTooLarge", final=True)),
        (429, _mozilla(201), Later("429 errno 201", NOW + 60_000)),
        (429, _apple("TooManyRequests"), Later("429 TooManyRequests", NOW + 60_000)),
        (500, _apple("InternalServerError"), Unknown("500 InternalServerError")),
        (500, _mozilla(999), Unknown("500 errno 999")),
        (502, HTML, Unknown("502")),
        (504, HTML, Unknown("504")),
        (503, HTML, Later("503", None)),
        (503, _mozilla(201), Later("503 errno 201", None)),
        (408, b"", Unknown("408")),
        (301, b"", LineDown("301: redirects are not followed")),
        (307, b"", LineDown("307: redirects are not followed")),
        (308, b"", LineDown("308: redirects are not followed")),
        (418, b"", NotSent("418", final=True)),
    ],
)
def test_an_answer_means_what_the_sheet_says(status: int, body: bytes, expected: Outcome) -> None:
    assert outcome_of(status, {}, body, NOW) == expected


def test_the_resource_of_a_push_is_not_kept_because_it_is_a_capability() -> None:
    assert outcome_of(201, {"location": "https://push.example/message/secret"}, b"", NOW) == Accepted()


@pytest.mark.parametrize("status", [406, 429, 503])
@pytest.mark.parametrize(("value", "expected"), [("120", 120_000), ("0", 0), ("86400", 3_600_000)])
def test_retry_after_is_kept_to(status: int, value: str, expected: int) -> None:
    outcome = outcome_of(status, {"retry-after": value}, b"", NOW)
    assert isinstance(outcome, Later)
    assert outcome.not_before == NOW + expected


@pytest.mark.parametrize(
    "body",
    [
        _mozilla("109"),
        _mozilla(5),
        _mozilla(10**30),
        _mozilla(1.5),
        _apple("two words"),
        _apple("INJECTED\n"),
        _apple("x" * 41),
        _apple(["x"]),
        b"null",
        b"[]",
        b"\xff\xfe",
        b"[" * 5000,
        b'{"reason": "https://push.example/secret"}',
    ],
)
def test_text_of_the_far_end_does_not_get_into_a_reason(body: bytes) -> None:
    assert outcome_of(400, {}, body, NOW) == NotSent("400", final=True)


def _order(*, urgent: bool = True, ttl_ms: int = 60_000, message: str = ID) -> PushOrder:
    device = Device(DeviceId("d1"), PersonId("novak"), "webpush", {"endpoint": "https://x"}, KEYS)
    return PushOrder(MessageId(message), device, urgent, ttl_ms)


def _asked(order: PushOrder, place: str = FIREFOX, *, withdraws: bool = False) -> tuple[dict[str, str], bytes]:
    assert CLIENT is not None
    request = to_request(order, place, CLIENT, private_key(b"r" * 40), b"r" * 16, withdraws=withdraws)
    assert request is not None
    return request.headers, request.body


def test_a_request_carries_id_and_urgency() -> None:
    headers, body = _asked(_order())
    assert headers == {
        "TTL": "60",
        "Urgency": "high",
        "Topic": topic_of(ID),
        "Content-Encoding": "aes128gcm",
        "Content-Type": "application/octet-stream",
    }
    assert msgspec.json.decode(decrypt(body)) == {"datasms": "1", "id": ID}


def test_what_is_not_urgent_says_so() -> None:
    assert _asked(_order(urgent=False))[0]["Urgency"] == "normal"


def test_a_withdrawal_takes_the_place_of_the_push_is_worth_no_battery_and_is_gone_soon() -> None:
    headers, body = _asked(_order(ttl_ms=0), withdraws=True)
    assert headers["Topic"] == _asked(_order())[0]["Topic"]
    assert (headers["TTL"], headers["Urgency"]) == ("60", "very-low")
    assert msgspec.json.decode(decrypt(body)) == {"datasms": "1", "withdrawn": ID}


def test_a_withdrawal_is_as_long_as_a_push() -> None:
    assert len(_asked(_order())[1]) == len(_asked(_order(), withdraws=True)[1])


@pytest.mark.parametrize(
    ("ttl_ms", "ttl"), [(0, "0"), (999, "0"), (-5, "0"), (1000, "1"), (10**13, "2419200"), (2_419_199_999, "2419199")]
)
@pytest.mark.parametrize("place", [CHROME, FIREFOX, SAFARI])
def test_ttl_is_always_there_and_within_what_every_service_takes(place: str, ttl_ms: int, ttl: str) -> None:
    headers, _ = _asked(_order(ttl_ms=ttl_ms), place)
    assert headers["TTL"] == ttl
    assert "X-WNS-Cache-Policy" not in headers


@pytest.mark.parametrize(("ttl_ms", "policy"), [(0, "no-cache"), (999, "no-cache"), (1000, "cache"), (10**13, "cache")])
@pytest.mark.parametrize("place", [EDGE, "notify.windows.com"])
def test_windows_is_told_whether_to_keep_it(place: str, ttl_ms: int, policy: str) -> None:
    """wns.md § 6: a TTL of 0 alone is refused with 400."""
    assert _asked(_order(ttl_ms=ttl_ms), place)[0]["X-WNS-Cache-Policy"] == policy
    assert _asked(_order(ttl_ms=ttl_ms), place, withdraws=True)[0]["X-WNS-Cache-Policy"] == "cache"


@pytest.mark.parametrize("message", [ID, "m1", "", "ě/\r\n", "x" * 1000])
def test_a_topic_is_at_most_32_letters_and_digits(message: str) -> None:
    topic = topic_of(MessageId(message))
    assert topic.isascii()
    assert topic.isalnum()
    assert len(topic) == 32
    assert topic != topic_of(MessageId(message + "x"))


def test_there_is_no_request_that_firefox_on_android_would_refuse_for_its_size() -> None:
    assert CLIENT is not None
    assert len(_asked(_order(message="x" * 2400))[1]) <= 2744
    assert to_request(_order(message="x" * 2600), CHROME, CLIENT, private_key(b"r" * 40), b"r" * 16) is None
