"""Texts that people send to a line: parts put together, repeats recognised, answered only after the commit (I24).

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
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from datasms_daemon.config.kinds import MINUTE
from datasms_daemon.config.records import SmppLine
from datasms_daemon.interfaces import ILineHost
from datasms_daemon.lines.smpp_parts import Concat, number_of, user_data_of
from datasms_daemon.lines.smpp_pdu import ShortMessage
from datasms_daemon.lines.smpp_session import SmppSession
from datasms_daemon.lines.smpp_status import ROK, RX_T_APPN
from datasms_daemon.model import InboundText
from datasms_daemon.rules.text import GAP, Alphabet, decode

HOLD_S = 60.0
MAX_HELD = 32
SURE_S = 60.0
REPEAT_S = 3600.0
KEY_SPAN_MS = 10 * MINUTE
MAX_REMEMBERED = 4_096

_log = Logger()


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


class _Group:
    """The parts of one text that have come so far, none of them answered."""

    def __init__(self, first: ShortMessage, total: int, at: int) -> None:
        self.first = first
        self.total = total
        self.at = at
        self.parts: dict[int, tuple[int, bytes]] = {}
        self.keys: dict[int, str] = {}
        self.waiting: list[Deferred[int]] = []
        self.timer: IDelayedCall | None = None

    def text(self, alphabet: Alphabet) -> str:
        """All of it in order, GAP where something is missing."""
        return "".join(_joined(self.parts, self.total, alphabet))

    def key(self) -> str:
        """A key of the whole."""
        return blake2b("".join(self.keys[n] for n in sorted(self.keys)).encode(), digest_size=16).hexdigest()


class InboundTexts:
    """Takes deliver_sm that are no receipts and passes whole texts to the host."""

    def __init__(self, options: SmppLine, host: ILineHost, reactor: IReactorTime, now_ms: Callable[[], int]) -> None:
        self._options = options
        self._host = host
        self._reactor = reactor
        self._now_ms = now_ms
        self._remembered: OrderedDict[str, _Delivery] = OrderedDict()
        self._groups: dict[tuple[str, str, int, int], _Group] = {}

    async def take(self, session: SmppSession, pdu: ShortMessage, body: bytes) -> int:
        """The command_status to answer with, once the text, or the whole text this is a part of, is committed.

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

    def stop(self) -> None:
        """Lets go of the parts that are held; the SMSC, not answered, will send them again."""
        while self._groups:
            _settle(self._close(next(iter(self._groups))), RX_T_APPN)

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
                text = decode(octets, pdu.data_coding, self._options.alphabet)
                await self._host.inbound(self._text(pdu, text, self._now_ms(), delivery.key))
                status = ROK
            else:
                status = await self._hold(pdu, octets, concat, delivery.key)
        finally:
            delivery.status = status
            delivery.answered_at = self._reactor.seconds()
            waiting, delivery.waiting = delivery.waiting, []
            for again in waiting:
                again.callback(status)
        return status

    def _text(self, pdu: ShortMessage, text: str, at: int, key: str) -> InboundText:
        to = number_of(pdu.dest_ton, pdu.dest) or self._options.inbound_number or ""
        return InboundText(self._options.name, number_of(pdu.source_ton, pdu.source), to, text, at, key)

    def _hold(self, pdu: ShortMessage, octets: bytes, concat: Concat, key: str) -> Deferred[int]:
        place = (pdu.source, pdu.dest, concat.reference, concat.total)
        group = self._groups.get(place)
        if group is not None and concat.number in group.parts:
            # The reference is in use again: what came before will not be completed any more.
            self._release(place)
            group = None
        if group is None:
            if len(self._groups) >= MAX_HELD:
                self._release(next(iter(self._groups)))
            group = self._groups[place] = _Group(pdu, concat.total, self._now_ms())
            group.timer = self._reactor.callLater(HOLD_S, self._release, place)
        group.parts[concat.number] = (pdu.data_coding, octets)
        group.keys[concat.number] = key
        answer: Deferred[int] = Deferred()
        group.waiting.append(answer)
        if len(group.parts) == concat.total:
            self._release(place)
        return answer

    def _release(self, place: tuple[str, str, int, int]) -> None:
        # The coroutine lets nothing out; those who wait for it are told by _settle.
        Deferred.fromCoroutine(self._commit(self._close(place)))

    def _close(self, place: tuple[str, str, int, int]) -> _Group:
        group = self._groups.pop(place)
        if group.timer is not None and group.timer.active():
            group.timer.cancel()
        return group

    async def _commit(self, group: _Group) -> None:
        status = RX_T_APPN
        try:
            text = group.text(self._options.alphabet)
            await self._host.inbound(self._text(group.first, text, group.at, group.key()))
            status = ROK
        except Exception:  # whatever went wrong up there, the SMSC keeps the parts and sends them again
            _log.failure("a text in parts was not taken")
        _settle(group, status)


def _settle(group: _Group, status: int) -> None:
    for answer in group.waiting:
        answer.callback(status)


def _joined(parts: dict[int, tuple[int, bytes]], total: int, alphabet: Alphabet) -> list[str]:
    pieces: list[str] = []
    run = b""
    coding = -2
    for number in range(1, total + 2):
        part_coding, octets = parts.get(number, (-1, b""))
        if part_coding != coding:
            # Octets are joined before they are decoded: a pair may have been cut in two by the sender.
            pieces.append(decode(run, coding, alphabet) if coding >= 0 else "")
            run, coding = b"", part_coding
            if coding < 0 and number <= total:
                pieces.append(GAP)
        run += octets
    return pieces
