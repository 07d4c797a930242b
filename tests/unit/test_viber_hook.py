"""Which of Viber's callbacks are genuine, and what each event means (protocols/viber.md § 5)."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import msgspec
import pytest
from viberbot import Api, BotConfiguration

from datasms_daemon.channels._viber_hook import (
    AllRead,
    Callback,
    Effect,
    Gone,
    Other,
    is_genuine,
    is_timely,
    meaning,
    read,
)
from datasms_daemon.model import HookCall, InboundText, LineName, PushReceipt, ReceiptState, Secret

NOW = 1_795_000_000_000
TOKEN = "445da6az1s345z78-dazcczb2542zv51a-e0vc5fva17480im9"
SECRET = Secret(TOKEN)
ID = 4_912_661_846_655_238_145
JAN = "01234567890A=="
ADDRESS = {"id": JAN}
MINUTE = 60_000


def body_of(event: str, **fields: Any) -> bytes:
    return msgspec.json.encode({"event": event, "timestamp": NOW, "message_token": ID, **fields})


def called(body: bytes, signature: str | None) -> HookCall:
    headers = {} if signature is None else {"x-viber-content-signature": signature}
    return HookCall("viber", "", headers, body)


def said(event: str, **fields: Any) -> Callback:
    callback = read(body_of(event, **fields))
    assert callback is not None
    return callback


def text(words: str) -> InboundText:
    return InboundText(LineName("viber"), f"viber:{JAN}", "viber", words, NOW, str(ID), ADDRESS)


def receipt(state: ReceiptState, reason: str | None = None) -> PushReceipt:
    return PushReceipt("viber", str(ID), state, NOW, reason)


def test_what_the_official_library_signs_is_genuine() -> None:
    body = body_of("delivered", user_id=JAN)
    library = Api(BotConfiguration(auth_token=TOKEN, name="Acme", avatar=""))
    signature = library._calculate_message_signature(body)
    assert is_genuine(called(body, signature), SECRET)
    assert is_genuine(called(body, signature.upper()), SECRET)
    assert library.verify_signature(body, signature)


@pytest.mark.parametrize("signature", [None, "", "0" * 64, "é" * 64, "\udcff", "Basic x"])
def test_what_is_not_signed_is_not_genuine(signature: str | None) -> None:
    assert not is_genuine(called(body_of("delivered", user_id=JAN), signature), SECRET)


def test_one_changed_byte_or_another_spelling_of_the_same_json_is_not_genuine() -> None:
    body = body_of("delivered", user_id=JAN)
    signature = hmac.new(TOKEN.encode(), body, hashlib.sha256).hexdigest()
    assert is_genuine(called(body, signature), SECRET)
    assert not is_genuine(called(body.replace(b"01234", b"01235"), signature), SECRET)
    assert not is_genuine(called(body + b" ", signature), SECRET)
    assert not is_genuine(called(body, signature), Secret(TOKEN + "x"))


@pytest.mark.parametrize(
    ("timestamp", "timely"),
    [
        (NOW, True),
        (NOW - 60 * MINUTE, True),
        (NOW - 90 * MINUTE, True),
        (NOW - 90 * MINUTE - 1, False),
        (NOW + 5 * MINUTE, True),
        (NOW + 5 * MINUTE + 1, False),
        (0, False),
        (-NOW, False),
        (10**30, False),
    ],
)
def test_a_callback_is_good_for_as_long_as_viber_repeats_it(timestamp: int, timely: bool) -> None:
    assert is_timely(said("webhook", timestamp=timestamp), NOW) is timely


@pytest.mark.parametrize(
    ("event", "fields", "expected"),
    [
        ("delivered", {"user_id": JAN}, [receipt(ReceiptState.DELIVERED)]),
        ("seen", {"user_id": JAN}, [receipt(ReceiptState.READ), AllRead(ADDRESS, NOW)]),
        ("seen", {"user_id": JAN, "message_token": 0}, [AllRead(ADDRESS, NOW)]),
        (
            "failed",
            {"user_id": JAN, "desc": "Media type not supported"},
            [receipt(ReceiptState.FAILED, "Media type not supported")],
        ),
        ("failed", {"user_id": JAN}, [receipt(ReceiptState.FAILED, "failed on the device")]),
        ("unsubscribed", {"user_id": JAN}, [Gone(ADDRESS, "unsubscribed")]),
        ("subscribed", {"user": {"id": JAN, "name": "Jan"}}, []),
        ("conversation_started", {"user": {"id": JAN}, "subscribed": False, "type": "open"}, []),
        ("conversation_started", {"user": {"id": JAN}, "context": ""}, []),
        (
            "conversation_started",
            {"user": {"id": JAN}, "context": "ABCD-EFGH-JKLMN"},
            [text("DATASMS ABCD-EFGH-JKLMN")],
        ),
        ("message", {"sender": {"id": JAN}, "message": {"type": "text", "text": "Hello"}}, [text("Hello")]),
        ("webhook", {}, []),
        ("client_status", {"user": {"id": JAN}, "status": {"type": "payment"}}, []),
        ("something_new", {"user": 5, "message_token": "x"}, []),
    ],
)
def test_an_event_means_what_the_sheet_says(event: str, fields: dict[str, Any], expected: list[Effect]) -> None:
    assert list(meaning(said(event, **fields), "viber", NOW)) == expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"type": "text", "text": "Příliš žluťoučký\nkůň 🐴"}, "Příliš žluťoučký\nkůň 🐴"),
        ({"type": "text", "text": None}, ""),
        ({"type": "text"}, ""),
        ({"type": "picture", "text": "the pump", "media": "https://dl.example/x.jpg"}, "[picture] the pump"),
        ({"type": "picture", "media": "https://dl.example/x.jpg"}, "[picture]"),
        ({"type": "video", "media": "https://dl.example/x.mp4", "duration": 5}, "[video]"),
        ({"type": "file", "file_name": "plan.pdf", "file_size": 10}, "[file] plan.pdf"),
        ({"type": "sticker", "sticker_id": 46105}, "[sticker]"),
        ({"type": "url", "media": "https://acme.example"}, "[url] https://acme.example"),
        ({"type": "location", "location": {"lat": 50.0755, "lon": 14}}, "[location] 50.0755, 14.0"),
        (
            {"type": "contact", "contact": {"name": "Eva", "phone_number": "+420603123456", "avatar": "x"}},
            "[contact] Eva +420603123456",
        ),
        ({"type": "\x1b[2J"}, "[\\x1b[2J]"),
    ],
)
def test_what_somebody_sent_can_be_read(message: dict[str, Any], expected: str) -> None:
    callback = said("message", sender={"id": JAN, "name": "Jan"}, message=message)
    assert list(meaning(callback, "viber", NOW)) == [text(expected)]


def test_a_reason_is_printable_bounded_and_does_not_name_him() -> None:
    callback = said("failed", user_id=JAN, desc=f"{JAN}: bad \x1b]0;x\x07 keyboard " + "\x01" * 500)
    (effect,) = meaning(callback, "viber", NOW)
    assert isinstance(effect, PushReceipt)
    assert effect.reason is not None
    assert effect.reason.startswith("…: bad \\x1b]0;x\\x07 keyboard \\x01")
    assert effect.reason.isprintable()
    assert len(effect.reason) == 200


def test_nothing_has_happened_in_the_future() -> None:
    (effect,) = meaning(said("delivered", user_id=JAN, timestamp=NOW + MINUTE), "viber", NOW)
    assert effect == receipt(ReceiptState.DELIVERED)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x",
        b"[]",
        b"\xff",
        b"{}",
        b'{"event": "delivered"}',
        b'{"event": 5, "timestamp": 5}',
        b'{"event": "webhook", "timestamp": "now"}',
        body_of("delivered"),
        body_of("delivered", user_id=""),
        body_of("delivered", user_id=JAN, message_token=4.9e18),
        body_of("delivered", user_id=JAN, message_token=str(ID)),
        body_of("message", sender={"id": JAN}),
        body_of("message", message={"type": "text", "text": "x"}),
        body_of("message", sender={"id": JAN}, message={"type": "text", "text": 5}),
        body_of("conversation_started", user=None),
        b"[" * 100_000,
        b'{"event": "webhook", "timestamp": 1, "x":' + b"[" * 100_000,
    ],
)
def test_what_is_no_callback_is_none(body: bytes) -> None:
    assert read(body) is None


def test_an_unknown_event_means_nothing_and_is_no_fault() -> None:
    assert isinstance(said("other", user_id=JAN), Other)


def test_repeats_have_the_same_key_and_different_callbacks_different_ones() -> None:
    first = said("delivered", user_id=JAN)
    assert first.key == said("delivered", user_id=JAN, timestamp=NOW + 1).key
    others = [
        said("seen", user_id=JAN),
        said("delivered", user_id="eva"),
        said("delivered", user_id=JAN, message_token=ID + 1),
        said("seen", user_id=JAN, message_token=0),
        said("seen", user_id=JAN, message_token=0, timestamp=NOW + 1),
    ]
    assert len({first.key, *(other.key for other in others)}) == 6


@pytest.mark.parametrize("event", ["delivered", "seen", "failed", "unsubscribed", "subscribed", "message"])
def test_the_callbacks_of_these_tests_are_such_as_the_official_library_reads(event: str) -> None:
    special: dict[str, dict[str, Any]] = {
        "subscribed": {"user": {"id": JAN, "name": "Jan", "avatar": "", "country": "CZ", "language": "cs"}},
        "message": {"sender": {"id": JAN, "name": "Jan"}, "message": {"type": "text", "text": "x"}, "silent": False},
        "failed": {"user_id": JAN, "desc": "x"},
    }
    body = body_of(event, **special.get(event, {"user_id": JAN}))
    library = Api(BotConfiguration(auth_token=TOKEN, name="Acme", avatar=""))
    theirs, ours = library.parse_request(body), read(body)
    assert ours is not None
    assert theirs.event_type == event == ours.key[0]
    assert theirs.timestamp == ours.timestamp
    if event in ("delivered", "seen", "failed"):
        assert theirs.user_id == ours.user
        assert theirs._message_token == ours.message_token == ID
