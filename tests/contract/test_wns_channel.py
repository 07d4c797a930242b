"""WNS's own behaviour over a real connection to its stand-in (protocols/wns.md)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorCore
from twisted.logger import ILogObserver, formatEvent, globalLogPublisher
from zope.interface import implementer

from datasms_daemon.config.kinds import Duration
from datasms_daemon.demo import answers
from datasms_daemon.demo.answers import ScriptedAnswer
from datasms_daemon.errors import ConfigError
from datasms_daemon.https.connect import Reactor
from datasms_daemon.model import (
    Accepted,
    AddressGone,
    Later,
    LineDown,
    MessageId,
    NotSent,
    Outcome,
    Secret,
    Unknown,
)
from tests.contract.rigs.base import SECRET_ADDRESS, now_ms, order, timed
from tests.contract.rigs.wns import WnsRig
from tests.fakes.wns_service import CLIENT_ID, CLIENT_SECRET, PACKAGE_SID, TENANT, WnsService, said

ELSEWHERE = NotSent("the channel URI points elsewhere", final=True)


@pytest_twisted.async_yield_fixture
async def wns(reactor: IReactorCore, tmp_path: Path) -> AsyncIterator[WnsRig]:
    rig = WnsRig(cast(Reactor, reactor), tmp_path)
    await rig.start()
    yield rig
    await rig.stop()


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """What this channel logs."""
    logged: list[str] = []

    @implementer(ILogObserver)
    def observe(event: dict[str, Any]) -> None:
        if event.get("log_namespace") == "datasms_daemon.channels.wns":
            logged.append(formatEvent(event))

    globalLogPublisher.addObserver(observe)
    yield logged
    globalLogPublisher.removeObserver(observe)


@pytest_twisted.ensureDeferred
async def test_wns_gets_the_message_id_and_no_text(wns: WnsRig) -> None:
    assert await wns.channel.push(order(wns)) == Accepted()
    (taken,) = wns.service.taken
    assert taken.headers["x-wns-type"] == "wns/raw"
    assert msgspec.json.decode(taken.body) == {"datasms": "1", "id": "m1"}


@pytest_twisted.ensureDeferred
async def test_a_toast_is_one_that_wns_takes(wns: WnsRig) -> None:
    channel = wns.new_channel(form="toast", toast_text="Nová zpráva <&>")
    assert isinstance(await channel.push(order(wns)), Accepted)
    assert wns.service.taken[0].headers["x-wns-tag"] == "m1"
    assert "Nová zpráva" in wns.service.taken[0].body.decode()
    await channel.stop()


@pytest.mark.parametrize("form", ["raw", "toast"])
@pytest_twisted.ensureDeferred
async def test_a_withdrawal_takes_the_place_of_a_stored_wake_up(wns: WnsRig, form: str) -> None:
    """I10"""
    channel = wns.new_channel(form=form)
    await channel.withdraw(order(wns))
    (taken,) = wns.service.taken
    assert (taken.headers["x-wns-type"], taken.headers["x-wns-cache-policy"]) == ("wns/raw", "cache")
    assert msgspec.json.decode(taken.body) == {"datasms": "1", "withdrawn": "m1"}
    await channel.stop()


@pytest_twisted.ensureDeferred
async def test_the_channel_uri_is_used_byte_for_byte(wns: WnsRig) -> None:
    token = "AwYAAA%2fb%2B%3d%3d;x=1,2:(y)'~!$&q=@/?*"
    assert isinstance(await wns.channel.push(order(wns, {"channel_uri": wns.uri(token)})), Accepted)
    assert wns.service.taken[0].query == f"token={token}".encode()


@pytest.mark.parametrize(
    "uri",
    [
        "http://db5.notify.windows.com/?token=x",
        "https://db5.notify.windows.com:8443/?token=x",
        "https://user@db5.notify.windows.com/?token=x",
        "https://evil.example/?token=x",
        "https://notify.windows.com.evil.example/?token=x",
        "https://evilnotify.windows.com/?token=x",
        "https://evil.example/#.notify.windows.com/",
        "https://evil.example\\.notify.windows.com/",
        "https://db5.notify.windows.com@evil.example/",
        "https://db5.notify.windows.com/?token=x\r\nX-Evil: 1",
        "https://login.microsoftonline.com/?token=x",
        "//db5.notify.windows.com/",
        "x",
    ],
)
@pytest_twisted.ensureDeferred
async def test_no_token_leaves_for_a_uri_that_is_not_wns(wns: WnsRig, uri: str) -> None:
    channel = wns.new_channel(hosts=("notify.windows.com",))
    assert await channel.push(order(wns, {"channel_uri": uri})) == ELSEWHERE
    assert wns.service.requests == 0
    await channel.stop()


@pytest_twisted.ensureDeferred
async def test_the_token_services_own_host_is_no_place_for_a_push(wns: WnsRig) -> None:
    """The client may ask it for tokens, yet a device must not lead us there with one."""
    channel = wns.new_channel(hosts=("notify.windows.com",))
    assert await channel.push(order(wns)) == ELSEWHERE
    assert wns.service.requests == 0
    assert (await channel.check()).good
    await channel.stop()


@pytest_twisted.ensureDeferred
async def test_a_host_with_a_port_admits_nothing_below_it(wns: WnsRig) -> None:
    below = wns.uri("x").replace("localhost", "sub.localhost")
    assert await wns.channel.push(order(wns, {"channel_uri": below})) == ELSEWHERE


@pytest_twisted.ensureDeferred
async def test_an_address_without_a_channel_uri_is_not_tried(wns: WnsRig) -> None:
    expected = NotSent("the device's address has no channel_uri", final=True)
    assert await wns.channel.push(order(wns, {"token": "x"})) == expected
    assert await wns.channel.push(order(wns, {"channel_uri": ""})) == expected
    assert wns.service.requests == 0


@pytest_twisted.ensureDeferred
async def test_what_is_larger_than_wns_takes_is_not_tried(wns: WnsRig) -> None:
    large = msgspec.structs.replace(order(wns), message=MessageId("m" * 5000))
    assert await wns.channel.push(large) == NotSent("larger than WNS takes", final=True)
    assert wns.service.requests == 0


@pytest.mark.parametrize(
    ("scripted", "expected"),
    [
        (said(400), NotSent("400", final=True)),
        (said(403), LineDown("403")),
        (said(404), AddressGone("404")),
        (said(410), AddressGone("410")),
        (said(413), NotSent("413", final=True)),
        (said(500), Unknown("500")),
        (said(503), Later("503", None)),
        (
            said(200, "dropped", header="X-WNS-NotificationStatus"),
            NotSent("200 dropped: the device is offline or does not want notifications"),
        ),
    ],
)
@pytest_twisted.ensureDeferred
async def test_what_wns_says_arrives_as_an_outcome(wns: WnsRig, scripted: ScriptedAnswer, expected: Outcome) -> None:
    wns.script(scripted)
    assert await wns.channel.push(order(wns)) == expected
    assert wns.service.pushes == 1


@pytest.mark.parametrize(
    ("scripted", "outcome", "pause_s"),
    [
        (said(200, "channelthrottled", header="X-WNS-NotificationStatus"), Accepted, 30),
        (said(200, "AppThrottled"), Accepted, 30),
        (said(406, Retry_After="600"), Later, 600),
        (said(406), Later, 120),
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_throttled_channel_is_left_alone_and_others_are_not(
    wns: WnsRig, scripted: ScriptedAnswer, outcome: type[Outcome], pause_s: int
) -> None:
    wns.script(scripted)
    before = now_ms()
    assert isinstance(await wns.channel.push(order(wns)), outcome)
    held = await wns.channel.push(order(wns))
    assert isinstance(held, Later)
    assert held.not_before is not None
    assert before <= held.not_before - pause_s * 1000 <= now_ms()
    await wns.channel.withdraw(order(wns))
    assert wns.service.pushes == 1
    assert isinstance(await wns.channel.push(order(wns, {"channel_uri": wns.uri("other")})), Accepted)
    wns.ahead_ms = pause_s * 1000 + 1000
    assert isinstance(await wns.channel.push(order(wns)), Accepted)


@pytest_twisted.ensureDeferred
async def test_the_store_identity_asks_its_own_token_service(wns: WnsRig) -> None:
    channel = wns.new_channel(identity="store", tenant="", client_id=PACKAGE_SID)
    assert isinstance(await channel.push(order(wns)), Accepted)
    assert (await channel.check()).good
    await channel.stop()


@pytest_twisted.ensureDeferred
async def test_the_scope_can_be_written_as_the_token_service_wants_it(wns: WnsRig) -> None:
    channel = wns.new_channel(scope="https://wns.windows.com/.default/")
    assert isinstance(await channel.push(order(wns)), Accepted)
    await channel.stop()
    channel = wns.new_channel(scope="nonsense")
    assert await channel.push(order(wns)) == LineDown("token endpoint: status 400 invalid_scope")
    await channel.stop()


@pytest_twisted.ensureDeferred
async def test_an_access_token_that_is_no_good_any_more_is_replaced_and_the_push_repeated_once(wns: WnsRig) -> None:
    await wns.channel.push(order(wns))
    wns.service.forget_tokens()
    assert isinstance(await wns.channel.push(order(wns)), Accepted)
    assert (wns.service.token_requests, wns.service.pushes) == (2, 3)


@pytest_twisted.ensureDeferred
async def test_a_service_that_takes_no_token_is_asked_twice_and_no_more(wns: WnsRig) -> None:
    wns.script(said(401), said(401), said(401))
    assert await wns.channel.push(order(wns)) == LineDown("401")
    assert wns.service.pushes == 2


@pytest_twisted.ensureDeferred
async def test_a_hundred_pushes_at_once_share_one_token_and_after_its_loss_one_more(wns: WnsRig) -> None:
    channel = wns.new_channel(timeout=Duration(30_000))

    async def all_accepted() -> bool:
        pushes = [Deferred.fromCoroutine(channel.push(order(wns))) for _ in range(100)]
        return all(isinstance(outcome, Accepted) for outcome in await gatherResults(pushes))

    assert await all_accepted()
    assert wns.service.token_requests == 1
    wns.service.forget_tokens()
    assert await all_accepted()
    assert wns.service.token_requests == 2
    await channel.stop()


@pytest_twisted.ensureDeferred
async def test_a_silent_token_service_means_later_and_in_time(wns: WnsRig) -> None:
    wns.service.token_script.append(answers.silence)
    assert isinstance(await timed(wns), Later)
    assert wns.service.pushes == 0


@pytest_twisted.ensureDeferred
async def test_a_slow_second_try_still_ends_in_time(wns: WnsRig) -> None:
    wns.script(answers.late(wns.reactor, 0.5, said(401)), answers.silence)
    assert isinstance(await timed(wns), Unknown)


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"client_secret": Secret("canary-wrong-secret")}, "invalid_client"),
        ({"client_id": "other"}, "unauthorized_client"),
        ({"tenant": "other"}, "invalid_request"),
        ({"scope": "other"}, "invalid_scope"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_its_check_says_what_to_do_about_a_refusal(wns: WnsRig, changed: dict[str, Any], word: str) -> None:
    channel = wns.new_channel(**changed)
    verdict = await channel.check()
    assert not verdict.good
    assert word in verdict.findings[0]
    assert len(verdict.findings) == 2
    assert "canary" not in " ".join(verdict.findings)
    assert wns.service.pushes == 0
    await channel.stop()


@pytest_twisted.ensureDeferred
async def test_its_check_asks_anew_though_a_token_is_at_hand(wns: WnsRig) -> None:
    await wns.channel.push(order(wns))
    wns.service.token_script.append(answers.answer(401, b'{"error": "invalid_client"}'))
    assert not (await wns.channel.check()).good
    assert (await wns.channel.check()).good


@pytest_twisted.ensureDeferred
async def test_its_check_names_a_service_that_cannot_be_reached(wns: WnsRig) -> None:
    await wns.service.stop()
    verdict = await wns.channel.check()
    assert verdict.findings == ("Microsoft Entra ID gives no access token: token endpoint: ConnectionRefusedError",)


@pytest_twisted.ensureDeferred
async def test_what_support_wants_to_know_is_logged_and_nothing_secret(wns: WnsRig, logged: list[str]) -> None:
    description = f"bad\tthing at {wns.address['channel_uri']} with {'x' * 40} " + "y " * 500
    wns.script(said(400, X_WNS_Msg_ID="0123", X_WNS_Debug_Trace="DB3WNS4011534", X_WNS_Error_Description=description))
    await wns.channel.push(order(wns))
    (line,) = logged
    assert "0123" in line
    assert "DB3WNS4011534" in line
    assert "bad?thing at … with … y y" in line
    assert SECRET_ADDRESS not in line
    assert len(line) < 500


@pytest_twisted.ensureDeferred
async def test_a_push_that_was_taken_is_no_news(wns: WnsRig, logged: list[str]) -> None:
    await wns.channel.push(order(wns))
    assert logged == []


@pytest_twisted.ensureDeferred
async def test_a_certificate_of_an_unknown_authority_is_the_lines_fault(wns: WnsRig, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    channel = wns.new_channel(ca_file=WnsService(wns.reactor, now_ms).write_ca(other))
    outcome = await channel.push(order(wns))
    assert isinstance(outcome, LineDown)
    assert "PeerRefused" in outcome.reason
    assert wns.service.requests == 0
    await channel.stop()


@pytest_twisted.ensureDeferred
async def test_a_private_address_needs_permission(wns: WnsRig) -> None:
    channel = wns.new_channel(allow_private=False)
    assert await channel.push(order(wns)) == LineDown("token endpoint: AddressRefused: address not allowed")
    await channel.stop()


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"tenant": ""}, "tenant: must be"),
        ({"tenant": "a/b"}, "tenant: must be"),
        ({"client_id": ""}, "client_id: is missing"),
        ({"identity": "store", "client_id": CLIENT_ID}, "client_id: must be the package SID"),
        ({"client_secret": Secret("")}, "client_secret: is missing"),
        ({"endpoint": "http://tokens.example"}, "endpoint: must be a plain https URL"),
        ({"hosts": ("*",)}, "hosts: must be host names"),
        ({"hosts": ("notify.windows.com", "Notify.Windows.com")}, "hosts: must be host names"),
        ({"hosts": ("https://notify.windows.com",)}, "hosts: must be host names"),
        ({"hosts": ("notify.windows.com:443",)}, "hosts: must be host names"),
        ({"hosts": (".windows.com",)}, "hosts: must be host names"),
        ({"toast_text": "bell \a"}, "toast_text: holds a character"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_an_option_that_cannot_work_is_a_configuration_error(
    wns: WnsRig, changed: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigError, match="channel wns: ") as raised:
        wns.new_channel(**changed)
    (line,) = raised.value.problems
    assert problem in line
    assert CLIENT_SECRET not in line


@pytest_twisted.ensureDeferred
async def test_all_mistakes_are_told_at_once(wns: WnsRig) -> None:
    with pytest.raises(ConfigError) as raised:
        wns.new_channel(tenant="", client_id="", client_secret=Secret(""), endpoint="x", hosts=("*",))
    assert len(raised.value.problems) == 5
    assert TENANT not in str(raised.value)
