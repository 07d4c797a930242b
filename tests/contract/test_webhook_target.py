"""A webhook against a real HTTPS server that verifies, refuses, hangs and cheats (reliability.md §§ 3d, 3e, 5b)."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_twisted
from msgspec.structs import replace
from standardwebhooks.webhooks import Webhook as Library
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHostnameResolver, IReactorCore
from twisted.internet.testing import MemoryReactorClock
from twisted.web.http import Request

from datasms_daemon.config.kinds import Duration
from datasms_daemon.config.targets import Webhook
from datasms_daemon.crypto.certificates import Authority
from datasms_daemon.demo import answers
from datasms_daemon.demo.answers import Rendered, ScriptedAnswer, answer
from datasms_daemon.demo.https import HttpsService, content
from datasms_daemon.gateway.inbound_records import InboundView
from datasms_daemon.https.connect import Reactor
from datasms_daemon.model import Inbound, LineName, NotTaken, Parcel, PersonId, Secret, Taken, TargetGone, Verdict
from datasms_daemon.model.targets import HandedOn
from datasms_daemon.services import TargetDrivers
from datasms_daemon.targets.webhook import WebhookTarget
from tests.contract.test_safe_client import _Rebinding

TIMEOUT_S = 0.8
SECRET, OLD = (f"whsec_{base64.b64encode(bytes([n]) * 32).decode()}" for n in (1, 2))
TEXT = Inbound(
    7, LineName("sms"), "+420603123456", "+420777000111", "Příliš žluťoučký", 1_800_000_000_000, PersonId("novak")
)
PARCEL = Parcel("in_00ff", "webhook:crm", TEXT)


def now_ms() -> int:
    return int(time.time() * 1000)


class Receiver(HttpsService):
    """Keeps what it gets; gives the answers of ``script``, then 204."""

    def __init__(self, reactor: Reactor) -> None:
        super().__init__(reactor, now_ms)
        self.script: list[ScriptedAnswer] = []
        self.got: list[tuple[bytes, dict[str, str], bytes]] = []

    def answer(self, request: Request) -> Rendered:
        headers = {
            name.decode().lower(): b",".join(values).decode()
            for name, values in request.requestHeaders.getAllRawHeaders()
        }
        self.got.append((request.uri, headers, content(request)))
        return (self.script.pop(0) if self.script else answer(204))(request)


class World:
    """A receiver, and webhooks that lead there."""

    def __init__(self, reactor: IReactorCore, tmp_path: Path) -> None:
        self.reactor = cast(Reactor, reactor)
        self.tmp_path = tmp_path
        self.receiver = Receiver(self.reactor)
        self._made: list[WebhookTarget] = []

    async def start(self) -> None:
        await self.receiver.listen(self.reactor)
        self.options = Webhook(
            name="crm",
            url=f"{self.receiver.endpoint}/sms?from=datasms",
            secret=Secret(SECRET),
            old_secret=Secret(OLD),
            ca_file=self.receiver.write_ca(self.tmp_path),
            allow_private=True,
            timeout=Duration(int(TIMEOUT_S * 1000)),
        )

    def target(self, **options: Any) -> WebhookTarget:
        made = TargetDrivers(self.reactor, now_ms, lambda: "id").webhook(replace(self.options, **options))
        assert isinstance(made, WebhookTarget)
        self._made.append(made)
        return made

    async def hand_on(self, *script: ScriptedAnswer, **options: Any) -> HandedOn:
        self.receiver.script.extend(script)
        return await self.target(**options).hand_on(PARCEL)

    async def stop(self) -> None:
        for made in self._made:
            await made.stop()
        await self.receiver.stop()


@pytest_twisted.async_yield_fixture
async def world(reactor: IReactorCore, tmp_path: Path) -> AsyncIterator[World]:
    world = World(reactor, tmp_path)
    await world.start()
    yield world
    await world.stop()


@pytest.mark.parametrize("secret", [SECRET, OLD])
@pytest_twisted.ensureDeferred
async def test_a_call_is_one_that_the_published_library_verifies(world: World, secret: str) -> None:
    assert await world.hand_on() == Taken()
    ((uri, headers, body),) = world.receiver.got
    assert Library(secret).verify(body, headers) == {
        "type": "inbound.received",
        "timestamp": "2027-01-15T08:00:00.000Z",
        "data": {
            "id": "7",
            "line": "sms",
            "from": "+420603123456",
            "to": "+420777000111",
            "text": "Příliš žluťoučký",
            "at": "2027-01-15T08:00:00.000Z",
            "person": "novak",
            "incomplete": False,
        },
    }
    assert (uri, headers["webhook-id"], headers["content-type"]) == (
        b"/sms?from=datasms", "in_00ff", "application/json",
    )  # fmt: skip
    assert headers["user-agent"].startswith("datasms/")


@pytest_twisted.ensureDeferred
async def test_the_data_has_the_fields_of_the_api_and_no_others(world: World) -> None:
    await world.hand_on()
    shown = set(json.loads(world.receiver.got[0][2])["data"])
    assert shown == set(InboundView.__struct_encode_fields__)


@pytest_twisted.ensureDeferred
async def test_a_repeat_has_the_same_id_and_a_signature_of_its_own_time(world: World) -> None:
    target = world.target()
    for _ in range(2):
        assert await target.hand_on(PARCEL) == Taken()
    assert {headers["webhook-id"] for _, headers, _ in world.receiver.got} == {"in_00ff"}
    for _, headers, body in world.receiver.got:
        Library(SECRET).verify(body, headers)


def in_a_minute() -> str:
    return format_datetime(datetime.fromtimestamp(time.time() // 1 + 60, UTC), usegmt=True)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
@pytest_twisted.ensureDeferred
async def test_every_2xx_means_taken(world: World, status: int) -> None:
    assert await world.hand_on(answer(status, b"" if status == 204 else b"thank you")) == Taken()


@pytest.mark.parametrize("status", [400, 401, 404, 408, 413, 500, 502, 504])
@pytest_twisted.ensureDeferred
async def test_every_other_answer_is_tried_again(world: World, status: int) -> None:
    assert await world.hand_on(answer(status)) == NotTaken(f"it answered {status}")


@pytest_twisted.ensureDeferred
async def test_410_ends_it(world: World) -> None:
    assert isinstance(await world.hand_on(answer(410)), TargetGone)


@pytest.mark.parametrize("status", [429, 503])
@pytest_twisted.ensureDeferred
async def test_retry_after_is_heard_in_seconds_and_as_a_date(world: World, status: int) -> None:
    for wish in ("60", in_a_minute()):
        found = await world.hand_on(answer(status, headers={"Retry-After": wish}))
        assert isinstance(found, NotTaken)
        assert found.not_before is not None
        assert 57_000 < found.not_before - now_ms() < 61_000
    assert await world.hand_on(answer(status, headers={"Retry-After": "soon"})) == NotTaken(f"it answered {status}")


@pytest_twisted.ensureDeferred
async def test_a_redirect_is_not_followed(world: World) -> None:
    found = await world.hand_on(answers.redirect_to(f"{world.receiver.endpoint}/elsewhere"))
    assert found == NotTaken("it answered 307: redirects are not followed")
    assert world.receiver.requests == 1


@pytest.mark.parametrize(
    ("hostile", "reason"),
    [
        ("silence", "time limit"),
        ("drip", "time limit"),
        ("cut", "ResponseFailed"),
        ("reset", "ResponseNeverReceived"),
        ("giant", "AnswerRefused"),
        ("gzip_bomb", "AnswerRefused"),
        ("endless_head", "Response"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_far_end_that_cheats_costs_no_more_than_the_time_limit(world: World, hostile: str, reason: str) -> None:
    scripts: dict[str, ScriptedAnswer] = {
        "silence": answers.silence,
        "drip": answers.drip(world.reactor, 0.05),
        "cut": answers.cut(world.reactor),
        "reset": answers.reset,
        "giant": answers.giant,
        "gzip_bomb": answers.gzip_bomb,
        "endless_head": answers.endless_head,
    }
    began = time.monotonic()
    found = await world.hand_on(scripts[hostile])
    assert time.monotonic() - began < TIMEOUT_S + 0.6
    assert isinstance(found, NotTaken)
    assert found.reason.startswith(reason)


@pytest_twisted.ensureDeferred
async def test_a_certificate_of_another_authority_is_refused_before_anything_is_sent(world: World) -> None:
    foreign = world.tmp_path / "foreign.pem"
    foreign.write_bytes(Authority(1, now_ms()).certificate_pem)
    found = await world.hand_on(ca_file=foreign)
    assert isinstance(found, NotTaken)
    assert found.reason.startswith("PeerRefused")
    assert world.receiver.requests == 0


@pytest_twisted.ensureDeferred
async def test_a_certificate_of_another_name_is_refused_before_anything_is_sent(world: World) -> None:
    port = int(world.receiver.endpoint.rpartition(":")[2])
    here = _Rebinding([IPv4Address("TCP", "127.0.0.1", port)])
    usual = world.reactor.installNameResolver(cast(IHostnameResolver, here))
    try:
        found = await world.hand_on(url=f"https://other.example:{port}/")
    finally:
        world.reactor.installNameResolver(usual)
    assert isinstance(found, NotTaken)
    assert found.reason.startswith("PeerRefused")
    assert world.receiver.requests == 0


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@pytest_twisted.ensureDeferred
async def test_a_private_address_is_called_only_when_that_is_allowed(world: World, host: str) -> None:
    url = world.options.url.replace("localhost", host)
    found = await world.hand_on(url=url, allow_private=False)
    assert isinstance(found, NotTaken)
    assert found.reason.startswith("AddressRefused")
    assert world.receiver.requests == 0
    assert await world.hand_on(url=url) == Taken()


def test_a_name_that_comes_to_mean_a_private_address_is_not_called() -> None:
    reactor = MemoryReactorClock()
    good, bad = IPv4Address("TCP", "8.8.8.8", 443), IPv4Address("TCP", "127.0.0.1", 443)
    reactor.installNameResolver(cast(IHostnameResolver, _Rebinding([good], [bad])))
    options = Webhook(name="crm", url="https://crm.example/", secret=Secret(SECRET))
    target = TargetDrivers(cast(Reactor, reactor), lambda: 0, lambda: "id").webhook(options)
    assert isinstance(target, WebhookTarget)
    got: list[HandedOn] = []
    for _ in range(2):
        Deferred.fromCoroutine(target.hand_on(PARCEL)).addCallback(got.append)
        reactor.advance(1)
    reactor.advance(15)
    assert NotTaken("AddressRefused: address not allowed") in got
    assert {client[0] for client in reactor.tcpClients} == {"8.8.8.8"}


@pytest_twisted.ensureDeferred
async def test_a_test_is_a_signed_event_that_hands_nothing_on(world: World) -> None:
    assert await world.target().test() == Verdict(True, ("it answered 204",))
    ((_, headers, body),) = world.receiver.got
    event = Library(SECRET).verify(body, headers)
    assert (event["type"], event["data"], headers["webhook-id"]) == ("webhook.test", {}, "test_id")
    world.receiver.script.append(answer(401))
    assert await world.target().test() == Verdict(False, ("it answered 401",))
    world.receiver.script.append(answers.reset)
    verdict = await world.target().test()
    assert not verdict.good
