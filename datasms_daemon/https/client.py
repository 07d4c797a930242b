"""The one HTTP client that talks to the outside (design.md § 8, reliability.md §§ 3b, 3d, 5b).

https only, to allowed hosts only, at addresses that are judged when connecting; no redirects, cookies, proxies from the
environment or decompression; everything bounded: answers in bytes, requests in number, the whole exchange in time.
"""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Literal, cast

from OpenSSL import SSL
from treq.client import HTTPClient
from treq.cookies import IndexableCookieJar
from twisted.internet import defer
from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.error import ConnectError, ConnectingCancelledError, ConnectionClosed, DNSLookupError
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone, ResponseFailed
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from datasms_daemon.crypto.tls import PeerRefused
from datasms_daemon.https.agent import BODY_LIMIT, Connection, Exchange, KeepingAgent
from datasms_daemon.https.connect import AddressRefused, Endpoints, Reactor
from datasms_daemon.https.proxy import ProxyFailed, ProxyRefused
from datasms_daemon.model import Record
from datasms_daemon.rules.addresses import Hosts, netloc

log = Logger()

Method = Literal["GET", "POST", "DELETE"]


class Answer(Record, frozen=True):
    """A complete answer of the far end; header names are lower case, repeated ones joined by a comma."""

    status: int
    headers: dict[str, str]
    body: bytes


class Failed(Record, frozen=True):
    """No usable answer.

    ``nothing_sent``: surely no byte of the request left (name, connection, TLS, our own limits); safe to try again.
    ``maybe_sent``: it was written and the far end may have acted on it. ``lasting``: waiting will not cure it
    (certificate refused, address not allowed, proxy's rules). ``reason`` never holds anything of the request.
    """

    phase: Literal["nothing_sent", "maybe_sent"]
    reason: str
    lasting: bool = False


class AnswerRefused(Exception):
    """The answer is larger than allowed, or encoded though we asked for identity."""


class SafeClient:
    """Asks the hosts that ``hosts`` admit.

    At most ``concurrency`` requests are under way, each host keeps as many connections for at most IDLE_TIMEOUT_S.
    ``total_timeout_s`` counts from the call to the last byte of the body. ``allow_private`` admits
    loopback and private networks. ``proxy``: an HTTP proxy's URL to go through, see ``Endpoints`` for what that means.
    Raises ConfigError when ``ca_file`` or ``proxy`` cannot be used.
    """

    def __init__(
        self,
        reactor: Reactor,
        *,
        hosts: Hosts,
        allow_private: bool,
        ca_file: Path | None,
        concurrency: int,
        total_timeout_s: float,
        proxy: str | None = None,
    ) -> None:
        self._reactor = reactor
        self._hosts = hosts
        self._total_timeout_s = total_timeout_s
        self._slots = DeferredSemaphore(concurrency)
        self._under_way: set[Deferred[Answer]] = set()
        self._stopped = False
        endpoints = Endpoints(reactor, hosts=hosts, allow_private=allow_private, ca_file=ca_file, proxy=proxy)
        self._connections = KeepingAgent(reactor, endpoints)
        self._cookies = _NoCookies()
        self._http = HTTPClient(_PlainAgent(self._connections), self._cookies, lambda exchange: exchange)

    async def post(
        self, url: str, headers: dict[str, str], body: bytes, *, timeout_s: float | None = None
    ) -> Answer | Failed:
        """``ask`` with POST."""
        return await self.ask("POST", url, headers, body, timeout_s=timeout_s)

    async def ask(
        self, method: Method, url: str, headers: dict[str, str], body: bytes = b"", *, timeout_s: float | None = None
    ) -> Answer | Failed:
        """The far end's answer, whatever its status, within the total time (or ``timeout_s`` if that is less).

        A connection whose exchange did not end well is aborted, never used again (I42). Cancelling is such an end.
        """
        place = netloc(url)
        if place is None or not self._hosts.admit(place):
            return Failed("nothing_sent", "URL not allowed", lasting=True)
        if self._stopped:
            return Failed("nothing_sent", "stopped")
        exchange = _Exchange(body)
        work = Deferred.fromCoroutine(self._exchange(method, url, headers, exchange))
        limit_s = self._total_timeout_s if timeout_s is None else min(timeout_s, self._total_timeout_s)
        timer = self._reactor.callLater(limit_s, work.cancel)
        self._under_way.add(work)
        try:
            return await work
        except Exception as problem:
            exchange.abort()
            reason = _reason(problem) if timer.active() else "time limit"
            if isinstance(problem, EXPECTED):
                log.debug("no answer from {host}: {reason}", host=place, reason=reason)
            else:
                # Where, but not the exception's text, which may quote the request.
                at = traceback.format_tb(problem.__traceback__)
                log.error("fault while asking {host}: {reason}", host=place, reason=reason, at=at)
            lasting = isinstance(problem, PeerRefused | AddressRefused | ProxyRefused)
            return Failed("maybe_sent" if exchange.was_written else "nothing_sent", reason, lasting)
        finally:
            self._under_way.discard(work)
            if timer.active():
                timer.cancel()

    async def stop(self) -> None:
        """Abort everything; requests under way come back as Failed."""
        self._stopped = True
        for work in tuple(self._under_way):
            work.cancel()
        await self._connections.close()

    async def _exchange(self, method: Method, url: str, headers: dict[str, str], exchange: _Exchange) -> Answer:
        slot = self._slots.acquire()
        if not slot.called:
            await slot
        try:
            if method == "POST":
                # Pushes are many: treq would dress each in agents for cookies and encodings to no effect, and make
                # objects of its header's lines (docs/adr/0005).
                answered = await self._connections.send(b"POST", url.encode("ascii"), _lines(headers), exchange)
                if answered.fields.get("content-encoding", "identity") != "identity":
                    raise AnswerRefused("encoded answer")
                return Answer(answered.code, answered.fields, await exchange.body_of(answered))
            response = await self._asked(method, url, headers, exchange)
            return Answer(response.code, _flat(response.headers), await exchange.body_of(response))
        finally:
            self._slots.release()

    async def _asked(self, method: Method, url: str, headers: dict[str, str], exchange: _Exchange) -> IResponse:
        response: IResponse = await self._http.request(
            method,
            url,
            headers=Headers({name: [value] for name, value in headers.items()}),
            data=cast(IBodyProducer, exchange),  # our own agent beneath knows what it is
            cookies=self._cookies,
            allow_redirects=False,
            unbuffered=True,
            reactor=self._reactor,  # type: ignore[arg-type]  # treq has its own name for the same interfaces
        )
        return response


