"""The one outbound client against everything a far end can do to it (reliability.md §§ 3b, 3d, 5b; I42)."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest
import pytest_twisted
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IListeningPort,
    IReactorCore,
    IResolutionReceiver,
)
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.task import deferLater
from twisted.internet.testing import MemoryReactorClock
from twisted.web.http import Request
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

from datasms_daemon.demo import answers
from datasms_daemon.demo.answers import Rendered, ScriptedAnswer, answer
from datasms_daemon.demo.fcm import DemoFcm
from datasms_daemon.errors import ConfigError
from datasms_daemon.https.client import Answer, Failed, SafeClient
from datasms_daemon.https.connect import Reactor
from datasms_daemon.rules.addresses import Hosts

TIMEOUT_S = 0.6


def _now_ms() -> int:
    return int(time.time() * 1000)


class _World:
    """A TLS server whose next answers are scripted, and a client that trusts it."""

    def __init__(self, reactor: IReactorCore, tmp_path: Path) -> None:
        self.reactor = cast(Reactor, reactor)
        self.tmp_path = tmp_path
        self.server = DemoFcm(self.reactor, _now_ms)
        self._clients: list[SafeClient] = []

    async def start(self) -> None:
        await self.server.listen(self.reactor)
        _, self.ca_file = self.server.write_files(self.tmp_path)
        self.url = f"{self.server.endpoint}/token"
        self.host = self.server.endpoint.removeprefix("https://")
        self.client = self.new_client()

    def new_client(
        self,
        *,
        hosts: Hosts | None = None,
        ca_file: Path | None = None,
        allow_private: bool = True,
        concurrency: int = 4,
        total_timeout_s: float = TIMEOUT_S,
    ) -> SafeClient:
        client = SafeClient(
            self.reactor,
            hosts=Hosts((self.host,)) if hosts is None else hosts,
            allow_private=allow_private,
            ca_file=ca_file or self.ca_file,
            concurrency=concurrency,
            total_timeout_s=total_timeout_s,
        )
        self._clients.append(client)
        return client

    async def post(self, *script: ScriptedAnswer) -> Answer | Failed:
        """What the client makes of these answers to its next requests; the first of them."""
        self.server.token_script.extend(script)
        return await self.client.post(self.url, {"Authorization": "Bearer canary-7151"}, b"question")

    async def stop(self) -> None:
        for client in self._clients:
            await client.stop()
        await self.server.stop()


@pytest_twisted.async_yield_fixture
async def world(reactor: IReactorCore, tmp_path: Path) -> AsyncIterator[_World]:
    world = _World(reactor, tmp_path)
    await world.start()
    yield world
    await world.stop()


def _echo(request: Request) -> Rendered:
    assert request.content is not None
    body: bytes = request.content.read()
    return body


@pytest_twisted.ensureDeferred
async def test_an_answer_is_status_headers_and_body(world: _World) -> None:
    got = await world.post(answer(202, b"body", {"X-One": "1"}))
    assert isinstance(got, Answer)
    assert (got.status, got.body, got.headers["x-one"]) == (202, b"body", "1")


@pytest.mark.parametrize("value", ["1\r\nX-Two: 2", "1\nX-Two: 2", "1\rX-Two: 2", "1\0"])
@pytest_twisted.ensureDeferred
async def test_a_header_that_would_be_two_is_not_sent(
    world: _World, logged_failures: list[dict[str, Any]], value: str
) -> None:
    world.server.token_script.append(_echo)
    failed = await world.client.post(world.url, {"X-One": value}, b"question")
    assert isinstance(failed, Failed)
    assert (failed.phase, world.server.token_script) == ("nothing_sent", [_echo])
    assert len(logged_failures) == 1
    logged_failures.clear()


@pytest_twisted.ensureDeferred
async def test_the_request_asks_for_identity_and_never_returns_a_cookie(world: _World) -> None:
    seen: list[dict[str, str]] = []

    def remember(request: Request) -> Rendered:
        headers = {name.decode().lower(): b",".join(values).decode() for name, values in _raw_headers(request)}
        seen.append(headers)
        request.setHeader("Set-Cookie", "id=5; Path=/")
        return b""

    for _ in range(2):
        assert isinstance(await world.post(remember), Answer)
    assert [(headers["accept-encoding"], headers.get("cookie")) for headers in seen] == [("identity", None)] * 2
    assert seen[0]["content-length"] == "8"
    assert seen[0]["host"] == world.host


def _raw_headers(request: Request) -> list[tuple[bytes, Sequence[bytes]]]:
    return list(request.requestHeaders.getAllRawHeaders())


@pytest_twisted.ensureDeferred
async def test_a_connection_is_used_again_after_a_complete_answer_however_many_came_before(world: _World) -> None:
    ports: set[object] = set()

    def remember(request: Request) -> Rendered:
        ports.add(request.getClientAddress().port)
        return b"x" * 60_000

    for _ in range(5):
        assert isinstance(await world.post(remember), Answer)
    assert len(ports) == 1


HOSTILE: dict[str, Callable[[Reactor], ScriptedAnswer]] = {
    "silence": lambda _: answers.silence,
    "reset": lambda _: answers.reset,
    "cut": answers.cut,
    "giant": lambda _: answers.giant,
    "gzip_bomb": lambda _: answers.gzip_bomb,
    "endless_head": lambda _: answers.endless_head,
}


@pytest.mark.parametrize(
    ("hostile", "reason"),
    [
        ("silence", "time limit"),
        ("reset", "ResponseNeverReceived"),
        ("cut", "ResponseFailed"),
        ("giant", "AnswerRefused: answer too large"),
        ("gzip_bomb", "AnswerRefused: encoded answer"),
        ("endless_head", "Response"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_after_the_request_was_written_a_failure_is_ambiguous(world: _World, hostile: str, reason: str) -> None:
    got = await world.post(HOSTILE[hostile](world.reactor))
    assert isinstance(got, Failed)
    assert (got.phase, got.lasting) == ("maybe_sent", False)
    assert got.reason.startswith(reason)
    assert isinstance(await world.post(answer(200)), Answer)


@pytest.mark.parametrize("headers", [{}, {"Content-Encoding": "br"}])
@pytest_twisted.ensureDeferred
async def test_the_connection_of_a_refused_answer_is_closed_at_once(world: _World, headers: dict[str, str]) -> None:
    """I42: an exchange that did not end well leaves no connection behind."""
    gone: list[Deferred[None]] = []

    def unfinished(request: Request) -> Rendered:
        gone.append(request.notifyFinish())
        for name, value in headers.items():
            request.setHeader(name, value)
        request.write(b"x" * 100_000)
        return NOT_DONE_YET

    started = time.monotonic()
    got = await world.post(unfinished)
    assert isinstance(got, Failed)
    with pytest.raises(ConnectionLost):
        await gone[0]
    assert time.monotonic() - started < TIMEOUT_S / 2


@pytest_twisted.ensureDeferred
async def test_a_dripping_answer_ends_at_the_total_time_limit(world: _World) -> None:
    started = time.monotonic()
    got = await world.post(answers.drip(world.reactor, 0.05))
    assert got == Failed("maybe_sent", "time limit")
    assert TIMEOUT_S <= time.monotonic() - started < TIMEOUT_S + 0.5


@pytest_twisted.ensureDeferred
async def test_a_redirect_is_an_answer_and_not_followed(world: _World) -> None:
    got = await world.post(answers.redirect_to(world.url))
    assert isinstance(got, Answer)
    assert got.status == 307
    assert world.server.token_requests == 1


@pytest_twisted.ensureDeferred
async def test_a_refused_connection_means_nothing_was_sent(world: _World) -> None:
    await world.server.stop()
    got = await world.post()
    assert got == Failed("nothing_sent", "ConnectionRefusedError")


@pytest_twisted.ensureDeferred
async def test_a_name_that_does_not_resolve_means_nothing_was_sent(world: _World) -> None:
    client = world.new_client(hosts=Hosts(("nowhere.invalid",)), total_timeout_s=5)
    got = await client.post("https://nowhere.invalid/", {}, b"question")
    assert isinstance(got, Failed)
    assert (got.phase, got.lasting) == ("nothing_sent", False)


@pytest_twisted.ensureDeferred
async def test_a_server_that_never_speaks_tls_means_nothing_was_sent(world: _World) -> None:
    listening, port = _listen(world.reactor, _CanaryFactory())
    host = f"localhost:{port}"
    client = world.new_client(hosts=Hosts((host,)))
    assert await client.post(f"https://{host}/", {}, b"question") == Failed("nothing_sent", "time limit")
    await maybeDeferred(listening.stopListening)


@pytest_twisted.ensureDeferred
async def test_an_unknown_authority_is_refused_before_anything_is_sent(world: _World, tmp_path: Path) -> None:
    other = DemoFcm(world.reactor, _now_ms)
    ca_file = tmp_path / "other.pem"
    ca_file.write_bytes(other.ca_pem)
    got = await world.new_client(ca_file=ca_file).post(world.url, {}, b"question")
    assert isinstance(got, Failed)
    assert (got.phase, got.lasting) == ("nothing_sent", True)
    assert got.reason.startswith("PeerRefused")
    assert world.server.token_requests == 0


@pytest_twisted.ensureDeferred
async def test_the_total_time_includes_waiting_for_a_free_slot(world: _World) -> None:
    client = world.new_client(concurrency=1)
    world.server.token_script.append(answers.silence)
    first, second = (Deferred.fromCoroutine(client.post(world.url, {}, b"question")) for _ in range(2))
    assert await first == Failed("maybe_sent", "time limit")
    assert await second == Failed("nothing_sent", "time limit")


@pytest_twisted.ensureDeferred
async def test_no_more_requests_are_under_way_than_allowed(world: _World) -> None:
    under_way, most = 0, 0

    def count(request: Request) -> Rendered:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        return later(request)

    def done(_: Request) -> Rendered:
        nonlocal under_way
        under_way -= 1
        return b""

    later = answers.late(world.reactor, 0.02, done)
    world.server.token_script.extend([count] * 20)
    client = world.new_client(concurrency=3, total_timeout_s=5)
    got = await gatherResults([Deferred.fromCoroutine(client.post(world.url, {}, b"q")) for _ in range(20)])
    assert all(isinstance(one, Answer) for one in got)
    assert most == 3


@pytest_twisted.ensureDeferred
async def test_stopping_ends_what_is_under_way_and_refuses_what_comes_later(world: _World) -> None:
    world.server.token_script.append(answers.silence)
    waiting = Deferred.fromCoroutine(world.client.post(world.url, {}, b"question"))
    while not world.server.token_requests:
        await deferLater(world.reactor, 0.01)
    await world.client.stop()
    assert await waiting == Failed("maybe_sent", "ResponseNeverReceived CancelledError")
    assert await world.post() == Failed("nothing_sent", "stopped")


@pytest_twisted.ensureDeferred
async def test_a_second_answer_nobody_asked_for_goes_to_nobody(world: _World) -> None:
    """I42: answers are never matched by position."""
    for _ in range(10):
        first = await world.post(answers.twice)
        assert isinstance(first, Answer)
        assert first.body == b'{"name": "first"}'
        await deferLater(world.reactor, 0)
        second = await world.post(_echo)
        assert isinstance(second, Answer)
        assert second.body == b"question"


@pytest_twisted.ensureDeferred
async def test_cancelled_requests_never_mix_up_answers(world: _World) -> None:
    """I42: a cancelled or timed-out request closes its connection, which is never used again."""
    random = Random(42)
    client = world.new_client(concurrency=8, total_timeout_s=5)

    async def one(number: int) -> None:
        wait_s = random.random() * 0.02
        world.server.token_script.append(answers.late(world.reactor, wait_s, _echo))
        asked = Deferred.fromCoroutine(client.post(world.url, {}, b"%d" % number))
        if random.random() < 0.5:
            world.reactor.callLater(random.random() * 0.03, asked.cancel)
        got = await asked
        if isinstance(got, Answer):
            assert got.body == b"%d" % number
            answered.append(number)

    answered: list[int] = []
    await gatherResults([Deferred.fromCoroutine(one(number)) for number in range(300)])
    assert 100 < len(answered) < 300


@pytest_twisted.ensureDeferred
async def test_a_ca_file_that_cannot_be_read_is_a_configuration_error(world: _World, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no CA certificate"):
        world.new_client(ca_file=tmp_path / "missing.pem")


class _Canary(Protocol):
    """Counts who comes where nobody may come."""

    def connectionMade(self) -> None:
        assert isinstance(self.factory, _CanaryFactory)
        self.factory.visits += 1


class _CanaryFactory(ServerFactory):
    protocol = _Canary
    noisy = False
    visits = 0


# In the first test each host is even on the allow-list.
LOCAL = tuple(
    """
