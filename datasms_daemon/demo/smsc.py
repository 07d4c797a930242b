"""A small SMSC for demonstrations, tests and benchmarks: the server's side of SMPP 3.4 (sheet smpp.md § 10)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from hmac import compare_digest
from itertools import count
from typing import Final, NamedTuple, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime, ITCPTransport
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.python.failure import Failure

from datasms_daemon.errors import MalformedPdu
from datasms_daemon.lines.smpp_parts import E164, INTERNATIONAL
from datasms_daemon.lines.smpp_pdu import (
    BIND_RECEIVER,
    BIND_TRANSMITTER,
    DELIVER_SM,
    DELIVER_SM_RESP,
    ENQUIRE_LINK,
    GENERIC_NACK,
    MESSAGE_STATE,
    RECEIPTED_MESSAGE_ID,
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
from datasms_daemon.lines.smpp_status import RINVBNDSTS, RINVCMDID, RINVPASWD, ROK, RTHROTTLED, RX_T_APPN
from datasms_daemon.rules.text import split

RESEND_S: Final = 1.0
DRIP_S: Final = 0.01
_STATES = {
    "ENROUTE": 1,
    "DELIVRD": 2,
    "EXPIRED": 3,
    "DELETED": 4,
    "UNDELIV": 5,
    "ACCEPTD": 6,
    "UNKNOWN": 7,
    "REJECTD": 8,
}


class Fault(Enum):
    """How an SMSC can be a nuisance when a submit_sm comes."""

    NONE = auto()
    DROP = auto()  # hangs up instead of answering
    SILENT = auto()  # takes it and never answers
    RECEIPT_FIRST = auto()  # sends the receipt before the answer
    MALFORMED = auto()  # sends two PDUs that nobody understands before the answer
    GIANT = auto()  # sends a PDU of an impossible length
    DRIP = auto()  # writes one octet at a time


class Reply(NamedTuple):
    """How a submit_sm is answered: the command_status, after so many seconds."""

    status: int = ROK
    delay: float = 0.0


class Submission(NamedTuple):
    """A submit_sm that was answered ROK (or not at all, while SILENT) and the id it got."""

    id: str
    pdu: ShortMessage


class _Delivery(NamedTuple):
    pdu: ShortMessage
    done: Deferred[int]


class Smsc(ServerFactory):
    """Listen with it as with any factory; everything the ESMEs did stands in ``binds`` and ``submissions``.

    ``on_submit`` answers each submit_sm (default: taken at once). ``receipt_after`` seconds after the answer the
    receipt DELIVRD follows by itself; None: only when told. ``receipt_id`` spells the id in receipts. ``fault`` may be
    changed at any time. Deliveries wait for a receiver and are repeated until they are answered for good.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        password: str,
        *,
        on_submit: Callable[[ShortMessage], Reply] | None = None,
        receipt_after: float | None = None,
        receipt_id: Callable[[str], str] = str,
    ) -> None:
        self.reactor = reactor
        self.fault = Fault.NONE
        self.binds: list[Bind] = []
        self.submissions: list[Submission] = []
        self.connections: list[SmscConnection] = []
        self._password = password
        self._on_submit = on_submit
        self._receipt_after = receipt_after
        self._receipt_id = receipt_id
        self._throttled = 0
        self._ids = count(0xA0000001)
        self._by_id: dict[str, ShortMessage] = {}
        self._backlog: deque[_Delivery] = deque()
        self._timers: set[IDelayedCall] = set()

    def buildProtocol(self, addr: IAddress | None) -> SmscConnection:
        """Twisted: a new connection."""
        return SmscConnection(self)

    # Verbs

    def throttle(self, times: int) -> None:
        """Answers the next ``times`` submit_sm with RTHROTTLED."""
        self._throttled = times

    def drop(self) -> None:
        """Cuts all connections without a word."""
        for connection in list(self.connections):
            connection.abort()

    def stop(self) -> None:
        """Cuts all connections and forgets what was to come."""
        for call in list(self._timers):
            call.cancel()
        self._timers.clear()
        self._backlog.clear()
        self.drop()

    def deliver_receipt(
        self, id_: str, stat: str = "DELIVRD", error: str = "000", *, tlvs: bool = True
    ) -> Deferred[int]:
        """Sends the receipt of a submission; fires with the status it was answered with. KeyError: no such id."""
        pdu = self._by_id[id_]
        spelled = self._receipt_id(id_)
        done = "001" if stat == "DELIVRD" else "000"
        text = f"id:{spelled} sub:001 dlvrd:{done} submit date: done date: stat:{stat} err:{error} text:"
        extra = {RECEIPTED_MESSAGE_ID: spelled.encode() + b"\0", MESSAGE_STATE: bytes((_STATES[stat],))} if tlvs else {}
        return self.deliver(
            ShortMessage(
                DELIVER_SM,
                0,
                source_ton=pdu.dest_ton,
                source_npi=pdu.dest_npi,
                source=pdu.dest,
                dest_ton=pdu.source_ton,
                dest_npi=pdu.source_npi,
                dest=pdu.source,
                esm_class=0x04,
                short_message=text.encode("latin-1"),
                tlvs=extra,
            )
        )

    def send_inbound(self, source: str, dest: str, text: str, reference: int = 1) -> list[Deferred[int]]:
        """Sends a text from a number to the ESME, in parts if it is long; each fires with its answer's status."""
        coded = split(text)
        total = len(coded.parts)
        sent: list[Deferred[int]] = []
        for number, part in enumerate(coded.parts, 1):
            header = bytes((5, 0, 3, reference, total, number)) if total > 1 else b""
            pdu = ShortMessage(
                DELIVER_SM,
                0,
                source_ton=INTERNATIONAL,
                source_npi=E164,
                source=source.removeprefix("+"),
                dest_ton=INTERNATIONAL if dest.startswith("+") else 0,
                dest_npi=E164,
                dest=dest.removeprefix("+"),
                esm_class=0x40 if header else 0,
                data_coding=coded.data_coding,
                short_message=header + part,
            )
            sent.append(self.deliver(pdu))
        return sent

    def deliver(self, pdu: ShortMessage) -> Deferred[int]:
        """Sends any deliver_sm; fires with the status it was answered with in the end."""
        delivery = _Delivery(pdu, Deferred())
        self._send(delivery)
        return delivery.done

    # What connections tell

    def bind_status(self, bind: Bind) -> int:
        """Whether an ESME may come in."""
        self.binds.append(bind)
        return ROK if compare_digest(bind.password.reveal().encode(), self._password.encode()) else RINVPASWD

    def bound(self) -> None:
        """A connection is bound: what waits for a receiver is sent."""
        waiting, self._backlog = self._backlog, deque()
        for delivery in waiting:
            self._send(delivery)

    def submitted(self, connection: SmscConnection, pdu: ShortMessage) -> None:
        """A submit_sm came on a connection that may send one."""
        if self._throttled:
            self._throttled -= 1
            connection.write(MessageResponse(SUBMIT_SM_RESP, pdu.sequence, RTHROTTLED))
            return
        reply = Reply() if self._on_submit is None else self._on_submit(pdu)
        if reply.delay:
            self.later(reply.delay, lambda: self._answer(connection, pdu, reply.status))
        else:
            self._answer(connection, pdu, reply.status)

    def undelivered(self, delivery: _Delivery) -> None:
        """A delivery was not answered, or refused for now: it is sent again."""
        self.later(RESEND_S, lambda: self._send(delivery))

    # Answering

    def _answer(self, connection: SmscConnection, pdu: ShortMessage, status: int) -> None:
        if self.fault is Fault.DROP:
            connection.abort()
            return
        if status != ROK:
            connection.write(MessageResponse(SUBMIT_SM_RESP, pdu.sequence, status))
            return
        id_ = f"{next(self._ids):X}"
        self.submissions.append(Submission(id_, pdu))
        self._by_id[id_] = pdu
        if self.fault is Fault.RECEIPT_FIRST:
            self.deliver_receipt(id_)
        elif self.fault is Fault.MALFORMED:
            connection.write_octets(_NONSENSE)
        elif self.fault is Fault.GIANT:
            connection.write_octets(b"\x7f\xff\xff\xff" + _NONSENSE[4:16])
        if self.fault is not Fault.SILENT:
            connection.write(MessageResponse(SUBMIT_SM_RESP, pdu.sequence, ROK, id_))
        if self._receipt_after is not None and pdu.registered_delivery & 1:
            self.later(self._receipt_after, lambda: self.deliver_receipt(id_))

    def _send(self, delivery: _Delivery) -> None:
        for connection in self.connections:
            if connection.can_receive:
                connection.deliver(delivery)
                return
        self._backlog.append(delivery)

    def later(self, seconds: float, call: Callable[[], object]) -> None:
        """Calls in so many seconds, unless stopped before."""

        def fire() -> None:
            self._timers.discard(timer)
            call()

        timer = self.reactor.callLater(seconds, fire)
        self._timers.add(timer)


