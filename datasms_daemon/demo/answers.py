"""Answers for local stand-ins of HTTP services: proper ones, and those of a far end that is broken or hostile.

An answer is a function of the request that returns what ``Resource.render`` returns.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime, ITCPTransport
from twisted.web.http import Request
from twisted.web.server import NOT_DONE_YET

Rendered = bytes | int
ScriptedAnswer = Callable[[Request], Rendered]

MEBIBYTE = 1 << 20


def answer(
    status: int, body: bytes = b"", headers: dict[str, str] | None = None, content_type: str = "application/json"
) -> ScriptedAnswer:
    """This status, body and headers."""

    def render(request: Request) -> Rendered:
        request.setResponseCode(status)
        request.setHeader("Content-Type", content_type)
        for name, value in (headers or {}).items():
            request.setHeader(name, value)
        return body

    return render


def silence(request: Request) -> Rendered:
    """Never answers."""
    _forget(request)
    return NOT_DONE_YET


def cut(clock: IReactorTime) -> ScriptedAnswer:
    """Promises a body and resets the connection in the middle of it."""

    def render(request: Request) -> Rendered:
        _forget(request)
        request.setHeader("Content-Length", "1000")
        request.write(b'{"name": "')
        # A moment later: TLS collects small writes, and a reset would throw them away.
        clock.callLater(0.01, _transport(request).abortConnection)
        return NOT_DONE_YET

    return render


def reset(request: Request) -> Rendered:
    """Resets the connection without a word."""
    _forget(request)
    _transport(request).abortConnection()
    return NOT_DONE_YET


def giant(request: Request) -> Rendered:
    """One mebibyte where a few hundred bytes were expected."""
    return b"x" * MEBIBYTE


def endless_head(request: Request) -> Rendered:
    """Header lines without end, each of them small."""
    _forget(request)
    _transport(request).write(b"HTTP/1.1 200 OK\r\n")
    _transport(request).writeSequence([b"X-%d: %s\r\n" % (line, b"y" * 1000) for line in range(1000)])
    return NOT_DONE_YET


def gzip_bomb(request: Request) -> Rendered:
    """A few kilobytes that would inflate to eight mebibytes, though identity was asked for."""
    request.setHeader("Content-Encoding", "gzip")
    return gzip.compress(b"0" * (8 * MEBIBYTE))


def redirect_to(url: str) -> ScriptedAnswer:
    """Sends the client elsewhere, method and body kept."""
    return answer(307, headers={"Location": url})


def twice(request: Request) -> Rendered:
    """A second answer, to a question nobody asked, right behind the first."""
    body, stray = b'{"name": "first"}', b'{"name": "stray"}'
    connection = _transport(request)
    request.setHeader("Content-Length", str(len(body)))
    request.write(body)
    request.finish()
    connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(stray), stray))
    return NOT_DONE_YET


def drip(clock: IReactorTime, every_s: float) -> ScriptedAnswer:
    """One byte at a time, so that no idle time-out ever strikes."""

    def render(request: Request) -> Rendered:
        request.setHeader("Content-Length", "60000")
        gone = request.notifyFinish()

        def one() -> None:
            request.write(b" ")
            timers.append(clock.callLater(every_s, one))

        timers = [clock.callLater(every_s, one)]
        gone.addErrback(lambda _: timers[-1].cancel())
        return NOT_DONE_YET

    return render


def late(clock: IReactorTime, after_s: float, then: ScriptedAnswer) -> ScriptedAnswer:
    """The answer ``then``, but only after so many seconds."""

    def render(request: Request) -> Rendered:
        def finish() -> None:
            body = then(request)
            if isinstance(body, bytes):
                request.setHeader("Content-Length", str(len(body)))
                request.write(body)
                request.finish()

        timer = clock.callLater(after_s, finish)
        gone = request.notifyFinish()
        gone.addErrback(lambda _: timer.cancel() if timer.active() else None)
        return NOT_DONE_YET

    return render


def _transport(request: Request) -> ITCPTransport:
    """The TLS connection itself, past what HTTP would have to say."""
    return cast(ITCPTransport, request.channel.transport)


def _forget(request: Request) -> None:
    """However the connection ends, it was meant to."""
    gone: Deferred[None] = request.notifyFinish()
    gone.addErrback(lambda _: None)
