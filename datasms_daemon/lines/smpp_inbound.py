"""Texts that people send to a line, whole or in parts: repeats recognised, answered only after the commit (I24).

A deliver_sm has no id. After an answer that was lost the SMSC sends it again, on another bind, with the same body; a
person may also send the same words twice. The two are told apart by what became of our answer:

- the same body while the first is not answered yet, or after a refusal, is the same text again;
- so it is within REPEAT_S after the connection was lost, if our answer went out less than SURE_S before that;
- otherwise the SMSC has our answer, and the same body is a new text.

The key for the store is the digest of the body, the ten minutes in which it came first, and a count of equal texts in
them. After a crash between commit and answer the SMSC's repeat has the same key if it comes within those ten minutes.
The price: after a restart, equal words that somebody sends again in the same ten minutes are taken for the repeat.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from datasms_daemon.config.kinds import MINUTE
from datasms_daemon.config.records import SmppLine
from datasms_daemon.interfaces import ILineHost
from datasms_daemon.lines.smpp_parts import Concat, number_of, user_data_of
from datasms_daemon.lines.smpp_pdu import ShortMessage
from datasms_daemon.lines.smpp_session import SmppSession
from datasms_daemon.lines.smpp_status import ROK, RX_T_APPN
from datasms_daemon.model import InboundPart, InboundText
from datasms_daemon.rules.text import decode

SURE_S = 60.0
REPEAT_S = 3600.0
KEY_SPAN_MS = 10 * MINUTE
MAX_REMEMBERED = 4_096


class _Delivery:
    """One deliver_sm as remembered: its key, what was answered to whom and when (None: not yet)."""

    __slots__ = ("answered_at", "key", "session", "span", "status", "twins", "waiting")

    def __init__(self, digest: str, span: int, twins: int, session: SmppSession) -> None:
        self.key = f"{digest}-{span}-{twins}"
        self.span = span
        self.twins = twins
        self.session = session
        self.status: int | None = None
        self.answered_at = 0.0
        self.waiting: list[Deferred[int]] = []

    def is_unsure(self, now: float) -> bool:
        """Whether our answer may have been lost with its connection."""
        lost_at = self.session.lost_at
        return lost_at is not None and lost_at - self.answered_at <= SURE_S and now - lost_at <= REPEAT_S


class InboundTexts:
    """Takes deliver_sm that are no receipts and passes texts, and parts of texts, to the host."""

    def __init__(self, options: SmppLine, host: ILineHost, reactor: IReactorTime, now_ms: Callable[[], int]) -> None:
        self._options = options
        self._host = host
        self._reactor = reactor
        self._now_ms = now_ms
        self._remembered: OrderedDict[str, _Delivery] = OrderedDict()

    async def take(self, session: SmppSession, pdu: ShortMessage, body: bytes) -> int:
        """The command_status to answer with, once the text, or this part of it, is committed.

        What the host raises is raised on; the SMSC will send the same again.
        """
        now = self._reactor.seconds()
        digest = blake2b(body, digest_size=16).hexdigest()
        known = self._remembered.get(digest)
        if known is not None and known.status is None:
            again: Deferred[int] = Deferred()
            known.waiting.append(again)
            return await again
        if known is not None and known.status == ROK and known.is_unsure(now):
            known.session, known.answered_at = session, now
            return ROK
        return await self._take_new(self._remember(digest, known, session), pdu)

    def _remember(self, digest: str, known: _Delivery | None, session: SmppSession) -> _Delivery:
        span = self._now_ms() // KEY_SPAN_MS
        if known is not None and known.status != ROK:
            known.status, known.session = None, session
            return known
        twins = known.twins + 1 if known is not None and known.span == span else 0
        delivery = self._remembered[digest] = _Delivery(digest, span, twins, session)
        self._remembered.move_to_end(digest)
        if len(self._remembered) > MAX_REMEMBERED:
            self._remembered.popitem(last=False)
        return delivery

    async def _take_new(self, delivery: _Delivery, pdu: ShortMessage) -> int:
        status = RX_T_APPN
        try:
            octets, concat = user_data_of(pdu)
            if concat is None:
                await self._host.inbound(self._text(pdu, octets, delivery.key))
            else:
                await self._host.part(self._part(pdu, octets, concat, delivery.key))
            status = ROK
        finally:
            delivery.status = status
            delivery.answered_at = self._reactor.seconds()
            waiting, delivery.waiting = delivery.waiting, []
            for again in waiting:
                again.callback(status)
        return status

    def _text(self, pdu: ShortMessage, octets: bytes, key: str) -> InboundText:
        from_, to = self._ends(pdu)
        text = decode(octets, pdu.data_coding, self._options.alphabet)
        return InboundText(self._options.name, from_, to, text, self._now_ms(), key)

    def _part(self, pdu: ShortMessage, octets: bytes, concat: Concat, key: str) -> InboundPart:
        options, (from_, to) = self._options, self._ends(pdu)
        return InboundPart(
            options.name, from_, to, *concat, options.alphabet, pdu.data_coding, octets, self._now_ms(), key
        )

    def _ends(self, pdu: ShortMessage) -> tuple[str, str]:
        to = number_of(pdu.dest_ton, pdu.dest) or self._options.inbound_number or ""
        return number_of(pdu.source_ton, pdu.source), to
