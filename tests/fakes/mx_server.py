"""MxService on a loopback socket with the fake core, on a clock that the test moves, and clients for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar, cast

import treq
import trustme
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IReactorCore, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import Certificate as TwistedCertificate
from twisted.internet.ssl import optionsForClientTLS, trustRootFromCertificates
from twisted.internet.task import Clock
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, HTTPConnectionPool
from twisted.web.iweb import IAgentEndpointFactory
from twisted.web.websocket import WebSocketClientEndpoint, WebSocketTransport
from zope.interface import implementer

from datasms_daemon.config.channels import DirectChannel, FcmChannel, ViberChannel, WebPushChannel
from datasms_daemon.config.records import Mxservice
from datasms_daemon.mxservice.site import make_site
from datasms_daemon.web.listen import ServerCertificate, listen_tls
from tests.fakes.backend import NOW, FakeBackend

T = TypeVar("T")

CHANNELS = (
    DirectChannel(name="direct"),
    FcmChannel(name="fcm", credentials_file=Path("firebase.json")),
    WebPushChannel(name="web", contact="mailto:it@example.org"),
    ViberChannel(name="viber", sender="Acme"),
    DirectChannel(name="off", enabled=False),
)


@dataclass
class Answered:
    """One HTTP answer."""

    status: int
    headers: dict[str, str]
    text: str

    def json(self) -> dict[str, object]:
        """The body, which is an object."""
        content = json.loads(self.text)
        assert isinstance(content, dict)
        return content


class MxServer:
    """The service with its fake core; ``stop`` it. ``clock`` begins at 1000 s and stands still."""

    def __init__(self, reactor: IReactorCore, options: Mxservice | None = None) -> None:
        self.reactor = reactor
        self.clock = Clock()
        self.clock.advance(1000)
        self.backend = FakeBackend()
        self.is_ready = True
        self.site = make_site(
            self.backend,
            self.clock,
            options or Mxservice(),
            lambda: CHANNELS,
            now=lambda: NOW,
            is_ready=lambda: self.is_ready,
            reference=lambda: "reference",
        )
        self.authority: trustme.CA | None = None

    def start(self) -> MxServer:
        """Listens without TLS."""
        self._port = self.reactor.listenTCP(0, self.site, interface="127.0.0.1")  # type: ignore[attr-defined]
        self.port: int = self._port.getHost().port
        return self

    async def start_tls(self, folder: Path) -> MxServer:
        """Listens with TLS as the daemon does."""
        self.authority = trustme.CA()
        issued = self.authority.issue_cert("localhost")
        issued.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
        issued.private_key_pem.write_to_path(str(folder / "key.pem"))
        certificate = ServerCertificate(folder / "cert.pem", folder / "key.pem")
        self._port = await listen_tls(self.reactor, "127.0.0.1:0", self.site, certificate)  # type: ignore[arg-type]
        self.port = self._port.getHost().port
        return self

    async def stop(self) -> None:
        """Closes everything."""
        self.site.close_connections()
        await maybeDeferred(self._port.stopListening)
        await self.until(lambda: not self.site._channels)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Lets the reactor run until this is so."""
        for _ in range(2000):
            if holds():
                return
            await self.pause()
        raise AssertionError("it never came about")

    async def pause(self, seconds: float = 0.001) -> None:
        """Real time for what is on its way in the sockets; what is due at once on the clock is done."""
        self.clock.advance(0)
        passed: Deferred[None] = Deferred()
        self.reactor.callLater(seconds, passed.callback, None)  # type: ignore[attr-defined]
        await passed

    async def call(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: object = None,
        raw: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answered:
        """One request on a connection of its own."""
        sent: dict[bytes | str, bytes | str] = {}
        sent.update((headers or {}).items())
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        data = raw
        if body is not None:
            data = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        agent = Agent(self.reactor, pool=HTTPConnectionPool(self.reactor, persistent=False))
        url = f"http://127.0.0.1:{self.port}{path}"
        response = await treq.request(method, url, headers=sent, data=data, agent=agent)
        text = (await treq.content(response)).decode("utf-8")
        given = {name.decode().lower(): values[0].decode() for name, values in response.headers.getAllRawHeaders()}
        return Answered(response.code, given, text)

    async def settled(self, waiting: Deferred[T]) -> T:
        """What ``waiting`` comes to, while the reactor and the clock run."""
        await self.until(lambda: waiting.called)
        return await waiting

    async def open_socket(self, token: str, path: str = "/mx/v1/inbox/stream") -> SocketClient:
        """A WebSocket client that is connected."""
        scheme, host = ("ws", "127.0.0.1") if self.authority is None else ("wss", "localhost")
        client = SocketClient()
        endpoint = WebSocketClientEndpoint(_WithToken(self, token), f"{scheme}://{host}:{self.port}{path}")
        return await self.settled(Deferred.fromCoroutine(endpoint.connect(_Only(client))))

    def endpoint(self) -> IStreamClientEndpoint:
        """How to reach the service."""
        plain = HostnameEndpoint(self.reactor, "127.0.0.1", self.port)
        if self.authority is None:
            return plain
        root = TwistedCertificate.loadPEM(self.authority.cert_pem.bytes())
        options = optionsForClientTLS("localhost", trustRoot=trustRootFromCertificates([root]))
        return wrapClientTLS(options, plain)


@dataclass
class SocketClient:
    """Collects what the server sends."""

    frames: list[dict[str, object]] = field(default_factory=list)
    is_lost: bool = False

    def negotiationStarted(self, transport: WebSocketTransport) -> None:
        """The connection is there."""
        self.transport = transport

    def negotiationFinished(self) -> None:
        """Items may come."""

    def textMessageReceived(self, message: str) -> None:
        """One frame."""
        self.frames.append(json.loads(message))

    def bytesMessageReceived(self, data: bytes | bytearray) -> None:
        """The server sends none."""
        raise AssertionError("a binary frame")

    def pongReceived(self, payload: bytes) -> None:
        """We ask for none."""

    def connectionLost(self, reason: Failure) -> None:
        """The end."""
        self.is_lost = True

    def send(self, content: object) -> None:
        """One text frame."""
        self.transport.sendTextMessage(json.dumps(content))

    @property
    def texts(self) -> list[object]:
        """The texts of the items so far."""
        return [frame["text"] for frame in self.frames if "text" in frame]


class RawClient(Protocol):
    """A connection on which the test writes and reads bytes."""

    def __init__(self) -> None:
        self.data = b""
        self.is_lost = False

    def dataReceived(self, data: bytes) -> None:
        """What came."""
        self.data += data

    def connectionLost(self, reason: Failure | None = None) -> None:
        """The end."""
        self.is_lost = True


async def connect_raw(server: MxServer) -> RawClient:
    """A connection without a protocol."""
    return cast(RawClient, await server.endpoint().connect(Factory.forProtocol(RawClient)))


@dataclass
class _Only:
    protocol: SocketClient

    def buildProtocol(self, url: str) -> SocketClient:
        return self.protocol


class _Authorised(ProtocolWrapper):
    """Twisted's WebSocket client can send no header of ours: it is put into the first thing it writes."""

    token = ""
    _has_written = False

    def write(self, data: bytes) -> None:
        if not self._has_written:
            self._has_written = True
            line, rest = data.split(b"\r\n", 1)
            data = line + b"\r\nAuthorization: Bearer " + self.token.encode() + b"\r\n" + rest
        ProtocolWrapper.write(self, data)


@implementer(IStreamClientEndpoint)
@dataclass
class _AuthorisedEndpoint:
    inner: IStreamClientEndpoint
    token: str

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        wrapping = WrappingFactory(factory)
        wrapping.protocol = type("Authorised", (_Authorised,), {"token": self.token})
        return self.inner.connect(wrapping).addCallback(_unwrapped)


def _unwrapped(wrapper: IProtocol) -> IProtocol:
    assert isinstance(wrapper, ProtocolWrapper)
    return wrapper.wrappedProtocol


@implementer(IAgentEndpointFactory)
@dataclass
class _WithToken:
    server: MxServer
    token: str

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        return _AuthorisedEndpoint(self.server.endpoint(), self.token)