127.0.0.1 127.1 127.0.1 127.00.0.1 127.0.0.2 127.255.255.254 2130706433 0x7f000001 0x7f.1 0x7f.0x0.0x0.0x1 017700000001
0177.0.0.1 0177.1 00000177.0.0.1 0 0.0.0.0 0.0 0x0 00 localhost localhost.localdomain ip6-localhost
[::1] [0:0:0:0:0:0:0:1] [::] [::7f00:1] [::ffff:7f00:1] [0:0:0:0:0:ffff:7f00:1] [64:ff9b::7f00:1] [64:ff9b:1::7f00:1]
[2002:7f00:1::] [2002:7f00:1::1] [2001:0:7f00:1::1] [fe80::1] [fd00::1] [ff02::1] [::ffff:0:7f00:1] [100::1]
10.0.0.1 192.168.0.1 172.16.0.1 169.254.169.254 100.64.0.1 198.18.0.1 224.0.0.1 255.255.255.255 240.0.0.1
""".split()  # noqa: SIM905 (a list of words reads better than 50 quoted ones)
)
# {port} is the canary's.
ODD = (
    "http://127.0.0.1:{port}/",
    "http://push.example:{port}/",
    "HTTPS://push.example:{port}/",
    "//127.0.0.1:{port}/",
    "gopher://127.0.0.1:{port}/",
    "https://push.example@127.0.0.1:{port}/",
    "https://push.example:443@127.0.0.1:{port}/",
    "https://push.example%40127.0.0.1:{port}/",
    "https://127.0.0.1:{port}#@push.example/",
    "https://127.0.0.1:{port}#.push.example",
    "https://127.0.0.1:{port}?.push.example",
    "https://127.0.0.1:{port}\\@push.example/",
    "https://127.0.0.1:{port}/.push.example",
    "https://push.example.evil.invalid:{port}/",
    "https://evilpush.example:{port}/",
    "https://push.example.:{port}/",
    "https://push.example:{port}:443/",
    "https://push.example:{port}",
    "https://127。0。0。1:{port}/",
    "https://①②⑦.⓪.⓪.①:{port}/",
    "https://localhoſt:{port}/",
    "https://ⓛocalhost:{port}/",
    "https://[::ffff:127.0.0.1]:{port}/",
    "https://[::1%25lo]:{port}/",
    "https://[::1%lo]:{port}/",
    "https://127.0.0.1.:{port}/",
    "https://localhost.:{port}/",
    "https:/127.0.0.1:{port}/",
    "https:///127.0.0.1:{port}/",
    "https:127.0.0.1:{port}/",
)


def _listen(reactor: Reactor, factory: ServerFactory) -> tuple[IListeningPort, int]:
    listening = reactor.listenTCP(0, factory, interface="127.0.0.1")
    address = listening.getHost()
    assert isinstance(address, IPv4Address)
    return listening, address.port


@pytest_twisted.ensureDeferred
async def test_no_spelling_of_a_local_address_reaches_a_local_server(world: _World) -> None:
    factory = _CanaryFactory()
    canary, port = _listen(world.reactor, factory)

    async def refused(host: str) -> None:
        client = world.new_client(hosts=Hosts((f"{host}:{port}",)), allow_private=False, total_timeout_s=5)
        got = await client.post(f"https://{host}:{port}/x", {}, b"question")
        assert isinstance(got, Failed), host
        assert got.phase == "nothing_sent", host

    await gatherResults([Deferred.fromCoroutine(refused(host)) for host in LOCAL])
    assert factory.visits == 0
    await maybeDeferred(canary.stopListening)


@pytest_twisted.ensureDeferred
async def test_no_odd_url_passes_the_list_of_hosts(world: _World) -> None:
    factory = _CanaryFactory()
    canary, port = _listen(world.reactor, factory)
    client = world.new_client(hosts=Hosts(("push.example",)), allow_private=True)
    for url in ODD:
        got = await client.post(url.format(port=port), {}, b"question")
        assert got == Failed("nothing_sent", "URL not allowed", lasting=True), url
    assert factory.visits == 0
    await maybeDeferred(canary.stopListening)


def test_the_corpus_is_large_enough() -> None:
    assert len(set(LOCAL)) + len(set(ODD)) >= 60


@implementer(IHostResolution)
class _Resolution:
    def __init__(self, name: str) -> None:
        self.name = name

    def cancel(self) -> None:
        """Already over."""


class _Rebinding:
    """An IHostnameResolver that answers each question with the next list of addresses."""

    def __init__(self, *answers: list[IAddress]) -> None:
        self._answers = list(answers)

    def resolveHostName(
        self, receiver: IResolutionReceiver, host_name: str, *_: object, **__: object
    ) -> IHostResolution:
        resolution = _Resolution(host_name)
        receiver.resolutionBegan(resolution)
        for address in self._answers.pop(0):
            receiver.addressResolved(address)
        receiver.resolutionComplete()
        return resolution


def test_a_name_that_comes_to_mean_a_private_address_is_not_connected_to() -> None:
    reactor = MemoryReactorClock()
    good, bad = IPv4Address("TCP", "8.8.8.8", 443), IPv4Address("TCP", "127.0.0.1", 443)
    mapped = IPv6Address("TCP", "::ffff:10.0.0.1", 443)
    reactor.installNameResolver(cast(IHostnameResolver, _Rebinding([good], [bad], [bad, mapped, good])))
    client = SafeClient(
        cast(Reactor, reactor),
        hosts=Hosts(("push.example",)),
        allow_private=False,
        ca_file=None,
        concurrency=4,
        total_timeout_s=15,
    )
    got: list[Answer | Failed] = []
    for _ in range(3):
        posted = Deferred.fromCoroutine(client.post("https://push.example/", {}, b"question"))
        posted.addCallback(got.append)
        reactor.advance(1)
    assert got == [Failed("nothing_sent", "AddressRefused: address not allowed", lasting=True)]
    reactor.advance(15)
    assert [failed.phase for failed in got if isinstance(failed, Failed)] == ["nothing_sent"] * 3
    assert {client[0] for client in reactor.tcpClients} == {"8.8.8.8"}
