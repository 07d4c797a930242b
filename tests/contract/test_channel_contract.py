"""What IChannel promises, kept by every channel against its stand-in, however the far end behaves.

A new channel joins with one line in RIGS.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, cast

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorCore
from twisted.internet.protocol import Protocol as Connection
from twisted.internet.protocol import ServerFactory
from twisted.logger import ILogObserver, formatEvent, globalLogPublisher
from zope.interface import implementer
from zope.interface.verify import verifyObject

from datasms_daemon.channels._connect import Reactor
from datasms_daemon.channels.direct import Direct, Presence
from datasms_daemon.channels.fcm import Fcm
from datasms_daemon.config.records import DirectChannel, Duration, FcmChannel
from datasms_daemon.demo import answers
from datasms_daemon.demo.answers import ScriptedAnswer
from datasms_daemon.demo.fcm import DemoFcm, error, refusal
from datasms_daemon.errors import ConfigError
from datasms_daemon.interfaces import IChannel
from datasms_daemon.model import (
    Accepted,
    AddressGone,
    Device,
    DeviceId,
    Later,
    LineDown,
    MessageId,
    NotSent,
    Outcome,
    PersonId,
    PushOrder,
    Unknown,
)

TIMEOUT_S = 0.8
SECRET_ADDRESS = "canary-address-5f2e"


def _now_ms() -> int:
    return int(time.time() * 1000)


class Rig(Protocol):
    """A channel under test with its stand-in."""

    channel: IChannel
    address: dict[str, str]
    secrets: tuple[str, ...]

    async def start(self) -> None:
        """The stand-in listens, the channel is ready."""

    def script(self, *script: ScriptedAnswer) -> None:
        """What the next pushes are answered. Only for channels with a far end."""

    async def stop(self) -> None:
        """Everything is closed."""


class FcmRig:
    channel: IChannel

    def __init__(self, reactor: Reactor, tmp_path: Path) -> None:
        self.reactor = reactor
        self.tmp_path = tmp_path
        self.service = DemoFcm(reactor, _now_ms)
        self.address = {"token": SECRET_ADDRESS}
        self.secrets: tuple[str, ...] = (SECRET_ADDRESS, "ya29.demo", "PRIVATE KEY")

    async def start(self) -> None:
        await self.service.listen(self.reactor)
        self.key_file, self.ca_file = self.service.write_files(self.tmp_path)
        self.channel = self.new_channel()
        self.channel.start()

    def new_channel(self, **changed: Any) -> Fcm:
        options: dict[str, Any] = {
            "name": "fcm",
            "credentials_file": self.key_file,
            "endpoint": self.service.endpoint,
            "ca_file": self.ca_file,
            "allow_private": True,
            "timeout": Duration(int(TIMEOUT_S * 1000)),
        }
        return Fcm(FcmChannel(**options | changed), self.reactor, _now_ms)

    def script(self, *script: ScriptedAnswer) -> None:
        self.service.script.setdefault(SECRET_ADDRESS, []).extend(script)

    async def stop(self) -> None:
        await self.channel.stop()
        await self.service.stop()


class DirectRig:
    def __init__(self, reactor: Reactor, tmp_path: Path) -> None:
        self.channel: IChannel = Direct(DirectChannel(name="direct"), Presence())
        self.address: dict[str, str] = {}
        self.secrets: tuple[str, ...] = ()

    async def start(self) -> None:
        self.channel.start()

    def script(self, *script: ScriptedAnswer) -> None:
        raise AssertionError("there is no far end")

    async def stop(self) -> None:
        await self.channel.stop()


RIGS: dict[str, Callable[[Reactor, Path], Rig]] = {
    "direct": DirectRig,
    "fcm": FcmRig,
}
WITH_FAR_END = [name for name in RIGS if name != "direct"]


@pytest_twisted.async_yield_fixture
async def rig(request: pytest.FixtureRequest, reactor: IReactorCore, tmp_path: Path) -> AsyncIterator[Rig]:
    rig = RIGS[request.param](cast(Reactor, reactor), tmp_path)
    await rig.start()
    yield rig
    await rig.stop()


@pytest.fixture
def said() -> Iterator[list[str]]:
    """All that is logged at any level, with all fields."""
    said: list[str] = []

    @implementer(ILogObserver)
    def observe(event: dict[str, Any]) -> None:
        said.append(f"{formatEvent(event)} {event!r}")

    globalLogPublisher.addObserver(observe)
    yield said
    globalLogPublisher.removeObserver(observe)


def _order(rig: Rig, address: dict[str, str] | None = None) -> PushOrder:
    device = Device(DeviceId("d1"), PersonId("novak"), rig.channel.name, rig.address if address is None else address)
    return PushOrder(MessageId("m1"), device, True, 60_000)


async def _timed(rig: Rig) -> Outcome:
    started = time.monotonic()
    outcome: Outcome = await rig.channel.push(_order(rig))
    assert time.monotonic() - started < TIMEOUT_S + 0.5
    return outcome


each_channel = pytest.mark.parametrize("rig", RIGS, indirect=True)
each_far_end = pytest.mark.parametrize("rig", WITH_FAR_END, indirect=True)


@each_channel
@pytest_twisted.ensureDeferred
async def test_it_provides_the_interface(rig: Rig) -> None:
    assert verifyObject(IChannel, rig.channel)


@each_channel
@pytest_twisted.ensureDeferred
async def test_a_good_push_is_accepted_and_nothing_more(rig: Rig) -> None:
    """I25: a provider's success is never delivery."""
    assert isinstance(await rig.channel.push(_order(rig)), Accepted)


