"""TLS whose records go to the kernel at once.

Twisted gathers small writes until the next turn of the reactor and then asks it to wait until the socket can be written
to: a timer, two changes of what epoll watches and one more event for each answer, a tenth of what a message costs
(bench/RESULTS.md). Here whoever writes writes a whole answer, and the reactor is asked only for what the kernel did not
take.
"""

from __future__ import annotations

from typing import cast

from OpenSSL.SSL import WantReadError
from twisted.internet.interfaces import ITransport
from twisted.internet.tcp import Connection
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol

Transport = Connection | ITransport
_MOST_AT_ONCE = 1 << 15


class PromptTls(TLSMemoryBIOProtocol):
    """One connection. Each write becomes a record, so a few small ones should be joined before."""

    _is_prompt = True

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
