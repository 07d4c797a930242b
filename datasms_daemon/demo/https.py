"""The machinery of a stand-in for an HTTPS service: a port with a certificate of its own, and one method to answer all.

What a service refuses and takes is the business of the class that derives from it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

from twisted.internet.address import IPv4Address
from twisted.internet.defer import maybeDeferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import IListeningPort, IReactorTCP, IReactorTime
from twisted.internet.ssl import PrivateCertificate
from twisted.internet.task import deferLater
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import Site

from datasms_daemon.crypto.certificates import Authority, write_private
from datasms_daemon.demo.answers import Rendered

CERTIFICATE_DAYS = 30


class HttpsService(ABC):
    """Serves on 127.0.0.1 under the name ``localhost``; each request, whatever its method and path, goes to ``answer``.

    ``requests`` counts them.
    """

    def __init__(self, clock: IReactorTime, now_ms: Callable[[], int]) -> None:
        self.clock = clock
        self.now_ms = now_ms
        self.requests = 0
        self._authority = Authority(CERTIFICATE_DAYS, now_ms())
        self._port: IListeningPort | None = None
        self._tls: TLSMemoryBIOFactory | None = None

    @abstractmethod
    def answer(self, request: Request) -> Rendered:
        """What ``Resource.render`` returns for this request."""

    async def listen(self, reactor: IReactorTCP, port: int = 0) -> None:
        """Begin to serve; 0 takes a free port."""
        key_pem, certificate_pem = self._authority.issue(("localhost", "127.0.0.1"), CERTIFICATE_DAYS, self.now_ms())
        options = PrivateCertificate.loadPEM(key_pem + certificate_pem).options()
        self._tls = TLSMemoryBIOFactory(options, False, _Site(_Everything(self), self.clock), self.clock)
        self._port = await TCP4ServerEndpoint(reactor, port, interface="127.0.0.1").listen(self._tls)

    async def stop(self) -> None:
        """Close the port and hang up on everybody. May be called twice."""
        if self._port is None or self._tls is None:
            return
        await maybeDeferred(self._port.stopListening)
        for connection in tuple(self._tls.protocols):
            connection.abortConnection()
        while self._tls.protocols:
            await deferLater(self.clock, 0)

    @property
    def endpoint(self) -> str:
        """Base URL, without a slash at the end."""
        assert self._port is not None
        address = self._port.getHost()
        assert isinstance(address, IPv4Address)
        return f"https://localhost:{address.port}"

    @property
    def ca_pem(self) -> bytes:
        """The authority that signed its certificate."""
        return self._authority.certificate_pem

    def write_ca(self, directory: Path) -> Path:
        """Writes the authority's certificate for a channel's ``ca_file``; answers its path."""
        path = directory / "service-ca.pem"
        write_private(path, self.ca_pem)
        return path


def content(request: Request) -> bytes:
    """The whole body of a request."""
    assert request.content is not None
    body: bytes = request.content.read()
    return body


def content_type(request: Request) -> str:
    """The media type in lower case, without parameters."""
    return (request.getHeader("Content-Type") or "").partition(";")[0].strip().lower()


class _Everything(Resource):
    isLeaf = True

    def __init__(self, service: HttpsService) -> None:
        Resource.__init__(self)
        self._service = service

    def render(self, request: Request) -> Rendered:
        self._service.requests += 1
        return self._service.answer(request)


class _Site(Site):
    """Speaks HTTP/1.1 only and writes no access log."""

    def __init__(self, root: Resource, clock: IReactorTime) -> None:
        Site.__init__(self, root, reactor=clock)

    def acceptableProtocols(self) -> list[bytes]:
        return [b"http/1.1"]

    def log(self, request: Request) -> None:
        """Nothing: a stand-in has no operator."""
