"""Through an HTTP proxy: a tunnel made with CONNECT (RFC 9110 § 9.3.6), in which TLS is as strict as without."""

from __future__ import annotations

import base64
import re
from typing import cast
from urllib.parse import unquote

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.interfaces import (
    IProtocol,
    IProtocolFactory,
    IReactorPluggableNameResolver,
    IReactorTCP,
    IReactorTime,
    IStreamClientEndpoint,
    ITCPTransport,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from datasms_daemon.errors import ConfigError, DatasmsError
from datasms_daemon.https.agent import HEAD
from datasms_daemon.model import Record, Secret
from datasms_daemon.ops.factories import quiet

HEAD_LIMIT = 8 << 10

_URL = re.compile(
    r"http://(?:(?P<user>[!-9;-?A-~]+):(?P<password>[!-.0-?A-~]*)@)?"
    r"(?P<host>[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*|\[[0-9a-fA-F:.]+\]):(?P<port>[1-9][0-9]{0,4})/?"
)
_END = b"\r\n\r\n"


class ProxyReactor(IReactorTCP, IReactorTime, IReactorPluggableNameResolver):
    """What a tunnel needs of a reactor."""


class ProxyRefused(DatasmsError):
    """The proxy does not let us through: its credentials or its rules. Waiting will not cure it."""


class ProxyFailed(DatasmsError):
    """The proxy cannot be reached, cannot reach the host, or gives no answer that can be understood."""


class Proxy(Record, frozen=True):
    """Where the proxy is, and what it is told of who we are. Its repr holds no secret."""

    host: str
    port: int
    credentials: Secret | None = None


def read_proxy(url: str) -> Proxy:
    """The proxy of an option. Raises ConfigError, which does not repeat the URL: there may be a password in it."""
    match = _URL.fullmatch(url)
    if match is None or int(match["port"]) > 65535 or ":" in unquote(match["user"] or ""):
        right = "http://HOST:PORT or http://USER:PASSWORD@HOST:PORT, special characters as %XX"
        raise ConfigError([f"proxy: must be {right}"])
    credentials = None if match["user"] is None else Secret(f"{unquote(match['user'])}:{unquote(match['password'])}")
    return Proxy(match["host"].strip("[]"), int(match["port"]), credentials)


@implementer(IStreamClientEndpoint)
class Tunnel:
    """Connects to ``host:port`` through a proxy within ``timeout_s``; what is connected is the far end's raw stream.

    The proxy, which may be in a private network, resolves the name: whoever makes a tunnel can judge addresses that
    are written out, and no others.
    """

    def __init__(self, reactor: ProxyReactor, proxy: Proxy, host: str, port: int, timeout_s: float) -> None:
        self._endpoint = HostnameEndpoint(reactor, proxy.host, proxy.port, timeout=timeout_s)
        self._request = _request(proxy, host, port)
        self._clock = reactor
        self._timeout_s = timeout_s

    def connect(self, protocol_factory: IProtocolFactory) -> Deferred[IProtocol]:
        """The factory's protocol; fails with ProxyRefused, ProxyFailed or TimeoutError."""
        return Deferred.fromCoroutine(self._connect(protocol_factory)).addTimeout(self._timeout_s, self._clock)

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        try:
            opening = await self._endpoint.connect(quiet(lambda: _Opening(self._request, factory)))
        except (ConnectError, DNSLookupError) as problem:
            raise ProxyFailed(f"the proxy cannot be reached: {type(problem).__name__}") from problem
        assert isinstance(opening, _Opening)
        return await opening.ready


class _Opening(Protocol):
    """Asks for the tunnel, then stands between its stream and the protocol that uses it."""

    def __init__(self, request: bytes, factory: IProtocolFactory) -> None:
        self._request = request
        self._factory = factory
        self._head = b""
        self._protocol: IProtocol | None = None
        self.ready: Deferred[IProtocol] = Deferred(lambda _: self._abort())

    def connectionMade(self) -> None:
        """Twisted: the proxy is there."""
        cast(ITCPTransport, self.transport).write(self._request)

    def dataReceived(self, data: bytes) -> None:
        """Twisted: the proxy's answer, then what the far end says."""
        if self._protocol is not None:
            self._protocol.dataReceived(data)
        elif not self.ready.called:
            self._head += data
            self._look()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Twisted: it is gone."""
        if self._protocol is not None:
            self._protocol.connectionLost(reason)
        elif not self.ready.called:
            self.ready.errback(ProxyFailed("the proxy closed the connection"))

    def _look(self) -> None:
        head, found, rest = self._head.partition(_END)
        if len(head) > HEAD_LIMIT:
            self._fail(ProxyFailed("the proxy's answer is too long"))
        elif found:
            problem = _problem(head, rest)
            if problem is None:
                self._open()
            else:
                self._fail(problem)

    def _open(self) -> None:
        assert self.transport is not None
        protocol = self._factory.buildProtocol(self.transport.getPeer())
        assert protocol is not None
        self._protocol = protocol
        protocol.makeConnection(self.transport)
        self.ready.callback(protocol)

    def _fail(self, problem: ProxyFailed | ProxyRefused) -> None:
        self.ready.errback(problem)
        self._abort()

    def _abort(self) -> None:
        cast(ITCPTransport, self.transport).abortConnection()


def _problem(head: bytes, rest: bytes) -> ProxyFailed | ProxyRefused | None:
    """Why an answer opens no tunnel; None: it does."""
    answer = HEAD.fullmatch(head)
    if answer is None:
        return ProxyFailed("the proxy's answer is not HTTP")
    status = int(answer[2])
    if status == 407:
        return ProxyRefused("407: the proxy does not take our user and password")
    if 400 <= status < 500 and status not in (408, 429):
        return ProxyRefused(f"{status}: the proxy does not connect to this host")
    if status != 200:
        return ProxyFailed(f"{status}: the proxy made no connection")
    # In TLS the client speaks first: whatever came is not from the far end.
    return ProxyFailed("the proxy said more than that the tunnel is open") if rest else None


def _request(proxy: Proxy, host: str, port: int) -> bytes:
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
    if proxy.credentials is not None:
        encoded = base64.b64encode(proxy.credentials.reveal().encode()).decode("ascii")
        lines.append(f"Proxy-Authorization: Basic {encoded}")
    return "\r\n".join([*lines, "", ""]).encode("ascii")
