"""What we ask of Viber and what its answers mean: each row of protocols/viber.md § 4 is a case."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from viberbot import BotConfiguration
from viberbot.api.message_sender import MessageSender
from viberbot.api.messages import FileMessage, PictureMessage, TextMessage

from datasms_daemon.channels._viber_answers import (
    account_of,
    billing_of,
    described,
    explanation_of,
    outcome_of,
    status_of,
)
from datasms_daemon.channels._viber_content import EVENTS, Sender, Sends, deep_link, to_sends, webhook, welcome
from datasms_daemon.model import (
    Accepted,
    AddressGone,
    Attachment,
    Button,
    Content,
    Device,
    DeviceId,
    Later,
    LineDown,
    MessageId,
    NotSent,
    Outcome,
    PersonId,
    PushOrder,
    Secret,
    Unknown,
)
from tests.fakes.viber_service import FORBIDDEN

NOW = 1_795_000_000_000
HOUR = 3_600_000
HTML = b"<html><title>502 Bad Gateway</title></html>"
TOKEN = 4_912_661_846_655_238_145
ACME = Sender("Acme")


def said(status: int, **more: object) -> bytes:
    return msgspec.json.encode({"status": status, "status_message": "canary", **more})


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (1, LineDown),
        (2, LineDown),
        (3, NotSent),
        (4, NotSent),
        (5, AddressGone),
        (6, AddressGone),
        (7, LineDown),
        (8, LineDown),
        (9, LineDown),
        (10, LineDown),
        (11, NotSent),
        (12, Later),
        (13, NotSent),
        (14, NotSent),
        (15, LineDown),
        (16, NotSent),
        (17, NotSent),
        (18, NotSent),
        (19, NotSent),
        (20, NotSent),
        (21, LineDown),
        (22, LineDown),
        (23, LineDown),
        (24, LineDown),
        (25, Later),
        (-1, Later),
        (1 << 70, Later),
    ],
)
def test_a_status_means_what_the_sheet_says(number: int, kind: type[Outcome]) -> None:
    outcome = outcome_of(200, {}, said(number), NOW)
    assert isinstance(outcome, kind)
    assert not isinstance(outcome, Accepted)
    assert outcome.reason == described(number)
    assert outcome.reason.startswith(f"{number} ")
    assert "canary" not in outcome.reason
    if isinstance(outcome, NotSent):
        assert outcome.final


def test_too_many_messages_is_an_hour_and_a_general_error_names_no_time() -> None:
    assert outcome_of(200, {}, said(12), NOW) == Later(described(12), NOW + HOUR)
    assert outcome_of(200, {}, said(99), NOW) == Later(described(99), None)


def test_a_message_token_beyond_2_to_53_is_kept_exactly() -> None:
    assert outcome_of(200, {}, said(0, message_token=TOKEN), NOW) == Accepted(("4912661846655238145",))


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (404, LineDown("HTTP 404: is the endpoint right?")),
        (401, LineDown("HTTP 401: is the endpoint right?")),
        (403, LineDown("HTTP 403: is the endpoint right?")),
        (407, LineDown("HTTP 407: is the endpoint right?")),
        (307, LineDown("307: redirects are not followed")),
        (408, Unknown("HTTP 408")),
        (413, NotSent("HTTP 413", final=True)),
        (429, Later("HTTP 429", None)),
        (500, Unknown("HTTP 500")),
        (502, Unknown("HTTP 502")),
        (503, Later("HTTP 503", None)),
        (504, Unknown("HTTP 504")),
    ],
)
@pytest.mark.parametrize("body", [HTML, said(0, message_token=TOKEN), said(5)])
def test_another_http_status_than_200_is_not_vibers_word(status: int, body: bytes, expected: Outcome) -> None:
    assert outcome_of(status, {}, body, NOW) == expected


def test_retry_after_of_a_server_in_between_is_honoured() -> None:
    assert outcome_of(503, {"retry-after": "120"}, b"", NOW) == Later("HTTP 503", NOW + 120_000)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"OK",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        HTML,
        b'{"status": null}',
        b'{"status": "0"}',
        b'{"status": 0.0}',
        b'{"status": true}',
        b'{"error": {"code": 404}}',
        b"[" * 5000,
        b'{"x":' + b"[" * 60_000,
    ],
)
def test_success_without_a_status_is_unknown(body: bytes) -> None:
    assert outcome_of(200, {}, body, NOW) == Unknown("success without a status")


@pytest.mark.parametrize("more", [{}, {"message_token": None}, {"message_token": "x"}, {"message_token": 4.9e18}])
def test_success_without_a_message_token_is_unknown(more: dict[str, object]) -> None:
    assert outcome_of(200, {}, said(0, **more), NOW) == Unknown("success without a message token")


@pytest.mark.parametrize(
    ("more", "expected"),
    [({"billing_status": n}, n) for n in range(6)]
    + [({}, None), ({"billing_status": 6}, None), ({"billing_status": -1}, None), ({"billing_status": "5"}, None)],
)
def test_the_billing_status_is_one_of_six_or_nothing(more: dict[str, object], expected: int | None) -> None:
    assert billing_of(said(0, message_token=TOKEN, **more)) == expected


def test_an_odd_billing_status_does_not_make_an_accepted_message_unknown() -> None:
    assert isinstance(outcome_of(200, {}, said(0, message_token=TOKEN, billing_status=None), NOW), Accepted)


def test_vibers_own_words_are_bounded_printable_and_never_the_token() -> None:
    secret = Secret("445da6az")
    assert explanation_of(b'{"status_message": "Unexpected\\u001b[2J code"}', secret) == "Unexpected\\x1b[2J code"
    assert len(explanation_of(msgspec.json.encode({"status_message": "\x1b" * 10_000}), secret)) == 200
    assert explanation_of(b'{"status_message": "token 445da6az is wrong"}', secret) == ""
    assert explanation_of(b"{}", secret) == ""


def test_what_is_no_answer_has_neither_status_nor_account() -> None:
    assert status_of(HTML) is None
    assert account_of(HTML) is None


def _order(text: str = "Pump 3 stopped", title: str | None = None, address: dict[str, str] | None = None) -> PushOrder:
    device = Device(DeviceId("d1"), PersonId("novak"), "viber", {"id": "u1=="} if address is None else address)
    return PushOrder(MessageId("m1"), device, True, 60_000, Content(text, title))


def test_a_text_goes_out_with_its_title_and_the_message_id() -> None:
    sends = to_sends(_order(title="Pump station"), Sender("Acme", "https://acme.example/a.png"), None)
    assert isinstance(sends, Sends)
    assert (sends.others, sends.left_out) == ((), ())
    assert msgspec.json.decode(sends.first) == {
        "receiver": "u1==",
        "type": "text",
        "text": "Pump station\nPump 3 stopped",
        "sender": {"name": "Acme", "avatar": "https://acme.example/a.png"},
        "min_api_version": 1,
        "tracking_data": "m1",
    }


def test_the_official_library_would_send_the_same() -> None:
    """But for the token, which it puts into the body, and the chat, which no bot message has."""
    bot = BotConfiguration(auth_token="t", name="Acme", avatar="https://acme.example/a.png")
    message = TextMessage(text="Pump 3 stopped", tracking_data="m1", min_api_version=1)
    theirs = MessageSender(None, None, bot)._prepare_payload(message, bot.name, bot.avatar, receiver="u1==")
    ours = to_sends(_order(), Sender("Acme", "https://acme.example/a.png"), None)
    assert isinstance(ours, Sends)
    named = {name: value for name, value in theirs.items() if value is not None and name != "auth_token"}
    assert msgspec.json.decode(ours.first) == named


@pytest.mark.parametrize("address", [{}, {"id": ""}, {"token": "x"}])
def test_there_is_no_request_for_an_address_of_another_kind(address: dict[str, str]) -> None:
    assert to_sends(_order(address=address), ACME, None) == NotSent("the device's address has no id", final=True)


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_text_is_not_sent(text: str) -> None:
    assert to_sends(_order(text), ACME, None) == NotSent("there is no text to show", final=True)


def test_an_order_without_content_is_not_sent() -> None:
    order = msgspec.structs.replace(_order(), content=None)
    assert to_sends(order, ACME, None) == NotSent("there is no text to show", final=True)


def test_7000_characters_with_the_title_are_the_limit() -> None:
    assert isinstance(to_sends(_order("x" * 6996, "abc"), ACME, None), Sends)
    assert to_sends(_order("x" * 6997, "abc"), ACME, None) == NotSent("longer than 7000 characters", final=True)


def test_30_kilobytes_of_body_are_the_limit() -> None:
    assert isinstance(to_sends(_order("\U0001f6a8" * 7000), ACME, None), Sends)
    assert to_sends(_order("\x01" * 7000), ACME, None) == NotSent("larger than 30000 bytes", final=True)


PNG = Attachment("a1", "photo.png", "image/png", 1 << 20, "00")
PDF = Attachment("a2", "plan.pdf", "application/pdf", 50 << 20, "00")


def _with(*attachments: Attachment, text: str = "Pump 3 stopped") -> PushOrder:
    order = _order(text)
    assert order.content is not None
    return msgspec.structs.replace(order, content=msgspec.structs.replace(order.content, attachments=attachments))


def _sent(order: PushOrder) -> list[dict[str, Any]]:
    """What goes out, without what all have in common."""
    sends = to_sends(order, ACME, lambda one: f"https://mx.example.org/{one.id}")
    assert isinstance(sends, Sends)
    common = {"receiver": "u1==", "sender": {"name": "Acme"}, "min_api_version": 1, "tracking_data": "m1"}
    found = [msgspec.json.decode(body) for body in (sends.first, *(body for _, body in sends.others))]
    assert all(common.items() <= one.items() for one in found)
    return [{name: value for name, value in one.items() if name not in common} for one in found]


PHOTO = {"type": "picture", "media": "https://mx.example.org/a1.png"}
PLAN = {"type": "file", "media": "https://mx.example.org/a2", "size": 50 << 20, "file_name": "plan.pdf"}
TEXT = {"type": "text", "text": "Pump 3 stopped"}


def test_a_text_stands_under_the_first_picture_and_what_follows_keeps_its_order() -> None:
    assert _sent(_with(PNG)) == [PHOTO | {"text": "Pump 3 stopped"}]
    assert _sent(_with(PNG, PDF)) == [PHOTO | {"text": "Pump 3 stopped"}, PLAN]
    assert _sent(_with(PDF, PNG)) == [TEXT, PLAN, PHOTO | {"text": ""}]


def test_a_text_that_is_too_long_for_a_picture_goes_before_it() -> None:
    assert [one["type"] for one in _sent(_with(PNG, text="x" * 768))] == ["picture"]
    assert [one["type"] for one in _sent(_with(PNG, text="x" * 769))] == ["text", "picture"]


@pytest.mark.parametrize(
    ("type_", "size", "expected"),
    [
        ("image/png", 1 << 20, "picture"),
        ("image/jpeg", 1, "picture"),
        ("image/png", (1 << 20) + 1, "file"),
        ("image/gif", 100, "file"),
        ("image/webp", 100, "file"),
        ("application/octet-stream", 100, "file"),
    ],
)
def test_what_is_sent_as_a_picture_and_what_as_a_file(type_: str, size: int, expected: str) -> None:
    one = Attachment("a1", "photo.x", type_, size, "00")
    assert _sent(_with(one, text="x" * 769))[1]["type"] == expected


def test_a_file_without_an_extension_gets_one() -> None:
    assert _sent(_with(msgspec.structs.replace(PDF, name="plan")))[1]["file_name"] == "plan.dat"


@pytest.mark.parametrize("extension", FORBIDDEN.split())
def test_a_file_that_viber_forbids_is_left_out_and_the_text_goes(extension: str) -> None:
    one = msgspec.structs.replace(PDF, name=f"x.{extension}")
    sends = to_sends(_with(one), ACME, lambda one: "https://mx.example.org/")
    assert isinstance(sends, Sends)
    assert sends.left_out == (f"x.{extension} was left out: Viber takes no .{extension.lower()} files",)
    assert sends.others == ()


def test_what_is_too_large_is_left_out_and_so_is_all_without_an_address() -> None:
    large = msgspec.structs.replace(PDF, size=(50 << 20) + 1)
    sends = to_sends(_with(large, PNG), ACME, lambda one: "https://mx.example.org/")
    assert isinstance(sends, Sends)
    assert sends.left_out == ("plan.pdf was left out: larger than 50 MB",)
    alone = to_sends(_with(PNG, PDF), ACME, None)
    assert isinstance(alone, Sends)
    assert alone.others == ()
    assert alone.left_out == (
        "photo.png was left out: [mxservice] public_url is not set",
        "plan.pdf was left out: [mxservice] public_url is not set",
    )


def test_the_official_library_would_send_the_same_picture_and_file() -> None:
    bot = BotConfiguration(auth_token="t", name="Acme", avatar="https://acme.example/a.png")
    messages = (
        PictureMessage(media="https://mx.example.org/a1.png", text="", tracking_data="m1", min_api_version=1),
        FileMessage(
            media="https://mx.example.org/a2", size=50 << 20, file_name="plan.pdf", tracking_data="m1",
            min_api_version=1,
        ),
    )  # fmt: skip
    acme = Sender("Acme", "https://acme.example/a.png")
    sends = to_sends(_with(PDF, PNG), acme, lambda one: f"https://mx.example.org/{one.id}")
    assert isinstance(sends, Sends)
    ours = {name: msgspec.json.decode(body) for name, body in sends.others}
    for name, message in zip(("photo.png", "plan.pdf"), messages, strict=True):
        theirs = MessageSender(None, None, bot)._prepare_payload(message, bot.name, bot.avatar, receiver="u1==")
        assert ours[name] == {key: value for key, value in theirs.items() if value is not None and key != "auth_token"}


KEYBOARD = {
    "Type": "keyboard",
    "DefaultHeight": False,
    "Buttons": [
        {"Columns": 6, "Rows": 1, "ActionType": "reply", "ActionBody": "YES 4711", "Text": "Confirm"},
        {"Columns": 6, "Rows": 1, "ActionType": "open-url", "ActionBody": "https://crm.example.org/", "Text": "Open"},
    ],
}
BUTTONS = (Button("Confirm", "YES 4711"), Button("Open", url="https://crm.example.org/"))


def _pressable(*buttons: Button, text: str = "Pump 3 stopped", files: tuple[Attachment, ...] = ()) -> PushOrder:
    order = _order()
    return msgspec.structs.replace(order, content=Content(text, None, files, buttons))


def test_buttons_are_a_keyboard_of_one_key_a_row() -> None:
    assert _sent(_pressable(*BUTTONS)) == [TEXT | {"keyboard": KEYBOARD}]


def test_what_follows_the_text_has_the_keyboard_too_for_viber_shows_that_of_the_newest_message() -> None:
    picture, file = _sent(_pressable(*BUTTONS, files=(PNG, PDF)))
    assert picture == PHOTO | {"text": "Pump 3 stopped", "keyboard": KEYBOARD}
    assert file == PLAN | {"keyboard": KEYBOARD}


def test_the_official_library_would_send_the_same_keyboard() -> None:
    bot = BotConfiguration(auth_token="t", name="Acme", avatar="https://acme.example/a.png")
    message = TextMessage(text="Pump 3 stopped", tracking_data="m1", min_api_version=1, keyboard=KEYBOARD)
    theirs = MessageSender(None, None, bot)._prepare_payload(message, bot.name, bot.avatar, receiver="u1==")
    ours = to_sends(_pressable(*BUTTONS), Sender("Acme", "https://acme.example/a.png"), None)
    assert isinstance(ours, Sends)
    named = {name: value for name, value in theirs.items() if value is not None and name != "auth_token"}
    assert msgspec.json.decode(ours.first) == named


def test_what_stands_on_a_key_is_no_markup_and_what_it_writes_is_as_it_was_given() -> None:
    (sent,) = _sent(_pressable(Button("<b>R&D</b>", "<b>R&D</b>")))
    (key,) = sent["keyboard"]["Buttons"]
    assert (key["Text"], key["ActionBody"]) == ("&lt;b&gt;R&amp;D&lt;/b&gt;", "<b>R&D</b>")


def test_a_message_that_buttons_make_too_large_is_not_sent_and_an_attachment_is_left_out() -> None:
    pages = [Button("x", url=f"https://a.example/{'x' * 1980}")] * 12
    assert isinstance(to_sends(_pressable(*pages, text="x" * 3000), ACME, None), Sends)
    order = _pressable(*pages, text="x" * 7000)
    assert to_sends(order, ACME, None) == NotSent("larger than 30000 bytes", final=True)
    sends = to_sends(_pressable(*pages, files=(PDF, PNG)), ACME, lambda one: f"https://mx.example.org/{one.id * 3000}")
    assert isinstance(sends, Sends)
    assert sends.others == ()
    assert sends.left_out == tuple(
        f"{name} was left out: larger than 30000 bytes" for name in ("plan.pdf", "photo.png")
    )


def test_a_welcome_has_no_receiver_and_a_button_writes_its_own_text() -> None:
    assert msgspec.json.decode(welcome("Hello", ACME)) == {
        "type": "text",
        "text": "Hello",
        "sender": {"name": "Acme"},
        "min_api_version": 1,
    }
    (key,) = msgspec.json.decode(welcome("Hello", ACME, "OK"))["keyboard"]["Buttons"]
    assert key == {"Columns": 6, "Rows": 1, "ActionType": "reply", "ActionBody": "OK", "Text": "OK"}


def test_the_webhook_asks_for_everything_we_understand() -> None:
    assert msgspec.json.decode(webhook("https://mx.example.org/x")) == {
        "url": "https://mx.example.org/x",
        "event_types": list(EVENTS),
        "send_name": True,
        "send_photo": False,
    }


def test_a_deep_link_keeps_whatever_is_in_it() -> None:
    assert deep_link("acme-alerts", "ABCD-EFGH-JKLMN") == "viber://pa?chatURI=acme-alerts&context=ABCD-EFGH-JKLMN"
    link = urlsplit(deep_link("a&b=č", "x y&chatURI=evil#"))
    assert parse_qs(link.query, strict_parsing=True) == {"chatURI": ["a&b=č"], "context": ["x y&chatURI=evil#"]}
