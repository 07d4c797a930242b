"""A request on a ``Channel``: what came, and how it is answered."""

from __future__ import annotations

import io
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from twisted.python.failure import Failure
from twisted.web import http, server
from twisted.web.resource import IResource

from datasms_daemon.web.problems import HttpProblem
from datasms_daemon.web.streams import BodyStream

if TYPE_CHECKING:
    from datasms_daemon.web.channel import Channel
    from datasms_daemon.web.site import Site

# Python 3.11 still has the former phrase of 413 (RFC 9110 section 15.5.14).
REASONS = {status.value: status.phrase.encode("ascii") for status in HTTPStatus} | {413: b"Content Too Large"}


class Request(server.Request):
    """A request on a ``Channel``; the route layer reads ``body`` and answers with ``send``."""

    channel: Channel
    site: Site
    content: io.BytesIO
    prepath: list[bytes]
    postpath: list[bytes]
    incoming: BodyStream | None = None
    defaultContentType = None
    _received = 0

    @property
    def body(self) -> bytes:
        """The whole body; at most as long as its route allows."""
        return self.content.getvalue()

    @property
    def query(self) -> bytes:
        """What stands behind the question mark, as it was sent."""
        return self.uri.partition(b"?")[2]

    @property
    def is_abandoned(self) -> bool:
        """Whether the client has hung up."""
        return self.channel is None

    @property
    def wants_plain(self) -> bool:
        """Whether the client sent or asks for text/plain, so that it is told a fault in one line."""
        for name in (b"content-type", b"accept"):
            value = self.requestHeaders.getRawHeaders(name)
            if value and value[0].lower().startswith(b"text/plain"):
                return True
        return False

    def header(self, name: str) -> str | None:
        """The value of a header that may stand once, read as UTF-8; HttpProblem when it stands twice or is not."""
        values = self.requestHeaders.getRawHeaders(name.encode("ascii"))
        if values is None:
            return None
        if len(values) > 1:
            raise HttpProblem("malformed", f"The header {name} stands more than once")
        try:
            return values[0].decode("utf-8")
        except UnicodeDecodeError:
            raise HttpProblem("malformed", f"The header {name} is not UTF-8") from None

    def stream(self) -> None:
        """Lifts the time limit for this answer: it is a stream that ends when either side wants."""
        if self.channel is not None:
            self.channel.stream()

    def sends(self, size: int) -> None:
        """Gives the answer so much time as this many bytes may take."""
        if self.channel is not None:
            self.channel.sends(size)

    @property
    def is_held_up(self) -> bool:
        """Whether the client takes nothing at the moment; a producer that registers now is not told so."""
        return self.channel is not None and self.channel._waitingForTransport

    def abort(self) -> None:
        """Breaks the connection: an answer that was begun cannot be ended well."""
        if self.channel is not None:
            self.channel.transport.abortConnection()

    def send_problem(self, problem: HttpProblem) -> bytes:
        """Sets status and headers for ``problem``; the answer is the body to write."""
        media, body = problem.content(self.wants_plain)
        for name, value in problem.headers:
            self.responseHeaders.addRawHeader(name, value)
        return self.send(problem.status, media, body)

    def send(self, status: int, media: bytes, body: bytes) -> bytes:
        """Sets status, type and length; the answer is the body to write."""
        self.code = status
        self.code_message = REASONS[status]
        if status != 204:
            headers = self.responseHeaders
            headers.setRawHeaders(b"Content-Type", [media])
            headers.setRawHeaders(b"Content-Length", [b"%d" % len(body)])
        return body

    def getRequestHostname(self) -> bytes:
        """The same for everybody: nothing here may depend on what a client calls us."""
        return b"datasms"

    def parseCookies(self) -> None:
        """There are none here."""

    def write(self, data: bytes) -> None:
        # Not by server.Request, which looks for a type to add and for an encoder first: an answer has its type, and is
        # sent as it is.
        http.Request.write(self, data)

    def gotLength(self, length: int | None) -> None:
        self.content = io.BytesIO()

    def handleContentChunk(self, data: bytes) -> None:
        self._received += len(data)
        if self._received > self.channel.body_limit:
            self.channel.refuse(self.channel.too_large())
        elif self.incoming is not None:
            self.incoming.put(data)
        else:
            self.content.write(data)

    def begin(self, method: bytes, target: bytes, version: bytes, length: int | None) -> None:
        """Lets the route read the body as it comes; called when the head is there."""
        self.incoming = BodyStream(length, self.channel.hold, self.channel.go_on)
        server.Request.requestReceived(self, method, target, version)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        if self.incoming is None:
            server.Request.requestReceived(self, command, path, version)
        else:
            self.incoming.end()

    def connectionLost(self, reason: Failure) -> None:
        server.Request.connectionLost(self, reason)
        if self.incoming is not None:
            self.incoming.fail(HttpProblem("malformed", "The body was cut off"))

    def process(self) -> None:
        self.site = self.channel.site
        self.prepath = []
        parts = self.path[1:].split(b"/")
        self.postpath = [unquote_to_bytes(part) for part in parts] if b"%" in self.path else parts
        if not self._is_path_readable():
            self._finish_with(HttpProblem("malformed", "The path is not an absolute path in UTF-8"))
            return
        try:
            self.render(self.site.resource)
        except Exception:
            self.processingFailed(Failure())

    def render(self, resource: IResource) -> None:
        result = resource.render(self)
        if result is not server.NOT_DONE_YET:
            self.write(result)
            self.finish()

    def answer(self, result: bytes | IResource) -> None:
        """Writes a body whose head ``send`` has set, or lets a resource take over; nothing when the client is gone."""
        if self.is_abandoned or self._is_refused:
            return
        if isinstance(result, bytes):
            self._finish(result)
        else:
            self.postpath = []
            self.render(result)

    def answer_failed(self, reason: Failure) -> None:
        """What came in place of an answer is logged; the client, if it is still there, is told of a fault."""
        if self.is_abandoned:
            self.site.internal(reason)
        else:
            self.processingFailed(reason)

    def processingFailed(self, reason: Failure) -> Failure:
        self._finish_with(self.site.internal(reason))
        return reason

    def _is_path_readable(self) -> bool:
        try:
            path = b"/".join(self.postpath).decode("utf-8")
        except UnicodeDecodeError:
            return False
        return self.path[:1] == b"/" and "\0" not in path

    @property
    def _is_refused(self) -> bool:
        """Whether the channel has answered in our place, while the body was still coming."""
        return self.incoming is not None and self.incoming.problem is not None

    def _finish(self, body: bytes) -> None:
        if self.incoming is not None and not self.incoming.is_complete:
            self.channel.cut(self.code, self.responseHeaders, body, HttpProblem("malformed", "Answered already"))
        else:
            self.write(body)
            self.finish()

    def _finish_with(self, problem: HttpProblem) -> None:
        if self.startedWriting:
            self.channel.transport.abortConnection()
        elif not self._is_refused:
            self._finish(self.send_problem(problem))
