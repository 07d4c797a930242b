"""The limits and deadlines of one HTTP connection (reliability.md § 5a)."""

from __future__ import annotations

import pytest
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from datasms_daemon.web.bodies import Text
from datasms_daemon.web.request import Request
from datasms_daemon.web.routes import PUBLIC, Api, Call, Reply
from datasms_daemon.web.site import Limits, Site
from tests.fakes.web import Client, Connection, Response, clock

HEAD = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
MIB = 1024 * 1024


class Nobody:
    """A caller without rights."""

    rights = ()


async def nobody(_: Request) -> Nobody | None:
    """There are no credentials here."""
    return None


@pytest.fixture
def time() -> Clock:
    """Virtual time."""
    return clock()


def site_with(time: Clock, limits: Limits) -> Site:
    """A site that says hello and echoes texts."""
    api = Api[Nobody]("test", nobody)

    @api.route("GET", "/hello", permission=PUBLIC, summary="Says hello", answer=str)
    async def hello(call: Call[Nobody, None, None]) -> Reply:
        return Reply(b"hello", media=b"text/plain")

    @api.route("POST", "/echo", permission=PUBLIC, summary="Says it again", body=Text(limit=1000), answer=str)
    async def echo(call: Call[Nobody, str, None]) -> Reply:
        return Reply(call.raw, media=b"text/plain")

    return Site(time, api, limits)


@pytest.fixture
def site(time: Clock) -> Site:
    """With the limits of the sheet."""
    return site_with(time, Limits())


@pytest.fixture
def connection(site: Site) -> Connection:
    """A new connection."""
    return Client(site).open()


def assert_refused(connection: Connection, time: Clock, status: int, code: str) -> Response:
    """One problem document, nothing more is read, and the connection is gone a moment later."""
    response = connection.response()
    assert (response.status, response.json["code"]) == (status, code)
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["connection"] == "close"
    connection.send(HEAD)
    assert connection.responses() == []
    time.pump([1, 1, 1])
    assert connection.is_closed()
    return response


def test_requests_on_one_connection_are_answered_in_turn(connection: Connection) -> None:
    connection.send(HEAD + POST + b"Content-Length: 2\r\n\r\nhi" + HEAD)
    assert [response.body for response in connection.responses()] == [b"hello", b"hi", b"hello"]


def test_an_answer_has_the_security_headers_and_names_no_server(connection: Connection) -> None:
    connection.send(HEAD)
    headers = connection.response().headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert "date" in headers
    assert "server" not in headers


