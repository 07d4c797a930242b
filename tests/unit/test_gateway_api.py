"""The gateway's calls: submit, follow, change; keys and their limits (interfaces.md § 2)."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from twisted.internet.defer import Deferred

from datasms_daemon.config.records import SenderGroup, SenderOptions
from datasms_daemon.delivery import readers
from datasms_daemon.errors import DiskFull, StoreFailed
from datasms_daemon.gateway.http_api import make_api, make_local_site, make_site
from datasms_daemon.gateway.rights import local_operator
from datasms_daemon.model import (
    RIGHTS,
    Device,
    DeviceId,
    Group,
    GroupId,
    Idempotency,
    Inbound,
    Limited,
    LineName,
    LineText,
    MessageId,
    MessageState,
    Person,
    PersonId,
    Problem,
)
from datasms_daemon.web.routes import Route
from tests.fakes.attachments import NOW
from tests.fakes.core import FakeCore
from tests.fakes.web import Client, Response, clock

NUMBER = "+420603123456"
TIME = clock()
ROUTES = make_api(FakeCore(), TIME, bytes, local_operator).routes
GUARDED = [route for route in ROUTES if route.permission]


class Gateway(Client):
    """A gateway over a fake core, asked with all rights unless told otherwise."""

    def __init__(self) -> None:
        self.core = FakeCore()
        self.time = clock()
        super().__init__(make_site(self.core, self.time, lambda: b"datasms_up 1\n"), "dsk_all")

    def send(self, text: str = "Pump 3 stopped", *, secret: str | None = None, **fields: Any) -> Response:
        """Submits one message."""
        return self.ask("POST", "/v1/messages", {"to": [NUMBER], "text": text, **fields}, secret=secret)

    def sent(self, **fields: Any) -> MessageId:
        """The id of a message that was accepted."""
        return MessageId(self.send(**fields).json["messages"][0]["id"])


@pytest.fixture
def gateway() -> Gateway:
    """A gateway."""
    return Gateway()


def path_of(route: Route) -> str:
    """A path of the route."""
    return re.sub("<[^>]+>", "x1", route.path)


def name_of(route: Route) -> str:
    """A test id."""
    return f"{route.method} {route.path}"


@pytest.mark.parametrize("route", GUARDED, ids=name_of)
def test_every_route_refuses_who_has_all_rights_but_its_own(gateway: Gateway, route: Route) -> None:
    others = [right for right in RIGHTS if right not in route.permission]
    secret = gateway.core.key(*others) if others else "dsk_nobody"
    response = gateway.ask(route.method, path_of(route), secret=secret)
    assert response.status == (403 if others else 401)
    assert gateway.core.submissions == []


@pytest.mark.parametrize(
    "authorisation", ["", "Bearer", "Bearer ", "Bearer dsk_wrong", "Basic ZHNrX2FsbDo=", "dsk_all"]
)
def test_every_route_refuses_who_has_no_key(gateway: Gateway, authorisation: str) -> None:
    gateway.secret = None
    for route in GUARDED:
        response = gateway.ask(route.method, path_of(route), Authorization=authorisation)
        assert (name_of(route), response.status, response.json["code"]) == (name_of(route), 401, "unauthorised")


@pytest.mark.parametrize("right", RIGHTS)
def test_every_route_lets_in_who_has_one_of_its_rights_and_nobody_else(gateway: Gateway, right: str) -> None:
    secret = gateway.core.key(right)
    refused = {name_of(r) for r in GUARDED if gateway.ask(r.method, path_of(r), secret=secret).status in (401, 403)}
    assert refused == {name_of(route) for route in GUARDED if right not in route.permission}


def test_only_what_must_be_is_public() -> None:
    assert {route.path for route in ROUTES if not route.permission} == {
        "/health/live", "/health/ready", "/openapi.json",
    }  # fmt: skip


def test_one_message_is_accepted_with_its_location(gateway: Gateway) -> None:
    response = gateway.send()
    id_ = response.json["messages"][0]["id"]
    assert response.status == 202
    assert response.json == {"id": response.json["id"], "messages": [{"id": id_, "to": NUMBER, "status": "queued"}]}
    assert response.headers["location"] == f"/v1/messages/{id_}"


def test_every_field_of_a_message_reaches_the_core(gateway: Gateway) -> None:
    gateway.core.people[PersonId("novak")] = Person(PersonId("novak"))
    gateway.core.teams[GroupId("night")] = Group(GroupId("night"))
    response = gateway.send(
        to=["603 123 456", "person:novak", "group:night"], title="Pump station", priority="high", ttl="2h",
        send_at="2026-11-24T08:00:00+01:00", **{"class": "internal"}, reference="crm-4711", lines=["sms-o2"],
        per_line={"smpp": {"text": "short"}}, receipts=["delivered", "read"], attachments=[],
    )  # fmt: skip
    assert response.status == 202
    (draft,) = gateway.core.submissions[0].drafts
    assert [(to.number, to.person, to.group) for to in draft.recipients] == [
        (NUMBER, None, None), (None, "novak", None), (None, None, "night"),
    ]  # fmt: skip
    assert (draft.title, draft.priority, draft.class_, draft.reference) == (
        "Pump station",
        "high",
        "internal",
        "crm-4711",
    )
    assert (draft.ttl_ms, draft.send_at, draft.lines) == (7_200_000, 1_795_503_600_000, ("sms-o2",))
    assert draft.per_line == {"smpp": LineText("short")}


def test_a_batch_is_one_submission(gateway: Gateway) -> None:
    messages = [{"to": [f"+42060312345{n}"], "text": f"Text {n}"} for n in range(10)]
    response = gateway.ask("POST", "/v1/messages", {"messages": messages})
    assert [message["to"] for message in response.json["messages"]] == [f"+42060312345{n}" for n in range(10)]
    assert "location" not in response.headers
    (submission,) = gateway.core.submissions
    assert [draft.text for draft in submission.drafts] == [f"Text {n}" for n in range(10)]


def test_i3_nothing_of_a_batch_is_taken_when_one_is_wrong_and_every_fault_is_named(gateway: Gateway) -> None:
    right = {"to": [NUMBER], "text": "x"}
    wrong = {
        "to": ["12", NUMBER, "+4206031234567890"], "text": "x", "priority": "urgent", "lines": ["fax"], "ttl": "99d",
        "per_line": {"fax": {"text": "x"}}, "attachments": ["a"] * 11,
    }  # fmt: skip
    response = gateway.ask("POST", "/v1/messages", {"messages": [right, wrong, {"to": ["person:x"], "text": "x"}]})
    assert response.status == 422
    assert response.faults.keys() == {
        f"/messages/1/{place}"
        for place in ("to/0", "to/2", "priority", "lines/0", "ttl", "per_line/fax", "attachments")
    }
    assert "high, low, normal" in response.faults["/messages/1/priority"]
    assert gateway.core.submissions == []


def test_what_the_core_refuses_is_named_by_its_place(gateway: Gateway) -> None:
    response = gateway.send(to=[NUMBER, "person:nobody"])
    assert (response.status, response.faults) == (422, {"/to/1": "there is no person nobody"})


def test_a_mistyped_field_is_refused_and_the_right_one_named(gateway: Gateway) -> None:
    response = gateway.send(prioriy="high")
    assert (response.status, response.faults) == (422, {"/prioriy": "is unknown here; did you mean priority?"})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("to", []), ("to", ["x"]), ("to", ["person:"]), ("to", ["person:a b"]), ("to", NUMBER), ("to", [NUMBER] * 1001),
        ("text", ""), ("text", "a\0b"), ("text", "x" * 65_537), ("title", "a\nb"), ("title", "a\n"), ("title", ""),
        ("reference", "a\r"), ("ttl", "2"), ("ttl", "0s"), ("ttl", "1w"), ("ttl", 5), ("send_at", "tomorrow"),
        ("send_at", "2026-11-24T08:00:00"), ("send_at", "2036-12-24T08:00:00Z"),
        ("send_at", "9999-12-31T23:00:00-02:00"), ("receipts", ["opened"]), ("class", "a b"), ("lines", []),
    ],
)  # fmt: skip
def test_a_field_that_cannot_be_used_is_named(gateway: Gateway, field: str, value: Any) -> None:
    response = gateway.send(**{field: value})
    assert response.status == 422
    assert [pointer.split("/")[1] for pointer in response.faults] == [field]


def test_more_recipients_than_a_thousand_are_refused_however_they_are_spread(gateway: Gateway) -> None:
    messages = [{"to": [NUMBER] * 501, "text": "x"}] * 2
    response = gateway.ask("POST", "/v1/messages", {"messages": messages})
    assert (response.status, list(response.faults)) == (422, [""])


def test_a_bare_text_is_sent_as_curl_sends_it(gateway: Gateway) -> None:
    response = gateway.ask(
        "POST", f"/v1/to/{NUMBER}", "Čerpadlo 3".encode(), Content_Type="application/x-www-form-urlencoded"
    )
    assert response.status == 202
    (draft,) = gateway.core.submissions[0].drafts
    assert (draft.recipients[0].number, draft.text, draft.priority) == (NUMBER, "Čerpadlo 3", "normal")


def test_what_stands_beside_a_bare_text_comes_from_headers_or_the_query(gateway: Gateway) -> None:
    gateway.core.people[PersonId("novak")] = Person(PersonId("novak"))
    response = gateway.ask(
        "POST", "/v1/to/person:novak?priority=high&title=Query", b"x", Content_Type="text/plain", Title="Header",
        Ttl="90s", Reference="crm-1",
    )  # fmt: skip
    assert response.status == 202
    (draft,) = gateway.core.submissions[0].drafts
    assert (draft.recipients[0].person, draft.priority, draft.title) == ("novak", "high", "Query")
    assert (draft.ttl_ms, draft.reference) == (90_000, "crm-1")


def test_a_bare_text_for_nobody_is_refused_in_one_line(gateway: Gateway) -> None:
    response = gateway.ask("POST", "/v1/to/123", b"x", Content_Type="text/plain")
    assert response.status == 422
    assert response.body == (
        b"422 invalid: The request cannot be carried out; /recipient: this is not a valid phone number\n"
    )


def test_an_empty_or_unreadable_bare_text_is_refused(gateway: Gateway) -> None:
    answers = [gateway.ask("POST", f"/v1/to/{NUMBER}", raw, Accept="*/*") for raw in (b"", b"\xff", b"a\0b")]
    types = [gateway.ask("POST", f"/v1/to/{NUMBER}", b"x", Content_Type="image/png").status]
    assert [answer.status for answer in answers] + types == [415, 415, 415, 415]
    plain = {"Content_Type": "text/plain"}
    assert [gateway.ask("POST", f"/v1/to/{NUMBER}", raw, **plain).status for raw in (b"", b"\xff", b"a\0b")] == [
        422, 400, 422,
    ]  # fmt: skip


def test_a_limit_that_is_reached_says_which_and_when_to_come_again(gateway: Gateway) -> None:
    gateway.core.limited = Limited("flood", "Too many", NOW + 61_001, (Problem("/to/0", "has had 20 messages"),))
    answer = gateway.ask("POST", "/v1/messages", {"to": [NUMBER], "text": "x"})
    assert (answer.status, answer.json["code"]) == (429, "flood")
    assert answer.json["errors"] == [{"pointer": "/to/0", "detail": "has had 20 messages"}]
    assert answer.headers["retry-after"] == "62"


def test_i5_the_same_key_and_body_give_the_same_answer_another_body_is_refused(gateway: Gateway) -> None:
    body = {"to": [NUMBER], "text": "once"}
    first, second = (gateway.ask("POST", "/v1/messages", body, Idempotency_Key="k-1") for _ in range(2))
    other = gateway.ask("POST", "/v1/messages", {**body, "text": "twice"}, Idempotency_Key="k-1")
    assert first.body == second.body
    assert (other.status, other.json["code"]) == (422, "key_reused")
    assert len(gateway.core.dossiers) == 1


def test_i5_a_bare_text_for_another_recipient_or_at_another_priority_is_another_body(gateway: Gateway) -> None:
    def send(path: str, **headers: str) -> int:
        return gateway.ask("POST", path, b"x", Content_Type="text/plain", Idempotency_Key="k", **headers).status

    assert [send(f"/v1/to/{NUMBER}"), send(f"/v1/to/{NUMBER}"), send("/v1/to/+420603123457")] == [202, 202, 422]
    assert send(f"/v1/to/{NUMBER}", Priority="high") == 422


@pytest.mark.parametrize("key", ["a b", "x" * 201, "ž"])
def test_an_idempotency_key_that_cannot_be_one_is_refused(gateway: Gateway, key: str) -> None:
    response = gateway.ask("POST", "/v1/messages", {"to": [NUMBER], "text": "x"}, Idempotency_Key=key)
    assert (response.status, response.json["code"]) == (400, "malformed")


def test_without_an_idempotency_key_there_is_none(gateway: Gateway) -> None:
    gateway.send()
    gateway.ask("POST", "/v1/messages", {"to": [NUMBER], "text": "x"}, Idempotency_Key="k")
    assert [isinstance(s.idempotency, Idempotency) for s in gateway.core.submissions] == [False, True]


@pytest.mark.parametrize(("failure", "status"), [(DiskFull("full"), 507), (StoreFailed("failed"), 503)])
def test_i27_what_cannot_be_stored_is_not_acknowledged(gateway: Gateway, failure: Exception, status: int) -> None:
    gateway.core.failure = failure
    response = gateway.send()
    assert response.status == status
    assert int(response.headers["retry-after"]) > 0


def test_i1_nothing_is_answered_before_the_commit_and_a_client_that_hangs_up_loses_nothing(gateway: Gateway) -> None:
    gateway.core.stalled = Deferred()
    connection = gateway.begin("POST", "/v1/messages", {"to": [NUMBER], "text": "x"})
    assert not connection.transport.value()
    connection.hang_up()
    gateway.core.stalled.callback(None)
    assert len(gateway.core.dossiers) == 1


def test_a_key_may_not_go_above_its_highest_priority(gateway: Gateway) -> None:
    secret = gateway.core.key("send", top_priority="normal")
    statuses = [gateway.send(priority=name, secret=secret).status for name in ("low", "normal", "high")]
    assert statuses == [202, 202, 422]
    assert "at most normal" in gateway.send(priority="high", secret=secret).faults["/priority"]


def test_a_key_may_use_only_its_lines(gateway: Gateway) -> None:
    secret = gateway.core.key("send", lines=("datasms",))
    assert gateway.send(lines=["datasms"], secret=secret).status == 202
    assert gateway.send(lines=["sms-o2"], secret=secret).faults == {"/lines/0": "this key may not use this line"}
    assert gateway.core.submissions[0].allowed_lines == ("datasms",)


def test_a_key_that_asks_faster_than_its_rate_is_told_when_to_come_back(gateway: Gateway) -> None:
    secret, other = gateway.core.key("send", rate=2), gateway.core.key("send", "read", rate=2)
    statuses = [gateway.send(secret=secret).status for _ in range(9)]
    assert statuses == [202] * 8 + [429]
    assert gateway.send(secret=secret).headers["retry-after"] == "1"
    assert gateway.send(secret=other).status == 202
    gateway.time.advance(1)
    assert [gateway.send(secret=secret).status for _ in range(3)] == [202, 202, 429]
    assert len(gateway.core.submissions) == 11


def test_a_message_is_shown_with_every_field(gateway: Gateway) -> None:
    id_ = gateway.sent(reference="crm-1")
    shown = gateway.ask("GET", f"/v1/messages/{id_}").json
    assert shown == {
        "id": id_, "to": NUMBER, "person": None, "sender": "all", "priority": "normal", "reference": "crm-1",
        "status": "queued", "line": None, "created_at": "2026-09-21T14:13:20.000Z", "send_at": None,
        "delivered_at": None, "read_at": None, "valid_until": "2026-09-22T14:13:20.000Z", "held_until": None,
        "ndr_at": None, "code": None, "cost_centre": None, "class": None, "attempts": [], "attachments": [],
    }  # fmt: skip


def test_another_senders_message_does_not_exist(gateway: Gateway) -> None:
    id_ = gateway.sent()
    reader, operator = gateway.core.key("read", "send"), gateway.core.key("operate")
    calls = [("GET", ""), ("GET", "/trace"), ("DELETE", "")]
    assert [gateway.ask(method, f"/v1/messages/{id_}{path}", secret=reader).status for method, path in calls] == [
        404
    ] * 3
    assert gateway.ask("PATCH", f"/v1/messages/{id_}", {"send_at": "now"}, secret=reader).status == 404
    assert gateway.ask("GET", "/v1/messages", secret=reader).json["items"] == []
    assert gateway.ask("GET", f"/v1/messages/{id_}", secret=operator).status == 200


@pytest.mark.parametrize("id_", ["x", "0" * 128, "%2e%2e", "a%20b", "%C5%99"])
def test_a_message_that_does_not_exist_is_not_found(gateway: Gateway, id_: str) -> None:
    assert gateway.ask("GET", f"/v1/messages/{id_}").status == 404


def test_a_list_is_read_part_by_part(gateway: Gateway) -> None:
    ids = [gateway.sent() for _ in range(5)]
    found, path = [], "/v1/messages?limit=2"
    for _ in range(3):
        part = gateway.ask("GET", path).json
        found += [item["id"] for item in part["items"]]
        path = f"/v1/messages?limit=2&after={part['next']}"
    assert part["next"] is None
    assert found == ids[::-1]
    assert "attempts" not in part["items"][0]


def test_a_list_is_filtered(gateway: Gateway) -> None:
    gateway.sent(reference="a")
    done = gateway.sent(to=["+420777123456"], reference="b")
    gateway.core.move(done, MessageState.FAILED)

    def found(query: str) -> list[str]:
        return [item["reference"] for item in gateway.ask("GET", f"/v1/messages?{query}").json["items"]]

    assert found("status=failed") == ["b"]
    assert found("status=failed&status=queued") == ["b", "a"]
    assert found("to=777%20123%20456") == ["b"]
    assert found("reference=a") == ["a"]


@pytest.mark.parametrize(
    ("query", "status", "pointer"),
    [
        ("to=12", 422, "/to"), ("since=yesterday", 422, "/since"), ("until=2026-01-01T00:00:00", 422, "/until"),
        ("status=x", 400, "/status/0"), ("limit=501", 400, "/limit"), ("after=a%20b", 400, "/after"),
        ("sendr=x", 400, "/sendr"), ("sender=a%20b", 400, "/sender"), ("person=%2b420", 400, "/person"),
        ("class=", 400, "/class"), ("code=a%00b", 400, "/code"), ("cost_centre=", 400, "/cost_centre"),
        ("q=", 400, "/q"), ("q=a%00b", 400, "/q"), ("q=%20%c2%a0", 422, "/q"), ("q=%cc%81", 422, "/q"),
    ],
)  # fmt: skip
def test_a_filter_that_cannot_be_used_is_named(gateway: Gateway, query: str, status: int, pointer: str) -> None:
    response = gateway.ask("GET", f"/v1/messages?{query}")
    assert (response.status, list(response.faults)) == (status, [pointer])


def test_a_list_can_be_a_table_or_lines(gateway: Gateway) -> None:
    ids = [gateway.sent() for _ in range(2)][::-1]
    table = gateway.ask("GET", "/v1/messages", Accept="text/csv")
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    rows = table.body.decode().splitlines()
    assert rows[0].startswith("id,to,person,sender,")
    assert [row.split(",")[:2] for row in rows[1:]] == [[id_, NUMBER] for id_ in ids]
    lines = gateway.ask("GET", "/v1/messages?limit=1", Accept="application/x-ndjson")
    assert [msgspec.json.decode(line)["id"] for line in lines.body.splitlines()] == ids[:1]
    assert lines.headers["link"] == f'<?after={ids[0]}>; rel="next"'


def test_a_wait_answers_as_soon_as_the_message_changes(gateway: Gateway) -> None:
    id_ = gateway.sent()
    connection = gateway.begin("GET", f"/v1/messages/{id_}?wait=30")
    gateway.time.advance(5)
    assert not connection.transport.value()
    gateway.core.move(id_, MessageState.DELIVERED)
    assert connection.response().json["status"] == "delivered"
    assert gateway.core.watched(id_) == 0


def test_a_wait_for_what_is_final_or_over_answers_at_once(gateway: Gateway) -> None:
    id_ = gateway.sent()
    connection = gateway.begin("GET", f"/v1/messages/{id_}?wait=3")
    gateway.time.pump([1, 1, 1])
    assert connection.response().json["status"] == "queued"
    gateway.core.move(id_, MessageState.FAILED)
    assert gateway.ask("GET", f"/v1/messages/{id_}?wait=30").json["status"] == "failed"
    assert gateway.core.watched(id_) == 0


def test_a_wait_of_a_client_that_hung_up_is_over(gateway: Gateway) -> None:
    id_ = gateway.sent()
    gateway.begin("GET", f"/v1/messages/{id_}?wait=30").hang_up()
    assert gateway.core.watched(id_) == 0
    assert not gateway.time.getDelayedCalls()


def test_a_trace_tells_what_was_decided(gateway: Gateway) -> None:
    found = gateway.ask("GET", f"/v1/messages/{gateway.sent()}/trace").json
    assert found["items"] == [{"at": "2026-09-21T14:13:20.000Z", "kind": "accepted", "detail": {"rule": "everybody"}}]


def test_a_message_is_put_off_and_cancelled_once(gateway: Gateway) -> None:
    path = f"/v1/messages/{gateway.sent()}"
    answers = [gateway.ask("PATCH", path, {"send_at": at}) for at in ("2026-12-24T08:00:00+01:00", "now")]
    assert [answer.json["status"] for answer in answers] == ["scheduled", "queued"]
    for wrong in ("noon", "2036-12-24T08:00:00Z", "9999-12-31T23:00:00-02:00"):
        assert gateway.ask("PATCH", path, {"send_at": wrong}).faults.keys() == {"/send_at"}
    assert gateway.ask("DELETE", path).json["status"] == "cancelled"
    again = gateway.ask("DELETE", path)
    assert (again.status, again.json["detail"]) == (409, "The message is cancelled: it is over")
    assert gateway.ask("PATCH", path, {"send_at": "now"}).status == 409


def test_a_time_that_was_over_long_ago_is_now_and_can_be_shown(gateway: Gateway) -> None:
    answer = gateway.send(send_at="0001-01-01T00:00:00+14:00")
    shown = gateway.ask("GET", f"/v1/messages/{answer.json['messages'][0]['id']}")
    assert (shown.status, shown.json["send_at"]) == (200, "0001-01-01T00:00:00.000Z")


def test_an_explanation_sends_nothing(gateway: Gateway) -> None:
    response = gateway.ask("POST", "/v1/explain", {"to": [NUMBER], "text": "x"})
    assert response.json["items"] == [
        {
            "to": NUMBER, "person": None, "rules": ["everybody"],
            "steps": [
                {
                    "line": "datasms", "wait": "1m", "success": "delivered", "parts": None, "calendars": ["office"],
                    "when_closed": "skip", "opens_at": "2026-09-21T14:13:20.000Z", "note": "is left out: closed",
                    "text": "x", "attempts": None, "backup": False, "held": None, "day_limit": None,
                    "precedence": None,
                },
                {
                    "line": "sms-o2", "wait": "10m", "success": "sent", "parts": 1, "calendars": [],
                    "when_closed": "defer", "opens_at": None, "note": None, "text": "x",
                    "attempts": None, "backup": False, "held": "day limit reached",
                    "day_limit": {"sent": 10, "limit": 10, "lifted": False},
                    "precedence": {"after": ["high"], "share": 5},
                },
            ],
            "skipped": [{"line": "mail", "reason": "no address"}],
            "operator": "o2", "rule_set": "default",
            "limits": {
                "quotas": {
                    "day": {"used": 99, "limit": 100, "ends_at": "2026-09-22T14:13:20.000Z", "from": "sender.crm"}
                },
                "flood": {"had": 3, "limit": 20, "window": "10m", "exempt": False},
                "allowed": {
                    "lines": {"value": ["sms-o2"], "from": "sender_defaults"},
                    "numbers": {"value": None, "from": None},
                },
                "key_lines": None,
                "refused": {
                    "code": "flood", "detail": "too many", "until": "2026-09-21T14:13:21.000Z",
                    "errors": [{"pointer": "/to/0", "detail": "has had 20 messages lately"}],
                },
            },
        }
    ]  # fmt: skip
    assert gateway.ask("POST", "/v1/explain", {"to": ["person:x"], "text": "x"}).faults.keys() == {"/to/0"}
    assert gateway.core.dossiers == {}


def test_who_sees_all_messages_may_ask_how_those_of_another_sender_would_go(gateway: Gateway) -> None:
    body = {"to": [NUMBER], "text": "x", "sender": "crm"}
    for secret, lines in (("dsk_all", None), (gateway.core.key("send", name="crm", lines=("sms-o2",)), ("sms-o2",))):
        assert gateway.ask("POST", "/v1/explain", body, secret=secret).status == 200
        asked = gateway.core.explained_for
        assert asked is not None
        assert (asked.sender, asked.allowed_lines) == ("crm", lines)
    gateway.core.explained_for = None
    assert gateway.ask("POST", "/v1/explain", body, secret=gateway.core.key("send", name="erp")).status == 403
    assert gateway.core.explained_for is None


def test_an_explanation_may_be_for_another_time(gateway: Gateway) -> None:
    one: dict[str, Any] = {"to": [NUMBER], "text": "x"}
    for body, at in (
        (one, None),
        (one | {"at": None}, None),
        (one | {"at": "2026-09-21T16:13:20+02:00"}, 1_790_000_000_000),
        ({"messages": [one, one], "at": "2026-09-21T14:13:20Z"}, 1_790_000_000_000),
    ):
        assert len(gateway.ask("POST", "/v1/explain", body).json["items"]) == len(body.get("messages", "1"))
        assert gateway.core.explained_at == at
    for wrong in ("tomorrow", "1969-12-31T23:00:00Z", "2036-12-24T08:00:00Z"):
        assert gateway.ask("POST", "/v1/explain", one | {"at": wrong}).faults.keys() == {"/at"}
    assert gateway.ask("POST", "/v1/messages", one | {"at": "2026-09-21T14:13:20Z"}).faults.keys() == {"/at"}


def test_texts_from_outside_are_read_after_a_cursor_and_waited_for(gateway: Gateway) -> None:
    gateway.core.texts = [Inbound(n, LineName("sms-o2"), NUMBER, "+420111", f"t{n}", NOW) for n in (1, 2)]
    first = gateway.ask("GET", "/v1/inbound?limit=1").json
    assert first["items"][0] == {
        "id": "1", "line": "sms-o2", "from": NUMBER, "to": "+420111", "text": "t1", "at": "2026-09-21T14:13:20.000Z",
        "person": None, "incomplete": False,
    }  # fmt: skip
    assert [item["id"] for item in gateway.ask("GET", f"/v1/inbound?after={first['next']}").json["items"]] == ["2"]
    connection = gateway.begin("GET", "/v1/inbound?after=2&wait=30")
    gateway.time.pump([1] * 5)
    assert not connection.transport.value()
    gateway.core.receive(Inbound(3, LineName("sms-o2"), NUMBER, "+420111", "t3", NOW))
    assert connection.response().json["next"] == "3"
    assert gateway.core.readers.waiting("all") == 0


def test_who_waits_for_texts_and_goes_away_is_forgotten(gateway: Gateway) -> None:
    connection = gateway.begin("GET", "/v1/inbound?after=2&wait=30")
    assert gateway.core.readers.waiting("all") == 1
    connection.hang_up()
    assert gateway.core.readers.waiting("all") == 0


def test_only_so_many_wait_for_the_texts_of_one_sender(gateway: Gateway) -> None:
    connections = [gateway.begin("GET", "/v1/inbound?wait=30") for _ in range(readers.MOST)]
    refused = gateway.ask("GET", "/v1/inbound?wait=30")
    assert (refused.status, refused.headers["retry-after"]) == (429, "10")
    other = gateway.begin("GET", "/v1/inbound?wait=30", secret=gateway.core.key("inbound"))
    gateway.core.receive(Inbound(1, LineName("sms-o2"), NUMBER, "+420111", "t1", NOW))
    assert {connection.response().json["next"] for connection in connections} == {"1"}
    assert not other.transport.value()
    other.hang_up()


def test_where_a_text_from_outside_would_go_is_explained(gateway: Gateway) -> None:
    asked = {"from": NUMBER, "line": "sms-o2", "text": "hi"}
    assert gateway.ask("POST", "/v1/explain/inbound", asked).json == {
        "person": "novak",
        "destinations": [{"target": "account:all", "text": "hi", "why": "rule everything"}],
        "steps": [{"step": "rule everything", "verdict": "matches: account:all"}],
    }
    assert gateway.ask("POST", "/v1/explain/inbound", asked | {"line": "fax"}).faults.keys() == {"/line"}


def test_applications_are_shown_with_what_waits_for_them(gateway: Gateway) -> None:
    assert gateway.ask("GET", "/v1/applications").json["items"] == [
        {
            "name": "info",
            "kind": "command",
            "state": "waiting",
            "reason": "it took too long",
            "restarts": 3,
            "waiting": 7,
        }
    ]


CRM = {
    "name": "crm",
    "place": "crm.example.org",
    "state": "stopped",
    "reason": "it answered 410",
    "waiting": 3,
    "dead": 1,
}


def test_webhooks_are_shown_tried_and_resumed(gateway: Gateway) -> None:
    assert gateway.ask("GET", "/v1/webhooks").json["items"] == [CRM]
    assert gateway.ask("POST", "/v1/webhooks/crm/test").json == {"good": True, "findings": ["it answered 204"]}
    assert gateway.ask("POST", "/v1/webhooks/crm/resume").json == CRM | {"state": "on", "reason": None}
    for what in ("test", "resume"):
        assert gateway.ask("POST", f"/v1/webhooks/pizza/{what}").status == 404


def test_texts_that_were_not_handed_on_are_listed_by_pages_without_what_they_say(gateway: Gateway) -> None:
    page = gateway.ask("GET", "/v1/inbound/dead?limit=1").json
    (item,) = page["items"]
    assert item == {
        "id": "8",
        "target": "webhook:crm",
        "why": "rule all",
        "line": "sms-o2",
        "at": item["at"],
        "tries": 10,
        "died_at": item["died_at"],
        "reason": "it answered 500",
    }
    rest = gateway.ask("GET", f"/v1/inbound/dead?after={page['next']}").json
    assert ([one["id"] for one in rest["items"]], rest["next"]) == (["7"], None)
    assert gateway.ask("GET", "/v1/inbound/dead?after=x").faults.keys() == {"/after"}


def test_a_text_is_handed_on_again_unless_its_target_is_gone(gateway: Gateway) -> None:
    statuses = [gateway.ask("POST", f"/v1/inbound/dead/{id_}/resend").status for id_ in ("8", "7", "9")]
    assert statuses == [204, 409, 404]


def test_a_wait_for_texts_that_do_not_come_answers_with_none_and_the_same_cursor(gateway: Gateway) -> None:
    connection = gateway.begin("GET", "/v1/inbound?after=7&wait=2")
    gateway.time.pump([1, 1, 1])
    assert connection.response().json == {"items": [], "next": "7"}


def test_lines_are_shown_paused_and_resumed(gateway: Gateway) -> None:
    assert gateway.ask("POST", "/v1/lines/sms-o2/pause").json["state"] == "paused"
    shown = {line["name"]: line["state"] for line in gateway.ask("GET", "/v1/lines").json["items"]}
    assert shown == {"datasms": "up", "sms-o2": "paused"}
    assert gateway.ask("POST", "/v1/lines/sms-o2/resume").json["state"] == "up"
    assert gateway.ask("POST", "/v1/lines/fax/pause").status == 404


def test_an_operator_sees_what_holds_for_a_sender_and_where_that_stands(gateway: Gateway) -> None:
    group = SenderGroup(members=("plc",), parent="technical", numbers=("$vip",))
    gateway.core.config = replace(
        gateway.core.config,
        sender={"plc": SenderOptions(lines=("datasms",))},
        sender_group={"machines": group, "technical": SenderGroup()},
    )
    shown = gateway.ask("GET", "/v1/senders/plc").json
    assert (shown["name"], shown["groups"]) == ("plc", ["machines", "technical"])
    assert shown["options"]["lines"] == {"value": ["datasms"], "from": "sender.plc"}
    assert shown["options"]["numbers"] == {"value": ["$vip"], "from": "sender_group.machines"}
    assert shown["options"]["priorities"] == {"value": None, "from": None}
    assert gateway.ask("GET", "/v1/senders/nobody").status == 404
    reader = gateway.core.key("send", "read")
    assert gateway.ask("GET", "/v1/senders/plc", secret=reader).status == 403


def test_dead_messages_are_shown_and_sent_again(gateway: Gateway) -> None:
    dead, alive = gateway.sent(), gateway.sent()
    gateway.core.move(dead, MessageState.FAILED)
    assert [item["id"] for item in gateway.ask("GET", "/v1/dead").json["items"]] == [dead]
    response = gateway.ask("POST", f"/v1/dead/{dead}/resend")
    assert (response.status, response.headers["location"]) == (202, f"/v1/messages/{response.json['id']}")
    assert gateway.ask("POST", f"/v1/dead/{alive}/resend").status == 409
    assert gateway.ask("POST", "/v1/dead/x/resend").status == 404


def test_a_new_key_works_until_it_is_deleted_and_its_secret_is_shown_once(gateway: Gateway) -> None:
    made = gateway.ask("POST", "/v1/keys", {"name": "crm", "rights": ["send", "send"], "rate": 5}).json
    assert (made["name"], made["rights"], made["rate"], made["expires_at"]) == ("crm", ["send"], 5, None)
    assert gateway.send(secret=made["secret"]).status == 202
    listed = gateway.ask("GET", "/v1/keys").json["items"]
    assert {key["name"] for key in listed} == {"all", "crm"}
    assert all("secret" not in key for key in listed)
    assert gateway.ask("DELETE", f"/v1/keys/{made['id']}").status == 204
    assert gateway.send(secret=made["secret"]).status == 401
    assert gateway.ask("DELETE", f"/v1/keys/{made['id']}").status == 404


def test_a_key_that_would_be_useless_is_refused(gateway: Gateway) -> None:
    body = {
        "name": "crm", "rights": ["send"], "top_priority": "urgent", "lines": ["datasms", "fax"],
        "expires_at": "2020-01-01T00:00:00Z",
    }  # fmt: skip
    response = gateway.ask("POST", "/v1/keys", body)
    assert response.faults.keys() == {"/top_priority", "/lines/1", "/expires_at"}
    assert gateway.ask("POST", "/v1/keys", {"name": "a b", "rights": ["root"]}).faults.keys() == {"/name", "/rights/0"}


def test_the_audit_log_is_read_newest_first_part_by_part_and_as_a_table(gateway: Gateway) -> None:
    first = gateway.ask("GET", "/v1/audit?limit=2").json
    assert [(act["seq"], act["who"], act["what"], act["object"]) for act in first["items"]] == [
        (3, "crm", "line paused", "sms-o2"),
        (2, "crm", "line paused", "sms-o2"),
    ]
    last = gateway.ask("GET", f"/v1/audit?limit=2&after={first['next']}").json
    assert [act["seq"] for act in last["items"]] == [1]
    assert last["next"] is None
    table = gateway.ask("GET", "/v1/audit?limit=1", Accept="text/csv")
    assert table.headers["link"] == '<?after=3>; rel="next"'
    assert table.body.decode().splitlines()[0] == "seq,at,who,what,object,seal"
    assert gateway.ask("GET", "/v1/audit?since=yesterday").faults == {
        "/since": "write a time with offset as 2026-11-24T08:00:00+01:00"
    }


def test_a_reload_tells_what_is_different_and_who_did_it(gateway: Gateway) -> None:
    assert gateway.ask("GET", "/v1/config").json["by"] == "daemon"
    answer = gateway.ask("POST", "/v1/reload")
    assert answer.status == 200
    assert answer.json["changes"] == [
        {"section": "line", "added": [], "removed": ["sms-o2"], "changed": [], "reordered": False}
    ]
    running = gateway.ask("GET", "/v1/config").json
    assert running["by"] == "all"
    assert running["names"] == {"line": ["datasms"]}


def test_a_reload_of_a_faulty_file_tells_every_problem(gateway: Gateway) -> None:
    gateway.core.configuration.problems = ("line 3: wrong", "line 4: wrong too")
    answer = gateway.ask("POST", "/v1/reload")
    assert answer.status == 422
    assert [error["detail"] for error in answer.json["errors"]] == ["line 3: wrong", "line 4: wrong too"]
    assert gateway.ask("GET", "/v1/config").json["by"] == "daemon"


def test_what_is_due_is_told_and_forgotten_on_demand(gateway: Gateway) -> None:
    due = gateway.ask("GET", "/v1/archive/due").json["items"]
    assert due[0] == {"what": "texts", "count": 7, "kept_ms": 86_400_000}
    assert gateway.ask("POST", "/v1/archive/purge").json == {"purged": 8}
    assert gateway.ask("GET", "/v1/archive/due").json["items"] == []


def test_a_restored_database_is_held_until_it_is_released(gateway: Gateway) -> None:
    held = "copy was put in the place of the database"
    assert gateway.ask("GET", "/v1/queue").json == {"held": held, "damaged": False}
    assert gateway.ask("POST", "/v1/queue/release").json == {"held": None, "damaged": False}
    assert gateway.ask("GET", "/v1/queue").json == {"held": None, "damaged": False}


def test_a_person_is_erased_once(gateway: Gateway) -> None:
    assert gateway.ask("POST", "/v1/persons/novak/erase").json == {"messages": 3, "cancelled": 1, "devices": 2}
    assert gateway.ask("POST", "/v1/persons/nobody/erase").status == 404


def test_a_number_is_erased_unless_it_is_a_persons(gateway: Gateway) -> None:
    erased = {"messages": 2, "cancelled": 1, "devices": 0}
    assert gateway.ask("POST", "/v1/numbers/+420603000001/erase").json == erased
    assert gateway.ask("POST", "/v1/numbers/603000001/erase").json == erased
    owned = gateway.ask("POST", "/v1/numbers/+420603123456/erase")
    assert (owned.status, owned.json["detail"]) == (409, "It is a number of person novak: erase the person")
    assert gateway.ask("POST", "/v1/numbers/123456789012345678/erase").faults.keys() == {"/number"}
    secret = gateway.core.key("operate", "directory")
    assert gateway.ask("POST", "/v1/numbers/+420603000001/erase", secret=secret).status == 403


def test_the_state_of_the_daemon_is_told_to_everybody_its_figures_and_version_are_not(gateway: Gateway) -> None:
    gateway.secret = None
    assert [gateway.ask("GET", f"/health/{what}").status for what in ("live", "ready")] == [200, 200]
    gateway.core.unready = "the store is checked"
    ready = gateway.ask("GET", "/health/ready")
    assert (ready.status, ready.json["detail"]) == (503, "the store is checked")
    assert gateway.ask("GET", "/health/live").status == 200
    assert [gateway.ask("GET", path).status for path in ("/metrics", "/version")] == [401, 401]
    gateway.secret = "dsk_all"
    metrics = gateway.ask("GET", "/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    assert metrics.body == b"datasms_up 1\n"
    assert gateway.ask("GET", "/version").json.keys() == {"version"}


def test_the_local_operator_needs_no_key(gateway: Gateway) -> None:
    local = Client(make_local_site(gateway.core, gateway.time, bytes))
    assert local.ask("POST", "/v1/messages", {"to": [NUMBER], "text": "x"}).status == 202
    assert local.ask("GET", "/v1/keys").status == 200
    assert gateway.core.submissions[0].sender == "local"


def test_no_answer_says_what_runs_here(gateway: Gateway) -> None:
    for path in ("/", "/health/live", "/v1/messages", "/openapi.json"):
        assert "server" not in gateway.ask("GET", path).headers


def test_devices_are_listed_without_their_addresses_and_revoked(gateway: Gateway) -> None:
    gateway.core.people[PersonId("novak")] = Person(PersonId("novak"))
    id_ = DeviceId("d1")
    gateway.core.phones[id_] = Device(id_, PersonId("novak"), "fcm", {"token": "secret"}, {"p256dh": "secret"}, "Phone")
    shown = gateway.ask("GET", "/v1/persons/novak/devices")
    assert shown.json["items"][0]["state"] == "active"
    assert b"secret" not in shown.body
    assert gateway.ask("DELETE", "/v1/devices/d1").status == 204
    assert gateway.ask("GET", "/v1/persons/novak/devices").json["items"][0]["state"] == "revoked"
    assert [gateway.ask("DELETE", "/v1/devices/d2").status, gateway.ask("GET", "/v1/persons/x/devices").status] == [
        404,
        404,
    ]
