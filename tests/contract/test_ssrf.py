"""The corpus of addresses that a rogue client may register, and where they lead (reliability.md § 3b): nowhere inside.

Channels and safe client are real. Names mean what the table here says, and every connection that the guard lets through
is written down with where it was to go, and then refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_twisted
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import (
    IConnector,
    IHostnameResolver,
    IHostResolution,
    IReactorCore,
    IResolutionReceiver,
)
from twisted.internet.protocol import ClientFactory
from zope.interface import implementer

from datasms_daemon.channels.webpush import WebPush
from datasms_daemon.channels.wns import Wns
from datasms_daemon.config.channels import WebPushChannel, WnsChannel
from datasms_daemon.config.kinds import Duration
from datasms_daemon.crypto.webpush import new_key
from datasms_daemon.https.connect import Reactor
from datasms_daemon.interfaces import IChannel
from datasms_daemon.model import Accepted, Device, DeviceId, MessageId, Outcome, PersonId, PushOrder, Secret
from tests.contract.rigs.base import KEYS, now_ms

TIMEOUT_S = 2.0
SECRET = "canary-path-7f31"

PUBLIC, PUBLIC6 = "8.8.8.8", "2606:4700::1111"
DEAD = "9.9.9.9"
# One answer after the other; the last one stays. Any other .example name is 127.0.0.1.
NAMES: dict[str, tuple[tuple[str, ...], ...]] = {
    "login.example": ((PUBLIC,),),
    "push.example": ((PUBLIC,),),
    "good.notify.windows.com": ((PUBLIC,),),
    "rebound.example": ((PUBLIC,), ("127.0.0.1",)),
    "rebound6.example": ((PUBLIC6,), ("::1",)),
    "rebound.notify.windows.com": ((PUBLIC,), ("127.0.0.1",)),
    "both.example": ((DEAD, "127.0.0.1"),),
    "both6.example": ((DEAD, "::1"),),
    "both.notify.windows.com": ((DEAD, "10.0.0.1", "::1"),),
    "loopback6.example": (("::1",),),
    "ten.example": (("10.0.0.1",),),
    "ula.example": (("fd00::1",),),
    "cgnat.example": (("100.64.0.1",),),
    "metadata.google.internal": (("169.254.169.254",),),
    "metadata.example": (("169.254.169.254",),),
    "metadata6.example": (("fd00:ec2::254",),),
    "zero.example": (("0.0.0.0",),),
    "unspecified6.example": (("::",),),
    "mapped.example": (("::ffff:127.0.0.1",),),
    "nat64.example": (("64:ff9b::7f00:1",),),
    "sixtofour.example": (("2002:7f00:1::",),),
    "linklocal6.example": (("fe80::1",),),
    "multicast.example": (("224.0.0.1",),),
    "ip6-localhost": (("::1",),),
    "localhost.localdomain": (("127.0.0.1",),),
    "app.localhost": (("127.0.0.1",),),
    "db5.notify.windows.com": (("127.0.0.1",),),
    "wns6.notify.windows.com": (("::1",),),
    "ten.notify.windows.com": (("10.0.0.1",),),
    "metadata.notify.windows.com": (("169.254.169.254",),),
    "mapped.notify.windows.com": (("::ffff:10.0.0.1",),),
    "notify.windows.com": (("192.168.0.1",),),
}

# They do reach the canary when private networks are allowed: what stops them is the judgement of addresses alone.
PLAIN = tuple(
    f"https://{host}/{SECRET}"
    for host in """
127.0.0.1 127.0.0.1:22 127.0.0.1:8443 127.0.0.1:65535 127.0.0.2 127.255.255.254
127.1 127.0.1 127.00.0.1 2130706433 0x7f000001 0x7f.1 0x7f.0x0.0x0.0x1 017700000001 0177.0.0.1 0177.1 00000177.0.0.1
[::1] [::1]:22 [0:0:0:0:0:0:0:1] [0000:0000:0000:0000:0000:0000:0000:0001] [fd00::1] [fd00:ec2::254]
10.0.0.1 172.16.0.1 192.168.0.1 100.64.0.1 0xa000001 10.1 192.168.1 3232235521
localhost localhost:22 app.localhost localhost.localdomain ip6-localhost
loopback6.example ten.example ula.example cgnat.example metadata6.example both.example both6.example
127.0.0.1.nip.example notify.windows.com.evil.example fcm.googleapis.com.evil.example xn--nxasmq6b.example
""".split()  # noqa: SIM905 (a list of words reads better than 50 quoted ones)
)
# No option lets these through.
NEVER = tuple(
    f"https://{host}/{SECRET}"
    for host in """
