"""SMPP with other people's software and over real sockets: smpp34 as SMSC, smpplib as ESME, TLS."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from random import Random
from typing import cast

import pytest
import pytest_twisted
import trustme
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.endpoints import SSL4ServerEndpoint, TCP4ServerEndpoint
from twisted.internet.interfaces import IListeningPort, IReactorCore
from twisted.internet.posixbase import PosixReactorBase
from twisted.internet.ssl import CertificateOptions, PrivateCertificate
from twisted.internet.task import deferLater

from datasms_daemon.config.kinds import Duration
from datasms_daemon.demo.smsc import Smsc
from datasms_daemon.errors import ConfigError
from datasms_daemon.lines.smpp import SmppDriver, smpp_line
from datasms_daemon.model import Accepted, LineDown, LineState, Outcome, ReceiptState
from datasms_daemon.rules.parts import joined
from tests.fakes.json_process import JsonProcess
from tests.fakes.smpp_host import NUMBER, START, FakeLineHost, handover, smpp_options

LONG = "Pump 3 stopped. " * 20


class FixedUtc:
    """A clock for which it is always the same time."""

    def now_ms(self) -> int:
        return START * 1000


class World:
    """What a test started on real sockets; ``stop`` ends it in the right order."""

    def __init__(self, reactor: PosixReactorBase) -> None:
        self.reactor = reactor
        self.host = FakeLineHost()
        self._stops: list[Callable[[], Awaitable[object]]] = []

    async def smsc(self, certificate: trustme.LeafCert | None = None) -> tuple[Smsc, int]:
        """The stand-in and its port."""
        smsc = Smsc(self.reactor, "secret")
        if certificate is None:
            port = await TCP4ServerEndpoint(self.reactor, 0, interface="127.0.0.1").listen(smsc)
        else:
            pem = b"".join(blob.bytes() for blob in (certificate.private_key_pem, *certificate.cert_chain_pems))
            context = PrivateCertificate.loadPEM(pem).options()
            assert isinstance(context, CertificateOptions)
            port = await SSL4ServerEndpoint(self.reactor, 0, context, interface="127.0.0.1").listen(smsc)
        self._stops.append(lambda: self._close(smsc, port))
        return smsc, port.getHost().port

    def process(self, script: str, *args: str) -> JsonProcess:
        """Somebody else's software."""
        process = JsonProcess(self.reactor, script, *args)
        self._stops.append(process.stop)
        return process

    def line(self, port: int, **changed: object) -> SmppDriver:
        """A started line to 127.0.0.1."""
        line = smpp_line(smpp_options(host="127.0.0.1", port=port, **changed), self.reactor, FixedUtc(), Random(1))
        line.start(self.host)
        self._stops.append(line.stop)
        return line

    async def until(self, true: Callable[[], bool]) -> None:
        """Returns when it is so; the time limit of the test ends it otherwise."""
        while not true():
            await deferLater(self.reactor, 0.01)

    async def stop(self) -> None:
        """Ends everything, newest first."""
        while self._stops:
            await self._stops.pop()()

    async def _close(self, smsc: Smsc, port: IListeningPort) -> None:
        smsc.stop()
        await maybeDeferred(port.stopListening)
        await self.until(lambda: not smsc.connections)


@pytest.fixture
def world(reactor: IReactorCore) -> Iterator[World]:
    """A world that is taken down afterwards."""
    made = World(cast(PosixReactorBase, reactor))
    yield made
    pytest_twisted.blockon(Deferred.fromCoroutine(made.stop()))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def outcome_of(line: SmppDriver, text: str = "Hello") -> Outcome:
    return (await line.send(handover(text))).outcome


@pytest_twisted.ensureDeferred
async def test_our_line_works_with_the_smpp34_server(world: World) -> None:
    port = free_port()
    smsc = world.process("smpp34_smsc.py", str(port))
    assert await smsc.next() == {"event": "listening"}
    line = world.line(port, id_format="hex-to-decimal")
    assert await smsc.next() == {"event": "bound", "system_id": "acme", "can_receive": True}
    await world.until(lambda: line.room() > 0)
    assert await outcome_of(line, "Čau") == Accepted((str(0xAB01),))
    submitted = {"event": "submitted", "dest": NUMBER[1:], "text": "Čau".encode("utf-16-be").decode("latin-1")}
    assert await smsc.next() == submitted | {"coding": 8}
    assert await outcome_of(line, LONG) == Accepted(tuple(str(0xAB00 + n) for n in (2, 3, 4)))
    for _ in range(3):
        assert (await smsc.next())["event"] == "submitted"
    assert await outcome_of(line, "write back") == Accepted((str(0xAB05),))
    assert (await smsc.next())["event"] == "submitted"
    assert await smsc.next() == {"event": "receipt", "status": 0}
    assert await smsc.next() == {"event": "inbound", "statuses": [0, 0]}
    (receipt,) = world.host.receipts
    assert (receipt.provider_ids, receipt.state, receipt.to) == ((str(0xAB05),), ReceiptState.DELIVERED, NUMBER)
    back = joined(world.host.parts, "")
    assert (back.from_, back.text, back.incomplete) == (NUMBER, "hello back", False)
    refused = await outcome_of(line, "refuse me")
    assert (type(refused).__name__, line.status().reason) == ("Later", "throttled by the SMSC")


