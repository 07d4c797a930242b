"""Buttons as applications give them, and as the archive shows them."""

from __future__ import annotations

import csv
import io
from typing import Any

import msgspec
import pytest

from datasms_daemon.gateway.http_api import make_site
from datasms_daemon.model import Button
from tests.fakes.core import FakeCore
from tests.fakes.web import Client, Response, clock

NUMBER = "+420603123456"
ARCHIVE = "/v1/archive/messages"
PAGE = "https://crm.example.org/4711?a=b@c#d"


class Gateway(Client):
    """A gateway over a fake core."""

    def __init__(self) -> None:
        self.core = FakeCore()
        super().__init__(make_site(self.core, clock(), bytes), "dsk_all")

    def send(self, *buttons: object) -> Response:
        """A message with these."""
        return self.ask("POST", "/v1/messages", {"to": [NUMBER], "text": "Pump 3 stopped", "buttons": buttons})


@pytest.fixture
def gateway() -> Gateway:
    """A gateway."""
    return Gateway()


def test_a_button_writes_its_reply_or_opens_its_page_or_writes_what_stands_on_it(gateway: Gateway) -> None:
    response = gateway.send({"text": "Confirm", "reply": "YES 4711"}, {"text": "Open", "url": PAGE}, {"text": "Later"})
    assert response.status == 202
    (draft,) = gateway.core.submissions[0].drafts
    assert draft.buttons == (Button("Confirm", "YES 4711"), Button("Open", url=PAGE), Button("Later", "Later"))


def test_a_message_may_have_no_buttons_and_at_most_twelve(gateway: Gateway) -> None:
    assert gateway.send().status == 202
    assert gateway.send(*[{"text": "x" * 50, "reply": "y" * 250, "url": None}] * 12).status == 202
    response = gateway.send(*[{"text": "x"}] * 13)
    assert (response.status, list(response.faults)) == (422, ["/buttons"])


@pytest.mark.parametrize(
    ("button", "field"),
    [
        ({}, "text"), ({"text": ""}, "text"), ({"text": "x" * 51}, "text"), ({"text": "a\nb"}, "text"),
        ({"text": "x", "reply": ""}, "reply"), ({"text": "x", "reply": "y" * 251}, "reply"),
        ({"text": "x", "reply": "a\x1b"}, "reply"), ({"text": "x", "action": "y"}, "action"),
        ({"text": "x", "url": f"https://a/{'x' * 1991}"}, "url"), ({"text": "x", "url": 1}, "url"),
    ],
)  # fmt: skip
def test_a_field_of_a_button_that_cannot_be_used_is_named(
    gateway: Gateway, button: dict[str, object], field: str
) -> None:
    response = gateway.send({"text": "good"}, button)
    assert (response.status, list(response.faults)) == (422, [f"/buttons/1/{field}"])
    assert gateway.core.submissions == []


@pytest.mark.parametrize(
    "url",
    [
        "", "x", "ftp://a.example/", "javascript:alert(1)", "viber://pa?chatURI=x", "https:a.example", "https://",
        "//a.example/", "https:///x", "https://jan@a.example/", "https://jan:secret@a.example/", "https://@a.example/",
        "https://good.example\\@evil.example/", "https://a.example/\\x", "https://a.example/a b", "https://a.example/\n",
        " https://a.example/", "https://ž.example/", "https://a.example/ž", "https://a.example:123456/", "https://[::1]/",
    ],
)  # fmt: skip
def test_a_page_is_an_http_address_without_credentials(gateway: Gateway, url: str) -> None:
    response = gateway.send({"text": "Open", "url": url})
    assert (response.status, response.faults) == (
        422,
        {"/buttons/0/url": "write an http or https address in ASCII, without a user name"},
    )


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example", "http://192.0.2.1:8080/", "https://a.example?q", "http://a#b",
        "https://xn--bla-9oa.example/%C5%BE?x=[1]&y={2}|'()", f"https://a/{'x' * 1990}",
    ],
)  # fmt: skip
def test_any_plain_address_is_taken_as_it_is(gateway: Gateway, url: str) -> None:
    assert gateway.send({"text": "Open", "url": url}).status == 202
    assert gateway.core.submissions[0].drafts[0].buttons == (Button("Open", url=url),)


def test_a_button_that_would_do_both_is_refused_by_its_field_with_all_other_faults(gateway: Gateway) -> None:
    both = {"text": "x", "reply": "y", "url": PAGE}
    messages = [{"to": ["12"], "text": "x", "buttons": [{"text": "good"}, both, {"text": "x", "url": "x"}]}]
    response = gateway.ask("POST", "/v1/messages", {"messages": messages})
    assert response.status == 422
    assert response.faults["/messages/0/buttons/1/url"] == "a button replies or opens a page: leave out url or reply"
    assert set(response.faults) == {f"/messages/0/{place}" for place in ("to/0", "buttons/1/url", "buttons/2/url")}


def test_the_same_key_with_other_buttons_is_another_request(gateway: Gateway) -> None:
    """I5."""

    def send(text: str) -> int:
        body = {"to": [NUMBER], "text": "x", "buttons": [{"text": text}]}
        return gateway.ask("POST", "/v1/messages", body, Idempotency_Key="k").status

    assert [send("Yes"), send("Yes"), send("No")] == [202, 202, 422]


def test_explain_takes_them_and_finds_the_same_faults(gateway: Gateway) -> None:
    asked: dict[str, Any] = {"to": [NUMBER], "text": "x", "buttons": [{"text": "Yes"}]}
    assert gateway.ask("POST", "/v1/explain", asked).status == 200
    asked["buttons"] = [{"text": "Yes", "url": "x"}]
    assert list(gateway.ask("POST", "/v1/explain", asked).faults) == ["/buttons/0/url"]


def test_the_archive_shows_them_in_each_of_its_forms(gateway: Gateway) -> None:
    gateway.send({"text": "Open", "url": PAGE})
    gateway.send()
    shown = [{"text": "Open", "reply": None, "url": PAGE}]
    plain, full = gateway.ask("GET", ARCHIVE).json["items"]
    assert (plain["buttons"], full["buttons"]) == ([], shown)
    lines = gateway.ask("GET", ARCHIVE, Accept="application/x-ndjson").body.splitlines()
    assert [msgspec.json.decode(line)["buttons"] for line in lines] == [[], shown]
    table = gateway.ask("GET", ARCHIVE, Accept="text/csv").body.decode()
    plain_row, full_row = csv.DictReader(io.StringIO(table, newline=""))
    assert plain_row["buttons"] == ""
    assert msgspec.json.decode(full_row["buttons"]) == shown
