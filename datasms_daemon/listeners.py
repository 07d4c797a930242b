"""The doors: the gateway's and MxService's TLS ports, and the operator's Unix socket."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort

from datasms_daemon.assembly import Parts, Reactor
from datasms_daemon.config.records import Config, Http
from datasms_daemon.crypto.certificates import generate, write_private
from datasms_daemon.errors import DatasmsError
from datasms_daemon.gateway.http_api import make_local_site, make_site
from datasms_daemon.mxservice.site import make_site as make_client_site
from datasms_daemon.web.listen import ServerCertificate, listen_tls, listen_unix
from datasms_daemon.web.site import Site

SOCKET = "datasms.sock"
CERTIFICATE_DAYS = 825


class Listeners:
    """Opens and closes the doors. DatasmsError from ``open`` when a port is taken."""

    def __init__(self, config: Config, parts: Parts, reactor: Reactor) -> None:
        assert config.daemon.state_dir is not None, "the loader fills it in"
        self._config = config
        self._parts = parts
        self._reactor = reactor
        self._state_dir = config.daemon.state_dir
        self._ports: list[tuple[str, IListeningPort]] = []
        self._certificates: list[ServerCertificate] = []
        self._sites: list[Site] = []

    async def open(self) -> None:
        """Binds every port; the daemon may not be half deaf."""
        core, metrics = self._parts.core, self._parts.metrics.render
        gateway = make_site(core, self._reactor, metrics)
        clients = make_client_site(
            self._parts.backend, self._reactor, self._config.mxservice, lambda: self._parts.config.channel, core.now,
            lambda: core.not_ready() is None, lambda: os.urandom(8).hex(),
        )  # fmt: skip
        for name, options, site in (
            ("gateway", self._config.gateway.http, gateway),
            ("mxservice", self._config.mxservice, clients),
        ):
            certificate = ServerCertificate(*self._certificate(options))
            self._certificates.append(certificate)
            try:
                self._ports.append((name, await listen_tls(self._reactor, options.listen, site, certificate)))
            except CannotListenError as error:
                raise DatasmsError(f"{name} cannot listen on {options.listen}: {error.socketError}") from error
        local = make_local_site(core, self._reactor, metrics)
        self._sites = [gateway, clients, local]
        self._ports.append(("operators", await listen_unix(self._reactor, self._free_socket(), local)))

    def addresses(self) -> list[tuple[str, str]]:
        """Where each door is, as people write it."""
        found = []
        for name, port in self._ports:
            host = port.getHost()
            if isinstance(host, IPv4Address | IPv6Address):
                shown = f"[{host.host}]" if ":" in host.host else host.host
                found.append((name, f"https://{shown}:{host.port}"))
            else:
                found.append((name, str(self._state_dir / SOCKET)))
        return found

    def reload_certificates(self) -> None:
        """Takes renewed certificates; the old ones stay when the new ones cannot be used (ConfigError)."""
        for certificate in self._certificates:
            certificate.reload()

    async def close(self) -> None:
        """Takes no more connections, and ends those there are: idle ones at once, others with their answer."""
        for _, port in self._ports:
            await maybeDeferred(port.stopListening)
        for site in self._sites:
            site.close_connections()
        self._ports = []

    def _free_socket(self) -> Path:
        """The operators' socket, without what a killed daemon left of it.

        Twisted's lock beside it holds a process id, which after a power cut may be anybody's; that no other daemon is
        here is known already, by the kernel's lock on the database.
        """
        socket = self._state_dir / SOCKET
        for left in (socket, socket.with_name(f"{SOCKET}.lock")):
            left.unlink(missing_ok=True)
        return socket

    def _certificate(self, options: Http) -> tuple[Path, Path]:
        if options.certificate_file is not None and options.key_file is not None:
            return options.certificate_file, options.key_file
        certificate, key = self._state_dir / "tls-cert.pem", self._state_dir / "tls-key.pem"
        if not (certificate.exists() and key.exists()):
            key_pem, certificate_pem = generate(self._names(), CERTIFICATE_DAYS, self._parts.clock.now_ms())
            write_private(key, key_pem)
            write_private(certificate, certificate_pem)
        return certificate, key

    def _names(self) -> list[str]:
        """What the generated certificate is good for: this machine, and how clients are told to call it."""
        public = urlsplit(self._config.mxservice.public_url or "").hostname
        names = ["localhost", "127.0.0.1", "::1", os.uname().nodename, public]
        return list(dict.fromkeys(name for name in names if name))
