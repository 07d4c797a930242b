"""Whatever Viber, or who pretends to be Viber, makes up: tokens stay exact, answers are outcomes, only signed bytes
are read, and the memory for repeats has an end."""

from __future__ import annotations

from html import unescape
from urllib.parse import parse_qs, urlsplit

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from datasms_daemon.channels._recent import Recent
from datasms_daemon.channels._viber_answers import outcome_of
from datasms_daemon.channels._viber_content import MAX_BODY, MAX_PICTURE_TEXT, Sender, deep_link, to_sends
from datasms_daemon.channels._viber_hook import is_genuine, meaning, read, signature
from datasms_daemon.model import (
    Accepted,
    AddressGone,
    Attachment,
    Button,
    Content,
    Device,
    DeviceId,
    HookCall,
    Later,
    LineDown,
    MessageId,
    NotSent,
    PersonId,
    PushOrder,
    PushReceipt,
    Secret,
    Unknown,
)
from tests.fakes.viber_service import Sent, fault

NOW = 1_795_000_000_000
SECRET = Secret("445da6az1s345z78-dazcczb2542zv51a-e0vc5fva17480im9")
FIELDS = [
    "status",
    "message_token",
    "billing_status",
    "event",
    "timestamp",
    "user_id",
    "user",
    "sender",
    "message",
    "id",
]
WORDS = ["delivered", "seen", "failed", "unsubscribed", "message", "conversation_started", "webhook", "text", "jan"]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner),
    max_leaves=12,
).map(msgspec.json.encode)
attachments = st.builds(
    Attachment,
    st.uuids().map(str),
    st.sampled_from(["plan.pdf", "photo.png", "photo.JPG", "run.exe", "x.Ps1", "plan", "a.b.c", "x" * 196 + ".png"]),
    st.sampled_from(["image/png", "image/jpeg", "image/gif", "application/pdf", "application/octet-stream"]),
    st.sampled_from([1, 1 << 20, (1 << 20) + 1, 50 << 20, (50 << 20) + 1]),
    st.just("00"),
)
labels = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=50)
buttons = st.builds(Button, labels, labels) | st.builds(
    Button, labels, st.none(), st.integers(0, 1975).map(lambda size: f"https://a.example/{'x' * size}")
)
bodies = st.binary(max_size=200) | json_values


@given(st.integers(1, (1 << 64) - 1))
def test_a_token_is_the_same_in_the_answer_and_in_its_receipt(token: int) -> None:
    answer = msgspec.json.encode({"status": 0, "message_token": token})
    said = {"event": "delivered", "timestamp": NOW, "message_token": token, "user_id": "jan"}
    callback = read(msgspec.json.encode(said))
    assert callback is not None
    (receipt,) = meaning(callback, "viber", NOW)
    assert isinstance(receipt, PushReceipt)
    assert outcome_of(200, {}, answer, NOW) == Accepted((receipt.provider_id,))


@given(st.integers(100, 599), st.text(max_size=40), bodies)
def test_any_answer_is_an_outcome_and_a_date_is_never_more_than_an_hour_away(
    status: int, retry_after: str, body: bytes
) -> None:
    outcome = outcome_of(status, {"retry-after": retry_after}, body, NOW)
    assert isinstance(outcome, Accepted | AddressGone | Later | LineDown | NotSent | Unknown)
    assert not isinstance(outcome, Accepted | AddressGone) or 200 <= status < 300
    if isinstance(outcome, Later) and outcome.not_before is not None:
        assert NOW <= outcome.not_before <= NOW + 3_600_000


@given(bodies)
def test_any_body_is_a_callback_or_none_and_what_it_means_names_its_own_user_only(body: bytes) -> None:
    callback = read(body)
    if callback is None:
        return
    for effect in meaning(callback, "viber", NOW):
        if not isinstance(effect, PushReceipt):
            assert effect.address == {"id": callback.user}
            assert callback.user


@given(st.binary(max_size=200), st.data())
def test_a_signature_is_good_for_these_bytes_and_no_others(body: bytes, data: st.DataObject) -> None:
    signed = {"x-viber-content-signature": signature(SECRET, body)}
    assert is_genuine(HookCall("viber", "", signed, body), SECRET)
    other = data.draw(st.binary(max_size=200).filter(lambda one: one != body))
    assert not is_genuine(HookCall("viber", "", signed, other), SECRET)


@given(st.text(max_size=80))
def test_no_made_up_signature_is_good(made_up: str) -> None:
    assert not is_genuine(HookCall("viber", "", {"x-viber-content-signature": made_up}, b"{}"), SECRET)


def shown(sent: Sent) -> tuple[Button, ...]:
    """The buttons of a message as he sees them and as they act."""
    keys = () if sent.keyboard is None else sent.keyboard.buttons
    return tuple(
        Button(unescape(key.text), None, key.action_body)
        if key.action_type == "open-url"
        else Button(unescape(key.text), key.action_body)
        for key in keys
    )


@given(
    st.text(min_size=1, max_size=9000),
    st.none() | st.text(max_size=100),
    st.lists(attachments, max_size=4, unique_by=lambda one: one.id).map(tuple),
    st.lists(buttons, max_size=12).map(tuple),
    st.booleans(),
)
def test_what_is_sent_is_within_vibers_limits_and_nothing_is_passed_over(
    text: str, title: str | None, files: tuple[Attachment, ...], keys: tuple[Button, ...], has_link: bool
) -> None:
    device = Device(DeviceId("d1"), PersonId("novak"), "viber", {"id": "jan"})
    order = PushOrder(MessageId("m1"), device, True, 1, Content(text, title, files, keys))
    sends = to_sends(order, Sender("Acme"), (lambda one: f"https://mx.example.org/{one.id}") if has_link else None)
    if isinstance(sends, NotSent):
        assert sends.final
        return
    bodies = [sends.first, *(body for _, body in sends.others)]
    assert all(len(body) <= MAX_BODY and fault(msgspec.json.decode(body, type=Sent)) is None for body in bodies)
    assert all(shown(msgspec.json.decode(body, type=Sent)) == keys for body in bodies)
    first = msgspec.json.decode(sends.first)
    assert first["text"].endswith(text)
    assert first["type"] == "text" or len(first["text"]) <= MAX_PICTURE_TEXT
    media = len(bodies) - (first["type"] == "text")
    assert media + len(sends.left_out) == len(files)
    assert has_link or media == 0


@given(st.text(), st.text())
def test_a_deep_link_brings_back_what_went_in(bot: str, number: str) -> None:
    link = deep_link(bot, number)
    assert link.isascii()
    assert parse_qs(urlsplit(link).query, keep_blank_values=True) == {"chatURI": [bot], "context": [number]}


@given(st.lists(st.integers(0, 20)))
def test_the_memory_holds_the_latest_and_no_more(keys: list[int]) -> None:
    recent: Recent[int, int] = Recent(5)
    for place, key in enumerate(keys):
        recent[key] = place
    latest = list(dict.fromkeys(reversed(keys)))[:5]
    assert set(recent) == set(latest)
    assert all(keys[place] == key for key, place in recent.items())
