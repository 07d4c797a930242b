"""The SMPP line: short messages to one SMSC, its receipts and the texts people send back (sheet smpp.md)."""

from __future__ import annotations

from random import Random
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.interfaces import IDelayedCall, IReactorTime, IStreamClientEndpoint
from twisted.logger import Logger
from zope.interface import implementer

from datasms_daemon.config.records import SmppLine
from datasms_daemon.crypto.tls import VerifiedEndpoint, VerifiedPeer, authorities
from datasms_daemon.errors import ConfigError
from datasms_daemon.interfaces import ILine, ILineHost
from datasms_daemon.lines.smpp_inbound import InboundTexts
from datasms_daemon.lines.smpp_link import SmppLink
from datasms_daemon.lines.smpp_pacing import Throttle
from datasms_daemon.lines.smpp_parts import Address, number_of, parts_for, source_address
from datasms_daemon.lines.smpp_pdu import (
    BIND_RECEIVER,
    BIND_TRANSCEIVER,
    BIND_TRANSMITTER,
    Bind,
    ShortMessage,
    encode,
)
from datasms_daemon.lines.smpp_receipt import failure_reason, is_receipt, normal_id, parse_receipt, receipt_state
from datasms_daemon.lines.smpp_session import SmppSession
from datasms_daemon.lines.smpp_status import RINVBNDSTS, ROK, THROTTLING, outcome_of
from datasms_daemon.model import (
    Accepted,
    Handover,
    HandoverResult,
    Later,
    LineDown,
    LineReceipt,
    LineState,
    LineStatus,
    NotSent,
    Outcome,
    Unknown,
)
from datasms_daemon.rules.buckets import Bucket

CONNECT_TIMEOUT_S = 5.0
BURST_S = 0.02
AHEAD_S = 0.05
"""A message is asked for so long before it may leave: enough for a commit, little for an alarm to wait behind it."""
PACED_PARTS = 20

_log = Logger()


class UtcClock(Protocol):
    """Where the time of day comes from."""

    def now_ms(self) -> int:
        """UTC milliseconds since 1970."""


def smpp_line(options: SmppLine, reactor: IReactorTime, clock: UtcClock, random: Random) -> SmppDriver:
    """A line as configured, over TCP or TLS. ConfigError: options that SMPP cannot carry, or a bad ca_file."""
    return SmppDriver(options, endpoint_of(options, reactor), reactor, clock, random)


def endpoint_of(options: SmppLine, reactor: IReactorTime) -> IStreamClientEndpoint:
    """Where the SMSC listens; with ``tls`` its name is verified against ``host`` before the bind is written."""
    endpoint: IStreamClientEndpoint = HostnameEndpoint(reactor, options.host, options.port, CONNECT_TIMEOUT_S)
    if not options.tls:
        return endpoint
    try:
        trusted = authorities(options.ca_file)
    except ConfigError as problem:
        raise ConfigError([f"line {options.name}: ca_file cannot be read: {problem}"]) from problem
    return VerifiedEndpoint(VerifiedPeer(options.host, trusted), endpoint, reactor, CONNECT_TIMEOUT_S)


