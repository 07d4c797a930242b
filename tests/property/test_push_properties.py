"""Whatever a far end or a device makes up, the push channels keep their heads."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec
from hyperlink import EncodedURL
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.web.client import URI

from datasms_daemon.channels.fcm import outcome_of
from datasms_daemon.model import Accepted, AddressGone, Later, LineDown, NotSent, Unknown
from datasms_daemon.rules.addresses import host_and_port, is_allowed, netloc

NOW = 1_795_000_000_000

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["error", "details", "name"]), inner),
    max_leaves=10,
).map(msgspec.json.encode)
url_parts = st.sampled_from(
    ["https://", "http://", "a.example", "127.0.0.1", "[::1]", ":443", ":8443", "@", "#", "?", "/", "\\", "%", ".", "x"]
)


@given(st.integers(100, 599), st.text(max_size=40), st.binary(max_size=200) | json_values)
def test_any_answer_is_an_outcome_and_a_date_is_never_more_than_an_hour_away(
    status: int, retry_after: str, body: bytes
) -> None:
    outcome = outcome_of(status, {"retry-after": retry_after}, body, NOW)
    assert isinstance(outcome, Accepted | AddressGone | Later | LineDown | NotSent | Unknown)
    assert not isinstance(outcome, Accepted) or 200 <= status < 300
    assert not isinstance(outcome, AddressGone) or b"UNREGISTERED" in body
    if isinstance(outcome, Later) and outcome.not_before is not None:
        assert NOW <= outcome.not_before <= NOW + 3_600_000


@given(st.lists(url_parts, max_size=8).map("".join) | st.text(max_size=30).map("https://{}".format))
@example("https://a.example:8443/x?y@z")
@example("https://[::1]:443/")
def test_every_parser_finds_the_same_host_in_a_url_that_we_let_pass(url: str) -> None:
    found = netloc(url)
    if found is None:
        return
    twisted = URI.fromBytes(url.encode("ascii"))
    linked = EncodedURL.from_text(url)
    split = urlsplit(url)
    host = twisted.host.decode("ascii")
    assert (linked.scheme, linked.host, linked.port, linked.userinfo) == ("https", host, twisted.port, "")
    assert (split.hostname, split.port or 443) == (host, twisted.port)
    assert found == host_and_port(f"[{host}]" if ":" in host else host, twisted.port)


@given(st.ip_addresses(v=6, network="::ffff:0:0/96") | st.ip_addresses(v=6, network="64:ff9b::/96"))
def test_no_disguise_of_an_ipv4_address_is_allowed(address: object) -> None:
    assert not is_allowed(str(address), private=True)


@given(st.text(max_size=20))
def test_a_text_that_is_no_address_is_not_allowed(text: str) -> None:
    assert not is_allowed(f"{text}x", private=True)
