"""Web Push's own behaviour over a real connection to its stand-in (protocols/webpush.md)."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import msgspec
import pytest
import pytest_twisted
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.internet.defer import Deferred
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import IHostnameResolver, IHostResolution, IReactorCore
from twisted.internet.testing import MemoryReactorClock
from twisted.web.http import Request

from datasms_daemon.channels.webpush import WebPush, topic_of
from datasms_daemon.config.channels import WebPushChannel
from datasms_daemon.crypto.webpush import new_key, vapid_key_pem
from datasms_daemon.demo import answers
from datasms_daemon.demo.answers import Rendered, ScriptedAnswer
from datasms_daemon.errors import ConfigError
from datasms_daemon.https.connect import Reactor
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
from tests.contract.rigs.base import KEYS, TIMEOUT_S, now_ms, order, timed
from tests.contract.rigs.webpush import WebPushRig
from tests.fakes.webpush_service import WebPushService, refusal

NOT_ADMITTED = NotSent("the device's endpoint is missing, no plain https URL, or on a host not in hosts", final=True)
BAD_KEYS = NotSent("the device's keys p256dh and auth are missing or wrong", final=True)


@pytest_twisted.async_yield_fixture
async def webpush(reactor: IReactorCore, tmp_path: Path) -> AsyncIterator[WebPushRig]:
    rig = WebPushRig(cast(Reactor, reactor), tmp_path)
    await rig.start()
    yield rig
    await rig.stop()


def _with_keys(order: PushOrder, keys: dict[str, str]) -> PushOrder:
    return msgspec.structs.replace(order, device=msgspec.structs.replace(order.device, keys=keys))


@pytest_twisted.ensureDeferred
async def test_the_browser_gets_the_message_id_and_no_text(webpush: WebPushRig) -> None:
    assert await webpush.channel.push(order(webpush)) == Accepted()
    (pushed,) = webpush.service.pushed
    assert pushed.payload == {"datasms": "1", "id": "m1"}
    assert (pushed.ttl_s, pushed.urgency, pushed.topic) == (60, "high", topic_of(MessageId("m1")))


@pytest_twisted.ensureDeferred
async def test_every_push_is_encrypted_anew_and_they_are_all_of_one_length(webpush: WebPushRig) -> None:
    bodies: list[bytes] = []

    def keep(request: Request) -> Rendered:
        assert request.content is not None
        request.content.seek(0)
        bodies.append(request.content.read())
        return answers.answer(201)(request)

    webpush.script(keep, keep)
    for _ in range(2):
        await webpush.channel.push(order(webpush))
    assert len({body[:16] for body in bodies}) == 2, "salts"
    assert len({body[21:86] for body in bodies}) == 2, "keys"
    assert [len(body) for body in bodies] == [230, 230]


@pytest_twisted.ensureDeferred
async def test_pushes_share_one_proof_an_origin(webpush: WebPushRig) -> None:
    for _ in range(3):
        await webpush.channel.push(order(webpush))
    assert len(webpush.service.tokens) == 3
    assert len(set(webpush.service.tokens)) == 1


@pytest_twisted.ensureDeferred
async def test_a_proof_is_renewed_before_it_expires(webpush: WebPushRig, tmp_path: Path) -> None:
    now = [now_ms()]
    options = WebPushChannel(
        name="webpush",
        contact="mailto:it@acme.example",
        hosts=(webpush.service.endpoint.removeprefix("https://"),),
        ca_file=webpush.ca_file,
        allow_private=True,
    )
    channel = WebPush(options, webpush.reactor, lambda: now[0], os.urandom, tmp_path, new_key)
    webpush.service.now_ms = lambda: now[0]
    for hours in (0.0, 10.9, 0.2, 100.0):
        now[0] += int(hours * 3_600_000)
        assert await channel.push(order(webpush)) == Accepted()
    first, second, third, fourth = webpush.service.tokens
    assert first == second
    assert len({second, third, fourth}) == 3
    await channel.stop()


@pytest_twisted.ensureDeferred
async def test_a_refused_proof_is_replaced_and_the_push_repeated_once(webpush: WebPushRig) -> None:
    """As after a step of the clock, which makes an old proof last too long."""
    now = [now_ms() + 3 * 86_400_000]
    channel = WebPush(
        WebPushChannel(
            name="webpush",
            contact="mailto:it@acme.example",
            hosts=(webpush.service.endpoint.removeprefix("https://"),),
            ca_file=webpush.ca_file,
            allow_private=True,
        ),
        webpush.reactor,
        lambda: now[0],
        os.urandom,
        webpush.tmp_path,
        new_key,
    )
    assert await channel.push(order(webpush)) == LineDown("401 errno 109")
    assert webpush.service.requests == 2
    webpush.service.now_ms = lambda: now[0]
    assert await channel.push(order(webpush)) == Accepted()
    now[0] -= 3 * 86_400_000
    assert await channel.push(order(webpush)) == Accepted()
    assert webpush.service.requests == 5
    await channel.stop()


@pytest_twisted.ensureDeferred
async def test_a_service_that_takes_no_proof_is_asked_twice_and_no_more(webpush: WebPushRig) -> None:
    webpush.script(refusal(401, 109), refusal(403), refusal(403))
    assert await webpush.channel.push(order(webpush)) == LineDown("403")
    assert webpush.service.requests == 2


@pytest_twisted.ensureDeferred
async def test_two_tries_end_within_the_time_of_one(webpush: WebPushRig) -> None:
    webpush.script(answers.late(webpush.reactor, TIMEOUT_S * 0.8, refusal(401)), answers.silence)
    assert isinstance(await timed(webpush), Unknown)


@pytest.mark.parametrize(
    ("scripted", "expected"),
    [
        (refusal(404, 102), AddressGone("404 errno 102")),
        (refusal(410, 106), AddressGone("410 errno 106")),
        (refusal(413, 104), NotSent("413 errno 104", final=True)),
        (refusal(400, 108), NotSent("400 errno 108", final=True)),
        (refusal(500, 999), Unknown("500 errno 999")),
        (refusal(503, 201), Later("503 errno 201")),
    ],
)
@pytest_twisted.ensureDeferred
async def test_refusals_arrive_as_outcomes(webpush: WebPushRig, scripted: ScriptedAnswer, expected: Outcome) -> None:
    webpush.script(scripted)
    assert await webpush.channel.push(order(webpush)) == expected
    assert webpush.service.requests == 1


@pytest_twisted.ensureDeferred
async def test_a_service_says_when_to_come_again(webpush: WebPushRig) -> None:
    before = now_ms()
    webpush.script(refusal(429, 201, retry_after="120"))
    outcome = await webpush.channel.push(order(webpush))
    assert isinstance(outcome, Later)
    assert outcome.not_before is not None
    assert before + 120_000 <= outcome.not_before <= now_ms() + 120_000


@pytest_twisted.ensureDeferred
async def test_a_withdrawal_takes_the_place_of_the_push_that_waits(webpush: WebPushRig) -> None:
    await webpush.channel.push(order(webpush))
    await webpush.channel.withdraw(order(webpush))
    (waiting,) = webpush.service.waiting.values()
    assert waiting.payload == {"datasms": "1", "withdrawn": "m1"}
    assert (waiting.ttl_s, waiting.urgency) == (60, "very-low")


@pytest.mark.parametrize(
    ("endpoint", "asked"),
    [
        ("https://web.push.apple.com/Qabc", []),
        ("https://push.apple.com/Qabc", []),
        ("https://notpush.apple.com/Qabc", ["notpush.apple.com"]),
        ("https://updates.push.services.mozilla.com/wpush/v2/abc", ["updates.push.services.mozilla.com"]),
    ],
)
def test_nothing_is_withdrawn_at_apples(tmp_path: Path, endpoint: str, asked: list[str]) -> None:
    """It ends subscriptions for pushes that show nothing (apns.md § 1)."""
    names: list[str] = []

    def ask(_: object, name: str, *__: object, **___: object) -> IHostResolution:
        names.append(name)
        raise DNSLookupError

    reactor = MemoryReactorClock()
    reactor.installNameResolver(cast(IHostnameResolver, SimpleNamespace(resolveHostName=ask)))
    options = WebPushChannel(name="webpush", contact="mailto:it@acme.example", hosts=("apple.com", "mozilla.com"))
    channel = WebPush(options, cast(Reactor, reactor), now_ms, os.urandom, tmp_path, new_key)
    device = Device(DeviceId("d1"), PersonId("novak"), "webpush", {"endpoint": endpoint}, KEYS)
    done: list[None] = []
    withdrawn = Deferred.fromCoroutine(channel.withdraw(PushOrder(MessageId("m1"), device, True, 60_000)))
    withdrawn.addCallback(done.append)
    assert (names, done) == (asked, [None])


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "https://push.example/abc",
        "https://localhost/abc",
        "http://localhost/abc",
        "https://user@localhost/abc",
        "https://LOCALHOST/abc",
        "https://localhost:1/abc",
        "ftp://x",
        "localhost",
        "https://localhost/\r\nX: y",
    ],
)
@pytest_twisted.ensureDeferred
async def test_an_endpoint_elsewhere_is_not_asked(webpush: WebPushRig, endpoint: str) -> None:
    assert await webpush.channel.push(order(webpush, {"endpoint": endpoint})) == NOT_ADMITTED
    await webpush.channel.withdraw(order(webpush, {"endpoint": endpoint}))
    assert webpush.service.requests == 0


@pytest.mark.parametrize("keys", [{}, {"p256dh": KEYS["p256dh"]}, {**KEYS, "auth": "x"}, {**KEYS, "p256dh": "B" * 87}])
@pytest_twisted.ensureDeferred
async def test_without_good_keys_nothing_is_sent(webpush: WebPushRig, keys: dict[str, str]) -> None:
    assert await webpush.channel.push(_with_keys(order(webpush), keys)) == BAD_KEYS
    assert webpush.service.requests == 0


@pytest_twisted.ensureDeferred
async def test_any_host_may_be_admitted_but_no_private_address(webpush: WebPushRig) -> None:
    """What a client's own server refuses is not the fault of the line, or any client could take it down."""
    channel = webpush.new_channel(hosts=("*",), allow_private=False)
    for endpoint in (webpush.service.subscription, "https://127.0.0.1/x", "https://[::1]/x", "https://10.0.0.1:8443/x"):
        outcome = await channel.push(order(webpush, {"endpoint": endpoint}))
        assert outcome == NotSent("AddressRefused: address not allowed", final=True), endpoint
    assert webpush.service.requests == 0
    await channel.stop()


