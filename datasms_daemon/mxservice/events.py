"""The inbox as Server-Sent Events (WHATWG HTML, section "Server-sent events")."""

from __future__ import annotations

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from datasms_daemon.model import MessageId
from datasms_daemon.mxservice.admission import Client
from datasms_daemon.mxservice.follow import Follow
from datasms_daemon.mxservice.records import Withdrawn, item_answer
from datasms_daemon.mxservice.service import Service
from datasms_daemon.web.request import Request

MEDIA = "text/event-stream"
BEAT_S = 30

_encode = msgspec.json.Encoder().encode


class InboxEvents(Resource):
    """Takes a request over; each item is one event whose id is the item's cursor."""

    isLeaf = True

    def __init__(self, service: Service, client: Client, after: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._service = service
        self._client = client
        self._after = after

    def render_GET(self, request: Request) -> int:
        """Begins the stream."""
        _head(request)
        EventStream(self._service, self._client, self._after, request)
        return NOT_DONE_YET

    def render_HEAD(self, request: Request) -> bytes:
        """The head alone."""
        _head(request)
        return b""


class EventStream:
    """Writes to ``request`` until the device is revoked or the client has gone.

    A comment every 30 s shows that the stream lives; a client that takes nothing for as long is cut off.
    """

    _log = Logger()

    def __init__(self, service: Service, client: Client, after: int, request: Request) -> None:
        self._service = service
        self._client = client
        self._request = request
        self._channel = request.channel
        self._is_over = False
        self._was_paused = False
        request.stream()
        request.notifyFinish().addBoth(lambda _: self._stop())
        self._follow = Follow(service.backend, client.device.id, after, revoked=self._end, withdrawn=self._on_withdrawn)
        request.registerProducer(self._follow, True)
        # The head goes out with the first byte.
        request.write(b":\n\n")
        self._beat = LoopingCall(self._on_beat)
        self._beat.clock = service.reactor
        self._beat.start(BEAT_S, now=False).addErrback(self._on_error)
        Deferred.fromCoroutine(self._deliver()).addErrback(self._on_error)

    async def _deliver(self) -> None:
        # It may have been revoked before the watch began.
        if not await self._service.admission.is_active(self._client):
            self._end()
        while (items := await self._follow.next()) is not None:
            self._request.write(
                b"".join(b"id: %d\ndata: %b\n\n" % (item.seq, _encode(item_answer(item))) for item in items)
            )

    def _on_withdrawn(self, message: MessageId) -> None:
        if not self._is_over and not self._follow.paused:
            self._request.write(b"event: withdrawn\ndata: %b\n\n" % _encode(Withdrawn(withdrawn=message)))

    def _on_beat(self) -> None:
        if not self._follow.paused:
            self._request.write(b":\n\n")
        elif self._was_paused:
            self._channel.transport.abortConnection()
        self._was_paused = self._follow.paused

    def _end(self) -> None:
        if self._is_over:
            return
        if self._follow.paused:
            self._channel.transport.abortConnection()
            return
        self._channel.persistent = False
        self._request.unregisterProducer()
        self._request.finish()

    def _stop(self) -> None:
        self._is_over = True
        self._follow.close()
        if self._beat.running:
            self._beat.stop()

    def _on_error(self, failure: Failure) -> None:
        self._log.failure("A stream ended", failure=failure)
        self._end()


def _head(request: Request) -> None:
    request.code, request.code_message = 200, b"OK"
    request.responseHeaders.setRawHeaders(b"Content-Type", [MEDIA.encode("ascii")])
