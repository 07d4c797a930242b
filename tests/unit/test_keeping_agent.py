"""The agent beneath treq: answers are exact or refused, and a connection carries on only after a good end (I42)."""

from __future__ import annotations

from typing import cast

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransportWithDisconnection
from twisted.python.failure import Failure
from twisted.web.client import URI, ResponseDone, ResponseFailed, ResponseNeverReceived
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory, IResponse
from zope.interface import implementer

from datasms_daemon.https import agent
from datasms_daemon.https.agent import ANSWER_LIMIT, IDLE_TIMEOUT_S, Connection, Exchange, KeepingAgent

URL = b"https://push.example/v1/send"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Wire(StringTransportWithDisconnection):
    """A transport in memory that closes at once."""

    def __init__(self) -> None:
        StringTransportWithDisconnection.__init__(self)

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Nothing to do."""

    def abortConnection(self) -> None:
        """Closed."""
        if self.connected:
            StringTransportWithDisconnection.loseConnection(self)


@implementer(IAgentEndpointFactory, IStreamClientEndpoint)
class Network:
    """Every connection that was made, in their order."""

    def __init__(self) -> None:
        self.wires: list[StringTransportWithDisconnection] = []

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        return self

    def connect(self, protocol_factory: IProtocolFactory) -> Deferred[IProtocol]:
        protocol = protocol_factory.buildProtocol(IPv4Address("TCP", "192.0.2.1", 443))
        assert protocol is not None
        wire = Wire()
        wire.protocol = cast(Protocol, protocol)
        self.wires.append(wire)
        protocol.makeConnection(wire)
        return succeed(protocol)


@implementer(Exchange)
class Body(Protocol):
    """A request's body, and where the answer's body goes."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.received = b""
        self.end: Failure | None = None
        self.connection: Connection | None = None

    def written_to(self, connection: Connection) -> None:
        self.connection = connection

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.end = reason


class Stage:
    """An agent and what it was told."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.network = Network()
        self.agent = KeepingAgent(self.clock, self.network)

    def ask(self, url: bytes = URL) -> Asked:
        """A request under way."""
        body = Body(b"question")
        return Asked(body, self.agent.request(b"POST", url, Headers({"X-One": ["1"]}), body))

    def say(self, data: bytes, wire: int = -1) -> None:
        """The far end's octets."""
        self.network.wires[wire].protocol.dataReceived(data)


class Asked:
    """One request: ``head`` is None until it has an answer, or what came instead of one."""

    def __init__(self, body: Body, asked: Deferred[IResponse]) -> None:
        self.body = body
        self.asked = asked
        self.head: IResponse | None = None
        self.failure: Failure | None = None
        asked.addCallbacks(self._answered, self._failed)

    def _answered(self, head: IResponse) -> None:
        self.head = head
        head.deliverBody(self.body)

    def _failed(self, failure: Failure) -> None:
        self.failure = failure

    @property
    def causes(self) -> list[Failure]:
        """Why there was no answer."""
        assert self.failure is not None
        assert isinstance(self.failure.value, ResponseNeverReceived)
        return cast(list[Failure], self.failure.value.reasons)

    @property
    def outcome(self) -> tuple[int, bytes]:
        """Status and body of a complete answer."""
        assert self.head is not None
        assert self.body.end is not None
        assert self.body.end.check(ResponseDone), self.body.end
        return self.head.code, self.body.received


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_the_request_is_one_head_with_host_and_length_and_the_body(stage: Stage) -> None:
    stage.ask(b"https://push.example:8443/v1/send?x=1")
    assert stage.network.wires[0].value() == (
        b"POST /v1/send?x=1 HTTP/1.1\r\nHost: push.example:8443\r\nContent-Length: 8\r\nX-One: 1\r\n\r\nquestion"
    )


def test_an_answer_may_come_octet_by_octet(stage: Stage) -> None:
    asked = stage.ask()
    for octet in OK:
        stage.say(bytes((octet,)))
    assert asked.outcome == (200, b"ok")


def test_a_body_in_chunks_is_joined_and_its_trailers_are_dropped(stage: Stage) -> None:
    asked = stage.ask()
    stage.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\none\r\n3;x=y\r\ntwo\r\n0\r\nX: 1\r\n\r\n")
    assert asked.outcome == (200, b"onetwo")
    assert stage.ask().body.connection is asked.body.connection


def test_interim_answers_are_passed_over(stage: Stage) -> None:
    asked = stage.ask()
    stage.say(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK)
    assert asked.outcome == (200, b"ok")