@pytest_twisted.ensureDeferred
async def test_a_self_hosted_service_works_and_its_refusals_are_its_own(webpush: WebPushRig) -> None:
    channel = webpush.new_channel(hosts=("push.apple.com", "*"))
    assert await channel.push(order(webpush)) == Accepted()
    webpush.script(refusal(403), refusal(403), answers.redirect_to("https://localhost/"), refusal(410))
    assert await channel.push(order(webpush)) == NotSent("403", final=True)
    assert await channel.push(order(webpush)) == NotSent("307: redirects are not followed", final=True)
    assert await channel.push(order(webpush)) == AddressGone("410")
    await channel.stop()


@pytest_twisted.ensureDeferred
async def test_a_certificate_of_an_unknown_authority_is_the_lines_fault(webpush: WebPushRig) -> None:
    ca_file = webpush.ca_file.with_name("other.pem")
    ca_file.write_bytes(WebPushService(webpush.reactor, now_ms, "x").ca_pem)
    channel = webpush.new_channel(ca_file=ca_file)
    outcome = await channel.push(order(webpush))
    assert isinstance(outcome, LineDown)
    assert "PeerRefused" in outcome.reason
    assert webpush.service.requests == 0
    await channel.stop()


@pytest_twisted.ensureDeferred
async def test_a_key_is_made_once_for_its_owner_only_and_kept(webpush: WebPushRig) -> None:
    key_file = webpush.tmp_path / "vapid.pem"
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    made = key_file.read_bytes()
    first, second = cast(WebPush, webpush.channel), webpush.new_channel()
    assert len(first.application_server_key) == 87
    assert first.application_server_key == second.application_server_key
    assert key_file.read_bytes() == made
    await second.stop()


