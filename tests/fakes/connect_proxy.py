"""A small HTTP proxy on a real port that knows CONNECT only, and ways for it to misbehave."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import cast

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import HostnameEndpoint, TCP4ServerEndpoint
from twisted.internet.interfaces import IListeningPort, IProtocol, ITCPTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import LoopingCall, deferLater
from twisted.python.failure import Failure

from datasms_daemon.https.connect import Reactor

OPEN = b"HTTP/1.1 200 Connection established\r\n\r\n"


class ConnectProxy:
    """Tunnels to wherever it is asked; ``asked`` keeps the heads of requests, ``mode`` answers in place of the usual.

    ``credentials`` (``user:password``) are demanded if given; ``names`` leads names elsewhere.
    """

    def __init__(self, reactor: Reactor) -> None:
        self.reactor = reactor
        self.asked: list[str] = []
        self.mode: Mode | None = None
        self.credentials: str | None = None
        self.names: dict[str, tuple[str, int]] = {}
        self.open: set[Protocol] = set()
        self._port: IListeningPort | None = None

    async def listen(self) -> None:
        """Serve on a free port of 127.0.0.1."""
        factory = Factory.forProtocol(lambda: Client(self))
        self._port = await TCP4ServerEndpoint(self.reactor, 0, interface="127.0.0.1").listen(factory)
        address = self._port.getHost()
        assert isinstance(address, IPv4Address)
        self.port = address.port

    async def stop(self) -> None:
        """Close the port and hang up on everybody."""
        if self._port is not None:
            await maybeDeferred(self._port.stopListening)
        for connection in tuple(self.open):
            _transport(connection).abortConnection()
        while self.open:
            await deferLater(self.reactor, 0)

    def url(self, userinfo: str = "") -> str:
        """For a channel's ``proxy``."""
        return f"http://{userinfo}127.0.0.1:{self.port}"


class Client(Protocol):
    """Who wants a tunnel."""

    def __init__(self, proxy: ConnectProxy) -> None:
        self.proxy = proxy
        self.is_gone = False
        self.dripping: LoopingCall | None = None
        self._head: bytes | None = b""
        self._far: Far | None = None

    def connectionMade(self) -> None:
        self.proxy.open.add(self)

    def dataReceived(self, data: bytes) -> None:
        if self._head is None:
            if self._far is not None:
                _transport(self._far).write(data)
            return
        self._head += data
        if self._head.endswith(b"\r\n\r\n"):
            head, self._head = self._head.decode("ascii"), None
            self.proxy.asked.append(head)
            self._answer(head.split("\r\n"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.is_gone = True
        if self.dripping is not None and self.dripping.running:
            self.dripping.stop()
        self.proxy.open.discard(self)
        if self._far is not None:
            _transport(self._far).loseConnection()

    def say(self, data: bytes) -> None:
        """Octets for the client."""
        _transport(self).write(data)

    def hang_up(self) -> None:
        """End it."""
        _transport(self).loseConnection()

    def _answer(self, lines: list[str]) -> None:
        method, place, version = lines[0].split(" ")
        if (method, version) != ("CONNECT", "HTTP/1.1") or f"Host: {place}" not in lines:
            return self.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        if self.proxy.mode is not None:
            return self.proxy.mode(self)
        wanted = self.proxy.credentials
        if wanted is not None:
            encoded = base64.b64encode(wanted.encode()).decode("ascii")
            if f"Proxy-Authorization: Basic {encoded}" not in lines:
                return self.say(
                    b'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="x"\r\n\r\n'
                )
        return self._connect(place)

    def _connect(self, place: str) -> None:
        host, _, port = place.rpartition(":")
        there = self.proxy.names.get(host, (host.strip("[]"), int(port)))
        far = HostnameEndpoint(self.proxy.reactor, *there).connect(Factory.forProtocol(lambda: Far(self)))
        far.addCallbacks(self._connected, lambda _: self.say(b"HTTP/1.1 502 Bad Gateway\r\n\r\n"))

    def _connected(self, far: IProtocol) -> None:
        assert isinstance(far, Far)
        self._far = far
        if self.is_gone:
            _transport(far).abortConnection()
        else:
            self.say(OPEN)


class Far(Protocol):
    """The connection to the host that was asked for."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def connectionMade(self) -> None:
        self._client.proxy.open.add(self)

    def dataReceived(self, data: bytes) -> None:
        self._client.say(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._client.proxy.open.discard(self)
        self._client.hang_up()


Mode = Callable[[Client], None]


def says(answer: bytes) -> Mode:
    """Exactly this."""
    return lambda client: client.say(answer)


def silence(client: Client) -> None:
    """Never answers."""


def closes(client: Client) -> None:
    """Hangs up without a word."""
    client.hang_up()


def giant_head(client: Client) -> None:
    """200, and fields without end."""
    client.say(b"HTTP/1.1 200 OK\r\n" + b"X-Filler: 0123456789\r\n" * 100_000)


def drip(client: Client) -> None:
    """The right answer, one octet in a tenth of a second."""
    octets = iter(OPEN)

    def one() -> None:
        octet = next(octets, None)
        if octet is None:
            dripping.stop()
        else:
            client.say(bytes([octet]))

    dripping = client.dripping = LoopingCall(one)
    dripping.clock = client.proxy.reactor
    running: Deferred[LoopingCall] = dripping.start(0.1)
    running.addErrback(lambda _: None)


def _transport(protocol: Protocol) -> ITCPTransport:
    return cast(ITCPTransport, protocol.transport)
