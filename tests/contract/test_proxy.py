"""Pushes through an HTTP proxy: TLS inside the tunnel is as strict as without, the proxy can do no harm."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorCore
from twisted.internet.task import deferLater

from datasms_daemon.channels.fcm import Fcm
from datasms_daemon.demo.fcm import DemoFcm
from datasms_daemon.errors import ConfigError
from datasms_daemon.https.client import Failed, SafeClient
from datasms_daemon.https.connect import Reactor
from datasms_daemon.https.proxy import read_proxy
from datasms_daemon.model import Accepted, Later, LineDown, Outcome, Secret
from datasms_daemon.rules.addresses import Hosts
from tests.contract.rigs.base import TIMEOUT_S, now_ms, order
from tests.contract.rigs.fcm import FcmRig
from tests.contract.rigs.omni import MessagesRig, OmniRig
from tests.contract.rigs.viber import ViberRig
from tests.contract.rigs.webpush import WebPushRig
from tests.contract.rigs.wns import WnsRig
from tests.fakes import connect_proxy
from tests.fakes.connect_proxy import OPEN, ConnectProxy, Mode, says

CREDENTIALS = "gate:pass w:rd-canary-8812"
USERINFO = "gate:pass%20w%3Ard-canary-8812@"


class World:
    """FCM's stand-in, a proxy, and channels that go through it."""

    def __init__(self, reactor: Reactor, tmp_path: Path) -> None:
        self.reactor = reactor
        self.proxy = ConnectProxy(reactor)
        self.rig = FcmRig(reactor, tmp_path)
        self._channels: list[Fcm | SafeClient] = []

    async def start(self) -> None:
        await self.proxy.listen()
        await self.rig.start()
        self.place = self.rig.service.endpoint.removeprefix("https://")

    def channel(self, userinfo: str = "", **changed: Any) -> Fcm:
        channel = self.rig.new_channel(**{"proxy": self.proxy.url(userinfo)} | changed)
        self._channels.append(channel)
        return channel

    async def push(self, channel: Fcm) -> Outcome:
        """The outcome, in time."""
        started = time.monotonic()
        outcome = await channel.push(order(self.rig))
        assert time.monotonic() - started < TIMEOUT_S + 0.5
        return outcome

    async def ask(self, host: str, *, allow_private: bool = True) -> object:
        """What a client that may go to ``host`` gets from it."""
        client = SafeClient(
            self.reactor,
            hosts=Hosts((host,)),
            allow_private=allow_private,
            ca_file=self.rig.ca_file,
            concurrency=1,
            total_timeout_s=TIMEOUT_S,
            proxy=self.proxy.url(),
        )
        self._channels.append(client)
        return await client.post(f"https://{host}/token", {}, b"question")

    async def stop(self) -> None:
        for channel in self._channels:
            await channel.stop()
        await self.rig.stop()
        await self.proxy.stop()


@pytest_twisted.async_yield_fixture
async def world(reactor: IReactorCore, tmp_path: Path) -> AsyncIterator[World]:
    world = World(cast(Reactor, reactor), tmp_path)
    await world.start()
    yield world
    await world.stop()


@pytest_twisted.ensureDeferred
async def test_a_push_goes_through_the_proxy_and_the_tunnel_is_kept_for_the_next(world: World) -> None:
    channel = world.channel()
    assert [type(await world.push(channel)) for _ in range(3)] == [Accepted] * 3
    assert world.proxy.asked == [f"CONNECT {world.place} HTTP/1.1\r\nHost: {world.place}\r\n\r\n"]
    assert len(world.rig.service.pushed) == 3


@pytest.mark.parametrize("kind", [FcmRig, WnsRig, WebPushRig, ViberRig, OmniRig, MessagesRig])
@pytest_twisted.ensureDeferred
async def test_no_channel_passes_its_proxy_by(reactor: IReactorCore, tmp_path: Path, kind: type[Any]) -> None:
    proxy, rig = ConnectProxy(cast(Reactor, reactor)), kind(reactor, tmp_path)
    await proxy.listen()
    await rig.start()
    channel = rig.new_channel(proxy=proxy.url())
    outcome = await channel.push(order(rig))
    await channel.stop()
    await rig.stop()
    await proxy.stop()
    assert isinstance(outcome, Accepted)
    assert proxy.asked


