"""HTTP/1.1 towards push services: the agent beneath treq, which keeps connections open and does only what we need.

Twisted's own agent takes several times as much CPU a request (bench/RESULTS.md). Left out are proxies, pipelining,
upgrades and streamed request bodies. An answer that is odd in any way ends its connection.
"""

from __future__ import annotations

import re
from typing import NamedTuple, cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IProtocol, IReactorTime, ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import URI, ResponseDone, ResponseFailed, ResponseNeverReceived
from twisted.web.http import PotentialDataLoss, _ChunkedTransferDecoder
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IAgent, IAgentEndpointFactory, IClientRequest, IResponse
from zope.interface import Attribute, Interface, implementer

from datasms_daemon.errors import DatasmsError
from datasms_daemon.ops.factories import quiet

# Below what servers keep idle connections for: one that the server closes just as we write is a false "maybe sent".
IDLE_TIMEOUT_S = 60.0
BODY_LIMIT = 64 << 10
HEAD_LIMIT = 16 << 10
# Interim heads, head, body and its framing.
ANSWER_LIMIT = 2 * BODY_LIMIT
# Of different hosts there may be any number; beyond so many connections none is kept idle.
MOST_KEPT = 1000
# The hosts of a channel are few; beyond that their URLs are parsed each time.
PARSED_ORIGINS = 256

_END = b"\r\n\r\n"
HEAD = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: ([^\r\n\0]*))?((?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*)*)")
"""Of an answer: version, status, phrase, fields."""
_NUMBER = re.compile("[0-9]{1,15}")

Place = tuple[bytes, int]


class NotHttp(DatasmsError):
    """What came is no HTTP answer, or one that can be read in two ways."""


class Exchange(Interface):
    """What takes the place of a body producer: the whole body, which leaves together with the head."""

    body: bytes = Attribute("All of it.")

    def written_to(connection: Connection) -> None:  # noqa: N805
        """The request is being written to ``connection``."""


class _Origin(NamedTuple):
    uri: URI
    host: bytes


@implementer(IAgent)
class KeepingAgent:
    """Requests over connections of ``endpoints`` that are kept for IDLE_TIMEOUT_S; how many are under way at once is
    the caller's business. Every request has a body, an ``Exchange``, and a URL that ``netloc`` let pass."""

    def __init__(self, clock: IReactorTime, endpoints: IAgentEndpointFactory) -> None:
        self._clock = clock
        self._endpoints = endpoints
        self._origins: dict[bytes, _Origin] = {}
        self._idle: dict[Place, list[Connection]] = {}
        self._open: set[Connection] = set()
        self._sweeping: IDelayedCall | None = None
        self._closed: Deferred[None] | None = None

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: object = None,
    ) -> Deferred[IResponse]:
        """IAgent: the answer's head. Fails as Twisted's own agent does; cancelling closes the connection."""
        named = headers.getAllRawHeaders() if headers is not None else ()
        fields = b"".join([b"%b: %b\r\n" % (name, value) for name, values in named for value in values])
        return cast(Deferred[IResponse], self.send(method, uri, fields, cast(Exchange, bodyProducer)))

    def send(self, method: bytes, uri: bytes, fields: bytes, exchange: Exchange) -> Deferred[Response]:
        """The same with the header's lines as they are written, each with its end."""
        # Nearly every URL is another one, a device's own, and parsing it costs as much as the rest: only what stands
        # before the path is.
        path_at = uri.find(b"/", uri.find(b"//") + 2)
        origin = self._origin(uri if path_at < 0 else uri[:path_at])
        path = b"/" if path_at < 0 else uri[path_at:]
        to = b"%b %b HTTP/1.1\r\nHost: %b\r\nContent-Length: %d\r\n" % (method, path, origin.host, len(exchange.body))
        head = to + fields + b"\r\n"
        connection = self._take((origin.uri.host, origin.uri.port))
        if connection is not None:
            return connection.ask(head, exchange)
        return Deferred.fromCoroutine(self._ask_new(origin.uri, head, exchange))

    def close(self) -> Deferred[None]:
        """Ends every connection; fires when they are gone."""
        closed = self._closed = Deferred()
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        for connection in tuple(self._open):
            connection.abort()
        if not self._open and not closed.called:
            closed.callback(None)
        return closed

    async def _ask_new(self, uri: URI, head: bytes, exchange: Exchange) -> Response:
        place = (uri.host, uri.port)
        connection = await self._endpoints.endpointForURI(uri).connect(quiet(lambda: Connection(self, place)))
        assert isinstance(connection, Connection)
        return await connection.ask(head, exchange)

    def _origin(self, text: bytes) -> _Origin:
        origin = self._origins.get(text)
        if origin is None:
            parsed = URI.fromBytes(text)
            host = b"[%b]" % parsed.host if b":" in parsed.host else parsed.host
            origin = _Origin(parsed, host if parsed.port == 443 else b"%b:%d" % (host, parsed.port))
            if len(self._origins) < PARSED_ORIGINS:
                self._origins[text] = origin
        return origin

    # What connections tell

    def opened(self, connection: Connection) -> None:
        """It stands."""
        self._open.add(connection)

    def free(self, connection: Connection) -> None:
        """Its exchange ended well: it may carry another."""
        if len(self._open) > MOST_KEPT:
            connection.abort()
            return
        connection.idle_since = self._clock.seconds()
        self._idle.setdefault(connection.place, []).append(connection)
        if self._sweeping is None:
            self._sweeping = self._clock.callLater(IDLE_TIMEOUT_S, self._sweep)

    def lost(self, connection: Connection) -> None:
        """It is gone."""
        self._open.discard(connection)
        idle = self._idle.get(connection.place, [])
        if connection in idle:
            idle.remove(connection)
            if not idle:
                del self._idle[connection.place]
        if self._closed is not None and not self._open and not self._closed.called:
            self._closed.callback(None)

    def _take(self, place: Place) -> Connection | None:
        """An idle connection to ``place``, the one used last."""
        while (idle := self._idle.get(place)) is not None:
            connection = idle.pop()
            if not idle:
                del self._idle[place]
            if connection.is_usable:
                return connection
        return None

    def _sweep(self) -> None:
        self._sweeping = None
        now = self._clock.seconds()
        kept = [connection for some in self._idle.values() for connection in some if connection.is_usable]
        for connection in kept:
            if now - connection.idle_since >= IDLE_TIMEOUT_S:
                connection.abort()
        ends = [connection.idle_since + IDLE_TIMEOUT_S for connection in kept if connection.is_usable]
        if ends:
            self._sweeping = self._clock.callLater(min(ends) - now, self._sweep)


