"""Listening over real sockets: TLS as the sheet wants it, and the operator's Unix socket (reliability.md § 5d)."""

from __future__ import annotations

import socket
import ssl
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
import pytest_twisted
import trustme
from twisted.internet.address import IPv4Address
from twisted.internet.defer import maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from datasms_daemon.errors import ConfigError
from datasms_daemon.gateway.http_api import make_local_site, make_site
from datasms_daemon.web.listen import ServerCertificate, listen_tls, listen_unix
from datasms_daemon.web.request import Request
from datasms_daemon.web.routes import PUBLIC, Api, Call, Reply
from datasms_daemon.web.site import Limits, Site
from tests.fakes.core import FakeCore

T = TypeVar("T")
LIVE = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class Files:
    """A certificate authority and the files of one certificate."""

    def __init__(self, directory: Path) -> None:
        self.authority = trustme.CA()
        self.certificate_file = directory / "cert.pem"
        self.key_file = directory / "key.pem"
        self.issue()

    def issue(self) -> None:
        """A new certificate in place of the former."""
        issued = self.authority.issue_cert("localhost")
        self.certificate_file.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
        self.key_file.write_bytes(issued.private_key_pem.bytes())

    def loaded(self) -> ServerCertificate:
        """What a listener takes."""
        return ServerCertificate(self.certificate_file, self.key_file)

    def client(self) -> ssl.SSLContext:
        """A client that trusts the authority."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Certificate files."""
    return Files(tmp_path)


@asynccontextmanager
async def serving(reactor: Any, served: Site, certificate: ServerCertificate) -> AsyncIterator[int]:
    """The number of a TLS port; at the end every connection has been closed."""
    port = await listen_tls(reactor, "127.0.0.1:0", served, certificate)
    host = port.getHost()
    assert isinstance(host, IPv4Address)
    try:
        yield host.port
    finally:
        await maybeDeferred(port.stopListening)
        await quiet(reactor, served)


async def quiet(reactor: Any, served: Site) -> None:
    """Waits until no connection is open."""
    while served.open_connections:
        await deferLater(reactor, 0.01, lambda: None)