@pytest_twisted.ensureDeferred
async def test_many_pushes_at_once_have_tunnels_of_their_own(world: World) -> None:
    channel = world.channel(concurrency=10)
    pushes = [Deferred.fromCoroutine(channel.push(order(world.rig))) for _ in range(50)]
    assert {type(outcome) for outcome in await gatherResults(pushes)} == {Accepted}
    assert len(world.rig.service.pushed) == 50
    assert 2 <= len(world.proxy.asked) <= 10


@pytest_twisted.ensureDeferred
async def test_the_proxy_is_told_who_we_are_and_nobody_else_is(world: World, said: list[str]) -> None:
    world.proxy.credentials = CREDENTIALS
    channel = world.channel(USERINFO)
    assert isinstance(await world.push(channel), Accepted)
    (head,) = world.proxy.asked
    assert "Bearer" not in head
    world.proxy.credentials = "somebody:else"
    for connection in tuple(world.proxy.open):
        cast(Any, connection.transport).abortConnection()
    outcome = await world.push(world.channel(USERINFO))
    assert outcome == LineDown("token endpoint: ProxyRefused: 407: the proxy does not take our user and password")
    assert "canary-8812" not in f"{outcome!r} {said!r}"
    assert "Proxy-Authorization" not in f"{outcome!r} {said!r}"


MODES: dict[str, tuple[Mode, type[Outcome], str]] = {
    "407": (says(b"HTTP/1.1 407 No\r\n\r\n"), LineDown, "ProxyRefused: 407: the proxy does not take our user"),
    "403": (says(b"HTTP/1.1 403 No\r\n\r\n"), LineDown, "ProxyRefused: 403: the proxy does not connect to this host"),
    "502": (says(b"HTTP/1.1 502 No\r\n\r\n<html>"), Later, "ProxyFailed: 502: the proxy made no connection"),
    "429": (says(b"HTTP/1.1 429 No\r\n\r\n"), Later, "ProxyFailed: 429"),
    "201": (says(b"HTTP/1.1 201 Created\r\n\r\n"), Later, "ProxyFailed: 201"),
    "100": (says(b"HTTP/1.1 100 Continue\r\n\r\n" + OPEN), Later, "ProxyFailed: 100"),
    "redirect": (says(b"HTTP/1.1 302 Found\r\nLocation: https://x/\r\n\r\n"), Later, "ProxyFailed: 302"),
    "not http": (says(b"220 mail.example ESMTP\r\n\r\n"), Later, "ProxyFailed: the proxy's answer is not HTTP"),
    "bare line feeds": (says(b"HTTP/1.1 200 OK\n\n" + OPEN), Later, "ProxyFailed: the proxy's answer is not HTTP"),
    "more than asked": (says(OPEN + b"HTTP/1.1 200 OK"), Later, "ProxyFailed: the proxy said more"),
    "giant head": (connect_proxy.giant_head, Later, "ProxyFailed: the proxy's answer is too long"),
    "closes": (connect_proxy.closes, Later, "ProxyFailed: the proxy closed the connection"),
    "silence": (connect_proxy.silence, Later, "time limit"),
    "drip": (connect_proxy.drip, Later, "time limit"),
}


@pytest.mark.parametrize("mode", MODES)
@pytest_twisted.ensureDeferred
async def test_whatever_the_proxy_answers_is_an_outcome_in_time_and_nothing_was_sent(world: World, mode: str) -> None:
    world.proxy.mode, kind, reason = MODES[mode]
    outcome = await world.push(world.channel())
    assert isinstance(outcome, Later | LineDown)
    assert isinstance(outcome, kind)
    assert reason in outcome.reason
    assert world.rig.service.token_requests == 0


@pytest.mark.parametrize("mode", ["closes", "giant head", "502"])
@pytest_twisted.ensureDeferred
async def test_a_proxy_that_is_well_again_is_used_again(world: World, mode: str) -> None:
    world.proxy.mode = MODES[mode][0]
    answers = [await world.ask(world.place)]
    world.proxy.mode = None
    answers.append(await world.ask(world.place))
    assert [isinstance(answer, Failed) for answer in answers] == [True, False]


@pytest_twisted.ensureDeferred
async def test_a_proxy_that_is_not_there_is_later(world: World) -> None:
    await world.proxy.stop()
    outcome = await world.push(world.channel())
    assert outcome == Later("token endpoint: ProxyFailed: the proxy cannot be reached: ConnectionRefusedError")


@pytest_twisted.ensureDeferred
async def test_a_host_that_the_proxy_cannot_reach_is_later(world: World) -> None:
    world.proxy.names["localhost"] = ("127.0.0.1", 1)
    assert isinstance(await world.push(world.channel()), Later)


