"""Infobip's own behaviour over a real connection to its stand-in, and its calls (protocols/infobip-omni.md)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterator
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorCore
from twisted.internet.task import deferLater
from twisted.logger import ILogObserver, LogLevel, formatEvent, globalLogPublisher
from zope.interface import implementer
from zope.interface.verify import verifyObject

from datasms_daemon.config.channels import OmniStep
from datasms_daemon.config.kinds import MINUTE, Duration
from datasms_daemon.demo import answers
from datasms_daemon.demo.answers import ScriptedAnswer
from datasms_daemon.errors import ConfigError
from datasms_daemon.https.connect import Reactor
from datasms_daemon.interfaces import IHookedChannel
from datasms_daemon.model import (
    Accepted,
    AddressGone,
    HookAnswer,
    HookCall,
    InboundText,
    Later,
    LineDown,
    LineName,
    NotSent,
    Outcome,
    PushReceipt,
    ReceiptState,
    Secret,
    Unknown,
)
from tests.contract.rigs.base import now_ms, order, timed
from tests.contract.rigs.omni import HOOK_SECRET, PHONE, MessagesRig, OmniRig
from tests.fakes.omni_service import SCENARIO, Message, OmniBody, answered, refusal

ID = "m1.d1"


async def _rig(kind: type[OmniRig], reactor: IReactorCore, tmp_path: Path) -> AsyncIterator[OmniRig]:
    rig = kind(cast(Reactor, reactor), tmp_path)
    await rig.start()
    yield rig
    await rig.stop()


@pytest_twisted.async_yield_fixture
async def omni(reactor: IReactorCore, tmp_path: Path) -> AsyncIterator[OmniRig]:
    async for rig in _rig(OmniRig, reactor, tmp_path):
        yield rig


@pytest_twisted.async_yield_fixture
async def messages(reactor: IReactorCore, tmp_path: Path) -> AsyncIterator[OmniRig]:
    async for rig in _rig(MessagesRig, reactor, tmp_path):
        yield rig


@pytest.fixture
def warned() -> Iterator[list[str]]:
    """All warnings and errors."""
    warned: list[str] = []

    @implementer(ILogObserver)
    def observe(event: dict[str, Any]) -> None:
        if event["log_level"] >= LogLevel.warn:
            warned.append(formatEvent(event))

    globalLogPublisher.addObserver(observe)
    yield warned
    globalLogPublisher.removeObserver(observe)


def call(path: str, *results: object, secret: str = HOOK_SECRET) -> HookCall:
    return HookCall("infobip", f"{path}/{secret}", {}, msgspec.json.encode({"results": results}))


def report(group: int, id_: int, **changed: Any) -> dict[str, Any]:
    known = {"messageId": ID, "to": PHONE[1:], "channel": "SMS", "status": {"groupId": group, "id": id_}}
    return known | changed


def states(rig: OmniRig) -> list[tuple[str, ReceiptState]]:
    return [(receipt.provider_id, receipt.state) for receipt in rig.host.receipts]


# Pushes


@pytest_twisted.ensureDeferred
async def test_omni_gets_the_text_the_number_and_where_to_report(omni: OmniRig) -> None:
    assert await omni.channel.push(order(omni)) == Accepted((ID,))
    taken = omni.service.sent[ID]
    assert isinstance(taken, OmniBody)
    assert taken.destinations[0].to.phone_number == PHONE[1:]
    assert taken.viber is not None
    assert taken.viber.text == "Pump station\nPump 3 stopped"
    assert taken.notify_url == f"https://mx.example.org:8444/mx/v1/hooks/omni/infobip/reports/{HOOK_SECRET}"


@pytest_twisted.ensureDeferred
async def test_the_messages_api_gets_them_too(messages: OmniRig) -> None:
    long = msgspec.structs.replace(order(messages), ttl_ms=10 * MINUTE)
    assert await messages.channel.push(long) == Accepted((ID,))
    taken = messages.service.sent[ID]
    assert isinstance(taken, Message)
    assert taken.destinations[0].by_channel[1].to == PHONE[1:]
    assert taken.webhooks.seen is not None
    assert taken.webhooks.seen.url.endswith(f"/seen/{HOOK_SECRET}")


@pytest_twisted.ensureDeferred
async def test_a_push_repeated_after_a_time_out_reaches_the_person_once(omni: OmniRig) -> None:
    assert await omni.channel.push(order(omni)) == Accepted((ID,))
    omni.script(answers.silence)
    assert isinstance(await timed(omni), Unknown)
    assert await omni.channel.push(order(omni)) == Accepted((ID,))
    assert list(omni.service.sent) == [ID]


@pytest_twisted.ensureDeferred
async def test_what_infobip_took_note_of_and_refused_is_repeated_as_another_push_and_is_no_duplicate(
    omni: OmniRig,
) -> None:
    for id_ in (ID, f"{ID}.1"):
        omni.script(answered(5, 21, "REJECTED_SYSTEM_ERROR", id_))
        assert await omni.channel.push(order(omni)) == Later("status 21 REJECTED_SYSTEM_ERROR")
        omni.service.sent[id_] = OmniBody(())
    assert await omni.channel.push(order(omni)) == Accepted((f"{ID}.2",))
    assert isinstance(omni.service.sent[f"{ID}.2"], OmniBody)
    await omni.omni.hook(call("reports", report(3, 5, messageId=f"{ID}.2")))
    assert states(omni) == [(f"{ID}.2", ReceiptState.DELIVERED)]


@pytest_twisted.ensureDeferred
async def test_what_infobip_was_too_busy_to_take_note_of_is_repeated_as_the_same_push(omni: OmniRig) -> None:
    omni.script(refusal(429, "TOO_MANY_REQUESTS", "/omni/"))
    assert isinstance(await omni.channel.push(order(omni)), Later)
    assert await omni.channel.push(order(omni)) == Accepted((ID,))


@pytest.mark.parametrize(
    ("scripted", "expected"),
    [
        (
            answered(5, 14, "REJECTED_DESTINATION_BLOCKLISTED", ID),
            AddressGone("status 14 REJECTED_DESTINATION_BLOCKLISTED"),
        ),
        (answered(5, 12, "REJECTED_NOT_ENOUGH_CREDITS", ID), LineDown("status 12 REJECTED_NOT_ENOUGH_CREDITS")),
        (answered(5, 21, "REJECTED_SYSTEM_ERROR", ID), Later("status 21 REJECTED_SYSTEM_ERROR")),
        (answered(1, 7, "PENDING_ENROUTE", "somebody else's"), Unknown("success with the status of another message")),
        (refusal(400, "BAD_REQUEST", "/omni/"), NotSent("400 BAD_REQUEST", final=True)),
        (refusal(500, "GENERAL_ERROR", "/omni/"), Unknown("500 GENERAL_ERROR")),
    ],
)
@pytest_twisted.ensureDeferred
async def test_infobips_refusals_arrive_as_outcomes(omni: OmniRig, scripted: ScriptedAnswer, expected: Outcome) -> None:
    omni.script(scripted)
    assert await omni.channel.push(order(omni)) == expected
    assert omni.service.requests == 1


@pytest_twisted.ensureDeferred
async def test_a_key_that_infobip_does_not_know_is_the_lines_fault(omni: OmniRig) -> None:
    channel = omni.new_channel(api_key=Secret("wrong"))
    assert await channel.push(order(omni)) == LineDown("401 UNAUTHORIZED")
    await channel.stop()


@pytest_twisted.ensureDeferred
async def test_an_api_that_has_ended_is_the_lines_fault_and_an_error_once_a_day(
    omni: OmniRig, logged_failures: list[dict[str, Any]]
) -> None:
    omni.script(answers.answer(410), answers.answer(410))
    for _ in range(2):
        outcome = await omni.channel.push(order(omni))
        assert isinstance(outcome, LineDown)
        assert outcome.reason.startswith("sunset: ")
    assert len(logged_failures) == 1
    logged_failures.clear()


@pytest_twisted.ensureDeferred
async def test_an_api_that_will_end_is_a_warning_once_a_day(omni: OmniRig, warned: list[str]) -> None:
    omni.service.headers = {
        "Deprecation": "@1795000000",
        "Sunset": "Fri, 31 Dec 2027 00:00:00 GMT",
        "Link": "<https://x>",
    }
    for _ in range(3):
        await omni.channel.push(order(omni))
    (said,) = warned
    assert "sunset: Fri, 31 Dec 2027" in said
    assert "link: <https://x>" in said


@pytest_twisted.ensureDeferred
async def test_a_link_header_alone_says_nothing(omni: OmniRig, warned: list[str]) -> None:
    omni.service.headers = {"Link": "<https://x>; rel=next"}
    await omni.channel.push(order(omni))
    assert warned == []


@pytest_twisted.ensureDeferred
async def test_all_problems_of_the_options_are_told_at_once(omni: OmniRig) -> None:
    with pytest.raises(ConfigError) as raised:
        omni.new_channel(endpoint="http://x", api_key=Secret(""), hook_secret=Secret("short"))
    assert [problem.split(":")[1] for problem in raised.value.problems] == [" endpoint", " api_key", " hook_secret"]
    assert raised.value.problems[0] == "channel infobip: endpoint: must be a plain https URL"


# The test


@pytest_twisted.ensureDeferred
async def test_the_test_sends_nothing(omni: OmniRig, messages: OmniRig) -> None:
    for rig in (omni, messages):
        assert (await rig.channel.check()).good
        assert not rig.service.sent


@pytest.mark.parametrize(
    ("changed", "finding"),
    [
        ({"api_key": Secret("wrong")}, "the API key is not accepted"),
        ({"scenario": "no such/key"}, "there is no scenario with this key"),
        (
            {"steps": (OmniStep(channel="SMS", sender="AcmeSMS", wait=Duration(MINUTE)),)},
            "the scenario goes VIBER, SMS",
        ),
        ({"allow_private": False}, "no answer from Infobip: AddressRefused"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_the_test_says_what_is_wrong_with_omni(omni: OmniRig, changed: dict[str, Any], finding: str) -> None:
    channel = omni.new_channel(**changed)
    verdict = await channel.check()
    assert not verdict.good
    assert finding in verdict.findings[0]
    await channel.stop()


@pytest_twisted.ensureDeferred
async def test_the_test_finds_the_scenario_by_its_key_and_tells_of_other_senders(omni: OmniRig) -> None:
    omni.service.default = None
    assert "no default scenario" in (await omni.channel.check()).findings[0]
    steps = tuple(OmniStep(channel=name, sender="Other", wait=Duration(MINUTE)) for name in ("VIBER", "SMS"))
    channel = omni.new_channel(scenario=SCENARIO, steps=steps)
    verdict = await channel.check()
    assert verdict.good
    assert "other senders" in verdict.findings[1]
    await channel.stop()


@pytest_twisted.ensureDeferred
async def test_the_test_says_which_field_the_messages_api_does_not_take(messages: OmniRig) -> None:
    messages.service.senders = {"Acme"}
    verdict = await messages.channel.check()
    assert verdict.findings == ("refused (400 E400)", "Infobip does not take messages[0].sender")


# Calls


@pytest_twisted.ensureDeferred
async def test_it_takes_calls(omni: OmniRig) -> None:
    assert verifyObject(IHookedChannel, omni.channel)


@pytest.mark.parametrize("path", ["reports", "seen", "inbound", "other"])
@pytest.mark.parametrize("secret", ["", "wrong", HOOK_SECRET[:-1], f"{HOOK_SECRET}x", f"{HOOK_SECRET}/", "\ud800"])
@pytest_twisted.ensureDeferred
async def test_a_call_without_the_secret_changes_nothing(omni: OmniRig, path: str, secret: str) -> None:
    assert await omni.omni.hook(call(path, report(3, 5), secret=secret)) == HookAnswer(403)
    assert await omni.omni.hook(HookCall("infobip", path, {}, b"{}")) == HookAnswer(403)
    assert states(omni) == []


@pytest_twisted.ensureDeferred
async def test_without_a_secret_of_ours_no_call_is_taken(omni: OmniRig) -> None:
    channel = omni.new_channel(reports="pull", hook_secret=Secret(""))
    assert await channel.hook(call("reports", report(3, 5), secret="")) == HookAnswer(403)
    await channel.stop()


@pytest_twisted.ensureDeferred
async def test_several_reports_in_one_call_are_committed_in_their_order(omni: OmniRig) -> None:
    said = [report(1, 7), report(3, 2), report(3, 5), report(9, 9), report(4, 15, messageId="m2.d1")]
    assert await omni.omni.hook(call("reports", *said)) == HookAnswer()
    assert states(omni) == [(ID, ReceiptState.SENT), (ID, ReceiptState.DELIVERED), ("m2.d1", ReceiptState.FAILED)]
    assert {receipt.channel for receipt in omni.host.receipts} == {"infobip"}


@pytest.mark.parametrize("path", ["reports", "seen"])
@pytest_twisted.ensureDeferred
async def test_seen_is_read_at_whichever_address_it_comes(omni: OmniRig, path: str) -> None:
    assert await omni.omni.hook(call(path, {"messageId": ID, "seenAt": "2026-11-18T11:06:41.000+0000"})) == HookAnswer()
    assert states(omni) == [(ID, ReceiptState.READ)]


@pytest_twisted.ensureDeferred
async def test_a_number_that_is_dead_is_retired(omni: OmniRig) -> None:
    await omni.omni.hook(call("reports", report(2, 9, error={"id": 1, "permanent": True})))
    assert omni.host.receipts[0] == PushReceipt(
        "infobip", ID, ReceiptState.FAILED, omni.host.receipts[0].at, "status 9 error 1"
    )
    assert omni.host.lost == [("infobip", {"phone": PHONE}, "status 9 error 1")]


@pytest_twisted.ensureDeferred
async def test_omnis_failed_first_step_is_not_the_end_but_with_the_messages_api_it_is(
    omni: OmniRig, messages: OmniRig
) -> None:
    await omni.omni.hook(call("reports", report(2, 9, channel="VIBER")))
    assert states(omni) == []
    await messages.omni.hook(call("reports", report(2, 9, channel="VIBER_BM")))
    assert states(messages) == [(ID, ReceiptState.FAILED)]


@pytest_twisted.ensureDeferred
async def test_a_text_reaches_the_daemon_with_the_address_of_who_wrote_it(omni: OmniRig) -> None:
    said = {"from": PHONE[1:], "to": "900123", "messageId": "in-1", "message": {"type": "TEXT", "text": "DATASMS 1"}}
    assert await omni.omni.hook(call("inbound", said)) == HookAnswer()
    (text,) = omni.host.texts
    assert abs(text.at - now_ms()) < 5000
    assert text == InboundText(LineName("infobip"), PHONE, "900123", "DATASMS 1", text.at, "in-1", {"phone": PHONE})


@pytest_twisted.ensureDeferred
async def test_calls_that_cannot_be_read_are_refused(omni: OmniRig) -> None:
    for kind in ("reports", "seen", "inbound"):
        for body in (b"", b"x", b"[]", b"\xff", b"{}"):
            assert await omni.omni.hook(HookCall("infobip", f"{kind}/{HOOK_SECRET}", {}, body)) == HookAnswer(400)
    assert await omni.omni.hook(call("elsewhere")) == HookAnswer(404)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("reports", report(3, 5)),
        ("reports", report(2, 9, error={"id": 1, "permanent": True})),
        ("inbound", {"from": PHONE[1:], "messageId": "in-1", "text": "Hello"}),
    ],
)
@pytest_twisted.ensureDeferred
async def test_infobip_is_not_told_that_we_have_it_when_we_do_not(
    omni: OmniRig, monkeypatch: pytest.MonkeyPatch, path: str, said: dict[str, Any]
) -> None:
    """I24."""

    async def fail(*_: object) -> None:
        raise OSError("disk")

    monkeypatch.setattr(omni.host, "inbound", fail)
    monkeypatch.setattr(omni.host, "gone" if said.get("error") else "receipt", fail)
    with pytest.raises(OSError, match="disk"):
        await omni.omni.hook(call(path, said))


@pytest_twisted.ensureDeferred
async def test_infobip_is_answered_only_after_the_commit(omni: OmniRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """I24."""
    commit: Deferred[None] = Deferred()

    def receipt(receipt: PushReceipt) -> Awaitable[None]:
        return commit

    monkeypatch.setattr(omni.host, "receipt", receipt)
    answered: list[HookAnswer] = []
    Deferred.fromCoroutine(omni.omni.hook(call("reports", report(3, 5)))).addCallback(answered.append)
    assert answered == []
    commit.callback(None)
    assert answered == [HookAnswer()]


# Asking


@pytest.mark.parametrize("kind", [OmniRig, MessagesRig])
@pytest_twisted.ensureDeferred
async def test_reports_that_we_ask_for_are_committed(
    kind: type[OmniRig], reactor: IReactorCore, tmp_path: Path
) -> None:
    rig = kind(cast(Reactor, reactor), tmp_path)
    await rig.start()
    rig.service.reports = [report(3, 5), report(3, 5, messageId="other", callbackData="somebody else's")]
    channel = rig.new_channel(reports="pull", hook_secret=Secret(""))
    channel.start(rig.host)
    while not rig.host.receipts:
        await deferLater(rig.reactor, 0.01)
    assert states(rig) == [(ID, ReceiptState.DELIVERED)]
    assert rig.service.pulls == 1
    await channel.stop()
    await rig.stop()


@pytest_twisted.ensureDeferred
async def test_stopping_while_asking_leaves_nothing_behind(omni: OmniRig) -> None:
    channel = omni.new_channel(reports="pull")
    channel.start(omni.host)
    await channel.stop()
    await channel.stop()
    assert states(omni) == []