def talk(port: int, context: ssl.SSLContext, ask: Callable[[ssl.SSLSocket], T]) -> T:
    """Speaks TLS to a port. Blocks: not for the reactor."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as wrapped,
    ):
        return ask(wrapped)


def read_all(connection: socket.socket) -> bytes:
    """Until the other side closes."""
    found = b""
    while data := connection.recv(65536):
        found += data
    return found


def live(connection: socket.socket) -> bytes:
    """The answer of /health/live."""
    connection.sendall(LIVE)
    return read_all(connection)


def site(reactor: Any) -> Site:
    """A gateway."""
    return make_site(FakeCore(), IReactorTime(reactor), bytes)


@pytest_twisted.ensureDeferred
async def test_the_gateway_answers_over_tls_1_3(reactor: Any, files: Files) -> None:
    async with serving(reactor, site(reactor), files.loaded()) as port:
        answer, version = await deferToThread(talk, port, files.client(), lambda tls: (live(tls), tls.version()))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b'{"status":"ok"}')
    assert version == "TLSv1.3"


@pytest_twisted.ensureDeferred
async def test_http_2_is_not_chosen_even_when_the_client_prefers_it(reactor: Any, files: Files) -> None:
    context = files.client()
    context.set_alpn_protocols(["h2", "http/1.1"])
    async with serving(reactor, site(reactor), files.loaded()) as port:
        chosen = await deferToThread(talk, port, context, lambda tls: tls.selected_alpn_protocol())
    assert chosen == "http/1.1"


@pytest.mark.parametrize(
    ("ciphers", "spoken"),
    [
        ("ECDHE+AESGCM", True),
        ("ECDHE+CHACHA20", True),
        ("AES256-GCM-SHA384", False),
        ("ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384", False),
        ("DHE", False),
    ],
)
@pytest_twisted.ensureDeferred
async def test_only_ciphers_with_forward_secrecy_and_authentication_are_spoken(
    reactor: Any, files: Files, ciphers: str, spoken: bool
) -> None:
    context = files.client()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(ciphers)
    async with serving(reactor, site(reactor), files.loaded()) as port:
        try:
            version = await deferToThread(talk, port, context, lambda tls: tls.version())
        except (ssl.SSLError, ConnectionError):
            version = None
    assert version == ("TLSv1.2" if spoken else None)


@pytest_twisted.ensureDeferred
async def test_tls_1_2_gives_no_session_ticket(reactor: Any, files: Files) -> None:
    context = files.client()
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    def session(tls: ssl.SSLSocket) -> bool:
        live(tls)
        return tls.session is not None and tls.session.has_ticket

    async with serving(reactor, site(reactor), files.loaded()) as port:
        assert not await deferToThread(talk, port, context, session)


@pytest_twisted.ensureDeferred
async def test_a_renewed_certificate_is_shown_after_reload_and_a_bad_one_never(reactor: Any, files: Files) -> None:
    def shown(tls: ssl.SSLSocket) -> bytes | None:
        return tls.getpeercert(binary_form=True)

    certificate = files.loaded()
    async with serving(reactor, site(reactor), certificate) as port:
        first = await deferToThread(talk, port, files.client(), shown)
        files.issue()
        certificate.reload()
        second = await deferToThread(talk, port, files.client(), shown)
        files.key_file.write_bytes(trustme.CA().issue_cert("localhost").private_key_pem.bytes())
        with pytest.raises(ConfigError, match="not the key"):
            certificate.reload()
        files.certificate_file.unlink()
        with pytest.raises(ConfigError, match="no certificate and key can be read"):
            certificate.reload()
        third = await deferToThread(talk, port, files.client(), shown)
    assert first != second == third


@pytest_twisted.ensureDeferred
async def test_a_client_that_never_begins_the_handshake_is_cut(reactor: Any, files: Files) -> None:
    quick = Site(reactor, empty_api(), Limits(head_s=0.5))

    def wait(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as silent:
            try:
                return read_all(silent)
            except ConnectionResetError:
                return b""

    async with serving(reactor, quick, files.loaded()) as port:
        assert await deferToThread(wait, port) == b""


@pytest_twisted.ensureDeferred
async def test_one_connection_too_many_is_closed_before_tls_begins(reactor: Any, files: Files) -> None:
    narrow = Site(reactor, empty_api(), Limits(connections_per_address=1))

    def second(port: int) -> bool:
        def ask(_: ssl.SSLSocket) -> bool:
            try:
                talk(port, files.client(), live)
            except (ssl.SSLError, ConnectionError):
                return True
            return False

        return talk(port, files.client(), ask)

    async with serving(reactor, narrow, files.loaded()) as port:
        assert await deferToThread(second, port)


@pytest_twisted.ensureDeferred
async def test_300_megabytes_are_refused_while_the_client_still_sends(reactor: Any, files: Files) -> None:
    def send(tls: ssl.SSLSocket) -> bytes:
        tls.sendall(b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 314572800\r\n\r\n" + b"x" * 65536)
        return tls.recv(65536)

    async with serving(reactor, site(reactor), files.loaded()) as port:
        answer = await deferToThread(talk, port, files.client(), send)
    assert answer.startswith(b"HTTP/1.1 413 Content Too Large\r\n")


@pytest_twisted.ensureDeferred
async def test_a_taken_port_and_a_wrong_address_are_told(reactor: Any, files: Files) -> None:
    certificate = files.loaded()
    async with serving(reactor, site(reactor), certificate) as port:
        with pytest.raises(CannotListenError):
            await listen_tls(reactor, f"127.0.0.1:{port}", site(reactor), certificate)
    for wrong in ("localhost", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", ":8443"):
        with pytest.raises(ConfigError, match="ADDRESS:PORT"):
            await listen_tls(reactor, wrong, site(reactor), certificate)


@pytest_twisted.ensureDeferred
async def test_the_unix_socket_is_its_owners_alone_and_replaces_a_dead_one(reactor: Any, tmp_path: Path) -> None:
    path = tmp_path / "datasms.sock"
    local = make_local_site(FakeCore(), IReactorTime(reactor), bytes)
    port = await listen_unix(reactor, path, local)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (await deferToThread(ask_locally, path)).startswith(b"HTTP/1.1 200 OK\r\n")
    await maybeDeferred(port.stopListening)
    assert not path.exists()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    (tmp_path / "datasms.sock.lock").symlink_to("4194999")
    again = await listen_unix(reactor, path, local)
    assert (await deferToThread(ask_locally, path)).startswith(b"HTTP/1.1 200 OK\r\n")
    await maybeDeferred(again.stopListening)
    await quiet(reactor, local)


def ask_locally(path: Path) -> bytes:
    """The answer of /v1/keys on the socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(path))
        connection.sendall(LIVE.replace(b"/health/live", b"/v1/keys"))
        return read_all(connection)


async def nobody(_: Request) -> None:
    """There are no credentials here."""


class Nobody:
    """A caller without rights."""

    rights = ()


def empty_api() -> Api[Nobody]:
    """An API that says nothing."""
    api = Api[Nobody]("test", nobody)

    @api.route("GET", "/", permission=PUBLIC, summary="Nothing")
    async def nothing(call: Call[Nobody, None, None]) -> Reply:
        return Reply()

    return api