@pytest_twisted.ensureDeferred
async def test_a_key_file_may_be_elsewhere(webpush: WebPushRig, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    elsewhere = tmp_path / "elsewhere" / "key.pem"
    channel = webpush.new_channel(key_file=elsewhere)
    assert elsewhere.exists()
    assert channel.application_server_key != cast(WebPush, webpush.channel).application_server_key
    await channel.stop()


@pytest_twisted.ensureDeferred
async def test_what_cannot_be_used_is_a_configuration_error(webpush: WebPushRig) -> None:
    p384 = webpush.tmp_path / "p384.pem"
    p384.write_bytes(vapid_key_pem(ec.generate_private_key(ec.SECP384R1())))
    rubbish = webpush.tmp_path / "rubbish.pem"
    rubbish.write_text("x")
    for changed, expected in (
        ({"contact": "it@acme.example"}, r"channel webpush: contact: must be mailto:… or https://…"),
        ({"contact": "mailto:"}, r"contact: must be"),
        ({"hosts": ("*.push.apple.com",)}, r"hosts: \*\.push\.apple\.com: must be a host's name in lower case"),
        ({"hosts": ("https://push.apple.com",)}, r"hosts: https"),
        ({"hosts": ("Push.example",)}, r"hosts: Push"),
        ({"key_file": p384}, r"key_file .*p384\.pem: is no P-256 key"),
        ({"key_file": rubbish}, r"key_file .*rubbish\.pem: is no PEM private key without a password"),
        ({"key_file": webpush.tmp_path / "no" / "key.pem"}, r"cannot be read or made \(No such file or directory\)"),
        ({"key_file": webpush.tmp_path}, r"cannot be read or made \(Is a directory\)"),
    ):
        with pytest.raises(ConfigError, match=expected):
            webpush.new_channel(**changed)


@pytest_twisted.ensureDeferred
async def test_all_that_is_wrong_is_said_at_once(webpush: WebPushRig) -> None:
    with pytest.raises(ConfigError) as caught:
        webpush.new_channel(contact="x", hosts=("A", "b c"))
    assert len(caught.value.problems) == 3


@pytest_twisted.ensureDeferred
async def test_the_check_says_what_it_proved_and_what_not(webpush: WebPushRig) -> None:
    verdict = await webpush.channel.check()
    key = cast(WebPush, webpush.channel).application_server_key
    assert verdict.good
    assert verdict.findings == (
        f"the key signs; clients subscribe with {key}",
        "nothing was sent: whether a push service takes key and contact shows at the first push",
    )
    assert webpush.service.requests == 0


@pytest.mark.parametrize(
    ("contact", "good"),
    [
        ("mailto:it@acme.example", True),
        ("https://acme.example/contact", True),
        ("https://acme.example:8443", True),
        ("mailto:root@localhost", False),
        ("mailto:root@mail", False),
        ("mailto:it@acme.LOCAL", False),
        ("mailto:it@10.0.0.1", False),
        ("https://intranet/contact", False),
        ("https://localhost:8443", False),
    ],
)
@pytest_twisted.ensureDeferred
async def test_the_check_finds_a_contact_that_apple_refuses(webpush: WebPushRig, contact: str, good: bool) -> None:
    channel = webpush.new_channel(contact=contact)
    verdict = await channel.check()
    assert verdict.good == good
    assert ("BadJwtToken" in verdict.findings[0]) != good
    await channel.stop()


@pytest_twisted.ensureDeferred
async def test_the_check_finds_a_key_file_that_is_gone_exchanged_or_open(webpush: WebPushRig) -> None:
    key_file = webpush.tmp_path / "vapid.pem"
    mine = key_file.read_bytes()
    key_file.chmod(0o644)
    assert "may be read by others" in (await webpush.channel.check()).findings[0]
    key_file.write_bytes(vapid_key_pem(ec.generate_private_key(ec.SECP256R1())))
    key_file.chmod(0o600)
    assert "holds another key" in (await webpush.channel.check()).findings[0]
    key_file.write_text("x")
    assert "restore it" in (await webpush.channel.check()).findings[0]
    key_file.unlink()
    verdict = await webpush.channel.check()
    assert not verdict.good
    assert "cannot be read" in verdict.findings[0]
    assert mine.decode() not in "".join(verdict.findings)
