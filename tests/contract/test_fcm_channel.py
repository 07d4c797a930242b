"""FCM's own behaviour over a real connection to its stand-in (protocols/fcm.md)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorCore

from datasms_daemon.config.kinds import Duration
from datasms_daemon.demo import answers
from datasms_daemon.demo.answers import ScriptedAnswer
from datasms_daemon.demo.fcm import DemoFcm, refusal
from datasms_daemon.errors import ConfigError
from datasms_daemon.https.connect import Reactor
from datasms_daemon.model import (
    Accepted,
    AddressGone,
    Later,
    LineDown,
    NotSent,
    Outcome,
    Unknown,
)
from tests.contract.rigs.base import SECRET_ADDRESS, now_ms, order, timed
from tests.contract.rigs.fcm import FcmRig


@pytest_twisted.async_yield_fixture
async def fcm(reactor: IReactorCore, tmp_path: Path) -> AsyncIterator[FcmRig]:
    rig = FcmRig(cast(Reactor, reactor), tmp_path)
    await rig.start()
    yield rig
    await rig.stop()


@pytest_twisted.ensureDeferred
async def test_fcm_gets_the_message_id_and_no_text(fcm: FcmRig) -> None:
    outcome = await fcm.channel.push(order(fcm))
    assert outcome == Accepted()
    (pushed,) = fcm.service.pushed
    assert pushed.token == SECRET_ADDRESS
    assert pushed.data == {"datasms": "1", "id": "m1"}


@pytest_twisted.ensureDeferred
async def test_fcm_takes_an_installation_id_too(fcm: FcmRig) -> None:
    assert isinstance(await fcm.channel.push(order(fcm, {"fid": "inst-1"})), Accepted)
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
    assert await fcm.channel.push(order(fcm)) == expected
    assert fcm.service.sends == 1


@pytest_twisted.ensureDeferred
async def test_fcm_says_when_to_come_again(fcm: FcmRig) -> None:
    before = now_ms()
    fcm.script(refusal(429, "QUOTA_EXCEEDED", retry_after="120"))
    outcome = await fcm.channel.push(order(fcm))
    assert isinstance(outcome, Later)
    assert outcome.not_before is not None
    assert before + 120_000 <= outcome.not_before <= now_ms() + 120_000


@pytest_twisted.ensureDeferred
async def test_an_access_token_that_is_no_good_any_more_is_replaced_and_the_push_repeated_once(fcm: FcmRig) -> None:
    await fcm.channel.push(order(fcm))
    fcm.service.forget_tokens()
    assert isinstance(await fcm.channel.push(order(fcm)), Accepted)
    assert fcm.service.token_requests == 2
    assert fcm.service.sends == 3


@pytest_twisted.ensureDeferred
async def test_a_service_that_takes_no_token_is_asked_twice_and_no_more(fcm: FcmRig) -> None:
    fcm.script(refusal(401), refusal(401), refusal(401))
    assert await fcm.channel.push(order(fcm)) == LineDown("401")
    assert fcm.service.sends == 2


@pytest_twisted.ensureDeferred
async def test_a_thousand_pushes_at_once_fetch_one_token_and_after_its_loss_one_more(fcm: FcmRig) -> None:
    channel = fcm.new_channel(timeout=Duration(60_000))

    async def all_accepted() -> bool:
        pushes = [Deferred.fromCoroutine(channel.push(order(fcm))) for _ in range(1000)]
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
    assert isinstance(await timed(fcm), Later)
    assert fcm.service.sends == 0


@pytest_twisted.ensureDeferred
async def test_a_key_that_google_does_not_know_is_the_lines_fault(fcm: FcmRig, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    stranger = DemoFcm(fcm.reactor, now_ms)
    await stranger.listen(fcm.reactor)
    key_file, _ = stranger.write_files(other)
    key_file.write_text(key_file.read_text().replace(stranger.endpoint, fcm.service.endpoint))
    await stranger.stop()
    channel = fcm.new_channel(credentials_file=key_file)
    assert await channel.push(order(fcm)) == LineDown("token endpoint: status 400 invalid_grant")
    await channel.stop()


@pytest_twisted.ensureDeferred
async def test_a_certificate_of_an_unknown_authority_is_the_lines_fault(fcm: FcmRig) -> None:
    ca_file = fcm.ca_file.with_name("other.pem")
    ca_file.write_bytes(DemoFcm(fcm.reactor, now_ms).ca_pem)
    channel = fcm.new_channel(ca_file=ca_file)
    outcome = await channel.push(order(fcm))
    assert isinstance(outcome, LineDown)
    assert "PeerRefused" in outcome.reason
    assert fcm.service.token_requests == 0
    await channel.stop()


@pytest_twisted.ensureDeferred
async def test_a_private_endpoint_needs_permission(fcm: FcmRig) -> None:
    channel = fcm.new_channel(allow_private=False)
    assert await channel.push(order(fcm)) == LineDown("token endpoint: AddressRefused: address not allowed")
    await channel.stop()


@pytest_twisted.ensureDeferred
async def test_an_endpoint_that_is_no_https_url_is_a_configuration_error(fcm: FcmRig) -> None:
    with pytest.raises(ConfigError, match="endpoint: must be a plain https URL"):
        fcm.new_channel(endpoint="http://fcm.example")
