"""What we ask of WNS and what its answers mean: each row of protocols/wns.md § 4 is a case."""

from __future__ import annotations

from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasms_daemon.channels.wns import (
    MAX_PAUSES,
    MAX_PAYLOAD,
    NOT_IN_XML,
    Pauses,
    outcome_of,
    pause_of,
    tag_of,
    to_request,
    token_url,
)
from datasms_daemon.config.channels import WnsChannel
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
MESSAGE = "01998e2c-5d1f-7c3a-8f00-0123456789ab"
DROPPED = NotSent("200 dropped: the device is offline or does not want notifications")
SILENT = Unknown("200: no word from WNS")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, NotSent("400", final=True)),
        (401, LineDown("401")),
        (403, LineDown("403")),
        (404, AddressGone("404")),
        (405, NotSent("405", final=True)),
        (406, Later("406", NOW + 120_000)),
        (408, Unknown("408")),
        (410, AddressGone("410")),
        (413, NotSent("413", final=True)),
        (418, NotSent("418", final=True)),
        (429, Later("429", NOW + 120_000)),
        (500, Unknown("500")),
        (502, Unknown("502")),
        (503, Later("503", None)),
        (504, Unknown("504")),
        (200, SILENT),
        (201, Unknown("201: no word from WNS")),
        (307, LineDown("307: redirects are not followed")),
    ],
)
def test_a_status_means_what_the_sheet_says(status: int, expected: Outcome) -> None:
    assert outcome_of(status, {}, NOW) == expected


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413, 500])
def test_a_status_header_does_not_make_a_refusal_a_success(status: int) -> None:
    assert outcome_of(status, {"x-wns-status": "received"}, NOW) == outcome_of(status, {}, NOW)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-wns-status": "received"}, Accepted()),
        ({"x-wns-notificationstatus": "received"}, Accepted()),
        ({"x-wns-status": "Received", "x-wns-notificationstatus": " RECEIVED "}, Accepted()),
        ({"x-wns-status": "received", "x-wns-msg-id": "5A1C000000000001"}, Accepted()),
        ({"x-wns-status": "dropped"}, DROPPED),
        ({"x-wns-notificationstatus": "Dropped"}, DROPPED),
        ({"x-wns-status": "received", "x-wns-notificationstatus": "dropped"}, DROPPED),
        ({"x-wns-status": "dropped, channelthrottled"}, DROPPED),
        ({"x-wns-status": "channelthrottled"}, Accepted()),
        ({"x-wns-notificationstatus": "ChannelThrottled"}, Accepted()),
        ({"x-wns-notificationstatus": "appthrottled"}, Accepted()),
        ({"x-wns-status": "held"}, SILENT),
        ({"x-wns-status": ""}, SILENT),
        ({"x-wns-msg-id": "5A1C000000000001"}, SILENT),
    ],
)
def test_success_means_what_the_status_headers_say(headers: dict[str, str], expected: Outcome) -> None:
    assert outcome_of(200, headers, NOW) == expected


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (200, {"x-wns-status": "received"}, None),
        (200, {"x-wns-status": "dropped"}, None),
        (200, {"x-wns-status": "channelthrottled"}, NOW + 30_000),
        (200, {"x-wns-notificationstatus": "AppThrottled"}, NOW + 30_000),
        (200, {"x-wns-status": "channelthrottled", "retry-after": "5"}, NOW + 5_000),
        (406, {}, NOW + 120_000),
        (406, {"x-wns-notificationstatus": "channelthrottled", "retry-after": "900"}, NOW + 900_000),
        (503, {"retry-after": "60"}, None),
        (410, {"x-wns-status": "channelthrottled"}, None),
    ],
)
def test_a_throttled_channel_is_left_alone_for_a_while(
    status: int, headers: dict[str, str], expected: int | None
) -> None:
    assert pause_of(status, headers, NOW) == expected


@pytest.mark.parametrize("status", [406, 503])
def test_wns_says_when_to_come_again(status: int) -> None:
    assert outcome_of(status, {"retry-after": "600"}, NOW) == Later(str(status), NOW + 600_000)


@given(
    st.integers(100, 599),
    st.dictionaries(
        st.sampled_from(["x-wns-status", "x-wns-notificationstatus", "x-wns-msg-id", "retry-after"]),
        st.sampled_from(["received", "dropped", "channelthrottled", "9" * 40, "-1"]) | st.text(max_size=40),
    ),
)
def test_any_answer_is_an_outcome_and_a_date_is_never_more_than_an_hour_away(
    status: int, headers: dict[str, str]
) -> None:
    """I25: nothing but a 200 is taken as success."""
    outcome = outcome_of(status, headers, NOW)
    assert not isinstance(outcome, Accepted) or status == 200
    assert not isinstance(outcome, AddressGone) or status in (404, 410)
    if isinstance(outcome, Later) and outcome.not_before is not None:
        assert NOW <= outcome.not_before <= NOW + 3_600_000


def _order(*, urgent: bool = True, ttl_ms: int = 60_000, message: str = MESSAGE) -> PushOrder:
    device = Device(DeviceId("d1"), PersonId("novak"), "wns", {"channel_uri": "https://x.notify.windows.com/?token=y"})
    return PushOrder(MessageId(message), device, urgent, ttl_ms)