EXPECTED = (
    PeerRefused,
    AddressRefused,
    ProxyRefused,
    ProxyFailed,
    AnswerRefused,
    ConnectError,
    ConnectionClosed,
    ConnectingCancelledError,
    DNSLookupError,
    ResponseFailed,
    SSL.Error,
    PotentialDataLoss,
    defer.TimeoutError,
    defer.CancelledError,
)


@implementer(Exchange)
class _Exchange(Protocol):
    """One request's body on its way out and the answer's on its way in, and the connection it runs on."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self._connection: Connection | None = None
        self._answered = False
        self._received = 0
        self._chunks: list[bytes] = []
        self._done: Deferred[bytes] = Deferred(lambda _: self.abort())

    @property
    def was_written(self) -> bool:
        """Whether any byte of the request went to a connection."""
        return self._connection is not None

    def written_to(self, connection: Connection) -> None:
        """From now on this connection is ours until the answer is complete."""
        self._connection = connection

    def abort(self) -> None:
        """Close the connection at once, unless the exchange is over and it is ours no more."""
        if self._connection is not None and not self._answered:
            self._connection.abort()

    def body_of(self, response: IResponse) -> Deferred[bytes]:
        """The whole body; AnswerRefused if it is too large, else why it did not come."""
        response.deliverBody(self)
        return self._done

    def dataReceived(self, data: bytes) -> None:
        self._received += len(data)
        self._chunks.append(data)
        if self._received > BODY_LIMIT and not self._done.called:
            self._done.errback(AnswerRefused("answer too large"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._done.called:
            return
        if isinstance(reason.value, ResponseDone):
            self._answered = True
            self._done.callback(b"".join(self._chunks))
        else:
            self._done.errback(reason)


@implementer(IAgent)
class _PlainAgent:
    """Asks for identity and refuses anything else, beneath treq, which would offer gzip and inflate without limit."""

    def __init__(self, agent: KeepingAgent) -> None:
        self._agent = agent

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, body_producer: object = None
    ) -> Deferred[IResponse]:
        headers = headers or Headers()
        headers.setRawHeaders(b"Accept-Encoding", [b"identity"])
        return self._agent.request(method, uri, headers, body_producer).addCallback(_unencoded)


class _NoCookies(IndexableCookieJar):
    """Neither keeps nor sends any."""

    def add_cookie_header(self, request: object) -> None:
        """None to add."""

    def extract_cookies(self, response: object, request: object) -> None:
        """None to keep."""


def _unencoded(response: IResponse) -> IResponse:
    if response.headers.getRawHeaders(b"Content-Encoding", [b"identity"]) != [b"identity"]:
        raise AnswerRefused("encoded answer")
    return response


def _lines(headers: dict[str, str]) -> bytes:
    """A header's lines, each with its end, and that of ``_PlainAgent``. ValueError: one of them would be two."""
    text = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if text.count("\r") != len(headers) or text.count("\n") != len(headers) or "\0" in text:
        raise ValueError("a header's line with an end in it")
    return text.encode() + b"Accept-Encoding: identity\r\n"


def _flat(headers: Headers) -> dict[str, str]:
    return {
        name.decode("latin-1").lower(): b", ".join(values).decode("latin-1")
        for name, values in headers.getAllRawHeaders()
    }


def _reason(problem: BaseException) -> str:
    """The names of what went wrong: texts of exceptions may quote the request."""
    if isinstance(problem, AnswerRefused | AddressRefused | PeerRefused | ProxyRefused | ProxyFailed):
        return f"{type(problem).__name__}: {problem}"
    inner = [_reason(failure.value) for failure in getattr(problem, "reasons", None) or ()]
    return " ".join([type(problem).__name__, *inner])