class Connection(Protocol):
    """One connection, which carries one exchange at a time, and none after one that did not end well (I42)."""

    def __init__(self, agent: KeepingAgent, place: Place) -> None:
        self.place = place
        self.idle_since = 0.0
        self.is_usable = True
        self._agent = agent
        self._waiting: Deferred[Response] | None = None
        self._response: Response | None = None
        self._head = b""
        self._received = 0

    def ask(self, head: bytes, exchange: Exchange) -> Deferred[Response]:
        """Writes a request; the head of its answer."""
        self._received = 0
        waiting = self._waiting = Deferred(self._cancelled)
        exchange.written_to(self)
        self._transport.write(head + exchange.body)
        return waiting

    def abort(self) -> None:
        """Closes it without waiting for the peer; it is used no more."""
        self.is_usable = False
        self._transport.abortConnection()

    def ended(self, rest: bytes, keeps: bool) -> None:
        """The answer is complete; ``rest`` came behind it and belongs to nobody."""
        self._response = None
        if keeps and not rest and self.is_usable:
            self._agent.free(self)
        else:
            self.abort()

    def connectionMade(self) -> None:
        """Twisted: it stands."""
        self._transport.setTcpNoDelay(True)
        self._agent.opened(self)

    def dataReceived(self, data: bytes) -> None:
        """Twisted: a part of an answer."""
        self._received += len(data)
        try:
            if self._received > ANSWER_LIMIT:
                raise NotHttp("the answer is too long")
            if self._response is not None:
                self._response.received(data)
            elif self._waiting is not None:
                self._head_received(self._head + data, self._waiting)
            else:
                self.abort()
        except Exception:
            self._fail(Failure())
            self.abort()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Twisted: it is gone."""
        self.is_usable = False
        self._fail(reason)
        self._agent.lost(self)

    def _head_received(self, data: bytes, waiting: Deferred[Response]) -> None:
        while True:
            head, found, rest = data.partition(_END)
            if len(head) > HEAD_LIMIT:
                raise NotHttp("the head is too long")
            if not found:
                self._head = data
                return
            response = Response(self, head)
            if response.code >= 200:
                break
            # An interim answer says nothing yet.
            data = rest
        self._head = b""
        self._waiting, self._response = None, response
        try:
            # First what came of the body, mostly all of it: whoever waits then need not wait again.
            response.received(rest)
        finally:
            waiting.callback(response)

    def _fail(self, reason: Failure) -> None:
        waiting, self._waiting = self._waiting, None
        response, self._response = self._response, None
        if waiting is not None:
            waiting.errback(ResponseNeverReceived([reason]))
        if response is not None:
            response.cut(reason)

    def _cancelled(self, waiting: Deferred[Response]) -> None:
        self._waiting = None
        self.abort()
        waiting.errback(ResponseNeverReceived([Failure(CancelledError())]))

    @property
    def _transport(self) -> ITCPTransport:
        return cast(ITCPTransport, self.transport)


@implementer(IResponse)
class Response:
    """An answer; its body is framed as RFC 9112 section 6.3 says, without the guesses. NotHttp: a bad head.

    ``fields`` are those of its header by lower-case name, repeated ones joined by a comma.
    """

    request: IClientRequest | None = None
    previousResponse: IResponse | None = None  # noqa: N815 (IResponse)

    def __init__(self, connection: Connection, head: bytes) -> None:
        parsed = HEAD.fullmatch(head)
        if parsed is None:
            raise NotHttp("no head of an answer")
        self.version = (b"HTTP", 1, int(parsed[1]))
        self.code = int(parsed[2])
        self.phrase = parsed[3] or b""
        self._lines = parsed[4]
        fields = self.fields = dict[str, str]()
        for line in parsed[4].decode("latin-1").split("\r\n")[1:]:
            name, _, value = line.partition(":")
            name, value = name.lower(), value.strip(" \t")
            fields[name] = f"{fields[name]}, {value}" if name in fields else value
        self._connection = connection
        self._reader: IProtocol | None = None
        self._chunks: list[bytes] = []
        self._end: Failure | None = None
        self._decoder: _ChunkedTransferDecoder | None = None
        self._left: int | None = None
        self._frame()

    @property
    def headers(self) -> Headers:
        """IResponse: ``fields`` as Twisted has them."""
        headers = Headers()
        for line in self._lines.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            headers.addRawHeader(name, value.strip(b" \t"))
        return headers

    @property
    def length(self) -> int | object:
        """IResponse: of the body as far as it is known beforehand."""
        return UNKNOWN_LENGTH if self._left is None else self._left

    def deliverBody(self, protocol: IProtocol) -> None:
        """IResponse: what came and what comes of the body; ``connectionLost`` with ResponseDone when that was all."""
        self._reader = protocol
        chunks, self._chunks = self._chunks, []
        for chunk in chunks:
            protocol.dataReceived(chunk)
        if self._end is not None:
            protocol.connectionLost(self._end)

    def setPreviousResponse(self, response: IResponse) -> None:  # noqa: N802 (IResponse)
        """IResponse: redirects are not followed here."""
        self.previousResponse = response

    def received(self, data: bytes) -> None:
        """A part of the body, and what may stand behind it."""
        if self._decoder is not None:
            self._decoder.dataReceived(data)
        elif self._left is None:
            self._deliver(data)
        else:
            body = data[: self._left]
            self._left -= len(body)
            self._deliver(body)
            if not self._left:
                self._done(data[len(body) :])

    def cut(self, reason: Failure) -> None:
        """The connection ended before the body did, or nobody knows whether it did."""
        known = self._decoder is not None or self._left is not None
        self._finish(Failure(ResponseFailed([reason], self) if known else PotentialDataLoss()))

    def _frame(self) -> None:
        coding = self.fields.get("transfer-encoding")
        length = self.fields.get("content-length")
        if coding is not None:
            # A repeated one was joined and is neither "chunked" nor a number any more.
            if length is not None or coding.lower() != "chunked":
                raise NotHttp("the body's framing can be read in two ways")
            self._decoder = _ChunkedTransferDecoder(self._deliver, self._done)
        elif self.code in (204, 304):
            self._left = 0
        elif length is not None:
            if not _NUMBER.fullmatch(length):
                raise NotHttp("the body's length is no number")
            self._left = int(length)

    def _keeps(self) -> bool:
        return self.version[2] == 1 and "close" not in self.fields.get("connection", "").lower()

    def _deliver(self, data: bytes) -> None:
        if self._reader is None:
            self._chunks.append(data)
        elif data:
            self._reader.dataReceived(data)

    def _done(self, rest: bytes) -> None:
        self._connection.ended(rest, self._keeps())
        self._finish(Failure(ResponseDone()))

    def _finish(self, reason: Failure) -> None:
        self._end = reason
        if self._reader is not None:
            self._reader.connectionLost(reason)