0.0.0.0 0 0x0 00 0.0 zero.example [::] unspecified6.example
169.254.169.254 169.254.43518 2852039166 0xa9fea9fe 0251.0376.0251.0376 metadata.google.internal metadata.example
192.0.0.1 192.0.2.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 240.0.0.1 255.255.255.255 multicast.example
[::7f00:1] [::ffff:7f00:1] [0:0:0:0:0:ffff:7f00:1] [::ffff:a9fe:a9fe] [::ffff:0:7f00:1] mapped.example
[64:ff9b::7f00:1] [64:ff9b:1::7f00:1] nat64.example [2002:7f00:1::] [2002:7f00:1::1] [2002:a00:1::] sixtofour.example
[2001:0:7f00:1::1] [fe80::1] linklocal6.example [fec0::1] [ff02::1] [100::1]
""".split()  # noqa: SIM905
)
# Parsers differ about these, so they are no URLs here.
ODD = tuple(
    url.replace("SECRET", SECRET)
    for url in (
        "http://127.0.0.1/SECRET",
        "HTTPS://127.0.0.1/SECRET",
        "gopher://127.0.0.1/SECRET",
        "file:///etc/SECRET",
        "//127.0.0.1/SECRET",
        "https:127.0.0.1/SECRET",
        "https:/127.0.0.1/SECRET",
        "https:///127.0.0.1/SECRET",
        "https://push.example@127.0.0.1/SECRET",
        "https://push.example:443@127.0.0.1/SECRET",
        "https://user:word@localhost/SECRET",
        "https://127.0.0.1#@push.example/SECRET",
        "https://127.0.0.1/SECRET#.notify.windows.com",
        "https://evil.example/#.notify.windows.com/SECRET",
        "https://127.0.0.1\\@push.example/SECRET",
        "https://push.example\\@127.0.0.1/SECRET",
        "https://127.0.0.1\\.push.example/SECRET",
        "https://127.0.0.1?@push.example/SECRET",
        "https://127.0.0.1%23@push.example/SECRET",
        "https://push.example%40127.0.0.1/SECRET",
        "https://push.example%00.evil.example/SECRET",
        "https://LOCALHOST/SECRET",
        "https://Evil.Example/SECRET",
        "https://0X7F000001/SECRET",
        "https://[::FFFF:127.0.0.1]/SECRET",
        "https://127.0.0.1./SECRET",
        "https://localhost./SECRET",
        "https://evil.example./SECRET",
        "https://127。0。0。1/SECRET",
        "https://127.0.0．1/SECRET",
        "https://①②⑦.⓪.⓪.①/SECRET",
        "https://１２７.0.0.1/SECRET",
        "https://١٢٧.0.0.1/SECRET",
        "https://localhoſt/SECRET",
        "https://ⓛocalhost/SECRET",
        "https://[::ffff:127.0.0.1]/SECRET",
        "https://[64:ff9b::127.0.0.1]/SECRET",
        "https://[::1%25lo]/SECRET",
        "https://[::1%lo]/SECRET",
        "https://[fe80::1%25eth0]/SECRET",
        "https://[127.0.0.1]/SECRET",
        "https://::1/SECRET",
        "https://127.0.0.1:0/SECRET",
        "https://127.0.0.1:00022/SECRET",
        "https://127.0.0.1:65536/SECRET",
        "https://127.0.0.1:65558/SECRET",
        "https://127.0.0.1:-1/SECRET",
        "https://127.0.0.1:/SECRET",
        "https://127.0.0.1:22:443/SECRET",
        "https://push.example:443:@127.0.0.1/SECRET",
        "https://127.0.0.1/SECRET\r\nHost: push.example",
        "https://127.0.0.1\t/SECRET",
        " https://127.0.0.1/SECRET",
        "https://127.0.0.1 /SECRET",
        "https://127.0.0.1\x00.push.example/SECRET",
        "",
    )
)
# Names that the default list of hosts admits, and that lead inside.
ADMITTED = tuple(
    f"https://{name}.notify.windows.com/?token={SECRET}"
    for name in ("db5", "wns6", "ten", "both", "metadata", "mapped", "rebound")
)
OWN = "https://notify.windows.com/"
OUTSIDE = (PUBLIC, PUBLIC6, DEAD)


@implementer(IHostResolution)
class _Resolution:
    def __init__(self, name: str) -> None:
        self.name = name

    def cancel(self) -> None:
        """Already over."""


@implementer(IHostnameResolver)
class _Attacker:
    """The attacker's name server, which changes its mind; what is no name of his stands for itself, as with glibc."""

    def __init__(self, real: IHostnameResolver) -> None:
        self._real = real
        self._asked: dict[str, int] = {}

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,  # noqa: N803 (Twisted names it)
        hostName: str,  # noqa: N803
        portNumber: int = 0,  # noqa: N803
        *more: Any,
        **named: Any,
    ) -> IHostResolution:
        answers = NAMES.get(hostName, (("127.0.0.1",),) if hostName.endswith(".example") else ())
        if not answers:
            found: IHostResolution = self._real.resolveHostName(
                resolutionReceiver, hostName, portNumber, *more, **named
            )
            return found
        number = self._asked[hostName] = self._asked.get(hostName, -1) + 1
        resolution = _Resolution(hostName)
        resolutionReceiver.resolutionBegan(resolution)
        for address in answers[min(number, len(answers) - 1)]:
            kind = IPv6Address if ":" in address else IPv4Address
            resolutionReceiver.addressResolved(kind("TCP", address, portNumber))
        resolutionReceiver.resolutionComplete()
        return resolution


