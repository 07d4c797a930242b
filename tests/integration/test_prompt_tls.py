"""TLS whose records go to the kernel at once, over real sockets."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest_twisted
import trustme
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import PrivateCertificate
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure

from datasms_daemon.crypto.prompt import PromptTls, PromptTlsFactory

PIECE = bytes(range(256)) * 256


class Speaker(Protocol):
    """Writes so many pieces when it is asked, and again when the connection is gone; ``waits`` tells whether the
    reactor had something left to write; ``has_spoken`` is set then, for threads."""

    def __init__(self, reactor: Any, pieces: int) -> None:
        self.waits: bool | None = None
        self.has_spoken = threading.Event()
        self.lost: Deferred[None] = Deferred()
        self._reactor = reactor
        self._pieces = pieces

    def dataReceived(self, data: bytes) -> None:
        tls = cast(PromptTls, self.transport)
        for _ in range(self._pieces):
            cast(ITCPTransport, tls).write(PIECE)
        self.waits = tls.transport in self._reactor.getWriters()
        self.has_spoken.set()
        if b"bye" in data:
            cast(ITCPTransport, tls).loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        cast(ITCPTransport, self.transport).write(PIECE)
        self.lost.callback(None)


class Client:
    """One that trusts the speaker's authority; its calls block, so they belong into a thread."""

    def __init__(self, port: int, context: ssl.SSLContext, has_spoken: threading.Event) -> None:
        self._has_spoken = has_spoken
        self._port = port
        self._context = context

    def whole(self) -> bytes:
        """Says bye, and reads to the end once all is written: a fast reader leaves the kernel room for everything."""
        with self._connect() as connection:
            connection.sendall(b"bye")
            assert self._has_spoken.wait(60)
            return b"".join(iter(lambda: connection.recv(1 << 16), b""))

    def cut(self) -> None:
        """Asks, reads little and hangs up with a reset."""
        with self._connect() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.sendall(b"speak")
            connection.recv(1)

    def _connect(self) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self._port), timeout=30)
        return self._context.wrap_socket(plain, server_hostname="localhost")


@asynccontextmanager
async def served(reactor: Any, speaker: Speaker) -> AsyncIterator[Client]:
    """A client for it; ends when the connection has."""
    authority = trustme.CA()
    pem = authority.issue_cert("localhost").private_key_and_cert_chain_pem.bytes()
    options = PrivateCertificate.loadPEM(pem).options()
    factory = PromptTlsFactory(options, False, Factory.forProtocol(lambda: speaker), reactor)
    port = reactor.listenTCP(0, factory, interface="127.0.0.1")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    try:
        yield Client(port.getHost().port, context, speaker.has_spoken)
        await speaker.lost
    finally:
        await maybeDeferred(port.stopListening)


@pytest_twisted.ensureDeferred
async def test_a_small_answer_leaves_without_the_reactor(reactor: Any) -> None:
    speaker = Speaker(reactor, 1)
    async with served(reactor, speaker) as client:
        assert await deferToThread(client.whole) == PIECE
    assert speaker.waits is False


@pytest_twisted.ensureDeferred
async def test_what_the_kernel_does_not_take_follows_whole_and_in_order(reactor: Any) -> None:
    speaker = Speaker(reactor, 500)
    async with served(reactor, speaker) as client:
        assert await deferToThread(client.whole) == 500 * PIECE
    assert speaker.waits is True


@pytest_twisted.ensureDeferred
async def test_a_peer_that_resets_ends_the_connection_and_later_writes_go_nowhere(reactor: Any) -> None:
    speaker = Speaker(reactor, 500)
    async with served(reactor, speaker) as client:
        await deferToThread(client.cut)
    assert speaker.waits is not None