@pytest_twisted.ensureDeferred
async def test_a_proxy_that_leads_elsewhere_is_found_out_by_the_certificate(world: World, tmp_path: Path) -> None:
    """The proxy in the middle, with a certificate of an authority that we do not trust."""
    stranger = DemoFcm(world.reactor, now_ms)
    await stranger.listen(world.reactor)
    world.proxy.names["localhost"] = ("127.0.0.1", int(stranger.endpoint.rpartition(":")[2]))
    outcome = await world.push(world.channel())
    assert isinstance(outcome, LineDown)
    assert "PeerRefused" in outcome.reason
    assert stranger.token_requests == 0
    await stranger.stop()


@pytest_twisted.ensureDeferred
async def test_the_far_ends_name_is_checked_inside_the_tunnel_and_only_the_proxy_resolves_it(world: World) -> None:
    """The name exists for the proxy only, and the certificate there is another's."""
    port = int(world.place.rpartition(":")[2])
    world.proxy.names["nowhere.invalid"] = ("127.0.0.1", port)
    got = await world.ask(f"nowhere.invalid:{port}")
    assert isinstance(got, Failed)
    assert (got.phase, got.lasting) == ("nothing_sent", True)
    assert "PeerRefused" in got.reason
    assert world.rig.service.token_requests == 0


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "10.0.0.1", "169.254.169.254",
        "0", "0x", "[::1]", "[::ffff:127.0.0.1]", "[fe80::1]", "[fc00::1]", "localhost", "a.localhost",
    ],
)  # fmt: skip
@pytest_twisted.ensureDeferred
async def test_a_local_address_that_is_written_out_is_not_even_asked_for(world: World, host: str) -> None:
    got = await world.ask(host, allow_private=False)
    assert isinstance(got, Failed)
    assert got.lasting
    assert world.proxy.asked == []


@pytest_twisted.ensureDeferred
async def test_other_hosts_are_asked_for_as_they_are_written(world: World) -> None:
    world.proxy.mode = says(b"HTTP/1.1 502 No\r\n\r\n")
    for host in ("push.example", "8.8.8.8", "[2606:4700::1111]:8443"):
        await world.ask(host, allow_private=False)
    places = [head.split(" ")[1] for head in world.proxy.asked]
    assert places == ["push.example:443", "8.8.8.8:443", "[2606:4700::1111]:8443"]


@pytest_twisted.ensureDeferred
async def test_stopping_while_a_tunnel_is_being_made_ends_it(world: World) -> None:
    world.proxy.mode = connect_proxy.silence
    channel = world.channel()
    push = Deferred.fromCoroutine(channel.push(order(world.rig)))
    while not world.proxy.asked:
        await deferLater(world.reactor, 0.01)
    await channel.stop()
    assert isinstance(await push, Later)
    while world.proxy.open:
        await deferLater(world.reactor, 0.01)


@pytest.mark.parametrize(
    "url",
    [
        "", "proxy.example.org:3128", "https://proxy.example.org:3128", "http://proxy.example.org",
        "http://proxy.example.org:0", "http://proxy.example.org:65536", "http://proxy.example.org:3128/path",
        "http://canary@proxy.example.org:3128", "http://us er:canary@proxy.example.org:3128",
        "http://us%3Aer:canary@proxy.example.org:3128", "http://user:ca@nary@proxy.example.org:3128",
        "http://proxy.example.org:3128\r\nX: y", "http://prox\u00fd.example.org:3128", "http://[::1:3128",
    ],
)  # fmt: skip
def test_an_unusable_proxy_is_a_configuration_error_that_shows_no_password(url: str) -> None:
    with pytest.raises(ConfigError, match="proxy: must be http://HOST:PORT") as refused:
        read_proxy(url)
    assert "canary" not in str(refused.value)


@pytest_twisted.ensureDeferred
async def test_a_channel_with_an_unusable_proxy_cannot_be_made(world: World) -> None:
    with pytest.raises(ConfigError, match="proxy: must be"):
        world.rig.new_channel(proxy="socks5://proxy.example.org:1080")


def test_a_proxy_url_is_read_as_it_is_meant() -> None:
    proxy = read_proxy("http://us%40er:p%3Aw%C3%A9@[::1]:3128/")
    assert (proxy.host, proxy.port, proxy.credentials) == ("::1", 3128, Secret("us@er:p:w\u00e9"))
    assert "w\u00e9" not in repr(proxy)
