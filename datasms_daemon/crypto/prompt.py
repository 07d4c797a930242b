"""TLS whose records go to the kernel at once, and are read once (docs/adr/0006).

Twisted gathers small writes until the next turn of the reactor and then asks it to wait until the socket can be written
to: a timer, two changes of what epoll watches and one more event for each answer. Here whoever writes writes a whole
answer, and the reactor is asked only for what the kernel did not take.

Twisted also reads until OpenSSL says that there is no more, and then looks for something to send. A request or an
answer mostly comes as one record, of which nothing can be left after the first read.
"""

from __future__ import annotations

from typing import cast

from OpenSSL.SSL import Error, WantReadError, ZeroReturnError
from twisted.internet.interfaces import ITransport
from twisted.internet.tcp import Connection
from twisted.protocols.policies import ProtocolWrapper
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure

Transport = Connection | ITransport
_MOST_AT_ONCE = 1 << 15
_HEADER = 5


class Records:
    """Where the records of one direction begin and end (RFC 8446 § 5.1: five bytes of header, the last two of them the
    length of what follows)."""

    def __init__(self) -> None:
        # Bytes until the next record begins; below zero: nobody knows.
        self._rest = 0

    def is_one(self, data: bytes) -> bool:
        """Whether what came next is one whole record and nothing else; False where that would be dear to tell."""
        at, size = self._rest, len(data)
        if at == 0 and size > _HEADER and size == _HEADER + (data[3] << 8 | data[4]):
            return True
        while at >= 0 and at + _HEADER <= size:
            at += _HEADER + (data[at + 3] << 8 | data[at + 4])
        self._rest = at - size if at >= size else -1
        return False


class PromptTls(TLSMemoryBIOProtocol):
    """One connection. Each write becomes a record, so a few small ones should be joined before."""

    _is_prompt = True
    _is_one_record = False
    _records: Records

    def makeConnection(self, transport: ITransport) -> None:
        self._records = Records()
        TLSMemoryBIOProtocol.makeConnection(self, transport)

    def dataReceived(self, data: bytes) -> None:
        self._is_one_record = self._records.is_one(data)
        TLSMemoryBIOProtocol.dataReceived(self, data)

    def _flushReceiveBIO(self) -> None:
        """Twisted's, but that a single record is read once."""
        is_one, self._is_one_record = self._is_one_record, False
        if is_one and not self._lostTLSConnection:
            try:
                received = self._tlsConnection.recv(_MOST_AT_ONCE)
            except (WantReadError, ZeroReturnError):
                # It carried nothing for us, or the end, which comes again.
                pass
            except Error:
                # Asked again, OpenSSL would not say what was wrong.
                self._tlsShutdownFinished(Failure())  # type: ignore[no-untyped-call]
            else:
                if not self._aborted:
                    ProtocolWrapper.dataReceived(self, received)
                return
        TLSMemoryBIOProtocol._flushReceiveBIO(self)

    def _flushSendBIO(self) -> None:
        """Twisted's, but for how the bytes leave."""
        try:
            data = self._tlsConnection.bio_read(_MOST_AT_ONCE)
        except WantReadError:
            return
        transport = cast(Transport, self.transport)
        if self._is_prompt and not self._aborted and isinstance(transport, Connection) and transport.connected:
            sent = transport.writeSomeData(data)
            if sent == len(data):
                return
            # From now on the reactor has bytes of ours, which ours must not overtake; an error it will meet itself.
            self._is_prompt = False
            data = data[sent:] if isinstance(sent, int) else data
        transport.write(data)


class PromptTlsFactory(TLSMemoryBIOFactory):
    """Makes them around the protocols of another factory."""

    protocol = PromptTls