def test_204_has_no_body_whatever_its_head_says(stage: Stage) -> None:
    asked = stage.ask()
    stage.say(b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n")
    assert asked.outcome == (204, b"")


def test_a_connection_carries_the_next_request_after_a_good_end(stage: Stage) -> None:
    first = stage.ask()
    stage.say(OK)
    second = stage.ask()
    stage.say(OK.replace(b"ok", b"no"))
    assert (first.outcome, second.outcome) == ((200, b"ok"), (200, b"no"))
    assert len(stage.network.wires) == 1


def test_connections_to_different_places_are_not_mixed_up(stage: Stage) -> None:
    stage.ask()
    stage.say(OK)
    stage.ask(b"https://other.example/v1/send")
    assert [b"other.example" in wire.value() for wire in stage.network.wires] == [False, True]


@pytest.mark.parametrize(
    "answer",
    [
        OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
        OK.replace(b"HTTP/1.1", b"HTTP/1.0"),
        OK + OK,
        OK + b"\r\n",
    ],
)
def test_a_connection_that_says_more_or_wants_to_end_is_not_used_again(stage: Stage, answer: bytes) -> None:
    """I42: an answer that nobody asked for goes to nobody."""
    first = stage.ask()
    stage.say(answer)
    assert first.outcome == (200, b"ok")
    assert not stage.network.wires[0].connected
    stage.ask()
    assert len(stage.network.wires) == 2


def test_what_comes_while_nothing_was_asked_ends_the_connection(stage: Stage) -> None:
    stage.ask()
    stage.say(OK)
    stage.say(OK)
    assert not stage.network.wires[0].connected
    assert stage.ask().head is None


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/2 200\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nX: 1\r\n folded\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nX: a\nb: c\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 20_000 + b"\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 20_000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * (ANSWER_LIMIT // 25 + 1),
    ],
)
def test_a_head_that_is_odd_is_no_answer_and_ends_the_connection(stage: Stage, answer: bytes) -> None:
    asked = stage.ask()
    stage.say(answer)
    assert asked.failure is not None
    assert asked.failure.check(ResponseNeverReceived)
    assert not stage.network.wires[0].connected


@pytest.mark.parametrize("data", [b"zz\r\n", b"2\r\nokay"])
def test_chunks_that_are_none_end_the_connection(stage: Stage, data: bytes) -> None:
    asked = stage.ask()
    stage.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + data)
    assert asked.body.end is not None
    assert asked.body.end.check(ResponseFailed)
    assert not stage.network.wires[0].connected


def test_an_answer_without_end_is_cut_off(stage: Stage) -> None:
    asked = stage.ask()
    stage.say(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(ANSWER_LIMIT // 1000):
        stage.say(b"x" * 1001)
        if not stage.network.wires[0].connected:
            break
    assert not stage.network.wires[0].connected
    assert asked.body.end is not None


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", ResponseFailed),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", ResponseFailed),
        (b"HTTP/1.1 200 OK\r\n\r\nok", PotentialDataLoss),
    ],
)
def test_a_body_that_may_not_be_whole_is_told_as_such(stage: Stage, answer: bytes, kind: type[Exception]) -> None:
    asked = stage.ask()
    stage.say(answer)
    stage.network.wires[0].loseConnection()
    assert asked.body.received == b"ok"
    assert asked.body.end is not None
    assert asked.body.end.check(kind)


def test_a_connection_lost_before_the_answer_is_told_with_its_reason(stage: Stage) -> None:
    asked = stage.ask()
    stage.network.wires[0].loseConnection()
    assert asked.causes[0].check(ConnectionDone)


def test_a_cancelled_request_ends_its_connection(stage: Stage) -> None:
    """I42: the answer may still come, to nobody."""
    asked = stage.ask()
    asked.asked.cancel()
    assert asked.causes[0].check(CancelledError)
    assert not stage.network.wires[0].connected


def test_the_body_waits_for_whom_it_is_delivered_to(stage: Stage) -> None:
    body = Body(b"question")
    heads: list[IResponse] = []
    stage.agent.request(b"POST", URL, None, body).addCallback(heads.append)
    stage.say(OK)
    heads[0].deliverBody(body)
    assert body.received == b"ok"
    assert body.end is not None
    assert body.end.check(ResponseDone)


def test_idle_connections_end_after_a_while_each_in_its_time(stage: Stage) -> None:
    first, second = stage.ask(), stage.ask()
    stage.say(OK, 0)
    stage.clock.advance(IDLE_TIMEOUT_S / 2)
    stage.say(OK, 1)
    stage.clock.advance(IDLE_TIMEOUT_S / 2)
    assert [wire.connected for wire in stage.network.wires] == [False, True]
    stage.clock.advance(IDLE_TIMEOUT_S / 2)
    assert [wire.connected for wire in stage.network.wires] == [False, False]
    assert (first.outcome, second.outcome) == ((200, b"ok"), (200, b"ok"))
    assert not stage.clock.getDelayedCalls()


def test_close_ends_what_is_idle_and_what_is_under_way(stage: Stage) -> None:
    idle, under_way = stage.ask(), stage.ask()
    stage.say(OK, 0)
    closed: list[None] = []
    stage.agent.close().addCallback(closed.append)
    assert closed == [None]
    assert idle.outcome == (200, b"ok")
    assert under_way.failure is not None
    assert not stage.clock.getDelayedCalls()


def test_nothing_is_kept_of_a_host_without_idle_connections(stage: Stage) -> None:
    for n in range(5):
        stage.ask(b"https://push-%d.example/" % n)
        stage.say(OK)
    assert len(stage.agent._idle) == 5
    stage.ask(b"https://push-0.example/")
    stage.network.wires[1].loseConnection()
    assert len(stage.agent._idle) == 3
    stage.clock.pump([IDLE_TIMEOUT_S / 2] * 4)
    assert len(stage.agent._idle) == 0
    assert not stage.clock.getDelayedCalls()


def test_beyond_a_number_of_connections_none_is_kept_idle(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "MOST_KEPT", 3)
    asked = [stage.ask(b"https://push-%d.example/" % n) for n in range(5)]
    for wire in range(5):
        stage.say(OK, wire)
    assert [one.outcome for one in asked] == [(200, b"ok")] * 5
    assert [wire.connected for wire in stage.network.wires] == [False, False, True, True, True]
    stage.agent.close()
