"""The twisted.web Site that both HTTP services listen with: limits, deadlines and fixed headers (reliability.md § 5a).

HTTP/1.1 only, no access log (a path can hold a phone number), no ``Server`` header, no traceback.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web import server
from twisted.web.http import Request as BaseRequest
from twisted.web.http import datetimeToString
from twisted.web.resource import IResource

from datasms_daemon.model import Record
from datasms_daemon.web.channel import Channel
from datasms_daemon.web.problems import HttpProblem
from datasms_daemon.web.request import Request

SECURITY_HEADERS = (
    b"Cache-Control: no-store\r\n"
    b"X-Content-Type-Options: nosniff\r\n"
    b"Referrer-Policy: no-referrer\r\n"
    b"Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"
)


class Limits(Record, frozen=True):
    """What one connection and all of them together may take; times in seconds, sizes in bytes.

    A body must be there ``body_s`` plus its size at ``body_rate`` bytes a second after the head.
    """

    head_bytes: int = 8192
    headers: int = 64
    head_s: float = 10
    body_s: float = 15
    body_rate: float = 16 * 1024
    handler_s: float = 90
    idle_s: float = 30
    requests: int = 10_000
    connections: int = 1000
    connections_per_address: int = 50


class Application(Protocol):
    """What a Site serves: ``routes.Api`` is one."""

    def resource(self) -> IResource:
        """The resource that gets every request."""

    def body_limit(self, method: bytes, target: bytes) -> int:
        """How many bytes of body such a request may have; asked before the body is read."""

    def streams(self, method: bytes, target: bytes) -> bool:
        """Whether such a request is handled from its head on, and reads its body as it comes."""


def _reference() -> str:
    return secrets.token_hex(8)


class Site(server.Site):
    """Serves ``application`` on the given reactor; ``reference`` makes the random ids that stand for an error in an
    answer and in the log."""

    # Twisted's own is a switch between HTTP/1.1 and HTTP/2 that passes every call on.
    protocol = Channel  # type: ignore[assignment]
    requestFactory = Request
    displayTracebacks = False
    noisy = False
    reactor: IReactorTime
    _log = Logger()

    def __init__(
        self,
        reactor: IReactorTime,
        application: Application,
        limits: Limits,
        reference: Callable[[], str] = _reference,
    ) -> None:
        server.Site.__init__(self, application.resource(), reactor=reactor, parsePOSTFormSubmission=False, timeout=None)
        self.limits = limits
        self.body_limit = application.body_limit
        self.streams = application.streams
        self.reference = reference
        self.fixed_head = SECURITY_HEADERS
        self._channels: set[Channel] = set()
        self._per_address: Counter[str] = Counter()
        self._sweeping: IDelayedCall | None = None

    def acceptableProtocols(self) -> list[bytes]:
        """HTTP/1.1 alone: Twisted would offer HTTP/2 as soon as h2 can be imported."""
        return [b"http/1.1"]

    def startFactory(self) -> None:
        """Keeps no access log."""

    def stopFactory(self) -> None:
        """Keeps no access log."""

    def log(self, request: BaseRequest) -> None:
        """Keeps no access log."""

    def has_room(self, addr: IAddress | None) -> bool:
        """Whether one more connection from this address is taken."""
        if len(self._channels) >= self.limits.connections:
            return False
        source = _source(addr)
        return source is None or self._per_address[source] < self.limits.connections_per_address

    def buildProtocol(  # type: ignore[override]
        self, addr: IAddress | None
    ) -> Channel | None:
        """None, which closes the connection, when there is no room for it."""
        if not self.has_room(addr):
            self._log.warn("Connection refused: too many are open")
            return None
        channel: Channel = server.Site.buildProtocol(self, addr)
        return channel

    @property
    def open_connections(self) -> int:
        """How many there are now."""
        return len(self._channels)

    def opened(self, channel: Channel) -> None:
        """Counts a connection and watches its deadline."""
        self._channels.add(channel)
        source = _source(channel.transport.getPeer())
        if source is not None:
            self._per_address[source] += 1
        if self._sweeping is None:
            self._sweep()

    def closed(self, channel: Channel) -> None:
        """The connection is gone."""
        if channel not in self._channels:
            return
        self._channels.remove(channel)
        source = _source(channel.transport.getPeer())
        if source is not None:
            self._per_address[source] -= 1
            if not self._per_address[source]:
                del self._per_address[source]
        if not self._channels and self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None

    def close_connections(self) -> None:
        """Ends every connection: idle ones at once, others when their answer is out. For shutdown."""
        for channel in tuple(self._channels):
            channel.finish()

    def internal(self, failure: Failure) -> HttpProblem:
        """Logs ``failure`` under a random id; the problem to answer with names that id and nothing else."""
        reference = self.reference()
        self._log.failure("Request failed, reference {reference}", failure=failure, reference=reference)
        return HttpProblem("internal", f"Reference {reference}")

    def _sweep(self) -> None:
        now = self.reactor.seconds()
        self._sweeping = self.reactor.callLater(1, self._sweep)
        self.fixed_head = b"Date: " + datetimeToString() + b"\r\n" + SECURITY_HEADERS
        for channel in tuple(self._channels):
            if channel.deadline <= now:
                channel.expire()


def _source(addr: object) -> str | None:
    """What counts as one client: an IPv4 address or an IPv6 /64; None for a local socket."""
    if isinstance(addr, IPv4Address):
        return addr.host
    if isinstance(addr, IPv6Address):
        address = ipaddress.IPv6Address(addr.host.partition("%")[0])
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
    return None
