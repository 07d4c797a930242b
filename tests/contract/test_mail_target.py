"""The mail relay: another implementation (aiosmtpd) that takes mails, and a relay that refuses, hangs and cheats."""

from __future__ import annotations

import email
import time
from collections.abc import AsyncIterator, Callable
from email.policy import SMTP
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_twisted
from msgspec.structs import replace
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import (
    IDelayedCall,
    IListeningPort,
    IReactorCore,
    IReactorProcess,
    IReactorTCP,
    ITCPTransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from datasms_daemon.config.kinds import Duration
from datasms_daemon.config.targets import Mail
from datasms_daemon.crypto.certificates import Authority
from datasms_daemon.https.connect import Reactor
from datasms_daemon.model import Hopeless, Inbound, LineName, NotTaken, Parcel, Secret, Taken
from datasms_daemon.model.targets import HandedOn
from datasms_daemon.services import TargetDrivers
from datasms_daemon.targets.mail import MailTarget
from tests.fakes.json_process import JsonProcess

TIMEOUT_S = 1.0


def now_ms() -> int:
    return int(time.time() * 1000)


def parcel(text: str = "Hello", to: str = "office@example.org") -> Parcel:
    inbound = Inbound(7, LineName("sms"), "+420603123456", "+420777000111", text, 1_800_000_000_000)
    return Parcel("in_00ff", f"mail:{to}", inbound)


def target_of(reactor: Reactor, options: Mail) -> MailTarget:
    made = TargetDrivers(reactor, now_ms, str).mail(options)
    assert isinstance(made, MailTarget)
    return made


# --- another implementation ------------------------------------------------------------------------------------------


class Relay:
    """aiosmtpd in a process of its own, and the options to reach it."""

    def __init__(self, reactor: IReactorCore, tmp_path: Path) -> None:
        authority = Authority(1, now_ms())
        key, certificate = authority.issue(("localhost",), 1, now_ms())
        (tmp_path / "key.pem").write_bytes(key)
        (tmp_path / "certificate.pem").write_bytes(certificate)
        (tmp_path / "ca.pem").write_bytes(authority.certificate_pem)
        (tmp_path / "foreign.pem").write_bytes(Authority(1, now_ms()).certificate_pem)
        self.reactor = reactor
        self.tmp_path = tmp_path
        self.process = JsonProcess(
            cast(IReactorProcess, reactor), "aiosmtpd_process.py", str(tmp_path / "certificate.pem"),
            str(tmp_path / "key.pem"),
        )  # fmt: skip
        self.ports: dict[str, int] = {}

    def options(self, tls: str, **more: Any) -> Mail:
        options = Mail(
            host="localhost",
            port=self.ports[tls],
            tls=tls,  # type: ignore[arg-type]
            from_="sms@example.org",
            ca_file=self.tmp_path / "ca.pem",
            allow_private=True,
            timeout=Duration(5_000),
        )
        if tls == "starttls":
            options = replace(options, username="datasms", password=Secret("s3cret"))
        return replace(options, **more)

    async def hand_on(self, given: Parcel, tls: str, **more: Any) -> HandedOn:
        target = target_of(cast(Reactor, self.reactor), self.options(tls, **more))
        try:
            return await target.hand_on(given)
        finally:
            await target.stop()


@pytest_twisted.async_yield_fixture
async def relay(reactor: IReactorCore, tmp_path: Path) -> AsyncIterator[Relay]:
    relay = Relay(reactor, tmp_path)
    ready = await relay.process.next()
    relay.ports = cast(dict[str, int], ready["ports"])
    yield relay
    await relay.process.stop()


@pytest.mark.parametrize("tls", ["starttls", "implicit", "none"])
@pytest_twisted.ensureDeferred
async def test_a_mail_arrives_whole_whatever_protects_it(relay: Relay, tls: str) -> None:
    text = "Příliš žluťoučký kůň\n.\n..\n.QUIT\n" + "a" * 5000
    assert await relay.hand_on(parcel(text), tls) == Taken()
    got = await relay.process.next()
    mail = email.message_from_string(cast(str, got["content"]), policy=SMTP)
    assert mail.get_content().replace("\r\n", "\n").rstrip("\n") == text
    assert (got["sender"], got["to"], got["ehlo"]) == ("sms@example.org", ["office@example.org"], "example.org")
    assert (mail["From"], mail["Message-ID"]) == ("+420603123456 <sms@example.org>", "<in_00ff@example.org>")
    if tls == "starttls":
        assert (got["tls"], got["authenticated"]) == (True, True)


@pytest_twisted.ensureDeferred
async def test_a_dot_at_the_seam_of_two_writes_ends_no_mail(relay: Relay) -> None:
    """Twisted's own way to send a file stuffs each piece of 16 KiB by itself (SMTP smuggling)."""
    text = "\n".join(["."] * 40_000)
    assert await relay.hand_on(parcel(text), "none") == Taken()
    got = await relay.process.next()
    mail = email.message_from_string(cast(str, got["content"]), policy=SMTP)
    assert mail.get_content().replace("\r\n", "\n").rstrip("\n") == text


@pytest_twisted.ensureDeferred
async def test_a_mailbox_that_does_not_exist_is_hopeless_and_a_full_one_is_not(relay: Relay) -> None:
    found = await relay.hand_on(parcel(to="nobody@example.org"), "none")
    assert found == Hopeless("the relay answered 550 5.1.1")
    found = await relay.hand_on(parcel(to="busy@example.org"), "none")
    assert found == NotTaken("the relay answered 452 4.2.2")


@pytest_twisted.ensureDeferred
async def test_a_wrong_password_is_no_fault_of_the_text(relay: Relay) -> None:
    found = await relay.hand_on(parcel(), "starttls", password=Secret("canary"))
    assert found == NotTaken("the relay refuses user and password: 535 5.7.8")


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest_twisted.ensureDeferred
async def test_a_relay_with_another_certificate_gets_nothing(relay: Relay, tls: str) -> None:
    found = await relay.hand_on(parcel(), tls, ca_file=relay.tmp_path / "foreign.pem")
    assert isinstance(found, NotTaken)
    assert "PeerRefused" in found.reason
    assert isinstance(await relay.hand_on(parcel(), tls, host="127.0.0.1"), NotTaken)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@pytest_twisted.ensureDeferred
async def test_a_relay_in_a_private_network_needs_to_be_allowed(relay: Relay, host: str) -> None:
    found = await relay.hand_on(parcel(), "none", host=host, allow_private=False)
    assert found == NotTaken("no connection: AddressRefused: address not allowed")
    assert await relay.hand_on(parcel(), "none", host=host) == Taken()


# --- a relay that is not what it should be ---------------------------------------------------------------------------

Say = Callable[[bytes], None]


class BadRelay(Protocol):
    """Says ``greeting``, then to each command the answer of ``answers`` by its first word, or what is usual."""

    USUAL = {
        "EHLO": b"250-relay\r\n250 8BITMIME\r\n",
        "STARTTLS": b"220 go\r\n",
        "MAIL": b"250 ok\r\n",
        "RCPT": b"250 ok\r\n",
        "DATA": b"354 go\r\n",
        ".": b"250 taken\r\n",
        "QUIT": b"221 bye\r\n",
    }

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._rest = b""
        self._in_data = False
        self._drip: IDelayedCall | None = None

    def connectionMade(self) -> None:
        self._stage.connections.append(self)
        self._answer("greeting", b"220 relay\r\n")

    def dataReceived(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\r\n")
        for line in lines:
            if self._in_data:
                if line == b".":
                    self._in_data = False
                    self._command(".")
                continue
            self._command(line.split(b" ")[0].decode().upper())

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._stage.connections.remove(self)
        if self._drip is not None and self._drip.active():
            self._drip.cancel()

    def _command(self, word: str) -> None:
        self._stage.commands.append(word)
        self._in_data = word == "DATA" and "DATA" not in self._stage.answers
        self._answer(word, self.USUAL[word])

    def _answer(self, word: str, usual: bytes) -> None:
        said = self._stage.answers.get(word, usual)
        transport = cast(ITCPTransport, self.transport)
        if said == b"CUT":
            transport.abortConnection()
        elif said == b"DRIP":
            self._again()
        elif said != b"SILENCE":
            transport.write(said)

    def _again(self) -> None:
        cast(ITCPTransport, self.transport).write(b"250-x\r\n")
        self._drip = self._stage.reactor.callLater(0.05, self._again)


class Stage:
    """A bad relay that listens, and mails to it."""

    def __init__(self, reactor: Reactor) -> None:
        self.reactor = reactor
        self.answers: dict[str, bytes] = {}
        self.commands: list[str] = []
        self.connections: list[BadRelay] = []
        self._port: IListeningPort | None = None

    async def start(self) -> None:
        factory = Factory.forProtocol(lambda: BadRelay(self))
        factory.noisy = False
        self._port = await TCP4ServerEndpoint(cast(IReactorTCP, self.reactor), 0, interface="127.0.0.1").listen(factory)
        self.port = cast(IPv4Address, self._port.getHost()).port

    async def hand_on(self, answers: dict[str, bytes], tls: str = "none") -> HandedOn:
        """What comes of one mail to a relay with these answers; the connection is gone when this returns."""
        self.answers = answers
        options = Mail(
            host="127.0.0.1",
            port=self.port,
            tls=tls,  # type: ignore[arg-type]
            from_="sms@example.org",
            allow_private=True,
            timeout=Duration(int(TIMEOUT_S * 1000)),
        )
        target = target_of(self.reactor, options)
        began = time.monotonic()
        found = await target.hand_on(parcel())
        assert time.monotonic() - began < TIMEOUT_S + 2.5
        await target.stop()
        return found

    async def close(self) -> None:
        """Listens no more."""
        port, self._port = self._port, None
        if port is not None:
            await maybeDeferred(port.stopListening)

    async def stop(self) -> None:
        await self.close()
        for connection in tuple(self.connections):
            cast(ITCPTransport, connection.transport).abortConnection()
        while self.connections:
            turn: Deferred[None] = Deferred()
            self.reactor.callLater(0.01, turn.callback, None)
            await turn


@pytest_twisted.async_yield_fixture
async def stage(reactor: IReactorCore) -> AsyncIterator[Stage]:
    stage = Stage(cast(Reactor, reactor))
    await stage.start()
    yield stage
    await stage.stop()


UNKNOWN = "; nobody knows whether it took the mail"


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        ({}, Taken()),
        ({"greeting": b"421 4.3.2 closing\r\n"}, NotTaken("the relay takes nothing: 421 4.3.2")),
        ({"greeting": b"554 go away\r\n"}, NotTaken("the relay takes nothing: 554")),
        ({"greeting": b"HTTP/1.1 400 Bad Request\r\n"}, NotTaken("the relay speaks no SMTP")),
        ({"EHLO": b"502 what\r\n"}, NotTaken("the relay knows no EHLO")),
        ({"MAIL": b"550 5.7.1 not you\r\n"}, NotTaken("the relay answered 550 5.7.1")),
        ({"MAIL": b"421 4.4.5 busy\r\n"}, NotTaken("the relay answered 421 4.4.5")),
        ({"RCPT": b"452 4.2.2 full\r\n"}, NotTaken("the relay answered 452 4.2.2")),
        ({"RCPT": b"550 5.1.1 <office@example.org> unknown\r\n"}, Hopeless("the relay answered 550 5.1.1")),
        ({"DATA": b"451 later\r\n"}, NotTaken("the relay answered 451")),
        ({".": b"554 5.7.1 spam\r\n"}, Hopeless("the relay answered 554 5.7.1")),
        ({".": b"452 4.3.1 full\r\n"}, NotTaken("the relay answered 452 4.3.1")),
        ({".": b"CUT"}, NotTaken(f"the relay closed the connection{UNKNOWN}")),
        ({".": b"SILENCE"}, NotTaken(f"time limit{UNKNOWN}")),
        ({"DATA": b"CUT"}, NotTaken("the relay closed the connection")),
        ({"greeting": b"SILENCE"}, NotTaken("time limit")),
        ({"EHLO": b"DRIP"}, NotTaken("time limit")),
        ({"greeting": b"DRIP"}, NotTaken("time limit")),
        ({"EHLO": b"250-" + b"x" * 20_000 + b"\r\n"}, NotTaken("the relay says too much")),
        ({"EHLO": b"250-x\r\n" * 20_000}, NotTaken("the relay says too much")),
        ({"MAIL": b"x" * 100_000}, NotTaken("the relay says too much")),
        ({"QUIT": b"SILENCE"}, Taken()),
        ({"QUIT": b"DRIP"}, Taken()),
    ],
    ids=repr,
)  # fmt: skip
@pytest_twisted.ensureDeferred
async def test_each_way_it_can_end(stage: Stage, answers: dict[str, bytes], found: HandedOn) -> None:
    assert await stage.hand_on(answers) == found


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({}, "the relay offers no STARTTLS"),
        ({"EHLO": b"250-relay\r\n250 STARTTLS\r\n", "STARTTLS": b"454 not now\r\n"}, "the relay refuses STARTTLS: 454"),
        (
            {"EHLO": b"250-relay\r\n250 STARTTLS\r\n", "STARTTLS": b"220 go\r\n250 injected\r\n"},
            "the relay said more before TLS than it may",
        ),
        ({"EHLO": b"250-relay\r\n250 STARTTLS\r\n", "STARTTLS": b"220 go\r\n"}, "time limit"),
    ],
    ids=repr,
)
@pytest_twisted.ensureDeferred
async def test_without_tls_where_there_must_be_tls_nothing_is_told(
    stage: Stage, answers: dict[str, bytes], reason: str
) -> None:
    assert await stage.hand_on(answers, "starttls") == NotTaken(reason)
    assert not {"MAIL", "AUTH"} & set(stage.commands)


@pytest_twisted.ensureDeferred
async def test_a_relay_that_is_not_there_is_tried_again(stage: Stage) -> None:
    await stage.close()
    assert await stage.hand_on({}) == NotTaken("no connection: ConnectionRefusedError")


@pytest_twisted.ensureDeferred
async def test_a_stop_ends_what_is_under_way(stage: Stage) -> None:
    stage.answers = {"EHLO": b"SILENCE"}
    options = Mail(host="127.0.0.1", port=stage.port, tls="none", from_="sms@example.org", allow_private=True)
    target = target_of(stage.reactor, options)
    handing_on = Deferred.fromCoroutine(target.hand_on(parcel()))
    while "EHLO" not in stage.commands:
        turn: Deferred[None] = Deferred()
        stage.reactor.callLater(0.01, turn.callback, None)
        await turn
    await target.stop()
    assert await handing_on == NotTaken("stopped")
    assert await target.hand_on(parcel()) == NotTaken("stopped")
