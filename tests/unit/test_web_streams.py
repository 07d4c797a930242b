"""Bodies that a route reads as they come: the same limits as for others, and no memory for more than a piece."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from datasms_daemon.web.bodies import Streamed
from datasms_daemon.web.problems import HttpProblem
from datasms_daemon.web.request import Request
from datasms_daemon.web.routes import Api, Call, Reply
from datasms_daemon.web.site import Limits, Site
from datasms_daemon.web.streams import HIGH_WATER, BodyStream
from tests.fakes.web import Client, Connection, clock

KIB = 1024
LIMIT = 1000 * KIB


class Known:
    """Whoever says so."""

    rights = ("send",)


async def authorise(request: Request) -> Known | None:
    """Everybody with credentials."""
    return Known() if request.header("authorization") else None


@dataclass
class Upload:
    """What the route has read; ``gate`` makes it slow, ``refuses`` ends it at once."""

    pieces: list[bytes] = field(default_factory=list)
    lengths: list[int | None] = field(default_factory=list)
    problem: HttpProblem | None = None
    gate: Deferred[None] | None = None
    refuses: bool = False

    async def take(self, call: Call[Known, BodyStream, None]) -> Reply:
        self.lengths.append(call.body.length)
        if self.refuses:
            raise HttpProblem("conflict", "not now")
        try:
            async for piece in call.body:
                self.pieces.append(piece)
                if self.gate is not None:
                    await self.gate
        except HttpProblem as problem:
            self.problem = problem
            raise
        return Reply(b"%d" % sum(map(len, self.pieces)), media=b"text/plain")


@pytest.fixture
def time() -> Clock:
    """Virtual time."""
    return clock()


@pytest.fixture
def upload() -> Upload:
    """The route."""
    return Upload()


@pytest.fixture
def client(time: Clock, upload: Upload) -> Client:
    """Of a site with that route."""
    api = Api[Known]("test", authorise)
    api.route("POST", "/up", permission=("send",), summary="Reads", body=Streamed(lambda: LIMIT), answer=str)(
        upload.take
    )
    return Client(Site(time, api, Limits()), "key")


def head(length: int | None, *more: str) -> bytes:
    """A request's head; chunked when there is no length."""
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    lines = ("POST /up HTTP/1.1", "Host: x", "Authorization: Bearer key", size, *more, "", "")
    return "\r\n".join(lines).encode()


def status(connection: Connection) -> int:
    """Of the one answer."""
    return connection.response().status


def test_the_pieces_are_there_before_the_body_is_whole(client: Client, upload: Upload) -> None:
    connection = client.open()
    connection.send(head(6) + b"abc")
    assert (upload.pieces, upload.lengths) == ([b"abc"], [6])
    connection.send(b"def")
    response = connection.response()
    assert (response.status, response.body) == (200, b"6")


def test_the_connection_goes_on_after_a_stream(client: Client) -> None:
    connection = client.open()
    connection.send(head(3) + b"abc" + head(2) + b"de")
    assert [response.body for response in connection.responses()] == [b"3", b"5"]


def test_a_chunked_body_has_no_length(client: Client, upload: Upload) -> None:
    connection = client.open()
    connection.send(head(None) + b"3\r\nabc\r\n")
    connection.send(b"2\r\nde\r\n0\r\n\r\n")
    assert (connection.response().body, upload.lengths) == (b"5", [None])


def test_an_empty_body_is_a_stream_that_ends_at_once(client: Client, upload: Upload) -> None:
    connection = client.open()
    connection.send(head(0))
    assert (connection.response().body, upload.pieces) == (b"0", [])


def test_who_may_not_send_is_refused_at_the_head(client: Client, upload: Upload, time: Clock) -> None:
    connection = client.open()
    connection.send(head(LIMIT).replace(b"Authorization", b"X-Nothing"))
    assert status(connection) == 401
    assert upload.lengths == []
    time.pump([1, 1, 1])
    assert connection.is_closed()


def test_a_route_that_refuses_reads_nothing_more(client: Client, upload: Upload, time: Clock) -> None:
    upload.refuses = True
    connection = client.open()
    connection.send(head(LIMIT) + b"x" * KIB)
    response = connection.response()
    assert (response.status, response.headers["connection"]) == (409, "close")
    connection.send(b"x" * KIB + head(1) + b"x")
    assert connection.responses() == []
    time.pump([1, 1, 1])
    assert connection.is_closed()


def test_a_body_that_says_it_is_too_large_never_reaches_the_route(client: Client, upload: Upload) -> None:
    connection = client.open()
    connection.send(head(LIMIT + 1))
    assert (status(connection), upload.lengths) == (413, [])


def test_a_chunked_body_that_grows_too_large_is_cut(client: Client, upload: Upload) -> None:
    connection = client.open()
    connection.send(head(None))
    for _ in range(LIMIT // KIB + 1):
        connection.send(b"400\r\n" + b"x" * KIB + b"\r\n")
    assert status(connection) == 413
    assert upload.problem is not None
    assert upload.problem.code == "too_large"
    assert sum(map(len, upload.pieces)) <= LIMIT


def test_a_slow_body_is_cut_at_its_deadline_and_its_reader_told(client: Client, upload: Upload, time: Clock) -> None:
    connection = client.open()
    connection.send(head(16 * KIB))
    for _ in range(15):
        connection.send(b"x")
        time.advance(1)
    assert not connection.transport.value()
    time.advance(1)
    assert status(connection) == 408
    assert upload.problem is not None
    assert upload.problem.code == "timeout"


def test_a_client_that_goes_away_ends_the_reading(client: Client, upload: Upload) -> None:
    connection = client.open()
    connection.send(head(10) + b"abc")
    connection.hang_up()
    assert upload.problem is not None
    assert not connection.transport.value()


def test_a_reader_that_is_slow_holds_the_sender_back(client: Client, upload: Upload) -> None:
    gate: Deferred[None] = Deferred()
    upload.gate = gate
    connection = client.open()
    connection.send(head(LIMIT))
    connection.send(b"x" * KIB)
    assert connection.transport.producerState == "producing"
    connection.send(b"x" * HIGH_WATER)
    assert connection.transport.producerState == "producing"
    connection.send(b"x" * KIB)
    assert connection.transport.producerState == "paused"
    upload.gate = None
    gate.callback(None)
    assert connection.transport.producerState == "producing"
    connection.send(b"x" * (LIMIT - HIGH_WATER - 2 * KIB))
    assert connection.response().body == b"%d" % LIMIT
