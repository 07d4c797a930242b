"""What an SMPP line needs around it: a host that remembers, a clock that follows virtual time, a line in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

import msgspec
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from zope.interface import implementer

from datasms_daemon.config.records import SmppLine
from datasms_daemon.demo.smsc import Reply, Smsc
from datasms_daemon.interfaces import ILineHost
from datasms_daemon.lines.smpp import SmppDriver
from datasms_daemon.lines.smpp_pdu import ShortMessage
from datasms_daemon.model import (
    Handover,
    HandoverResult,
    InboundPart,
    InboundText,
    LineName,
    LineReceipt,
    MessageId,
    Outcome,
    Secret,
)
from tests.fakes.smpp_wire import MemoryNet

START = 1_790_000_000
NUMBER = "+420603123456"


class FakeCommitError(Exception):
    """The store did not take it."""


@implementer(ILineHost)
class FakeLineHost:
    """Remembers what it is told. ``is_failing`` refuses commits; ``hold()`` lets them wait for ``release()``."""

    def __init__(self) -> None:
        self.receipts: list[LineReceipt] = []
        self.texts: list[InboundText] = []
        self.parts: list[InboundPart] = []
        self.rooms = 0
        self.is_failing = False
        self._held: list[Deferred[None]] | None = None

    def hold(self) -> None:
        self._held = []

    def release(self) -> None:
        held, self._held = self._held or [], None
        for done in held:
            done.callback(None)

    def room(self, line: LineName) -> None:
        self.rooms += 1

    def receipt(self, receipt: LineReceipt) -> Deferred[None]:
        if not self.is_failing:
            self.receipts.append(receipt)
        return self._committed()

    def inbound(self, text: InboundText) -> Deferred[None]:
        if not self.is_failing:
            self.texts.append(text)
        return self._committed()

    def part(self, part: InboundPart) -> Deferred[None]:
        if not self.is_failing:
            self.parts.append(part)
        return self._committed()

    def _committed(self) -> Deferred[None]:
        if self.is_failing:
            return fail(FakeCommitError())
        if self._held is None:
            return succeed(None)
        done: Deferred[None] = Deferred()
        self._held.append(done)
        return done


class UtcOf:
    """The UTC clock that goes with a virtual one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now_ms(self) -> int:
        return int(self._clock.seconds() * 1000)


def smpp_options(**changed: object) -> SmppLine:
    """Options of a line to the stand-in."""
    options = SmppLine(
        name=LineName("smpp"), host="smsc.example", system_id="acme", password=Secret("secret"), source="+420600000000"
    )
    return msgspec.structs.replace(options, **changed)


def handover(text: str = "Pump 3 stopped", *, to: str | None = NUMBER, n: int = 1) -> Handover:
    """One message to hand over, valid for an hour."""
    now = START * 1000
    return Handover(MessageId(f"m{n}"), 1, to, None, text, "normal", False, now, now + 3_600_000)


class Bench:
    """A line, its SMSC and its host, connected in memory and on one virtual clock."""

    def __init__(self, options: SmppLine | None = None, smsc: Smsc | None = None, clock: Clock | None = None) -> None:
        self.clock = clock or virtual_clock()
        self.smsc = smsc or Smsc(self.clock, "secret")
        self.net = MemoryNet(self.clock, self.smsc)
        self.host = FakeLineHost()
        self.line = SmppDriver(options or smpp_options(), self.net, self.clock, UtcOf(self.clock), Random(1))

    def start(self) -> Bench:
        """Starts the line and lets it bind."""
        self.line.start(self.host)
        self.net.settle()
        return self

    def send(self, item: Handover | None = None) -> list[Outcome]:
        """Hands a message over; the list gets the outcome once there is one."""
        outcomes: list[Outcome] = []

        def returned(result: HandoverResult) -> None:
            outcomes.append(result.outcome)

        Deferred.fromCoroutine(self.line.send(item or handover())).addCallback(returned)
        self.net.settle()
        return outcomes

    def stop(self) -> None:
        """Stops both ends and sees that the line is done."""
        done: list[None] = []
        Deferred.fromCoroutine(self.line.stop()).addCallback(done.append)
        self.net.settle()
        self.net.advance(6)
        self.smsc.stop()
        self.net.settle()
        assert done == [None]
        assert self.clock.getDelayedCalls() == []


BenchMaker = Callable[..., Bench]


@contextmanager
def benches() -> Iterator[BenchMaker]:
    """A maker of started benches that stops them all; a timer left behind is an error."""
    made: list[Bench] = []

    def make(
        on_submit: Callable[[ShortMessage], Reply] | None = None,
        receipt_id: Callable[[str], str] = str,
        **changed: object,
    ) -> Bench:
        clock = virtual_clock()
        smsc = Smsc(clock, "secret", on_submit=on_submit, receipt_id=receipt_id)
        made.append(Bench(smpp_options(**changed), smsc, clock).start())
        return made[-1]

    yield make
    for each in made:
        each.stop()


def virtual_clock() -> Clock:
    """A clock that starts at a real epoch."""
    clock = Clock()
    clock.advance(START)
    return clock