class _World:
    """A reactor that connects to nobody and keeps where it was asked to connect; all else is the real one's."""

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor
        self.nameResolver = _Attacker(reactor.nameResolver)
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._reactor, name)

    def connectTCP(self, host: str, port: int, factory: ClientFactory, *more: Any, **named: Any) -> IConnector:
        self.asked.append(host)
        return self._reactor.connectTCP("127.0.0.1", 1, factory, *more, **named)

    @property
    def inside(self) -> list[str]:
        """Where it was asked to connect, but for the outside."""
        return [host for host in self.asked if host not in OUTSIDE]


@pytest.fixture
def world(reactor: IReactorCore) -> _World:
    return _World(cast(Reactor, reactor))


def _web(world: _World, tmp_path: Path, *hosts: str, private: bool = False) -> WebPush:
    options = WebPushChannel(
        name="web", contact="mailto:it@acme.example", hosts=hosts, allow_private=private,
        timeout=Duration(int(TIMEOUT_S * 1000)),
    )  # fmt: skip
    return WebPush(options, cast(Reactor, world), now_ms, lambda size: bytes(range(1, size + 1)), tmp_path, new_key)


def _wns(world: _World) -> Wns:
    options = WnsChannel(name="wns", tenant="t", client_id="c", client_secret=Secret("s"))
    return Wns(options, cast(Reactor, world), now_ms)


async def _pushed(channel: IChannel, field: str, url: str) -> Outcome:
    device = Device(DeviceId("d1"), PersonId("mallory"), channel.name, {field: url}, KEYS)
    outcome: Outcome = await channel.push(PushOrder(MessageId("m1"), device, True, 60_000))
    return outcome


async def _all(channel: IChannel, field: str, urls: Sequence[str]) -> list[Outcome]:
    return list(await gatherResults([Deferred.fromCoroutine(_pushed(channel, field, url)) for url in urls]))


def test_the_corpus_is_as_large_as_was_promised() -> None:
    corpus = {*PLAIN, *NEVER, *ODD, *ADMITTED}
    assert len(corpus) >= 60


@pytest.mark.parametrize("urls", [PLAIN, NEVER, ODD, ADMITTED], ids=["plain", "never", "odd", "admitted"])
@pytest_twisted.ensureDeferred
async def test_no_address_of_a_client_leads_inside(
    world: _World, tmp_path: Path, urls: tuple[str, ...], said: list[str]
) -> None:
    channel = _web(world, tmp_path, "*")
    # Twice: the attacker's name server answers otherwise the second time.
    for outcomes in (await _all(channel, "endpoint", urls), await _all(channel, "endpoint", urls)):
        assert not [outcome for outcome in outcomes if isinstance(outcome, Accepted)]
        assert SECRET not in repr(outcomes)
    assert world.inside == []
    assert not [line for line in said if SECRET in line]
    await channel.stop()


@pytest.mark.parametrize("url", ["https://rebound.example/x", "https://rebound6.example/x"])
@pytest_twisted.ensureDeferred
async def test_a_name_that_was_good_once_is_judged_at_each_connection(world: _World, tmp_path: Path, url: str) -> None:
    channel = _web(world, tmp_path, "*")
    await _pushed(channel, "endpoint", url)
    assert len(world.asked) == 1, "the first time it leads outside"
    await _pushed(channel, "endpoint", url)
    assert len(world.asked) == 1
    assert world.inside == []
    await channel.stop()


@pytest_twisted.ensureDeferred
async def test_the_default_hosts_admit_no_name_of_the_corpus_but_their_own(world: _World, tmp_path: Path) -> None:
    hosts = WebPushChannel(name="web", contact="mailto:it@acme.example").hosts
    channel = _web(world, tmp_path, *hosts, private=True)
    await _all(channel, "endpoint", [url for url in (*PLAIN, *NEVER, *ODD) if not url.startswith(OWN)])
    assert world.asked == []
    await channel.stop()


@pytest_twisted.ensureDeferred
async def test_wns_shows_its_token_to_no_host_but_its_own(world: _World) -> None:
    channel = _wns(world)
    await _all(channel, "channel_uri", [url for url in (*PLAIN, *NEVER, *ODD) if not url.startswith(OWN)])
    assert world.asked == [], "not even for a token"
    await channel.stop()


@pytest_twisted.ensureDeferred
async def test_the_corpus_would_lead_inside_without_the_guard(reactor: IReactorCore, tmp_path: Path) -> None:
    """So that the tests above can fail: each plain line reaches a private address where those are allowed."""

    async def is_harmless(url: str) -> bool:
        world = _World(cast(Reactor, reactor))
        channel = _web(world, tmp_path, "*", private=True)
        await _pushed(channel, "endpoint", url)
        await channel.stop()
        return not world.inside

    found = await gatherResults([Deferred.fromCoroutine(is_harmless(url)) for url in PLAIN])
    assert [url for url, harmless in zip(PLAIN, found, strict=True) if harmless] == []
