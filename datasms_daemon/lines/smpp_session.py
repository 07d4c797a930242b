"""One connection to an SMSC, from the bind to the end (sheet smpp.md § 9)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol as Typed
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IDelayedCall, IPushProducer, IReactorTime, ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from datasms_daemon.config.records import SmppLine
from datasms_daemon.errors import DatasmsError, MalformedPdu
from datasms_daemon.lines.smpp_pdu import (
    ALERT_NOTIFICATION,
    ENQUIRE_LINK,
    ENQUIRE_LINK_RESP,
    GENERIC_NACK,
    MAX_SEQUENCE,
    RESPONSE,
    SUBMIT_SM,
    SUBMIT_SM_RESP,
    UNBIND,
    UNBIND_RESP,
    Bare,
    Bind,
    BindResponse,
    Frame,
    Framer,
    MessageResponse,
    Pdu,
    ShortMessage,
    decode,
    encode,
)
from datasms_daemon.lines.smpp_status import RINVCMDID, ROK, RX_T_APPN, status_name
from datasms_daemon.model import Unknown

CLOSE_TIMEOUT = 5.0
MAX_DELIVERIES = 1_000
MAX_UNREAD = 1 << 20

_log = Logger()
_LINK_LOST = Unknown("connection lost before the answer")


class Deliver(Typed):
    """Takes a deliver_sm or data_sm and its body as it came; the status it returns is answered."""

    def __call__(self, session: SmppSession, pdu: ShortMessage, body: bytes) -> Awaitable[int]: ...


@implementer(IPushProducer)
class SmppSession(Protocol):
    """A client's end of one connection.

    ``closed`` fires once the connection is gone, with what ended it (a value, not a failure). Numbers count up from 1
    and start again only after 2³¹, so that no answer of an older request can meet a new one (I43); another connection
    is another session.
    """

    def __init__(self, options: SmppLine, reactor: IReactorTime, deliver: Deliver) -> None:
        self.closed: Deferred[BaseException | None] = Deferred()
        self.is_bound = False
        self.lost_at: float | None = None
        self._options = options
        self._reactor = reactor
        self._deliver = deliver
        self._framer = Framer()
        self._sequence = 0
        self._binding: tuple[int, Deferred[BindResponse | Unknown]] | None = None
        self._pending: dict[int, tuple[float, Deferred[MessageResponse | Unknown]]] = {}
        self._deliveries = 0
        self._heard = 0.0
        self._ending = False
        self._closing = False
        self._leaving: int | None = None
        self._unread: int | None = None
        self._timers: dict[str, IDelayedCall] = {}
        self._response_timeout = options.response_timeout / 1000

    # What the line asks for

    def bind(self, command: int) -> Deferred[BindResponse | Unknown]:
        """The SMSC's answer to a bind_*; Unknown when the connection ended or bind_timeout passed first."""
        options = self._options
        sequence = self._next_sequence()
        done: Deferred[BindResponse | Unknown] = Deferred()
        self._binding = (sequence, done)
        self._later("bind", options.bind_timeout / 1000, lambda: self._abort("no answer to the bind"))
        self._write(Bind(command, sequence, options.system_id, options.password, options.system_type))
        return done

    def submit(self, pdu: ShortMessage) -> Deferred[MessageResponse | Unknown]:
        """The answer to a submit_sm, or Unknown when none came in response_timeout or before the connection ended.

        Only while ``is_bound``. ValueError when the PDU cannot be written; then nothing was sent.
        """
        pdu.sequence = sequence = self._next_sequence()
        octets = encode(pdu)
        expires = self._reactor.seconds() + self._response_timeout
        answer: Deferred[MessageResponse | Unknown] = Deferred(lambda _: self._give_up(sequence))
        self._pending[sequence] = (expires, answer)
        if "response" not in self._timers:
            self._later("response", self._response_timeout, self._expire)
        self._send(octets)
        return answer

    def end(self) -> None:
        """Unbinds and closes; answers to what was submitted before still count. ``closed`` tells when it is done."""
        if self._ending or self._leaving is not None or self.lost_at is not None:
            return
        self._ending = True
        if self.is_bound:
            self.is_bound = False
            self._write(Bare(UNBIND, self._next_sequence()))
            self._later("close", CLOSE_TIMEOUT, self._transport.abortConnection)
        else:
            self._close()

    # What Twisted tells

    def connectionMade(self) -> None:
        """Twisted: the connection stands."""
        self._heard = self._reactor.seconds()
        self._transport.setTcpNoDelay(True)
        cast(IConsumer, self.transport).registerProducer(self, True)

    def dataReceived(self, data: bytes) -> None:
        """Twisted: octets came."""
        if self._closing:
            return
        try:
            for frame in self._framer.feed(data):
                self._heard = self._reactor.seconds()
                self._frame_received(frame)
        except MalformedPdu as problem:
            _log.warn("framing lost, closing: {problem}", problem=str(problem))
            self._write(Bare(GENERIC_NACK, problem.sequence, problem.status))
            self._close()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Twisted: the connection is gone. What was not answered is Unknown."""
        self.lost_at = self._reactor.seconds()
        self.is_bound = False
        for name in list(self._timers):
            self._forget(name)
        binding, self._binding = self._binding, None
        pending, self._pending = self._pending, {}
        if binding is not None:
            binding[1].callback(_LINK_LOST)
        for _, answer in pending.values():
            answer.callback(_LINK_LOST)
        self.closed.callback(reason.value)

    def pauseProducing(self) -> None:
        """Twisted: what we wrote is not being read. We read on, as a TLS handshake needs it; but see ``_send``."""
        self._unread = 0

    def resumeProducing(self) -> None:
        """Twisted: it is read again."""
        self._unread = None

    def stopProducing(self) -> None:
        """Twisted: the transport is closing."""

    # PDUs

    def _frame_received(self, frame: Frame) -> None:
        if self._closing:
            return
        try:
            pdu = decode(frame)
        except MalformedPdu as problem:
            self._not_understood(frame, problem)
            return
        if isinstance(pdu, MessageResponse) and pdu.command == SUBMIT_SM_RESP:
            self._submit_answered(pdu.sequence, pdu)
        elif isinstance(pdu, ShortMessage) and pdu.command != SUBMIT_SM:
            self._delivered(pdu, frame.body)
        elif isinstance(pdu, Bare):
            self._bare_received(pdu)
        elif isinstance(pdu, BindResponse):
            self._bind_answered(pdu.sequence, pdu)
        elif not pdu.command & RESPONSE:
            self._write(Bare(GENERIC_NACK, pdu.sequence, RINVCMDID))

    def _not_understood(self, frame: Frame, problem: MalformedPdu) -> None:
        if frame.command == ALERT_NOTIFICATION:
            return
        _log.warn("PDU not understood: {problem}", problem=str(problem))
        if not frame.command & RESPONSE:
            self._write(Bare(GENERIC_NACK, frame.sequence, problem.status))
        elif frame.command == SUBMIT_SM_RESP:
            self._submit_answered(frame.sequence, Unknown("undecodable answer"))
        elif not self.is_bound:
            self._bind_answered(frame.sequence, Unknown("undecodable answer"))

    def _submit_answered(self, sequence: int, answer: MessageResponse | Unknown) -> None:
        _, waiting = self._pending.pop(sequence, (0.0, None))
        if waiting is not None:
            waiting.callback(answer)
            self._leave_if_settled()
        else:
            _log.info("an answer came to nothing that waits")

    def _give_up(self, sequence: int) -> None:
        # The number stays used: an answer that comes after all meets nothing.
        self._pending.pop(sequence, None)

    def _bare_received(self, pdu: Bare) -> None:
        if pdu.command == ENQUIRE_LINK:
            self._write(Bare(ENQUIRE_LINK_RESP, pdu.sequence))
        elif pdu.command == UNBIND:
            self._unbound(pdu.sequence)
        elif pdu.command == UNBIND_RESP:
            self._close()
        elif pdu.command == GENERIC_NACK:
            _log.warn("generic_nack: {status}", status=status_name(pdu.status))
            status = pdu.status or RINVCMDID
            self._bind_answered(pdu.sequence, BindResponse(GENERIC_NACK, pdu.sequence, status))
            if pdu.sequence in self._pending:
                self._submit_answered(pdu.sequence, MessageResponse(GENERIC_NACK, pdu.sequence, status))

    def _bind_answered(self, sequence: int, answer: BindResponse | Unknown) -> None:
        if self._binding is None or self._binding[0] != sequence:
            return
        _, done = self._binding
        self._binding = None
        self._forget("bind")
        if isinstance(answer, BindResponse) and answer.status == ROK and not self._ending:
            self.is_bound = True
            self._later("link", self._options.enquire_link / 1000, self._check_link)
        done.callback(answer)

    def _delivered(self, pdu: ShortMessage, body: bytes) -> None:
        if self._deliveries >= MAX_DELIVERIES:
            self._respond(pdu, RX_T_APPN)
            return
        self._deliveries += 1
        # The coroutine lets nothing out; it has no result to wait for.
        Deferred.fromCoroutine(self._take(pdu, body))

    async def _take(self, pdu: ShortMessage, body: bytes) -> None:
        try:
            status = await self._deliver(self, pdu, body)
        except DatasmsError as error:
            _log.warn("a delivery was not taken: {why}", why=str(error))
            status = RX_T_APPN
        except Exception:  # whatever went wrong up there, the SMSC keeps the message and sends it again
            _log.failure("a delivery was not taken")
            status = RX_T_APPN
        self._deliveries -= 1
        self._respond(pdu, status)
        self._leave_if_settled()

    def _respond(self, pdu: ShortMessage, status: int) -> None:
        self._write(MessageResponse(pdu.command | RESPONSE, pdu.sequence, status))

    # The SMSC's unbind

    def _unbound(self, sequence: int) -> None:
        """Nothing new is sent; what both sides still owe an answer for is waited for, or its outcome would be lost."""
        if self._leaving is None:
            self.is_bound = False
            self._leaving = sequence
            self._later("leave", CLOSE_TIMEOUT, self._leave)
            self._leave_if_settled()

    def _leave_if_settled(self) -> None:
        if self._leaving is not None and not self._closing and not self._pending and not self._deliveries:
            self._leave()

    def _leave(self) -> None:
        assert self._leaving is not None
        self._forget("leave")
        self._write(Bare(UNBIND_RESP, self._leaving))
        self._close()

    # Timers

    def _expire(self) -> None:
        now = self._reactor.seconds()
        # All wait equally long, so the oldest come first.
        while self._pending:
            sequence, (expires, answer) = next(iter(self._pending.items()))
            if expires > now:
                self._later("response", expires - now, self._expire)
                return
            del self._pending[sequence]
            answer.callback(Unknown("no answer in time"))

    def _check_link(self) -> None:
        silence = self._reactor.seconds() - self._heard
        left = self._options.enquire_link / 1000 - silence
        if left > 0:
            self._later("link", left, self._check_link)
            return
        asked = self._reactor.seconds()
        self._write(Bare(ENQUIRE_LINK, self._next_sequence()))
        self._later("link", self._options.enquire_timeout / 1000, lambda: self._expect_answer(asked))

    def _expect_answer(self, asked: float) -> None:
        if self._heard < asked:
            self._abort("no answer to enquire_link")
        else:
            self._check_link()

    def _later(self, name: str, seconds: float, call: Callable[[], None]) -> None:
        def fire() -> None:
            del self._timers[name]
            call()

        self._forget(name)
        self._timers[name] = self._reactor.callLater(seconds, fire)

    def _forget(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    # Bytes

    @property
    def _transport(self) -> ITCPTransport:
        return cast(ITCPTransport, self.transport)

    def _next_sequence(self) -> int:
        self._sequence = self._sequence % MAX_SEQUENCE + 1
        while self._sequence in self._pending:
            self._sequence = self._sequence % MAX_SEQUENCE + 1
        return self._sequence

    def _write(self, pdu: Pdu) -> None:
        if self.lost_at is None:
            self._send(encode(pdu))

    def _send(self, octets: bytes) -> None:
        self._transport.write(octets)
        if self._unread is not None:
            # A peer that asks and never reads must not fill our memory with answers.
            self._unread += len(octets)
            if self._unread > MAX_UNREAD:
                self._abort("the SMSC does not read")

    def _close(self) -> None:
        self.is_bound = False
        self._closing = True
        cast(IConsumer, self.transport).unregisterProducer()
        self._transport.loseConnection()
        self._later("close", CLOSE_TIMEOUT, self._transport.abortConnection)

    def _abort(self, why: str) -> None:
        _log.warn("closing the connection: {why}", why=why)
        self._transport.abortConnection()