def test_http_2_is_never_offered_though_twisted_could(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twisted.web.http.H2_ENABLED", True)
    assert site.acceptableProtocols() == [b"http/1.1"]


def test_headers_that_come_byte_by_byte_are_cut_off_after_ten_seconds(connection: Connection, time: Clock) -> None:
    connection.send(b"GET /hello HTTP/1.1\r\n")
    for _ in range(9):
        connection.send(b"X")
        time.advance(1)
    assert not connection.transport.value()
    time.advance(1)
    assert_refused(connection, time, 408, "timeout")


def test_a_connection_that_says_nothing_is_cut_after_ten_seconds(connection: Connection, time: Clock) -> None:
    time.pump([1] * 9)
    assert not connection.is_closed()
    time.advance(1)
    assert connection.is_closed()
    assert not connection.transport.value()


def test_an_idle_connection_is_closed_after_thirty_seconds(connection: Connection, time: Clock) -> None:
    connection.send(HEAD)
    time.pump([1] * 29)
    assert not connection.is_closed()
    time.pump([1, 1])
    assert connection.is_closed()


@pytest.mark.parametrize("begun", [b"GET /hello", b"GET /hello HTTP/1.1\r\n", b"\r\nG"])
def test_the_next_request_of_a_connection_has_ten_seconds_from_its_first_byte(
    connection: Connection, time: Clock, begun: bytes
) -> None:
    connection.send(HEAD)
    connection.responses()
    time.pump([1] * 25)
    connection.send(begun)
    time.pump([1] * 9)
    assert not connection.transport.value()
    time.pump([1, 1])
    assert_refused(connection, time, 408, "timeout")


def test_a_part_of_the_next_request_that_came_along_starts_its_ten_seconds(connection: Connection, time: Clock) -> None:
    connection.send(HEAD + b"GET /hel")
    connection.responses()
    time.pump([1] * 11)
    assert_refused(connection, time, 408, "timeout")


def test_a_body_that_trickles_is_cut_off_at_its_absolute_deadline(connection: Connection, time: Clock) -> None:
    connection.send(POST + b"Content-Length: 1000\r\n\r\n")
    for _ in range(15):
        connection.send(b"x")
        time.advance(1)
    assert not connection.transport.value()
    time.advance(1)
    assert_refused(connection, time, 408, "timeout")


def test_a_body_of_300_megabytes_is_refused_before_it_is_sent(connection: Connection, time: Clock) -> None:
    connection.send(POST + b"Content-Length: 314572800\r\nExpect: 100-continue\r\n\r\n")
    assert "1000 bytes" in assert_refused(connection, time, 413, "too_large").json["detail"]


def test_a_length_of_five_thousand_digits_is_refused(connection: Connection, time: Clock) -> None:
    connection.send(POST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n")
    assert_refused(connection, time, 413, "too_large")


def test_a_client_that_waits_for_100_continue_gets_it(connection: Connection) -> None:
    connection.send(POST + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    assert connection.transport.value() == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.transport.clear()
    connection.send(b"hi")
    assert connection.response().body == b"hi"


def test_an_endless_chunked_body_is_refused_at_the_limit(connection: Connection, time: Clock) -> None:
    connection.send(POST + b"Transfer-Encoding: chunked\r\n\r\n")
    sent = 0
    while not connection.transport.value():
        connection.send(b"64\r\n" + b"x" * 100 + b"\r\n")
        sent += 100
    assert sent == 1100
    assert_refused(connection, time, 413, "too_large")


def test_chunks_that_are_all_extension_are_refused(connection: Connection, time: Clock) -> None:
    connection.send(POST + b"Transfer-Encoding: chunked\r\n\r\n")
    sent = 0
    while not connection.transport.value():
        connection.send(b"1;" + b"e" * 1000 + b"\r\nx\r\n")
        sent += 1
    assert sent < 20
    assert_refused(connection, time, 413, "too_large")


def test_a_chunked_body_within_the_limit_is_taken(connection: Connection) -> None:
    connection.send(
        POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n3\r\n you\r\n0\r\n\r\n".replace(b"3\r", b"4\r")
    )
    assert connection.response().body == b"hi you"


def test_a_body_where_none_is_taken_is_refused(connection: Connection, time: Clock) -> None:
    connection.send(b"GET /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx")
    assert_refused(connection, time, 413, "too_large")


@pytest.mark.parametrize(
    "head",
    [
        b"GET /hello HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(64)) + b"\r\n",
        b"GET /hello HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 9000 + b"\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 9000,
        b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"x" * 200) for n in range(60)),
    ],
    ids=["65 headers", "one long header", "one endless header", "long target", "long in all"],
)
def test_a_head_that_is_too_large_is_refused(connection: Connection, time: Clock, head: bytes) -> None:
    connection.send(head)
    assert_refused(connection, time, 431, "headers_too_large")


@pytest.mark.parametrize(
    "request_bytes",
    [
        POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nhi",
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nhi",
        POST + b"Transfer-Encoding: identity\r\n\r\n",
        POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
        POST + b"Content-Length: +2\r\n\r\nhi",
        POST + b"Content-Length: -2\r\n\r\nhi",
        POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET /hello HTTP/1.1\r\n\r\n",
        b"GET /hello HTTP/2.0\r\nHost: x\r\n\r\n",
        b"GET  /hello HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nno colon\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
)
def test_what_parsers_could_read_in_two_ways_is_refused(
    connection: Connection, time: Clock, request_bytes: bytes
) -> None:
    connection.send(request_bytes)
    assert_refused(connection, time, 400, "malformed")


@pytest.mark.parametrize("chunk", [b"zz\r\nhi\r\n", b"-1\r\nhi\r\n", b"2\r\nhiXX", b"0x2\r\nhi\r\n"])
def test_a_broken_chunk_is_refused(connection: Connection, time: Clock, chunk: bytes) -> None:
    connection.send(POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunk)
    assert_refused(connection, time, 400, "malformed")


@pytest.mark.parametrize("target", [b"/a%00b", b"/%ff", b"http://x/hello", b"*", b"hello"])
def test_a_path_that_is_no_path_is_a_problem_document(connection: Connection, target: bytes) -> None:
    connection.send(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    assert connection.response().json["code"] == "malformed"


@pytest.mark.parametrize("host", [b"a..b", b"x" * 80, b"\xff\xfe", b"", b"[::1", b"x:99999999"])
def test_a_strange_host_changes_nothing(connection: Connection, host: bytes) -> None:
    connection.send(b"GET /hello HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
    assert connection.response().body == b"hello"


def test_a_client_of_plain_text_is_refused_in_one_line(connection: Connection) -> None:
    connection.send(POST + b"Accept: text/plain\r\nContent-Length: 5000\r\n\r\n")
    response = connection.response()
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.body == b"413 too_large: At most 1000 bytes are taken here\n"


def test_a_connection_ends_after_its_number_of_requests(time: Clock) -> None:
    connection = Client(site_with(time, Limits(requests=3))).open()
    connection.send(HEAD * 5)
    assert [response.headers.get("connection") for response in connection.responses()] == [None, None, "close"]
    assert connection.is_closed()


def test_a_client_that_does_not_close_after_its_last_answer_is_cut(time: Clock) -> None:
    connection = Client(site_with(time, Limits(requests=1))).open()
    connection.send(HEAD)
    time.pump([1] * 6)
    assert connection.transport.disconnected


def test_one_address_has_so_many_connections_and_a_freed_one_can_be_taken(time: Clock) -> None:
    site = site_with(time, Limits(connections_per_address=2))
    first, second = Client(site).open(), Client(site).open()
    assert Client(site).open().channel is None
    other = Client(site).open(IPv4Address("TCP", "192.0.2.2", 1))
    assert other.channel is not None
    first.hang_up()
    third = Client(site).open()
    assert third.channel is not None
    for connection in (second, third, other):
        connection.hang_up()
    assert not time.getDelayedCalls()


def test_ipv6_addresses_of_one_network_count_as_one(time: Clock) -> None:
    client = Client(site_with(time, Limits(connections_per_address=1)))
    assert client.open(IPv6Address("TCP", "2001:db8:0:1::1", 1)).channel is not None
    assert client.open(IPv6Address("TCP", "2001:db8:0:1:ffff::2", 1)).channel is None
    assert client.open(IPv6Address("TCP", "2001:db8:0:2::1", 1)).channel is not None
    assert client.open(IPv6Address("TCP", "::ffff:192.0.2.1", 1)).channel is not None
    assert client.open(IPv4Address("TCP", "192.0.2.1", 1)).channel is None


def test_all_together_have_so_many_connections(time: Clock) -> None:
    client = Client(site_with(time, Limits(connections=2)))
    opened = [client.open(IPv4Address("TCP", f"192.0.2.{n}", 1)).channel is not None for n in range(4)]
    assert opened == [True, True, False, False]


def test_no_timer_is_left_when_the_last_connection_is_gone(connection: Connection, time: Clock) -> None:
    connection.send(HEAD)
    assert len(time.getDelayedCalls()) == 1
    connection.hang_up()
    assert not time.getDelayedCalls()


def test_closing_the_site_ends_every_connection(site: Site) -> None:
    idle, silent, halfway = Client(site).open(), Client(site).open(), Client(site).open()
    idle.send(HEAD)
    halfway.send(POST + b"Content-Length: 2\r\n\r\nh")
    site.close_connections()
    assert [connection.is_closed() for connection in (idle, silent, halfway)] == [True, True, True]


def test_a_transport_that_is_full_stops_reading_and_goes_on(connection: Connection) -> None:
    assert connection.channel is not None
    connection.channel.pauseProducing()
    assert connection.transport.producerState == "paused"
    connection.channel.resumeProducing()
    assert connection.transport.producerState == "producing"
    assert isinstance(connection.transport, StringTransport)
