"""A network in memory for SMPP: an endpoint whose connections carry octets only when a test lets them."""

from __future__ import annotations

from collections.abc import Iterable

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectError, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IAddress,
    IProtocol,
    IProtocolFactory,
    IPushProducer,
    IStreamClientEndpoint,
    ITransport,
)
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

_ADDRESS = IPv4Address("TCP", "192.0.2.1", 2775)


@implementer(ITransport, IPushProducer)
class MemoryTransport:
    """One end of a cable; what is written waits until the cable is moved."""

    def __init__(self, protocol: IProtocol) -> None:
        self.protocol = protocol
        self.waiting = b""
        self.is_closing = False
        self.is_aborted = False
        self.is_paused = False
        self.producer: IPushProducer | None = None

    def write(self, data: bytes) -> None:
        if not self.is_closing:
            self.waiting += data

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        self.is_closing = True

    def abortConnection(self) -> None:
        self.is_closing = self.is_aborted = True
        self.waiting = b""

    def setTcpNoDelay(self, enabled: bool) -> None:
        pass

    def getPeer(self) -> IAddress:
        return _ADDRESS

    def getHost(self) -> IAddress:
        return _ADDRESS

    def registerProducer(self, producer: IPushProducer, streaming: bool) -> None:
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.producer = None

    def pauseProducing(self) -> None:
        self.is_paused = True

    def resumeProducing(self) -> None:
        self.is_paused = False

    def stopProducing(self) -> None:
        self.loseConnection()


class Cable:
    """Two protocols and what is on the way between them."""

    def __init__(self, client: IProtocol, server: IProtocol) -> None:
        self.client = MemoryTransport(client)
        self.server = MemoryTransport(server)
        self.is_cut = False
        server.makeConnection(self.server)
        client.makeConnection(self.client)

    def move(self) -> bool:
        """Carries what waits, then hangs up if either end wants to; whether anything happened."""
        if self.is_cut:
            return False
        moved = self._carry(self.client, self.server) | self._carry(self.server, self.client)
        if moved or not (self.client.is_closing or self.server.is_closing):
            return moved
        self.cut(clean=not (self.client.is_aborted or self.server.is_aborted))
        return True

    def cut(self, *, clean: bool = False) -> None:
        """Ends the connection for both; what was on the way is lost."""
        if self.is_cut:
            return
        self.is_cut = True
        reason = Failure(ConnectionDone() if clean else ConnectionLost())
        self.client.protocol.connectionLost(reason)
        self.server.protocol.connectionLost(reason)

    def _carry(self, source: MemoryTransport, sink: MemoryTransport) -> bool:
        if not source.waiting or sink.is_paused:
            return False
        octets, source.waiting = source.waiting, b""
        if not sink.is_closing:
            sink.protocol.dataReceived(octets)
        return True


@implementer(IStreamClientEndpoint)
class MemoryNet:
    """Connects clients to ``server``; refuses them while ``is_refusing``. Time passes with ``advance``."""

    def __init__(self, clock: Clock, server: IProtocolFactory) -> None:
        self.clock = clock
        self.server = server
        self.is_refusing = False
        self.tried = 0
        self.cables: list[Cable] = []

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:  # noqa: N803
        """IStreamClientEndpoint: one more cable."""
        self.tried += 1
        if self.is_refusing:
            return fail(ConnectError())
        client, server = protocolFactory.buildProtocol(_ADDRESS), self.server.buildProtocol(_ADDRESS)
        assert client is not None
        assert server is not None
        self.cables.append(Cable(client, server))
        return succeed(client)

    def settle(self) -> None:
        """Lets everything that is on the way arrive, and what is due now happen."""
        self.clock.advance(0)
        while any(cable.move() for cable in self.cables):
            self.clock.advance(0)

    def advance(self, seconds: float, step: float = 1.0) -> None:
        """Lets time pass in steps, the network working all the while."""
        self.settle()
        while seconds > 1e-9:
            self.clock.advance(min(step, seconds))
            seconds -= step
            self.settle()
