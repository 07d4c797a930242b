"""The inbox as a WebSocket (RFC 6455): items go out as text frames, receipts come in.

Only so much is sent as the client confirms with a pong to have received, so that a slow client fills no memory here.
"""

from __future__ import annotations

from contextlib import suppress
from typing import cast

import h11
import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.server import Request as BaseRequest
from twisted.web.websocket import WebSocketResource, WebSocketTransport
from wsproto import ConnectionType
from wsproto.frame_protocol import CloseReason
from wsproto.handshake import H11Handshake
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from datasms_daemon.errors import DatasmsError
from datasms_daemon.model import DeviceReceipt
from datasms_daemon.mxservice.admission import Client
from datasms_daemon.mxservice.follow import Follow
from datasms_daemon.mxservice.records import ReceiptsRequest, Withdrawn, device_receipts, item_answer, receipts_answer
from datasms_daemon.mxservice.service import Service
from datasms_daemon.web.channel import Channel
from datasms_daemon.web.problems import HttpProblem
from datasms_daemon.web.request import Request
from datasms_daemon.web.strict import JsonDecoder

MAX_FRAME = 64 * 1024
MAX_UNCOMMITTED = 1000
PING_S = 30
CLOSE_S = 3

_encode = msgspec.json.Encoder().encode
_decode = JsonDecoder(ReceiptsRequest).decode


class InboxSocket:
    """One WebSocket of one device (a ``WebSocketProtocol``).

    It closes with 1008 when the device is revoked or sends what cannot be read, 1009 when a message is too large, 1003
    for a binary one, 1011 when something went wrong here. A client whose pong is missing for 30 s is cut off, and so is
    one that does not take part in closing.
    """

    _log = Logger()

    def __init__(self, service: Service, client: Client, after: int, channel: Channel) -> None:
        self._service = service
        self._client = client
        self._after = after
        self._channel = channel
        self._pings = 0
        self._unanswered_since: float | None = None
        self._unread = 0
        self._uncommitted: list[DeviceReceipt] = []
        self._is_committing = False
        self._is_leaving = False
        self._abort: IDelayedCall | None = None

    # What Twisted calls.

    def negotiationStarted(self, transport: WebSocketTransport) -> None:
        """The connection is there."""
        self._transport = transport

    def negotiationFinished(self) -> None:
        """The handshake is done: the inbox flows."""
        # The HTTP channel is still registered as producer, and over TLS no connection closes before that is undone.
        self._transport.detachProducer()
        reactor = self._service.reactor
        self._follow = Follow(
            self._service.backend,
            self._client.device.id,
            self._after,
            revoked=self._on_revoked,
            withdrawn=lambda message: self._send(_encode(Withdrawn(withdrawn=message))),
        )
        self._beat = LoopingCall(self._on_beat)
        self._beat.clock = reactor
        self._beat.start(PING_S, now=False).addErrback(self._on_error)
        Deferred.fromCoroutine(self._deliver()).addErrback(self._on_error)

    def pongReceived(self, payload: bytes) -> None:
        """The client has received everything up to the ping with this payload."""
        if payload == self._last_ping() and self._unanswered_since is not None:
            self._unanswered_since = None
            self._unread = 0
            self._follow.resumeProducing()

    def textMessageReceived(self, message: str) -> None:
        """Receipts from the client."""
        self._unread = 0
        if self._is_leaving:
            return
        if len(message) > MAX_FRAME:
            self.close(CloseReason.MESSAGE_TOO_BIG)
            return
        try:
            receipts = _decode(message.encode("utf-8")).receipts
        except HttpProblem as problem:
            self._send(problem.content(plain=False)[1])
            self.close(CloseReason.POLICY_VIOLATION)
            return
        self._uncommitted += device_receipts(receipts, self._service.now())
        if len(self._uncommitted) > MAX_UNCOMMITTED:
            self.close(CloseReason.POLICY_VIOLATION)
        if not self._is_committing:
            self._is_committing = True
            Deferred.fromCoroutine(self._commit()).addErrback(self._on_error)

    def bytesMessageReceived(self, data: bytes | bytearray) -> None:
        """Nothing that we understand."""
        self.close(CloseReason.UNSUPPORTED_DATA)

    def connectionLost(self, reason: Failure) -> None:
        """The connection is gone."""
        self.leave()
        if self._abort is not None and self._abort.active():
            self._abort.cancel()

    # What the resource calls.

    def received(self, size: int) -> None:
        """Counts bytes that came in; a message of which more than MAX_FRAME is here and no end is too large."""
        self._unread += size
        if self._unread > MAX_FRAME + 1024:
            self.close(CloseReason.MESSAGE_TOO_BIG)

    @property
    def is_leaving(self) -> bool:
        """Whether the connection is being closed and nothing that comes matters any more."""
        return self._is_leaving

    def leave(self) -> None:
        """Stops; the connection is gone or is cut soon, whatever the far end does."""
        if not self._is_leaving:
            self._is_leaving = True
            self._follow.close()
            if self._beat.running:
                self._beat.stop()
            self._abort = self._service.reactor.callLater(CLOSE_S, self._channel.transport.abortConnection)

    def close(self, code: CloseReason) -> None:
        """Says goodbye with ``code`` and stops."""
        if not self._is_leaving:
            self.leave()
            # The client may have closed first.
            with suppress(LocalProtocolError):
                self._transport.loseConnection(int(code))

    async def _deliver(self) -> None:
        # It may have been revoked before the watch began.
        if not await self._service.admission.is_active(self._client):
            self._on_revoked()
        while (items := await self._follow.next()) is not None:
            for item in items:
                self._send(_encode(item_answer(item)))
            self._follow.pauseProducing()
            self._ping()

    async def _commit(self) -> None:
        """Commits receipts in as few steps as they come in; what the limit holds back goes with the next step."""
        device = self._client.device.id
        try:
            while self._uncommitted:
                wait = self._service.admission.delay_ms(device)
                if wait:
                    await deferLater(self._service.reactor, wait / 1000)
                    continue
                receipts, self._uncommitted = tuple(self._uncommitted), []
                unknown = await self._service.backend.receipts(device, receipts)
                self._send(_encode(receipts_answer(receipts, unknown)))
        finally:
            self._is_committing = False

    def _on_beat(self) -> None:
        if self._unanswered_since is None:
            self._ping()
        elif self._service.reactor.seconds() - self._unanswered_since >= PING_S:
            self._channel.transport.abortConnection()

    def _on_revoked(self) -> None:
        self._uncommitted = []
        self.close(CloseReason.POLICY_VIOLATION)

    def _on_error(self, failure: Failure) -> None:
        if failure.check(DatasmsError):
            # It says itself what is wrong, as for each client that confirms something to a damaged database.
            self._log.warn("A stream ended: {why}", why=failure.getErrorMessage())
        else:
            self._log.failure("A stream ended", failure=failure)
        self.close(CloseReason.INTERNAL_ERROR)

    def _send(self, content: bytes) -> None:
        if not self._is_leaving:
            with suppress(LocalProtocolError):
                self._transport.sendTextMessage(content.decode("utf-8"))

    def _ping(self) -> None:
        self._pings += 1
        if self._unanswered_since is None:
            self._unanswered_since = self._service.reactor.seconds()
        if not self._is_leaving:
            with suppress(LocalProtocolError):
                self._transport.ping(self._last_ping())

    def _last_ping(self) -> bytes:
        return b"%d" % self._pings