# A deliver_sm whose strings have no end, and a command that does not exist.
_NONSENSE = bytes.fromhex("00000018 00000005 00000000 000003e7 ffffffffffffffff 00000010 00000777 00000000 000003e8")


class SmscConnection(Protocol):
    """One ESME's connection."""

    def __init__(self, smsc: Smsc) -> None:
        self.can_receive = False
        self._can_send = False
        self._smsc = smsc
        self._framer = Framer()
        self._sequence = 0
        self._unanswered: dict[int, _Delivery] = {}
        self._dripping: deque[int] = deque()

    def connectionMade(self) -> None:
        """Twisted: an ESME connected."""
        cast(ITCPTransport, self.transport).setTcpNoDelay(True)
        self._smsc.connections.append(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Twisted: it is gone; what it did not answer is sent again to whoever comes."""
        self.can_receive = self._can_send = False
        self._smsc.connections.remove(self)
        self._dripping.clear()
        unanswered, self._unanswered = self._unanswered, {}
        for delivery in unanswered.values():
            self._smsc.undelivered(delivery)

    def dataReceived(self, data: bytes) -> None:
        """Twisted: octets came."""
        try:
            for frame in self._framer.feed(data):
                self._frame_received(frame)
        except MalformedPdu as problem:
            self.write(Bare(GENERIC_NACK, problem.sequence, problem.status))
            cast(ITCPTransport, self.transport).loseConnection()

    def deliver(self, delivery: _Delivery) -> None:
        """Sends a deliver_sm and keeps it until it is answered."""
        self._sequence += 1
        delivery.pdu.sequence = self._sequence
        self._unanswered[self._sequence] = delivery
        self.write(delivery.pdu)

    def write(self, pdu: Pdu) -> None:
        """Sends a PDU; nothing once the connection is gone."""
        self.write_octets(encode(pdu))

    def write_octets(self, octets: bytes) -> None:
        """Sends anything; one octet at a time while the fault is DRIP."""
        if self._smsc.fault is not Fault.DRIP and not self._dripping:
            cast(ITCPTransport, self.transport).write(octets)
            return
        is_dripping = bool(self._dripping)
        self._dripping += octets
        if not is_dripping:
            self._drip()

    def abort(self) -> None:
        """Cuts the connection."""
        cast(ITCPTransport, self.transport).abortConnection()

    def _drip(self) -> None:
        if self._dripping:
            cast(ITCPTransport, self.transport).write(bytes((self._dripping.popleft(),)))
            self._smsc.later(DRIP_S, self._drip)

    def _frame_received(self, frame: Frame) -> None:
        try:
            pdu = decode(frame)
        except MalformedPdu as problem:
            if not frame.command & RESPONSE:
                self.write(Bare(GENERIC_NACK, frame.sequence, problem.status))
            return
        if isinstance(pdu, ShortMessage) and pdu.command == SUBMIT_SM:
            if self._can_send:
                self._smsc.submitted(self, pdu)
            else:
                self.write(MessageResponse(SUBMIT_SM_RESP, pdu.sequence, RINVBNDSTS))
        elif isinstance(pdu, MessageResponse) and pdu.command == DELIVER_SM_RESP:
            self._answered(pdu.sequence, pdu.status)
        elif isinstance(pdu, Bind):
            self._bind(pdu)
        elif pdu.command == GENERIC_NACK:
            self._answered(pdu.sequence, RINVCMDID)
        elif pdu.command in (ENQUIRE_LINK, UNBIND):
            self.write(Bare(pdu.command | RESPONSE, pdu.sequence))
            if pdu.command == UNBIND:
                cast(ITCPTransport, self.transport).loseConnection()
        elif pdu.command == UNBIND_RESP:
            cast(ITCPTransport, self.transport).loseConnection()
        elif not pdu.command & RESPONSE:
            self.write(Bare(GENERIC_NACK, pdu.sequence, RINVCMDID))

    def _bind(self, bind: Bind) -> None:
        status = RINVBNDSTS if self._can_send or self.can_receive else self._smsc.bind_status(bind)
        self.write(BindResponse(bind.command | RESPONSE, bind.sequence, status, "" if status else "smsc"))
        if status == ROK:
            self._can_send = bind.command != BIND_RECEIVER
            self.can_receive = bind.command != BIND_TRANSMITTER
            self._smsc.bound()

    def _answered(self, sequence: int, status: int) -> None:
        delivery = self._unanswered.pop(sequence, None)
        if delivery is None:
            return
        if status == RX_T_APPN:
            self._smsc.undelivered(delivery)
        else:
            delivery.done.callback(status)
