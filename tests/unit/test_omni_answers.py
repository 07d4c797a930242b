"""What Infobip is asked and what its answers mean: the rows of protocols/infobip-omni.md §§ 2, 3.1, 4.1 and 6.

The Messages API requests are also read by the models of Infobip's own client. It has none for OMNI, so those requests
are only held against the sheet, here and by the stand-in.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from infobip_api_client.models.messages_api_message import MessagesApiMessage

from datasms_daemon.channels._omni_reports import SUNSET, outcome_of
from datasms_daemon.channels._omni_requests import (
    Hooks,
    harmless_request,
    hooks_of,
    message_id,
    problems_of,
    to_request,
)
from datasms_daemon.config.channels import OmniChannel, OmniStep, own_wait_ms
from datasms_daemon.config.kinds import DAY, HOUR, MINUTE, SECOND, Duration
from datasms_daemon.model import (
    Accepted,
    AddressGone,
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
from tests.fakes.omni_service import entry, omni_error, pending

NOW = 1_795_000_000_000  # 2026-11-18 11:06:40 UTC
ID = "m1.d1"
HTML = b"<html><title>502 Bad Gateway</title></html>"
PUBLIC = "https://mx.example.org:8444"
TEXT = Content("Pump 3 stopped")
HOOKS = Hooks("https://mx.example.org/reports", "https://mx.example.org/seen")


def step(channel: str, wait: int = 2 * MINUTE, sender: str = "Acme") -> OmniStep:
    return OmniStep(channel=channel, sender=sender, wait=Duration(wait))


def options(**changed: Any) -> OmniChannel:
    known: dict[str, Any] = {
        "name": "infobip",
        "endpoint": "https://xyz.api.infobip.com",
        "api_key": Secret("key"),
        "steps": (step("VIBER"), step("SMS", MINUTE, "AcmeSMS")),
        "hook_secret": Secret("0123456789abcdef"),
    }
    return OmniChannel(**known | changed)


def order(address: dict[str, str] | None = None, ttl_ms: int = HOUR, content: Content | None = TEXT) -> PushOrder:
    phone = {"phone": "+420603555019"} if address is None else address
    device = Device(DeviceId("d1"), PersonId("novak"), "infobip", phone)
    return PushOrder(MessageId("m1"), device, True, ttl_ms, content)


def requested(order: PushOrder, options: OmniChannel, hooks: Hooks | None = HOOKS) -> Any:
    body = to_request(order, options, hooks, message_id(order))
    assert body is not None
    return msgspec.json.decode(body)


def body_of(*entries: dict[str, object]) -> bytes:
    return msgspec.json.encode({"messages": entries})


def status(group: int, id_: int, name: str) -> bytes:
    return body_of(entry(group, id_, name, ID))


# Answers


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (status(1, 7, "PENDING_ENROUTE"), Accepted((ID,))),
        (status(1, 3, "PENDING_WAITING_DELIVERY"), Accepted((ID,))),
        (status(1, 26, "PENDING_ACCEPTED"), Accepted((ID,))),
        (status(0, 0, "ACCEPTED"), Accepted((ID,))),
        (status(3, 5, "DELIVERED_TO_HANDSET"), Accepted((ID,))),
        (status(2, 4, "REJECTED_OPERATOR"), NotSent("status 4 REJECTED_OPERATOR", final=True)),
        (status(2, 9, "NOT_DELIVERED"), NotSent("status 9 NOT_DELIVERED", final=True)),
        (status(2, 31, "NOT_SENT"), NotSent("status 31 NOT_SENT", final=True)),
        (status(4, 15, "EXPIRED"), NotSent("status 15 EXPIRED", final=True)),
        (status(4, 29, "DLR_UNKNOWN"), Unknown("status 29 DLR_UNKNOWN")),
        (status(4, 87, "SIGNALS_BLOCKED"), LineDown("status 87 SIGNALS_BLOCKED")),
        (status(5, 6, "REJECTED_NETWORK"), NotSent("status 6 REJECTED_NETWORK", final=True)),
        (status(5, 8, "REJECTED_PREFIX_MISSING"), AddressGone("status 8 REJECTED_PREFIX_MISSING")),
        (status(5, 10, "REJECTED_DND"), NotSent("status 10 REJECTED_DND", final=True)),
        (status(5, 11, "REJECTED_SOURCE"), LineDown("status 11 REJECTED_SOURCE")),
        (status(5, 12, "REJECTED_NOT_ENOUGH_CREDITS"), LineDown("status 12 REJECTED_NOT_ENOUGH_CREDITS")),
        (status(5, 13, "REJECTED_SENDER"), LineDown("status 13 REJECTED_SENDER")),
        (
            status(5, 14, "REJECTED_DESTINATION_BLOCKLISTED"),
            AddressGone("status 14 REJECTED_DESTINATION_BLOCKLISTED"),
        ),
        (status(5, 17, "REJECTED_PREPAID_PACKAGE_EXPIRED"), LineDown("status 17 REJECTED_PREPAID_PACKAGE_EXPIRED")),
        (
            status(5, 18, "REJECTED_DESTINATION_NOT_REGISTERED"),
            NotSent("status 18 REJECTED_DESTINATION_NOT_REGISTERED", final=True),
        ),
        (status(5, 19, "REJECTED_ROUTE_NOT_AVAILABLE"), LineDown("status 19 REJECTED_ROUTE_NOT_AVAILABLE")),
        (status(5, 20, "REJECTED_FLOODING_FILTER"), NotSent("status 20 REJECTED_FLOODING_FILTER", final=True)),
        (status(5, 21, "REJECTED_SYSTEM_ERROR"), Later("status 21 REJECTED_SYSTEM_ERROR")),
        (status(5, 23, "REJECTED_DUPLICATE_MESSAGE_ID"), Accepted((ID,))),
        (status(5, 24, "REJECTED_INVALID_UDH"), NotSent("status 24 REJECTED_INVALID_UDH", final=True)),
        (status(5, 25, "REJECTED_MESSAGE_TOO_LONG"), NotSent("status 25 REJECTED_MESSAGE_TOO_LONG", final=True)),
        (status(5, 51, "MISSING_TO"), NotSent("status 51 MISSING_TO", final=True)),
        (status(5, 52, "REJECTED_DESTINATION"), NotSent("status 52 REJECTED_DESTINATION", final=True)),
        (status(5, 87, "SIGNALS_BLOCKED"), LineDown("status 87 SIGNALS_BLOCKED")),
        (status(5, 99, "REJECTED_PLATFORM"), NotSent("status 99 REJECTED_PLATFORM", final=True)),
        (status(9, 900, "SOMETHING_NEW"), Unknown("status 900 SOMETHING_NEW")),
    ],
)
def test_a_status_in_a_good_answer_means_what_the_sheet_says(body: bytes, expected: Outcome) -> None:
    """I25: taken is never delivered, not even when Infobip was that quick."""
    assert outcome_of(200, {}, body, NOW, ID) == expected


@pytest.mark.parametrize(
    ("code", "body", "expected"),
    [
        (400, omni_error("BAD_REQUEST"), NotSent("400 BAD_REQUEST", final=True)),
        (400, b'{"errorCode": "E400", "violations": []}', NotSent("400 E400", final=True)),
        (401, omni_error("UNAUTHORIZED"), LineDown("401 UNAUTHORIZED")),
        (403, omni_error("FORBIDDEN"), LineDown("403 FORBIDDEN")),
        (404, omni_error("NOT_FOUND"), LineDown("404 NOT_FOUND")),
        (404, HTML, LineDown("404")),
        (408, b"", Unknown("408")),
        (409, omni_error("CONFLICT"), NotSent("409 CONFLICT", final=True)),
        (410, b"", LineDown(SUNSET)),
        (413, b"", NotSent("413", final=True)),
        (429, omni_error("TOO_MANY_REQUESTS"), Later("429 TOO_MANY_REQUESTS", NOW + 60_000)),
        (500, omni_error("GENERAL_ERROR"), Unknown("500 GENERAL_ERROR")),
        (502, HTML, Unknown("502")),
        (503, HTML, Later("503", None)),
        (504, HTML, Unknown("504")),
        (307, b"", LineDown("307: redirects are not followed")),
    ],
)
def test_a_refusal_means_what_the_sheet_says(code: int, body: bytes, expected: Outcome) -> None:
    assert outcome_of(code, {}, body, NOW, ID) == expected


@pytest.mark.parametrize("code", [429, 503])
def test_infobip_may_name_the_time_to_come_again(code: int) -> None:
    outcome = outcome_of(code, {"retry-after": "90"}, b"", NOW, ID)
    assert isinstance(outcome, Later)
    assert outcome.not_before == NOW + 90_000


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"OK",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        b'{"messages": []}',
        b'{"messages": [{}]}',
        b'{"messages": [{"status": {}}]}',
        body_of(pending(ID), pending("m1.d2")),
        body_of(pending("m2.d1")),
        omni_error("BAD_REQUEST"),
        b"[" * 5000,
        b'{"messages":' * 5000,
    ],
)
def test_success_without_the_status_of_our_message_is_unknown(body: bytes) -> None:
    assert isinstance(outcome_of(200, {}, body, NOW, ID), Unknown)


def test_an_entry_without_an_id_is_about_the_one_message_that_was_sent() -> None:
    body = b'{"messages": [{"to": {"phoneNumber": "1"}, "status": {"groupId": 1, "id": 7}}]}'
    assert outcome_of(200, {}, body, NOW, ID) == Accepted((ID,))


def test_text_of_the_far_end_does_not_get_into_a_reason() -> None:
    said = "x\r\nINJECTED +420603555019"
    assert outcome_of(400, {}, omni_error(said), NOW, ID) == NotSent("400", final=True)
    assert outcome_of(200, {}, status(5, 25, said), NOW, ID) == NotSent("status 25", final=True)


# Requests


def test_an_omni_request_has_a_part_for_each_step_with_its_wait() -> None:
    assert requested(order(), options(scenario="AD9E")) == {
        "scenarioKey": "AD9E",
        "destinations": [{"messageId": "m1.d1", "to": {"phoneNumber": "420603555019"}}],
        "viber": {"text": "Pump 3 stopped", "validityPeriod": 120, "validityPeriodTimeUnit": "SECONDS"},
        "sms": {"text": "Pump 3 stopped", "validityPeriod": 60, "validityPeriodTimeUnit": "SECONDS"},
        "notifyUrl": "https://mx.example.org/reports",
        "notifyContentType": "application/json",
        "callbackData": "datasms:infobip",
    }


def test_a_messages_request_has_the_other_steps_as_failover() -> None:
    content = {"body": {"type": "TEXT", "text": "Pump station\nPump 3 stopped"}}
    found = requested(order(content=Content("Pump 3 stopped", "Pump station")), options(api="messages"))
    assert found == {
        "messages": [
            {
                "channel": "VIBER_BM",
                "sender": "Acme",
                "destinations": [
                    {
                        "messageId": "m1.d1",
                        "byChannel": [
                            {"channel": "VIBER_BM", "to": "420603555019"},
                            {"channel": "SMS", "to": "420603555019"},
                        ],
                    }
                ],
                "content": content,
                "options": {"validityPeriod": {"amount": 120, "timeUnit": "SECONDS"}},
                "webhooks": {
                    "callbackData": "datasms:infobip",
                    "delivery": {
                        "url": "https://mx.example.org/reports",
                        "intermediateReport": False,
                        "receiveTriggeredFailoverReports": False,
                    },
                    "seen": {"url": "https://mx.example.org/seen"},
                },
                "failover": [
                    {
                        "channel": "SMS",
                        "sender": "AcmeSMS",
                        "content": content,
                        "validityPeriod": {"amount": 60, "timeUnit": "SECONDS"},
                    }
                ],
            }
        ]
    }


@pytest.mark.parametrize(
    ("changed", "ttl_ms", "hooks"),
    [
        ({}, HOUR, HOOKS),
        ({"steps": (step("SMS"),)}, HOUR, None),
        ({"steps": (step("RCS"), step("WHATSAPP"), step("VIBER_BM"), step("SMS"))}, HOUR, HOOKS),
        ({}, 0, None),
    ],
)
def test_infobips_own_client_reads_our_messages_requests(
    changed: dict[str, Any], ttl_ms: int, hooks: Hooks | None
) -> None:
    """It has no models for OMNI. What it would send again is what we wrote: nothing is in the wrong place."""
    (ours,) = requested(order(ttl_ms=ttl_ms), options(api="messages", **changed), hooks)["messages"]
    assert as_infobips_client_writes_it(ours) == ours


def test_infobips_own_client_reads_what_we_have_validated() -> None:
    (ours,) = msgspec.json.decode(harmless_request(options(api="messages")))["messages"]
    assert as_infobips_client_writes_it(ours) == ours


def as_infobips_client_writes_it(message: dict[str, Any]) -> dict[str, Any]:
    read = MessagesApiMessage.from_dict(message)
    assert read is not None
    written = read.to_dict()
    # The client writes the defaults too.
    assert written["options"].pop("adaptationMode") is True
    return written


def test_no_step_sends_after_the_message_is_over() -> None:
    short = requested(order(ttl_ms=90 * SECOND), options(api="messages"))["messages"][0]
    assert short["options"] == {"validityPeriod": {"amount": 90, "timeUnit": "SECONDS"}}
    assert "failover" not in short
    longer = requested(order(ttl_ms=150 * SECOND), options(api="messages"))["messages"][0]
    assert longer["failover"][0]["validityPeriod"] == {"amount": 30, "timeUnit": "SECONDS"}


@pytest.mark.parametrize("ttl_ms", [-5, 0, 1, 999])
def test_infobip_gets_the_shortest_validity_it_takes_for_a_message_that_is_nearly_over(ttl_ms: int) -> None:
    found = requested(order(ttl_ms=ttl_ms), options())
    assert (found["viber"]["validityPeriod"], found["sms"]["validityPeriod"]) == (36, 31)
    message = requested(order(ttl_ms=ttl_ms), options(api="messages"))["messages"][0]
    assert message["options"]["validityPeriod"]["amount"] == 10


def test_there_are_no_webhooks_when_we_ask_for_reports() -> None:
    asked = options(reports="pull", hook_secret=Secret(""))
    assert hooks_of(asked, PUBLIC) is None
    assert "notifyUrl" not in requested(order(), asked, None)
    asked = options(reports="pull", api="messages")
    assert requested(order(), asked, None)["messages"][0]["webhooks"] == {"callbackData": "datasms:infobip"}


def test_the_hooks_are_below_the_public_address_and_end_with_the_secret() -> None:
    assert hooks_of(options(), f"{PUBLIC}/") == Hooks(
        f"{PUBLIC}/mx/v1/hooks/omni/infobip/reports/0123456789abcdef",
        f"{PUBLIC}/mx/v1/hooks/omni/infobip/seen/0123456789abcdef",
    )


def test_a_repeat_has_the_same_id_and_another_device_another_one() -> None:
    other = msgspec.structs.replace(order().device, id=DeviceId("d2"))
    assert message_id(order()) == message_id(order(ttl_ms=1)) == "m1.d1"
    assert message_id(msgspec.structs.replace(order(), device=other)) == "m1.d2"
    assert message_id(order(), refused=2) == "m1.d1.2"


@pytest.mark.parametrize(
    "address",
    [{}, {"phone": ""}, {"phone": "420603555019"}, {"phone": "+0420603"}, {"phone": "+420 603"}, {"token": "x"}],
)
def test_there_is_no_request_for_an_address_without_a_number(address: dict[str, str]) -> None:
    assert to_request(order(address), options(), HOOKS, "m1.d1") is None


def test_there_is_no_request_without_a_text() -> None:
    assert to_request(order(content=None), options(), HOOKS, "m1.d1") is None


# Options


@pytest.mark.parametrize("api", ["omni", "messages"])
@pytest.mark.parametrize("name", ["VIBER", "VIBER_BM", "viber", "SMS", "WHATSAPP"])
def test_a_channel_may_be_named_as_either_api_does(api: str, name: str) -> None:
    assert problems_of(options(api=api, steps=(step(name),)), PUBLIC) == []


@pytest.mark.parametrize(
    ("changed", "public_url", "problem"),
    [
        ({"endpoint": "http://xyz.api.infobip.com"}, PUBLIC, "endpoint: must be a plain https URL"),
        ({"api_key": Secret("")}, PUBLIC, "api_key: must be the key as Infobip shows it"),
        ({"api_key": Secret("a\nb")}, PUBLIC, "api_key: must be the key as Infobip shows it"),
        ({}, None, 'reports: "push" needs [mxservice] public_url; "pull" does not'),
        ({"hook_secret": Secret("")}, PUBLIC, "hook_secret: must be 16 or more letters, digits, '-' and '_'"),
        ({"hook_secret": Secret("a" * 15)}, PUBLIC, "hook_secret: must be 16 or more letters, digits, '-' and '_'"),
        ({"hook_secret": Secret("a/" * 9)}, PUBLIC, "hook_secret: must be 16 or more letters, digits, '-' and '_'"),
        (
            {"hook_secret": Secret("short"), "reports": "pull"},
            PUBLIC,
            "hook_secret: must be 16 or more letters, digits, '-' and '_'",
        ),
        ({"api": "messages", "scenario": "AD9E"}, PUBLIC, 'scenario: only api = "omni" has scenarios'),
        ({"steps": (step("EMAIL"),)}, PUBLIC, "steps 1: channel: must be one of SMS, VIBER, WHATSAPP"),
        (
            {"steps": (step("PUSH"),), "api": "messages"},
            PUBLIC,
            "steps 1: channel: must be one of RCS, SMS, VIBER_BM, WHATSAPP",
        ),
        ({"steps": (step("VIBER"), step("VIBER_BM"))}, PUBLIC, "steps 2: channel: VIBER is there already"),
        ({"steps": (step("SMS", 30 * SECOND),)}, PUBLIC, "steps 1: wait: SMS takes 31s to 2d"),
        ({"steps": (step("SMS", 49 * HOUR),)}, PUBLIC, "steps 1: wait: SMS takes 31s to 2d"),
        ({"steps": (step("VIBER", 35 * SECOND),)}, PUBLIC, "steps 1: wait: VIBER takes 36s to 14d"),
        ({"steps": (step("VIBER", 15 * DAY),)}, PUBLIC, "steps 1: wait: VIBER takes 36s to 14d"),
        (
            {"steps": (step("VIBER", 3 * DAY),), "api": "messages"},
            PUBLIC,
            "steps 1: wait: VIBER_BM takes 10s to 2d",
        ),
    ],
)
def test_options_that_cannot_be_used_are_named(changed: dict[str, Any], public_url: str | None, problem: str) -> None:
    assert problems_of(options(**changed), public_url) == [problem]


@pytest.mark.parametrize(
    ("name", "wait", "api"),
    [
        ("SMS", 31 * SECOND, "omni"),
        ("SMS", 48 * HOUR, "omni"),
        ("VIBER", 36 * SECOND, "omni"),
        ("VIBER", 14 * DAY, "omni"),
        ("SMS", 10 * SECOND, "messages"),
        ("VIBER_BM", 48 * HOUR, "messages"),
    ],
)
def test_a_wait_at_the_limit_is_good(name: str, wait: int, api: str) -> None:
    assert problems_of(options(steps=(step(name, wait),), api=api), PUBLIC) == []


def test_infobips_own_time_is_the_sum_of_its_steps() -> None:
    assert own_wait_ms(options()) == 3 * MINUTE
