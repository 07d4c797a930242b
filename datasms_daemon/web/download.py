"""An answer that is read piece by piece while it goes out, no faster than the client takes it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import quote

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

from datasms_daemon.web.problems import HttpProblem
from datasms_daemon.web.ranges import Part, part_of
from datasms_daemon.web.request import REASONS, Request

Read = Callable[[int, int], Awaitable[bytes]]
"""Bytes from an offset on, at most so many; none when there are no more."""


class Download(Resource):
    """``size`` bytes of type ``media`` under the name ``name``, or the part of them that the request asks for.

    They are read ``piece`` bytes at once. ``tag`` is the same for the same bytes only. Whoever shows them is told to
    save them instead, and to run nothing of them (reliability.md § 3b). HttpProblem ``range_not_satisfiable``.
    """

    isLeaf = True

    def __init__(self, request: Request, name: str, media: str, size: int, tag: str, read: Read, piece: int) -> None:
        Resource.__init__(self)
        etag = f'"{tag}"'
        asked = request.header("range") if request.header("if-range") in (None, etag) else None
        part = part_of(asked, size)
        if part is None:
            nothing = (b"Content-Range", b"bytes */%d" % size)
            raise HttpProblem("range_not_satisfiable", f"There are {size} bytes", headers=[nothing])
        self._part = part
        self._read = read
        self._piece = piece
        self._headers = {
            "Content-Type": media,
            "Content-Length": str(part.size),
            "Content-Disposition": disposition(name),
            "Content-Security-Policy": "sandbox",
            "Accept-Ranges": "bytes",
            "ETag": etag,
        }
        if part.is_part:
            self._headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"

    def render(self, request: Request) -> int:
        """Begins; goes on by itself."""
        request.code = 206 if self._part.is_part else 200
        request.code_message = REASONS[request.code]
        for name, value in self._headers.items():
            request.responseHeaders.setRawHeaders(name.encode("ascii"), [value.encode("ascii")])
        request.sends(self._part.size)
        _Sending(request, self._part, self._read, self._piece).start()
        return NOT_DONE_YET


@implementer(IPushProducer)
class _Sending:
    """One download under way."""

    _log = Logger()

    def __init__(self, request: Request, part: Part, read: Read, piece: int) -> None:
        self._request = request
        self._at = part.start
        self._stop = part.stop
        self._read = read
        self._piece = piece
        self._pause: Deferred[None] | None = None

    def start(self) -> None:
        """Sends until all is sent or the client is gone."""
        self._request.notifyFinish().addErrback(lambda _: self.resumeProducing())
        self._request.registerProducer(self, True)
        if self._request.is_held_up:
            self.pauseProducing()
        Deferred.fromCoroutine(self._run()).addErrback(self._failed)

    def pauseProducing(self) -> None:
        """The client takes no more for now."""
        if self._pause is None:
            self._pause = Deferred()

    def resumeProducing(self) -> None:
        """The client takes more, or is gone."""
        pause, self._pause = self._pause, None
        if pause is not None:
            pause.callback(None)

    def stopProducing(self) -> None:
        """The connection is gone."""
        self.resumeProducing()

    async def _run(self) -> None:
        while self._at < self._stop:
            if self._pause is not None:
                await self._pause
            if self._is_left():
                return
            data = await self._read(self._at, min(self._piece, self._stop - self._at))
            if self._is_left():
                return
            if not data:
                self._log.warn("A download was broken off: its content is gone")
                self._request.abort()
                return
            self._request.write(data)
            self._at += len(data)
        self._request.unregisterProducer()
        self._request.finish()

    def _is_left(self) -> bool:
        return self._request.is_abandoned

    def _failed(self, failure: Failure) -> None:
        self._log.failure("A download failed", failure=failure)
        self._request.abort()


def disposition(name: str) -> str:
    """A Content-Disposition that saves under this name (RFC 6266 § 4), in full and for who knows ASCII only."""
    plain = "".join(letter if " " <= letter <= "~" and letter not in '"\\%' else "_" for letter in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