@each_channel
@pytest_twisted.ensureDeferred
async def test_an_address_of_another_kind_is_an_outcome(rig: Rig) -> None:
    outcome = await rig.channel.push(_order(rig, {"strange": "x"}))
    assert isinstance(outcome, Accepted | NotSent)


@each_channel
@pytest_twisted.ensureDeferred
async def test_stopping_twice_and_pushing_after_it_is_harmless(rig: Rig) -> None:
    await rig.channel.stop()
    await rig.channel.stop()
    assert isinstance(await rig.channel.push(_order(rig)), Accepted | Later | NotSent)


HOSTILE: dict[str, tuple[Callable[[Reactor], ScriptedAnswer], tuple[type[Outcome], ...]]] = {
    "silence": (lambda _: answers.silence, (Unknown,)),
    "reset": (lambda _: answers.reset, (Unknown,)),
    "cut": (answers.cut, (Unknown,)),
    "drip": (lambda reactor: answers.drip(reactor, 0.05), (Unknown,)),
    "giant": (lambda _: answers.giant, (Unknown,)),
    "endless head": (lambda _: answers.endless_head, (Unknown,)),
    "gzip bomb": (lambda _: answers.gzip_bomb, (Unknown,)),
    "wrong type": (lambda _: answers.answer(200, b"<html>OK</html>", content_type="text/html"), (Unknown,)),
    "empty success": (lambda _: answers.answer(200), (Unknown,)),
    "success with an error inside": (lambda _: answers.answer(200, error(404, "UNREGISTERED")), (Unknown,)),
    "bad gateway": (lambda _: answers.answer(502, b"<html>"), (Unknown,)),
    "overload": (lambda _: answers.answer(503, b"<html>", {"Retry-After": "x"}), (Later,)),
    "strange status": (lambda _: answers.answer(299), (Unknown,)),
    "teapot": (lambda _: answers.answer(418), (NotSent,)),
}


@each_far_end
@pytest.mark.parametrize("mode", HOSTILE)
@pytest_twisted.ensureDeferred
async def test_a_hostile_answer_is_an_outcome_in_time_and_leaks_nothing(rig: Rig, mode: str, said: list[str]) -> None:
    hostile, expected = HOSTILE[mode]
    assert isinstance(await rig.channel.push(_order(rig)), Accepted)
    rig.script(hostile(cast(FcmRig, rig).reactor))
    assert isinstance(await _timed(rig), expected)
    assert isinstance(await rig.channel.push(_order(rig)), Accepted)
    for secret in rig.secrets:
        assert not [line for line in said if secret in line]


@each_far_end
@pytest_twisted.ensureDeferred
async def test_a_redirect_is_the_lines_fault_and_leads_nowhere(rig: Rig) -> None:
    class Canary(ServerFactory):
        protocol = Connection
        noisy = False
        visits = 0

        def buildProtocol(self, addr: object) -> None:
            self.visits += 1

    canary = Canary()
    listening = cast(FcmRig, rig).reactor.listenTCP(0, canary, interface="127.0.0.1")
    rig.script(answers.redirect_to(f"http://127.0.0.1:{cast(Any, listening.getHost()).port}/"))
    assert isinstance(await _timed(rig), LineDown)
    assert canary.visits == 0
    await cast("Deferred[None]", listening.stopListening())


@pytest_twisted.async_yield_fixture
async def fcm(reactor: IReactorCore, tmp_path: Path) -> AsyncIterator[FcmRig]:
    rig = FcmRig(cast(Reactor, reactor), tmp_path)
    await rig.start()
    yield rig
    await rig.stop()


@pytest_twisted.ensureDeferred
async def test_fcm_gets_the_message_id_and_no_text(fcm: FcmRig) -> None:
    outcome = await fcm.channel.push(_order(fcm))
    assert outcome == Accepted(("projects/demo-project/messages/0:1%demo",))
    (pushed,) = fcm.service.pushed
    assert pushed.token == SECRET_ADDRESS
    assert pushed.data == {"datasms": "1", "id": "m1"}


@pytest_twisted.ensureDeferred
async def test_fcm_takes_an_installation_id_too(fcm: FcmRig) -> None:
    assert isinstance(await fcm.channel.push(_order(fcm, {"fid": "inst-1"})), Accepted)
    assert fcm.service.pushed[0].fid == "inst-1"