def test_a_raw_push_carries_the_id_and_urgency() -> None:
    request = to_request(_order())
    assert request.headers == {
        "X-WNS-Type": "wns/raw",
        "Content-Type": "application/octet-stream",
        "X-WNS-TTL": "60",
        "X-WNS-Cache-Policy": "cache",
        "X-WNS-PRIORITY": "1",
        "X-WNS-RequestForStatus": "true",
    }
    assert msgspec.json.decode(request.body) == {"datasms": "1", "id": MESSAGE}


def test_a_toast_shows_its_fixed_sentence_and_tells_the_client_the_id_when_clicked() -> None:
    request = to_request(_order(), form="toast", toast_text='<Nová> zpráva & "víc"')
    assert request.headers == {
        "X-WNS-Type": "wns/toast",
        "Content-Type": "text/xml",
        "X-WNS-TTL": "60",
        "X-WNS-Cache-Policy": "cache",
        "X-WNS-PRIORITY": "1",
        "X-WNS-RequestForStatus": "true",
        "X-WNS-Tag": "8f000123456789ab",
    }
    toast = ElementTree.fromstring(request.body.decode())
    assert toast.findtext("visual/binding[@template='ToastGeneric']/text") == '<Nová> zpráva & "víc"'
    assert msgspec.json.decode(toast.attrib["launch"]) == {"datasms": "1", "id": MESSAGE}


@pytest.mark.parametrize("form", ["raw", "toast"])
def test_a_withdrawal_is_quiet_and_raw_whatever_the_form(form: str) -> None:
    """I10"""
    request = to_request(_order(), form="toast" if form == "toast" else "raw", toast_text="x", withdraws=True)
    assert request.headers["X-WNS-Type"] == "wns/raw"
    assert request.headers["X-WNS-PRIORITY"] == "2"
    assert msgspec.json.decode(request.body) == {"datasms": "1", "withdrawn": MESSAGE}


def test_what_is_not_urgent_has_medium_priority() -> None:
    assert to_request(_order(urgent=False)).headers["X-WNS-PRIORITY"] == "2"


@pytest.mark.parametrize(
    ("ttl_ms", "ttl", "policy"),
    [
        (60_000, "60", "cache"),
        (1_000, "1", "cache"),
        (999, "0", "no-cache"),
        (0, "0", "no-cache"),
        (-5, "0", "no-cache"),
        (10**14, "2592000", "cache"),
    ],
)
def test_time_to_live_and_cache_policy_never_contradict_each_other(ttl_ms: int, ttl: str, policy: str) -> None:
    headers = to_request(_order(ttl_ms=ttl_ms)).headers
    assert (headers["X-WNS-TTL"], headers["X-WNS-Cache-Policy"]) == (ttl, policy)


@given(st.text(max_size=60), st.text(min_size=1, max_size=200).filter(lambda text: not NOT_IN_XML.search(text)))
def test_no_text_gets_into_a_header_and_every_toast_is_xml_that_wns_takes(message: str, text: str) -> None:
    request = to_request(_order(message=message), form="toast", toast_text=text)
    assert all(
        value.isascii() and value.replace("/", "").replace("-", "").isalnum() for value in request.headers.values()
    )
    assert len(request.headers.get("X-WNS-Tag", "")) <= 16
    toast = ElementTree.fromstring(request.body.decode())
    # XML reads all kinds of line ends as one.
    assert toast.findtext("visual/binding/text") == text.replace("\r\n", "\n").replace("\r", "\n")
    assert len(request.body) <= MAX_PAYLOAD


@pytest.mark.parametrize(
    ("message", "tag"), [(MESSAGE, "8f000123456789ab"), ("m1", "m1"), ("žluť-1", "lu1"), ("--", ""), ("", "")]
)
def test_a_tag_is_the_last_letters_and_digits_of_the_id(message: str, tag: str) -> None:
    """I10: a repeat of the same message replaces its toast."""
    assert tag_of(message) == tag
    assert to_request(_order(message=message), form="toast").headers.get("X-WNS-Tag", "") == tag


def test_tokens_come_from_microsoft_or_from_where_the_operator_says() -> None:
    entra = WnsChannel(name="wns", tenant="contoso.example", client_id="app")
    store = WnsChannel(name="wns", identity="store", client_id="ms-app://s-1-15-2-1")
    own = WnsChannel(name="wns", identity="store", client_id="ms-app://s-1-15-2-1", endpoint="https://tokens.example/")
    assert token_url(entra) == "https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token"
    assert token_url(store) == "https://login.live.com/accesstoken.srf"
    assert token_url(own) == "https://tokens.example/accesstoken.srf"


def test_a_pause_ends_and_a_later_one_takes_its_place() -> None:
    pauses = Pauses()
    pauses.begin("a", NOW + 10)
    pauses.begin("a", NOW + 20)
    assert pauses.end_of("a", NOW + 19) == NOW + 20
    assert pauses.end_of("a", NOW + 20) is None
    assert pauses.end_of("b", NOW) is None


def test_pauses_take_bounded_memory_and_the_oldest_is_forgotten() -> None:
    """I36"""
    pauses = Pauses()
    for number in range(MAX_PAUSES):
        pauses.begin(str(number), NOW + 10)
    pauses.begin("0", NOW + 20)
    pauses.begin("one more", NOW + 10)
    assert pauses.end_of("1", NOW) is None
    assert pauses.end_of("0", NOW) == NOW + 20
    assert pauses.end_of("2", NOW) == NOW + 10
    assert pauses.end_of("one more", NOW) == NOW + 10