@pytest_twisted.ensureDeferred
async def test_the_stand_in_works_with_the_smpplib_client(world: World) -> None:
    smsc, port = await world.smsc()
    esme = world.process("smpplib_esme.py", str(port), "secret")
    assert await esme.next() == {"event": "bound"}
    assert await esme.next() == {"event": "answered", "id": "A0000001"}
    done = smsc.deliver_receipt("A0000001", "UNDELIV", "01B")
    receipt = await esme.next()
    assert (receipt["event"], receipt["source"], receipt["receipted"]) == ("delivered", "41790000000", "A0000001")
    assert str(receipt["text"]).startswith("id:A0000001 sub:001 dlvrd:000 ")
    assert await done == 0
    (sent,) = smsc.send_inbound("+420603123456", "Info", "ahoj")
    assert (await esme.next())["text"] == "ahoj"
    assert await sent == 0
    assert await esme.next() == {"event": "ended"}
    assert smsc.submissions[0].pdu.short_message == b"Hello"


@pytest_twisted.ensureDeferred
async def test_the_stand_in_refuses_a_wrong_password_of_smpplib(world: World) -> None:
    _, port = await world.smsc()
    esme = world.process("smpplib_esme.py", str(port), "wrong")
    assert await esme.next() == {"event": "refused", "status": 0x0E}


@pytest_twisted.ensureDeferred
async def test_a_line_over_tcp_sends_receives_and_comes_back_after_a_cut(world: World) -> None:
    smsc, port = await world.smsc()
    line = world.line(port, window=50)
    await world.until(lambda: line.room() > 0)
    outcomes = [Deferred.fromCoroutine(outcome_of(line)) for _ in range(50)]
    assert len({(await outcome).provider_ids for outcome in outcomes}) == 50  # type: ignore[union-attr]
    smsc.drop()
    await world.until(lambda: line.status().state is LineState.DEGRADED)
    await world.until(lambda: line.room() > 0)
    assert isinstance(await outcome_of(line), Accepted)


@pytest_twisted.ensureDeferred
async def test_a_closed_port_degrades_the_line(world: World) -> None:
    line = world.line(free_port())
    await world.until(lambda: line.status().reason == "cannot connect: ConnectionRefusedError")
    assert (line.status().state, line.room()) == (LineState.DEGRADED, 0)


# TLS


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def ca_file(authority: trustme.CA, folder: Path) -> Path:
    path = folder / "ca.pem"
    path.write_bytes(authority.cert_pem.bytes())
    return path


@pytest_twisted.ensureDeferred
async def test_a_line_over_tls_binds_when_the_name_is_right(
    world: World, authority: trustme.CA, tmp_path: Path
) -> None:
    smsc, port = await world.smsc(authority.issue_cert("127.0.0.1"))
    line = world.line(port, tls=True, ca_file=ca_file(authority, tmp_path))
    await world.until(lambda: line.room() > 0)
    assert await outcome_of(line) == Accepted(("a0000001",))
    assert set(await gatherResults(smsc.send_inbound(NUMBER, "4636", LONG))) == {0}
    assert joined(world.host.parts, "").text == LONG


@pytest.mark.parametrize("fault", ["wrong name", "unknown authority", "not the system's"])
@pytest_twisted.ensureDeferred
async def test_a_certificate_that_is_not_the_smscs_takes_the_line_down(
    world: World, authority: trustme.CA, tmp_path: Path, fault: str
) -> None:
    issuer = trustme.CA() if fault == "unknown authority" else authority
    smsc, port = await world.smsc(issuer.issue_cert("smsc.example" if fault == "wrong name" else "127.0.0.1"))
    trusted = None if fault == "not the system's" else ca_file(authority, tmp_path)
    line = world.line(port, tls=True, ca_file=trusted, bad_credentials_pause=Duration(60_000))
    await world.until(lambda: line.status().state is LineState.DOWN)
    assert line.room() > 0
    outcome = await outcome_of(line)
    assert isinstance(outcome, LineDown)
    assert outcome.reason.startswith("the SMSC's certificate is refused: ")
    assert smsc.binds == []


def test_a_ca_file_that_is_none_is_a_configuration_error(world: World, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("no certificate")
    with pytest.raises(ConfigError, match="ca_file cannot be read"):
        world.line(1, tls=True, ca_file=path)
    with pytest.raises(ConfigError, match="ca_file cannot be read"):
        world.line(1, tls=True, ca_file=tmp_path / "missing.pem")