@pytest.mark.parametrize(
    ("scripted", "expected"),
    [
        (refusal(404, "UNREGISTERED"), AddressGone("404 UNREGISTERED")),
        (refusal(404), LineDown("404")),
        (refusal(401, "THIRD_PARTY_AUTH_ERROR"), LineDown("401 THIRD_PARTY_AUTH_ERROR")),
        (refusal(500, "INTERNAL"), Unknown("500 INTERNAL")),
        (refusal(400, "INVALID_ARGUMENT"), NotSent("400 INVALID_ARGUMENT", final=True)),
    ],
)
@pytest_twisted.ensureDeferred
async def test_fcms_refusals_arrive_as_outcomes(fcm: FcmRig, scripted: ScriptedAnswer, expected: Outcome) -> None:
    fcm.script(scripted)
    assert await fcm.channel.push(_order(fcm)) == expected
    assert fcm.service.sends == 1


@pytest_twisted.ensureDeferred
async def test_fcm_says_when_to_come_again(fcm: FcmRig) -> None:
    before = _now_ms()
    fcm.script(refusal(429, "QUOTA_EXCEEDED", retry_after="120"))
    outcome = await fcm.channel.push(_order(fcm))
    assert isinstance(outcome, Later)
    assert outcome.not_before is not None
    assert before + 120_000 <= outcome.not_before <= _now_ms() + 120_000


@pytest_twisted.ensureDeferred
async def test_an_access_token_that_is_no_good_any_more_is_replaced_and_the_push_repeated_once(fcm: FcmRig) -> None:
    await fcm.channel.push(_order(fcm))
    fcm.service.forget_tokens()
    assert isinstance(await fcm.channel.push(_order(fcm)), Accepted)
    assert fcm.service.token_requests == 2
    assert fcm.service.sends == 3


@pytest_twisted.ensureDeferred
async def test_a_service_that_takes_no_token_is_asked_twice_and_no_more(fcm: FcmRig) -> None:
    fcm.script(refusal(401), refusal(401), refusal(401))
    assert await fcm.channel.push(_order(fcm)) == LineDown("401")
    assert fcm.service.sends == 2


@pytest_twisted.ensureDeferred
async def test_a_thousand_pushes_at_once_fetch_one_token_and_after_its_loss_one_more(fcm: FcmRig) -> None:
    channel = fcm.new_channel(timeout=Duration(60_000))

    async def all_accepted() -> bool:
        pushes = [Deferred.fromCoroutine(channel.push(_order(fcm))) for _ in range(1000)]
        return all(isinstance(outcome, Accepted) for outcome in await gatherResults(pushes))

    assert await all_accepted()
    assert fcm.service.token_requests == 1
    fcm.service.forget_tokens()
    assert await all_accepted()
    assert fcm.service.token_requests == 2
    await channel.stop()


@pytest_twisted.ensureDeferred
async def test_a_silent_token_endpoint_means_later_and_in_time(fcm: FcmRig) -> None:
    fcm.service.token_script.append(answers.silence)
    assert isinstance(await _timed(fcm), Later)
    assert fcm.service.sends == 0


@pytest_twisted.ensureDeferred
async def test_a_key_that_google_does_not_know_is_the_lines_fault(fcm: FcmRig, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    stranger = DemoFcm(fcm.reactor, _now_ms)
    await stranger.listen(fcm.reactor)
    key_file, _ = stranger.write_files(other)
    key_file.write_text(key_file.read_text().replace(stranger.endpoint, fcm.service.endpoint))
    await stranger.stop()
    channel = fcm.new_channel(credentials_file=key_file)
    assert await channel.push(_order(fcm)) == LineDown("token endpoint: status 400 invalid_grant")
    await channel.stop()


@pytest_twisted.ensureDeferred
async def test_a_certificate_of_an_unknown_authority_is_the_lines_fault(fcm: FcmRig) -> None:
    ca_file = fcm.ca_file.with_name("other.pem")
    ca_file.write_bytes(DemoFcm(fcm.reactor, _now_ms).ca_pem)
    channel = fcm.new_channel(ca_file=ca_file)
    outcome = await channel.push(_order(fcm))
    assert isinstance(outcome, LineDown)
    assert "PeerRefused" in outcome.reason
    assert fcm.service.token_requests == 0
    await channel.stop()


@pytest_twisted.ensureDeferred
async def test_a_private_endpoint_needs_permission(fcm: FcmRig) -> None:
    channel = fcm.new_channel(allow_private=False)
    assert await channel.push(_order(fcm)) == LineDown("token endpoint: AddressRefused: address not allowed")
    await channel.stop()


@pytest_twisted.ensureDeferred
async def test_an_endpoint_that_is_no_https_url_is_a_configuration_error(fcm: FcmRig) -> None:
    with pytest.raises(ConfigError, match="endpoint: must be a plain https URL"):
        fcm.new_channel(endpoint="http://fcm.example")