class InboxSocketResource(WebSocketResource):
    """Takes a request over as an ``InboxSocket``; ask ``handshake_fault`` first."""

    def __init__(self, service: Service, client: Client, after: int) -> None:
        super().__init__(self)
        self._service = service
        self._client = client
        self._after = after

    def buildProtocol(self, request: BaseRequest) -> InboxSocket:
        """The socket of this request."""
        channel = cast(Channel, request.channel)
        self._socket = InboxSocket(self._service, self._client, self._after, channel)
        return self._socket

    def render_GET(self, request: BaseRequest) -> bytes | int:
        """Upgrades, and bounds what may come in: Twisted's own buffer of an unfinished message grows for ever."""
        answer = super().render_GET(request)
        channel = cast(Channel, request.channel)
        socket, receive = self._socket, channel.dataReceived

        def data_received(data: bytes) -> None:
            if not socket.is_leaving:
                receive(data)
                socket.received(len(data))
            # The client said goodbye, of which Twisted does not tell the protocol before the connection is gone.
            if getattr(channel.transport, "disconnecting", False):
                socket.leave()

        channel.dataReceived = data_received  # type: ignore[method-assign]
        return answer


def handshake_fault(request: Request) -> HttpProblem | None:
    """What is wrong with a request that should open a WebSocket; None when nothing is."""
    raw = request.requestHeaders.getAllRawHeaders()
    headers = [(name, value) for name, values in raw for value in values]
    try:
        if request.method != b"GET":
            raise RemoteProtocolError("not a GET")
        H11Handshake(ConnectionType.SERVER).initiate_upgrade_connection(headers, request.path)
    except (RemoteProtocolError, h11.ProtocolError, UnicodeError):
        wanted = [(b"Upgrade", b"websocket"), (b"Sec-WebSocket-Version", b"13")]
        return HttpProblem("malformed", "A WebSocket handshake (RFC 6455) is needed here", headers=wanted)
    return None
