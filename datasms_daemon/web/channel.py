"""One HTTP/1.1 connection with hard limits (reliability.md § 5a).

Twisted bounds the head of a request but neither its body nor the time a client may take: one byte every half second
holds a connection for ever. Here every phase of a connection has an absolute deadline, kept as a number that the site
looks at once a second, so that a request starts and cancels no timer.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IAddress, IProtocol, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.http_headers import Headers

from datasms_daemon.web.problems import HttpProblem
from datasms_daemon.web.request import REASONS, Request

if TYPE_CHECKING:
    from datasms_daemon.web.site import Site

LINGER_S = 2.0
CLOSE_S = 5.0


class Phase(Enum):
    """What a connection is waiting for; each has its deadline."""

    HEAD = "request head"
    BODY = "request body"
    HANDLING = "answer"
    SENDING = "end of the answer"
    STREAM = "stream"
    IDLE = "next request"
    CLOSING = "close"


class Channel(HTTPChannel):
    """One connection; ``site`` is the Site that made it. Speaks HTTP/1.1 and nothing newer."""

    site: Site
    transport: ITCPTransport
    requestFactory = Request
    timeOut = None
    requests: list[Request]
    phase = Phase.HEAD
    deadline = 0.0
    body_limit = 0
    _log = Logger()
    _served = 0
    _wire = 0
    _head = b""

    def connectionMade(self) -> None:
        limits = self.site.limits
        self.MAX_LENGTH = self.totalHeadersSize = limits.head_bytes
        self.maxHeaders = limits.headers
        # Twisted asks for both with each request, and the kernel each time.
        self._here, self._there = self.transport.getHost(), self.transport.getPeer()
        self._wait(Phase.HEAD, limits.head_s)
        self.site.opened(self)
        HTTPChannel.connectionMade(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.site.closed(self)
        HTTPChannel.connectionLost(self, reason)

    def dataReceived(self, data: bytes) -> None:
        if self.phase is Phase.CLOSING:
            return
        LineReceiver.dataReceived(self, data)
        if self.phase is Phase.IDLE and (self.requests or self._buffer):
            # The next request has begun.
            self._wait(Phase.HEAD, self.site.limits.head_s)

    def lineLengthExceeded(self, line: bytes) -> None:
        self.refuse(HttpProblem("headers_too_large"))

    def headerReceived(self, line: bytes) -> bool:
        # int() refuses what is longer still with an error of its own.
        if len(line) > 100 and line[:15].lower() == b"content-length:":
            self.refuse(self.too_large())
            return False
        kept: bool = HTTPChannel.headerReceived(self, line)
        return kept

    def allHeadersReceived(self) -> None:
        problem = self._fault_of_head()
        if problem is not None:
            self.refuse(problem)
            # Keeps the parser from taking the request for complete.
            self.length = None
            return
        if self.length != 0:
            limits = self.site.limits
            size = self.body_limit if self.length is None else self.length
            self._wait(Phase.BODY, limits.body_s + size / limits.body_rate)
            self._wire = 0
        HTTPChannel.allHeadersReceived(self)
        if self.site.streams(self._command, self._path):
            self.requests[-1].begin(self._command, self._path, self._version, self.length)

    def rawDataReceived(self, data: bytes) -> None:
        if self.phase is Phase.CLOSING:
            return
        if self.phase is Phase.BODY:
            # Chunks may be empty of data and long in extensions.
            self._wire += len(data)
            if self.length is None and self._wire > 2 * self.body_limit + self.site.limits.head_bytes:
                self.refuse(self.too_large())
                return
        super().rawDataReceived(data)

    def allContentReceived(self) -> None:
        if self.phase is Phase.CLOSING:
            return
        self._wait(Phase.HANDLING, self.site.limits.handler_s)
        HTTPChannel.allContentReceived(self)

    def checkPersistence(self, request: Request, version: bytes) -> bool:
        self._served += 1
        if self._served >= self.site.limits.requests:
            request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
            return False
        persistent: bool = HTTPChannel.checkPersistence(self, request, version)
        return persistent

    def requestDone(self, request: Request) -> None:
        if self._head:
            self.write(b"")
        if self.phase is not Phase.CLOSING:
            if self.persistent:
                self._wait(Phase.IDLE, self.site.limits.idle_s)
            else:
                self._wait(Phase.CLOSING, CLOSE_S)
        HTTPChannel.requestDone(self, request)

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Headers) -> None:
        lines = [version, b" ", code, b" ", reason, b"\r\n", self.site.fixed_head]
        for name, values in headers.getAllRawHeaders():
            for value in values:
                lines += (name, b": ", value, b"\r\n")
        lines.append(b"\r\n")
        self._head = b"".join(lines)

    def write(self, data: bytes) -> None:
        # The head leaves with what follows it, in one TLS record and one packet.
        head, self._head = self._head, b""
        self.transport.write(head + data)

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        self.write(b"".join(iovec))

    def getHost(self) -> IAddress:
        return self._here

    def getPeer(self) -> IAddress:
        return self._there

    def refuse(self, problem: HttpProblem) -> None:
        """Answers with ``problem`` at once, reads nothing more, and closes a moment later, so that a client that is
        still sending can read the answer before its connection is reset."""
        plain = bool(self.requests) and self.requests[-1].wants_plain
        media, body = problem.content(plain)
        headers = Headers()
        for name, value in [*problem.headers, (b"Content-Type", media), (b"Content-Length", b"%d" % len(body))]:
            headers.addRawHeader(name, value)
        self.cut(problem.status, headers, body, problem)

    def cut(self, status: int, headers: Headers, body: bytes, problem: HttpProblem) -> None:
        """As ``refuse``, with an answer that is made already; who reads the body is told ``problem``."""
        if self.phase is Phase.CLOSING:
            return
        self._wait(Phase.CLOSING, LINGER_S)
        self.clearLineBuffer()
        headers.setRawHeaders(b"Connection", [b"close"])
        self.writeHeaders(b"HTTP/1.1", b"%d" % status, REASONS[status], headers)
        self.write(body)
        self._networkProducer.pauseProducing()
        if self.requests and (incoming := self.requests[-1].incoming) is not None:
            incoming.fail(problem)

    def hold(self) -> None:
        """Reads no more of a body until ``go_on``: what came waits to be used."""
        self._networkProducer.pauseProducing()

    def go_on(self) -> None:
        """Reads again."""
        if self.phase is not Phase.CLOSING:
            self._networkProducer.resumeProducing()

    def too_large(self) -> HttpProblem:
        """The refusal of a body beyond ``body_limit``."""
        return HttpProblem("too_large", f"At most {self.body_limit} bytes are taken here")

    def expire(self) -> None:
        """Called by the site when the deadline has passed."""
        if self.phase is Phase.IDLE:
            self._wait(Phase.CLOSING, CLOSE_S)
            self.loseConnection()
        elif self.phase is Phase.BODY or (self.phase is Phase.HEAD and (self.requests or self._buffer)):
            self.refuse(HttpProblem("timeout", f"The {self.phase.value} did not come in time"))
        else:
            if self.phase is Phase.HANDLING:
                self._log.warn("An answer took longer than {limit} s", limit=self.site.limits.handler_s)
            self.transport.abortConnection()

    def finish(self) -> None:
        """Closes the connection: after the answer when one is under way, at once otherwise."""
        if self.phase in (Phase.HANDLING, Phase.SENDING):
            self.persistent = False
        elif self.phase is Phase.IDLE:
            self.expire()
        elif self.phase is not Phase.CLOSING:
            self.transport.abortConnection()

    def sends(self, size: int) -> None:
        """The answer under way has ``size`` bytes, and the client so much time to take them."""
        limits = self.site.limits
        self._wait(Phase.SENDING, limits.body_s + size / limits.body_rate)

    def stream(self) -> None:
        """The answer under way has no time limit."""
        self._wait(Phase.STREAM, float("inf"))

    def _wait(self, phase: Phase, seconds: float) -> None:
        self.phase = phase
        self.deadline = self.site.reactor.seconds() + seconds

    def _fault_of_head(self) -> HttpProblem | None:
        headers = self.requests[-1].requestHeaders
        hosts = headers.getRawHeaders(b"host", ())
        if len(hosts) > 1 or (not hosts and self._version == b"HTTP/1.1"):
            return HttpProblem("malformed", "There must be one Host header")
        if headers.hasHeader(b"transfer-encoding"):
            if self._version != b"HTTP/1.1":
                return HttpProblem("malformed", "HTTP/1.0 knows no Transfer-Encoding")
            # Beside a length Twisted itself refuses "chunked"; what is left are codings that it passes over.
            if self.length is not None:
                return HttpProblem("malformed", "Only the transfer encoding chunked is understood")
        self.body_limit = self.site.body_limit(self._command, self._path)
        if self.length is not None and self.length > self.body_limit:
            return self.too_large()
        return None

    def _respondToBadRequestAndDisconnect(self) -> None:
        if self._receivedHeaderSize > self.totalHeadersSize or self._receivedHeaderCount > self.maxHeaders:
            self.refuse(HttpProblem("headers_too_large"))
        else:
            self.refuse(HttpProblem("malformed", "This is not a valid HTTP/1.1 request"))

    def _protocolUpgradeForWebsockets(self, protocol: IProtocol) -> None:
        # Twisted puts the protocol's methods in place of ours; the connection must still be counted and never expire.
        super()._protocolUpgradeForWebsockets(protocol)
        self.stream()
        lost = self.connectionLost

        def connection_lost(reason: Failure = connectionDone) -> None:
            self.site.closed(self)
            lost(reason)

        self.connectionLost = connection_lost  # type: ignore[method-assign]
