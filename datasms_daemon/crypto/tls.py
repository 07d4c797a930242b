"""TLS towards other hosts: the peer is who it must be, or there is no connection.

Twisted 26.10 lets a handshake go on when checking the peer's name raises anything but VerificationError, as it does
for a certificate without subjectAltName (reliability.md § 0, trap 1). Here every exception refuses.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import cast

from cryptography.x509 import Certificate, load_pem_x509_certificates
from OpenSSL import SSL, crypto
from service_identity.cryptography import verify_certificate_hostname, verify_certificate_ip_address
from twisted.internet import ssl
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IHandshakeListener,
    IOpenSSLClientConnectionCreator,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IStreamClientEndpoint,
    ITCPTransport,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from datasms_daemon.crypto.prompt import PromptTls, PromptTlsFactory
from datasms_daemon.errors import ConfigError, DatasmsError
from datasms_daemon.ops.factories import quiet

# Whom to trust; None: the system's certificate authorities.
Authorities = tuple[Certificate, ...] | None

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


class PeerRefused(DatasmsError):
    """The far end is not who it must be. Waiting will not cure it; nothing was sent to it."""


def authorities(ca_file: Path | None) -> Authorities:
    """Those of ``ca_file`` (PEM) instead of the system's. Raises ConfigError when there is none in it."""
    if ca_file is None:
        return None
    try:
        return tuple(load_pem_x509_certificates(ca_file.read_bytes()))
    except (OSError, ValueError) as problem:
        raise ConfigError([f"{ca_file}: no CA certificate can be read from it: {problem}"]) from problem


@implementer(IOpenSSLClientConnectionCreator)
class VerifiedPeer:
    """TLS client connections to ``host`` (a DNS name or an address), one context for all of them."""

    def __init__(self, host: str, trusted: Authorities) -> None:
        certificates = [ssl.Certificate(crypto.X509.from_cryptography(authority)) for authority in trusted or ()]
        root = ssl.platformTrust() if trusted is None else ssl.trustRootFromCertificates(certificates)
        self._verify_name = _name_verifier(host)
        self._options = ssl.optionsForClientTLS(
            host,
            root,
            extraCertificateOptions={
                "raiseMinimumTo": ssl.TLSVersion.TLSv1_2,
                "acceptableCiphers": ssl.AcceptableCiphers.fromOpenSSLCipherString(CIPHERS),
            },
        )

    def clientConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """A connection whose handshake fails, with PeerRefused as the reason, unless chain and name are right."""
        connection: SSL.Connection = self._options.clientConnectionForTLS(protocol)

        def verify(_: SSL.Connection, certificate: crypto.X509, error: int, depth: int, chain_ok: int) -> bool:
            try:
                if not chain_ok:
                    raise PeerRefused(f"certificate chain refused: OpenSSL verify error {error}")
                if depth == 0:
                    self._verify_name(certificate.to_cryptography())
            except Exception as problem:
                refused = problem if isinstance(problem, PeerRefused) else PeerRefused(type(problem).__name__)
                protocol.failVerification(Failure(refused))
                return False
            return True

        connection.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, verify)
        return connection


@implementer(IStreamClientEndpoint)
class VerifiedEndpoint:
    """Connected means: the handshake is done and the peer verified. A failure means that no byte was sent."""

    def __init__(
        self, peer: VerifiedPeer, endpoint: IStreamClientEndpoint, clock: IReactorTime, timeout_s: float
    ) -> None:
        self._peer = peer
        self._endpoint = endpoint
        self._clock = clock
        self._timeout_s = timeout_s

    def connect(self, protocol_factory: IProtocolFactory) -> Deferred[IProtocol]:
        """The factory's protocol; fails with PeerRefused, a connection error or TimeoutError."""
        return Deferred.fromCoroutine(self._connect(protocol_factory)).addTimeout(self._timeout_s, self._clock)

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        relays = quiet(lambda: _AfterHandshake(factory))
        tls = await self._endpoint.connect(PromptTlsFactory(self._peer, True, relays, self._clock))
        assert isinstance(tls, PromptTls)
        assert isinstance(tls.wrappedProtocol, _AfterHandshake)
        return await tls.wrappedProtocol.ready


@implementer(IHandshakeListener)
class _AfterHandshake(Protocol):
    """Keeps the real protocol back until TLS is up: Twisted would let it write before."""

    def __init__(self, factory: IProtocolFactory) -> None:
        self._factory = factory
        self._protocol: IProtocol | None = None
        self.ready: Deferred[IProtocol] = Deferred(lambda _: self._abort())

    def handshakeCompleted(self) -> None:
        assert self.transport is not None
        protocol = self._factory.buildProtocol(self.transport.getPeer())
        assert protocol is not None
        self._protocol = protocol
        # From now on nothing stands between the connection and its protocol.
        self.dataReceived = protocol.dataReceived  # type: ignore[method-assign]
        protocol.makeConnection(self.transport)
        self.ready.callback(protocol)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._protocol is not None:
            self._protocol.connectionLost(reason)
        elif not self.ready.called:
            self.ready.errback(reason)

    def _abort(self) -> None:
        cast(ITCPTransport, self.transport).abortConnection()


def _name_verifier(host: str) -> Callable[[Certificate], None]:
    try:
        ip_address(host)
    except ValueError:
        return lambda certificate: verify_certificate_hostname(certificate, host)
    return lambda certificate: verify_certificate_ip_address(certificate, host)
