"""The start-up proof that we refuse the wrong peers: five certificates, five handshakes, in memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from cryptography.x509 import load_pem_x509_certificates
from cryptography.x509.oid import ExtendedKeyUsageOID
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IOpenSSLServerConnectionCreator,
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
    ITransport,
)
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import PrivateCertificate
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from datasms_daemon.crypto.certificates import Authority
from datasms_daemon.crypto.tls import Authorities, PeerRefused, VerifiedEndpoint, VerifiedPeer
from datasms_daemon.errors import ConfigError

HOST = "push.example"
HERE = IPv4Address("TCP", "127.0.0.1", 0)


def five_certificate_check(now_ms: int) -> None:
    """Returns when the client takes a good certificate and refuses four bad ones; else raises ConfigError.

    Needs no network and a few milliseconds. A library release that opens one of these doors stops the daemon at its
    start (reliability.md § 0, trap 1).
    """
    ours, foreign = Authority(1, now_ms), Authority(1, now_ms)
    trusted = tuple(load_pem_x509_certificates(ours.certificate_pem))
    bad = {
        "for another name": ours.issue(["other.example"], 1, now_ms),
        "without subjectAltName": ours.issue([], 1, now_ms, common_name=HOST),
        "of an unknown authority": foreign.issue([HOST], 1, now_ms),
        "for clients only": ours.issue([HOST], 1, now_ms, usages=[ExtendedKeyUsageOID.CLIENT_AUTH]),
    }
    problems = []
    for what, pair in bad.items():
        end = _handshake(pair, trusted)
        if end != "refused":
            problems.append(f"TLS self-test: a certificate {what} is {end}")
    end = _handshake(ours.issue([HOST], 1, now_ms), trusted)
    if end != "accepted":
        problems.append(f"TLS self-test: a good certificate is {end}")
    if problems:
        raise ConfigError(problems)


def _handshake(pair: tuple[bytes, bytes], trusted: Authorities) -> Literal["accepted", "refused", "not judged"]:
    """What our client does with a server that shows this key and certificate.

    ``not judged``: the handshake failed for a reason other than our own refusal, which proves nothing.
    """
    key_pem, certificate_pem = pair
    wire = _Wire(PrivateCertificate.loadPEM(key_pem + certificate_pem).options())
    connected: list[IProtocol] = []
    failures: list[Failure] = []
    endpoint = VerifiedEndpoint(VerifiedPeer(HOST, trusted), wire, wire.clock, timeout_s=1)
    endpoint.connect(Factory.forProtocol(Protocol)).addCallbacks(connected.append, failures.append)
    wire.pump()
    wire.clock.advance(2)
    if connected:
        return "accepted"
    return "refused" if failures[0].check(PeerRefused) else "not judged"


@implementer(ITransport)
class _End:
    """One end of a connection in memory: keeps what is written until it is carried to the other."""

    disconnecting = False

    def __init__(self) -> None:
        self.written = b""
        self.open = True

    def write(self, data: bytes) -> None:
        self.written += data

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.written += b"".join(data)

    def loseConnection(self) -> None:
        self.open = False

    def abortConnection(self) -> None:
        self.open = False

    def getPeer(self) -> IPv4Address:
        return HERE

    def getHost(self) -> IPv4Address:
        return HERE

    def take(self) -> bytes:
        """What was written since the last call."""
        data, self.written = self.written, b""
        return data


@implementer(IStreamClientEndpoint)
class _Wire:
    """An endpoint whose connections lead to a TLS server in the same memory."""

    def __init__(self, server: IOpenSSLServerConnectionCreator) -> None:
        self.clock = Clock()
        self._server = TLSMemoryBIOFactory(server, False, Factory.forProtocol(Protocol), self.clock)
        self._ends: list[tuple[IProtocol, _End]] = []

    def connect(self, protocol_factory: IProtocolFactory) -> Deferred[IProtocol]:
        for factory in (protocol_factory, self._server):
            protocol = factory.buildProtocol(HERE)
            assert protocol is not None
            end = _End()
            self._ends.append((protocol, end))
            protocol.makeConnection(end)
        return succeed(self._ends[0][0])

    def pump(self) -> None:
        """Carry bytes to and fro until both ends are silent or one has hung up."""
        (client, client_end), (server, server_end) = self._ends
        while client_end.open and server_end.open and (client_end.written or server_end.written):
            server.dataReceived(client_end.take())
            client.dataReceived(server_end.take())
        if not (client_end.open and server_end.open):
            for protocol, _ in self._ends:
                protocol.connectionLost(Failure(ConnectionDone()))
