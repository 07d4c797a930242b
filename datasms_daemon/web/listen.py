"""Listening: TLS on an address, plain HTTP on a Unix socket (reliability.md § 5d)."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates
from OpenSSL import SSL, crypto
from twisted.internet import ssl
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint, TCP6ServerEndpoint, UNIXServerEndpoint
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IOpenSSLServerConnectionCreator,
    IReactorTCP,
    IReactorTime,
    IReactorUNIX,
)
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from datasms_daemon.config.units import parse_listen
from datasms_daemon.crypto.prompt import PromptTlsFactory
from datasms_daemon.crypto.tls import CIPHERS
from datasms_daemon.errors import ConfigError
from datasms_daemon.web.site import Site


@implementer(IOpenSSLServerConnectionCreator)
class ServerCertificate:
    """The certificate a listener shows, read from PEM files; ``reload`` changes it for new connections.

    ConfigError when the files cannot be read or do not belong together.
    """

    def __init__(self, certificate_file: Path, key_file: Path) -> None:
        self._certificate_file = certificate_file
        self._key_file = key_file
        self._context = self._load()

    def reload(self) -> None:
        """Reads the files again; on ConfigError the former certificate stays in use."""
        self._context = self._load()

    def serverConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """A TLS 1.2 or 1.3 connection with forward secrecy, without tickets and renegotiation."""
        return SSL.Connection(self._context, None)

    def _load(self) -> SSL.Context:
        try:
            chain = load_pem_x509_certificates(self._certificate_file.read_bytes())
            key = load_pem_private_key(self._key_file.read_bytes(), None)
        except (OSError, ValueError, TypeError) as fault:
            files = f"{self._certificate_file}, {self._key_file}"
            raise ConfigError([f"{files}: no certificate and key can be read: {fault}"]) from fault
        leaf = chain[0]
        if leaf.public_key() != key.public_key():
            raise ConfigError([f"{self._key_file}: this is not the key of {self._certificate_file}"])
        options = ssl.CertificateOptions(
            privateKey=crypto.PKey.from_cryptography_key(key),  # type: ignore[arg-type]
            certificate=crypto.X509.from_cryptography(leaf),
            extraCertChain=[crypto.X509.from_cryptography(certificate) for certificate in chain[1:]],
            raiseMinimumTo=ssl.TLSVersion.TLSv1_2,
            acceptableCiphers=ssl.AcceptableCiphers.fromOpenSSLCipherString(CIPHERS),
        )
        context: SSL.Context = options.getContext()
        context.set_options(SSL.OP_NO_RENEGOTIATION)
        return context


class _TlsFactory(PromptTlsFactory):
    """Refuses a connection that the site has no room for before TLS begins."""

    def __init__(self, certificate: ServerCertificate, site: Site, clock: IReactorTime) -> None:
        super().__init__(certificate, False, site, clock)
        self._site = site

    def buildProtocol(self, addr: IAddress | None) -> TLSMemoryBIOProtocol:
        if not self._site.has_room(addr):
            # What the reactor takes for "hang up"; the signature of the base does not know of it.
            return None  # type: ignore[return-value]
        return super().buildProtocol(addr)


def listen_tls(
    reactor: IReactorTCP, listen: str, site: Site, certificate: ServerCertificate
) -> Deferred[IListeningPort]:
    """Serves ``site`` on ``ADDRESS:PORT`` (``[::1]:8443`` for IPv6; port 0 takes a free one).

    Fails with CannotListenError when the port is taken; raises ConfigError when ``listen`` is no address and port.
    """
    address = parse_listen(listen)
    if address is None:
        raise ConfigError([f"listen = {listen!r}: write ADDRESS:PORT"])
    host, port = address
    factory = _TlsFactory(certificate, site, site.reactor)
    listening: Deferred[IListeningPort]
    if ":" in host:
        listening = TCP6ServerEndpoint(reactor, port, interface=host).listen(factory)
    else:
        listening = TCP4ServerEndpoint(reactor, port, interface=host).listen(factory)
    return listening


def listen_unix(reactor: IReactorUNIX, path: Path, site: Site, mode: int = 0o600) -> Deferred[IListeningPort]:
    """Serves ``site`` without TLS on a Unix socket that only those whom ``mode`` lets may open. A socket left behind by
    a dead process is replaced. Fails with CannotListenError when a living one holds it."""
    endpoint = UNIXServerEndpoint(reactor, str(path), mode=mode, wantPID=True)
    listening: Deferred[IListeningPort] = endpoint.listen(site)
    return listening