@implementer(ILine)
class SmppDriver:
    """One SMSC as a line.

    Outcomes: Accepted with one normal id (``smpp_receipt.normal_id``) a part; Unknown when a submit_sm was not answered
    or only some parts were taken; Later while unbound, throttled or on a temporary status; LineDown while credentials
    or certificate are refused or on a status that every message would meet; AddressGone for a number the SMSC calls
    bad; NotSent, final, when the SMSC refuses this message for good or the line cannot carry it.
    """

    drops_repeats = False

    def __init__(
        self,
        options: SmppLine,
        endpoint: IStreamClientEndpoint,
        reactor: IReactorTime,
        clock: UtcClock,
        random: Random,
    ) -> None:
        self.name = options.name
        self._options = options
        self._reactor = reactor
        self._clock = clock
        self._source = _checked_source(options)
        self._reference = random.randrange(0x10000)
        self._throttle = Throttle()
        rate = options.rate
        self._bucket = None if rate is None else Bucket(max(1, round(rate * BURST_S)), rate)
        self._budget = 2 * options.response_timeout / 1000 + (PACED_PARTS / rate if rate else 0.0)
        self.lease_ms = int(self._budget * 1000) + options.response_timeout + 10_000
        commands = [BIND_TRANSCEIVER] if options.bind == "transceiver" else [BIND_TRANSMITTER, BIND_RECEIVER]
        self._links = [
            SmppLink(command, options, endpoint, reactor, random, self._deliver, self._changed) for command in commands
        ]
        self._host: ILineHost | None = None
        self._texts: InboundTexts | None = None
        self._busy = 0
        self._pacing = 0
        self._is_full = False
        self._stopping = False
        self._idle: Deferred[None] | None = None
        self._sleeping: set[IDelayedCall] = set()
        self._wake: IDelayedCall | None = None
        self._next: IDelayedCall | None = None

    # ILine

    def start(self, host: ILineHost) -> None:
        """ILine: begin to connect."""
        self._host = host
        self._texts = InboundTexts(self._options, host, self._reactor, self._clock.now_ms)
        for link in self._links:
            link.start()

    async def stop(self) -> None:
        """ILine: unbind and close; what was not answered by then is Unknown."""
        self._stopping = True
        for timer in (self._wake, self._next):
            if timer is not None:
                timer.cancel()
        self._wake = self._next = None
        for call in self._sleeping:
            call.reset(0)
        for link in self._links:
            await link.stop()
        if self._busy:
            self._idle = Deferred()
            await self._idle

    def status(self) -> LineStatus:
        """ILine: that of the sending connection; degraded while only the receiving one is missing, or throttled."""
        first = self._links[0].status
        if first.state is not LineState.UP:
            return first
        if self._throttle.left(self._reactor.seconds()):
            return LineStatus(LineState.DEGRADED, "throttled by the SMSC")
        for link in self._links[1:]:
            if link.status.state is not LineState.UP:
                return LineStatus(LineState.DEGRADED, f"receiver: {link.status.reason}")
        return first

    def room(self) -> int:
        """ILine: what the window leaves; 0 while unbound or throttled; a down line has room and refuses at once."""
        if self._stopping:
            return 0
        if self._links[0].status.state is LineState.DOWN:
            return self._options.window
        room = 0
        if self._session() is not None and not self._is_paused():
            room = max(0, min(self._options.window - self._busy, self._soon()))
        self._is_full = room == 0
        return room

    async def send(self, handover: Handover) -> HandoverResult:
        """ILine: hand one message over, all its parts one after the other."""
        down = self._links[0].status
        if down.state is LineState.DOWN:
            return HandoverResult(LineDown(down.reason or "refused"))
        self._reference = (self._reference + 1) % 0x10000
        source = self._source if handover.source is None else source_address(handover.source)
        parts = parts_for(handover, self._options, source, self._reference, self._clock.now_ms())
        if isinstance(parts, NotSent):
            return HandoverResult(parts)
        self._busy += 1
        try:
            return HandoverResult(await self._send(parts))
        finally:
            self._busy -= 1
            self._has_room()
            if self._idle is not None and not self._busy:
                idle, self._idle = self._idle, None
                idle.callback(None)

    # Sending

    async def _send(self, parts: list[ShortMessage]) -> Outcome:
        give_up = self._reactor.seconds() + self._budget
        ids: list[str] = []
        for taken, part in enumerate(parts):
            outcome = await self._submit(part, give_up)
            while taken and isinstance(outcome, Later) and self._may_wait(give_up):
                # Half a message is no use to anybody, and this part was surely not taken.
                await self._sleep(max(1.0, self._throttle.left(self._reactor.seconds())))
                outcome = await self._submit(part, give_up)
            if isinstance(outcome, Accepted):
                ids += outcome.provider_ids
            elif taken:
                return Unknown(f"{taken} of {len(parts)} parts taken: {outcome.reason}")
            else:
                return outcome
        return Accepted(tuple(ids))

    def _may_wait(self, give_up: float) -> bool:
        return not self._stopping and self._reactor.seconds() < give_up

    async def _submit(self, part: ShortMessage, give_up: float) -> Outcome:
        """What became of one submit_sm."""
        if self._bucket is not None and not await self._paced(self._bucket, give_up):
            return Later("no time left at this rate")
        session = self._session()
        if session is None:
            return Later("not bound")
        if self._is_paused():
            return Later("throttled", self._pause_end())
        answer = await session.submit(part)
        if isinstance(answer, Unknown):
            return answer
        if answer.status != ROK:
            return self._refused(session, answer.status)
        self._throttle.taken(self._reactor.seconds())
        id_ = normal_id(answer.message_id, self._options.id_format, "response")
        return Accepted((id_,) if id_ else ())

    def _refused(self, session: SmppSession, status: int) -> Outcome:
        if status in THROTTLING:
            self._throttle.refused(self._reactor.seconds())
            self._pause()
            return outcome_of(status, self._pause_end())
        if status == RINVBNDSTS:
            # The SMSC has forgotten our bind; only a new one helps.
            session.end()
        return outcome_of(status)

    async def _paced(self, bucket: Bucket, give_up: float) -> bool:
        """Waits for a token; False when it does not come before ``give_up``."""
        self._pacing += 1
        try:
            while wait := bucket.take(int(self._reactor.seconds() * 1000)):
                if not self._may_wait(give_up):
                    return False
                await self._sleep(wait / 1000)
        finally:
            self._pacing -= 1
            self._ask_later(bucket)
        self._has_room()
        return True

    def _soon(self) -> int:
        """How many messages may leave within AHEAD_S beside those that wait for it."""
        rate = self._options.rate
        if self._bucket is None or rate is None:
            return self._options.window
        first_s = self._bucket.wait(int(self._reactor.seconds() * 1000)) / 1000
        return int(max(0.0, AHEAD_S - first_s) * rate) + (first_s <= AHEAD_S) - self._pacing

    def _ask_later(self, bucket: Bucket) -> None:
        """The next message is asked for when it may leave soon; the end of one that waits for it says so itself."""
        wait = bucket.wait(int(self._reactor.seconds() * 1000)) / 1000 - AHEAD_S
        if self._pacing == 0 and wait > 0 and self._next is None and not self._stopping:
            self._next = self._reactor.callLater(wait, self._ask, bucket)

    def _ask(self, bucket: Bucket) -> None:
        self._next = None
        self._has_room()
        self._ask_later(bucket)

    def _session(self) -> SmppSession | None:
        session = self._links[0].session
        return session if session is not None and session.is_bound else None

    async def _sleep(self, seconds: float) -> None:
        done: Deferred[None] = Deferred(lambda _: call.cancel())
        call = self._reactor.callLater(seconds, done.callback, None)
        self._sleeping.add(call)
        try:
            await done
        finally:
            self._sleeping.discard(call)

    # Room

    def _is_paused(self) -> bool:
        return self._throttle.left(self._reactor.seconds()) > 0

    def _pause_end(self) -> int:
        return self._clock.now_ms() + int(self._throttle.left(self._reactor.seconds()) * 1000)

    def _pause(self) -> None:
        if self._wake is None and not self._stopping:
            self._end_pause()

    def _end_pause(self) -> None:
        left = self._throttle.left(self._reactor.seconds())
        # Not sooner than a millisecond: the sum of two floats may fall just short of the end.
        self._wake = self._reactor.callLater(max(left, 0.001), self._end_pause) if left else None
        self._changed()

    def _has_room(self) -> None:
        if self._is_full and self.room() > 0:
            self._changed()

    def _changed(self) -> None:
        if self._host is not None and not self._stopping:
            self._host.room(self.name)

    # Receiving

    async def _deliver(self, session: SmppSession, pdu: ShortMessage, body: bytes) -> int:
        """The status to answer a deliver_sm or data_sm with."""
        assert self._host is not None
        assert self._texts is not None
        if not is_receipt(pdu):
            return await self._texts.take(session, pdu, body)
        receipt = parse_receipt(pdu)
        if receipt is None:
            _log.warn("line {line}: a receipt without an id", line=self.name)
            return ROK
        state = receipt_state(receipt, self._options.acceptd_is_final)
        if state is not None:
            id_ = normal_id(receipt.id, self._options.id_format, "receipt")
            to = number_of(pdu.source_ton, pdu.source)
            await self._host.receipt(
                LineReceipt(
                    self.name,
                    (id_,),
                    state,
                    self._clock.now_ms(),
                    to if to.startswith("+") else None,
                    failure_reason(receipt),
                )
            )
        return ROK


def _checked_source(options: SmppLine) -> Address:
    """The source address, once everything fixed in our PDUs is known to fit."""
    try:
        encode(Bind(BIND_TRANSCEIVER, 1, options.system_id, options.password, options.system_type))
        return source_address(options.source)
    except ValueError as problem:
        raise ConfigError([f"line {options.name}: {problem}"]) from problem
