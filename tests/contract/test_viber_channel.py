"""A Viber bot's own behaviour over a real connection to its stand-in (protocols/viber.md)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorCore
from twisted.logger import ILogObserver, formatEvent, globalLogPublisher
from zope.interface import implementer
from zope.interface.verify import verifyObject

from datasms_daemon.channels._viber_answers import described
from datasms_daemon.config.kinds import Duration
from datasms_daemon.demo import answers
from datasms_daemon.errors import ConfigError
from datasms_daemon.https.connect import Reactor
from datasms_daemon.interfaces import IHookedChannel
from datasms_daemon.model import (
    Accepted,
    AddressGone,
    Attachment,
    HookAnswer,
    HookCall,
    InboundText,
    Later,
    LineDown,
    NotSent,
    PushOrder,
    PushReceipt,
    ReceiptState,
    Secret,
    Unknown,
    Verdict,
)
from tests.contract.rigs.base import BUTTONS, SECRET_ADDRESS, Host, now_ms, order, timed
from tests.contract.rigs.viber import PUBLIC_URL, TOKEN, ViberRig
from tests.fakes.viber_service import EVENTS, FIRST_TOKEN, Welcome, status

MINUTE = 60_000
ADDRESS = {"id": SECRET_ADDRESS}
OURS = f"{PUBLIC_URL}/mx/v1/hooks/viber/viber"


@pytest_twisted.async_yield_fixture
async def viber(reactor: IReactorCore, tmp_path: Path) -> AsyncIterator[ViberRig]:
    rig = ViberRig(cast(Reactor, reactor), tmp_path)
    await rig.start()
    yield rig
    await rig.stop()


def changed(call: HookCall, old: bytes, new: bytes) -> HookCall:
    """The call with another body under the same signature."""
    assert old in call.body
    return msgspec.structs.replace(call, body=call.body.replace(old, new))


def untouched(host: Host) -> bool:
    return not (host.receipts or host.reads or host.lost or host.texts)


# Sending


@pytest_twisted.ensureDeferred
async def test_it_takes_calls(viber: ViberRig) -> None:
    assert verifyObject(IHookedChannel, viber.channel)


@pytest_twisted.ensureDeferred
async def test_viber_gets_title_and_text_and_its_token_comes_back_exactly(viber: ViberRig) -> None:
    outcome = await viber.channel.push(order(viber))
    (sent,) = viber.service.sent
    assert sent.text == "Pump station\nPump 3 stopped"
    assert (sent.receiver, sent.tracking_data, sent.sender.name) == (SECRET_ADDRESS, "m1", "Acme")
    # The probe of set_webhook had the first token.
    assert outcome == Accepted((str(FIRST_TOKEN + 2),))


@pytest_twisted.ensureDeferred
async def test_what_a_message_costs_is_told(viber: ViberRig) -> None:
    await viber.channel.push(order(viber))
    viber.service.billing_status = 0
    await viber.channel.push(order(viber))
    viber.script(status(12))
    await viber.channel.push(order(viber))
    assert viber.billed == [5, 0]


@pytest_twisted.ensureDeferred
async def test_who_left_and_who_has_no_viber_is_gone(viber: ViberRig) -> None:
    viber.service.strangers.add("eva")
    assert await viber.channel.push(order(viber, {"id": "eva"})) == AddressGone(described(6))
    assert await viber.channel.push(order(viber, {"id": "nobody"})) == AddressGone(described(5))


@pytest_twisted.ensureDeferred
async def test_after_a_hundred_messages_in_an_hour_he_must_write_first(viber: ViberRig) -> None:
    before = now_ms()
    outcomes = [await viber.channel.push(order(viber)) for _ in range(101)]
    assert all(isinstance(outcome, Accepted) for outcome in outcomes[:-1])
    late = outcomes[-1]
    assert isinstance(late, Later)
    assert late.not_before is not None
    assert before + 60 * MINUTE <= late.not_before <= now_ms() + 60 * MINUTE
    viber.service.writes(SECRET_ADDRESS, "still here")
    assert isinstance(await viber.channel.push(order(viber)), Accepted)


@pytest_twisted.ensureDeferred
async def test_a_time_out_is_unknown_and_not_repeated(viber: ViberRig) -> None:
    """Viber has no idempotency key: a repeat would be another message on the screen."""
    requests = viber.service.requests
    viber.script(answers.silence)
    assert isinstance(await timed(viber), Unknown)
    assert viber.service.requests == requests + 1


@pytest_twisted.ensureDeferred
async def test_a_text_that_is_too_long_is_not_even_tried(viber: ViberRig) -> None:
    long = msgspec.structs.replace(order(viber).content, text="x" * 7001)  # type: ignore[type-var]
    requests = viber.service.requests
    outcome = await viber.channel.push(msgspec.structs.replace(order(viber), content=long))
    assert outcome == NotSent("longer than 7000 characters", final=True)
    assert viber.service.requests == requests


@pytest_twisted.ensureDeferred
async def test_a_token_that_viber_does_not_know_is_the_lines_fault(viber: ViberRig) -> None:
    channel = viber.new_channel(token=Secret("other"))
    assert await channel.push(order(viber)) == LineDown(described(2))
    assert await channel.check() == Verdict(False, (f"Viber refuses: {described(2)}",))
    await channel.stop()


@pytest_twisted.ensureDeferred
async def test_a_private_endpoint_needs_permission(viber: ViberRig) -> None:
    channel = viber.new_channel(allow_private=False)
    assert await channel.push(order(viber)) == LineDown("AddressRefused: address not allowed")
    verdict = await channel.check()
    assert verdict == Verdict(False, ("no answer from Viber: AddressRefused: address not allowed",))
    await channel.stop()


@pytest_twisted.ensureDeferred
async def test_all_that_is_wrong_with_the_options_is_said_at_once(viber: ViberRig) -> None:
    with pytest.raises(ConfigError) as caught:
        viber.new_channel(endpoint="http://viber.example", token=Secret("two\nlines"), avatar="a.png")
    assert caught.value.problems == [
        "channel viber: endpoint: must be a plain https URL",
        "channel viber: token: must be the token from the bot's page, in one line",
        "channel viber: avatar: must be a URL",
    ]


# Buttons


@pytest_twisted.ensureDeferred
async def test_viber_shows_the_buttons_and_what_is_pressed_comes_back_as_a_text(viber: ViberRig) -> None:
    await viber.channel.push(order(viber, buttons=BUTTONS))
    (sent,) = viber.service.sent
    assert sent.keyboard is not None
    shown = [(key.text, key.action_type, key.action_body, key.columns, key.rows) for key in sent.keyboard.buttons]
    assert shown == [
        ("Confirm", "reply", "YES 4711", 6, 1),
        ("Open the ticket", "open-url", "https://crm.example.org/4711", 6, 1),
    ]
    assert (sent.keyboard.default_height, sent.min_api_version) == (False, 1)
    for pressed in ("Confirm", "Open the ticket"):
        assert await viber.bot.hook(viber.service.presses(SECRET_ADDRESS, pressed)) == HookAnswer(200)
    assert [(text.text, text.address) for text in viber.host.texts] == [
        ("YES 4711", ADDRESS),
        ("https://crm.example.org/4711", ADDRESS),
    ]


@pytest_twisted.ensureDeferred
async def test_the_buttons_stay_below_the_last_of_several_attachments(viber: ViberRig) -> None:
    one = with_files(viber, PNG, PDF)
    assert one.content is not None
    content = msgspec.structs.replace(one.content, buttons=BUTTONS)
    await viber.channel.push(msgspec.structs.replace(one, content=content))
    assert [sent.type for sent in viber.service.sent] == ["picture", "file"]
    await viber.bot.hook(viber.service.presses(SECRET_ADDRESS, "Confirm"))
    assert [text.text for text in viber.host.texts] == ["YES 4711"]


# Pictures and files


PNG = Attachment("a1", "photo.png", "image/png", 1000, "00")
PDF = Attachment("a2", "plan.pdf", "application/pdf", 2000, "00")


def with_files(viber: ViberRig, *attachments: Attachment) -> PushOrder:
    """An order that carries these."""
    plain = order(viber)
    assert plain.content is not None
    return msgspec.structs.replace(plain, content=msgspec.structs.replace(plain.content, attachments=attachments))


@pytest_twisted.ensureDeferred
async def test_a_picture_carries_the_text_a_file_follows_and_the_first_token_counts(viber: ViberRig) -> None:
    outcome = await viber.channel.push(with_files(viber, PNG, PDF))
    picture, file = viber.service.sent
    base = f"{PUBLIC_URL}/mx/v1/media"
    ttl = order(viber).ttl_ms
    assert (picture.type, picture.text) == ("picture", "Pump station\nPump 3 stopped")
    assert picture.media == f"{base}/ticket-a1-{ttl}.png"
    assert (file.type, file.media) == ("file", f"{base}/ticket-a2-{ttl}")
    assert (file.file_name, file.size) == ("plan.pdf", 2000)
    assert outcome == Accepted((str(FIRST_TOKEN + 2),))
    assert viber.billed == [5, 5]


@pytest_twisted.ensureDeferred
async def test_without_a_public_url_the_text_goes_alone_and_it_is_said(viber: ViberRig) -> None:
    channel = viber.new_channel(None)
    outcome = await channel.push(with_files(viber, PNG))
    assert [sent.type for sent in viber.service.sent] == ["text"]
    assert isinstance(outcome, Accepted)
    assert outcome.notes == ("photo.png was left out: [mxservice] public_url is not set",)
    await channel.stop()


@pytest_twisted.ensureDeferred
async def test_what_viber_does_not_take_is_left_out_and_the_rest_goes(viber: ViberRig) -> None:
    bad = msgspec.structs.replace(PDF, name="run.exe")
    outcome = await viber.channel.push(with_files(viber, bad, PDF))
    assert [sent.type for sent in viber.service.sent] == ["text", "file"]
    assert isinstance(outcome, Accepted)
    assert outcome.notes == ("run.exe was left out: Viber takes no .exe files",)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (status(12), described(12)),
        (status(2), described(2)),
        (status(3), described(3)),
        (answers.answer(503), "HTTP 503"),
        (answers.silence, None),
        (answers.reset, None),
    ],
)
@pytest_twisted.ensureDeferred
async def test_once_the_text_is_taken_nothing_makes_it_be_sent_again(
    viber: ViberRig, answer: answers.ScriptedAnswer, why: str | None
) -> None:
    """He would see it twice: an attachment that fails is noted and not repeated."""
    viber.script(status(0, message_token=77), answer)
    requests = viber.service.requests
    outcome = await viber.channel.push(with_files(viber, PDF))
    assert isinstance(outcome, Accepted)
    assert outcome.provider_ids == ("77",)
    (note,) = outcome.notes
    assert note.startswith("plan.pdf was perhaps not sent: ")
    assert why is None or why in note
    assert viber.service.requests == requests + 2


@pytest.mark.parametrize("answer", [status(12), status(6), answers.silence])
@pytest_twisted.ensureDeferred
async def test_nothing_follows_a_text_that_was_not_surely_taken(
    viber: ViberRig, answer: answers.ScriptedAnswer
) -> None:
    viber.script(answer)
    requests = viber.service.requests
    outcome = await viber.channel.push(with_files(viber, PDF, PNG))
    assert not isinstance(outcome, Accepted)
    assert viber.service.requests == requests + 1


@pytest_twisted.ensureDeferred
async def test_attachments_for_which_no_time_is_left_are_said_to_be_missing(viber: ViberRig) -> None:
    viber.script(status(0, message_token=77), answers.silence)
    outcome = await viber.channel.push(with_files(viber, PDF, msgspec.structs.replace(PDF, id="a3", name="b.pdf")))
    assert isinstance(outcome, Accepted)
    assert outcome.notes[1] == "b.pdf was not sent: no time was left"


# The webhook


@pytest_twisted.ensureDeferred
async def test_the_webhook_is_registered_at_the_start_and_the_probe_answered_meanwhile(viber: ViberRig) -> None:
    assert viber.service.webhook == OURS
    assert viber.service.event_types == EVENTS
    assert viber.service.registrations == 1
    assert untouched(viber.host)


@pytest_twisted.ensureDeferred
async def test_another_public_url_is_registered_in_its_place(viber: ViberRig) -> None:
    channel = viber.new_channel("https://new.example.org/", name="a /b")
    viber.service.hook, viber.service.webhook = channel.hook, None
    channel.start(viber.host)
    await viber.registered()
    verdict = await channel.check()
    assert verdict.findings[1] == "Viber calls https://new.example.org/mx/v1/hooks/viber/a%20%2Fb"
    await channel.stop()


@pytest.mark.parametrize(("public_url", "webhook"), [(None, True), (PUBLIC_URL, False)])
@pytest_twisted.ensureDeferred
async def test_without_a_public_url_or_by_wish_nothing_is_registered(
    viber: ViberRig, public_url: str | None, webhook: bool
) -> None:
    viber.service.webhook = None
    channel = viber.new_channel(public_url, webhook=webhook)
    channel.start(viber.host)
    assert await channel.push(order(viber)) == LineDown(described(10))
    assert viber.service.registrations == 1
    await channel.stop()


@pytest_twisted.ensureDeferred
async def test_a_webhook_that_viber_forgot_is_registered_and_the_messages_sent_after_all(viber: ViberRig) -> None:
    viber.service.webhook = None
    pushes = [Deferred.fromCoroutine(viber.bot.push(order(viber))) for _ in range(20)]
    outcomes = await gatherResults(pushes)
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    assert len(viber.service.sent) == 20
    assert viber.service.registrations < 6


@pytest_twisted.ensureDeferred
async def test_a_message_is_repeated_once_and_no_more(viber: ViberRig) -> None:
    requests = viber.service.requests
    viber.script(status(10), status(10), status(10))
    assert await viber.channel.push(order(viber)) == LineDown(described(10))
    assert viber.service.requests == requests + 3


@pytest_twisted.ensureDeferred
async def test_a_webhook_that_viber_does_not_take_is_the_lines_fault(viber: ViberRig) -> None:
    viber.service.webhook = None
    viber.service.hook = None
    assert await viber.channel.push(order(viber)) == LineDown(f"set_webhook: {described(1)}")
    assert viber.service.sent == []


@pytest_twisted.ensureDeferred
async def test_a_silent_set_webhook_means_later_and_in_time(viber: ViberRig) -> None:
    viber.service.webhook = None
    viber.service.calls["set_webhook"] = [answers.silence]
    assert isinstance(await timed(viber), Later)
    assert viber.service.sent == []


@pytest_twisted.ensureDeferred
async def test_stopping_while_the_webhook_is_being_registered_leaves_nothing_behind(viber: ViberRig) -> None:
    channel = viber.new_channel()
    viber.service.calls["set_webhook"] = [answers.silence]
    channel.start(viber.host)
    await viber.channel.push(order(viber))
    await channel.stop()
    await channel.stop()
    assert viber.service.registrations == 1


# The check


@pytest_twisted.ensureDeferred
async def test_the_check_says_who_the_bot_is_and_where_viber_calls(viber: ViberRig) -> None:
    bot = "bot Acme (acme-alerts), 1 subscribers"
    assert await viber.channel.check() == Verdict(True, (bot, f"Viber calls {OURS}"))
    viber.service.event_types = ("delivered",)
    verdict = await viber.channel.check()
    assert not verdict.good
    assert verdict.findings[1].startswith(f"Viber calls {OURS} but not for conversation_started, failed, seen:")
    viber.service.webhook = "https://old.example.org/x"
    verdict = await viber.channel.check()
    assert not verdict.good
    assert verdict.findings[1].startswith(f"Viber calls https://old.example.org/x and not {OURS}:")
    viber.service.webhook = None
    verdict = await viber.channel.check()
    assert not verdict.good
    assert verdict.findings[1].startswith("no webhook is set:")
    assert viber.service.sent == []


@pytest_twisted.ensureDeferred
async def test_a_webhook_that_somebody_else_looks_after_is_good_wherever_it_leads(viber: ViberRig) -> None:
    channel = viber.new_channel(None)
    assert await channel.check() == Verdict(True, ("bot Acme (acme-alerts), 1 subscribers", f"Viber calls {OURS}"))
    await channel.stop()


# Callbacks


@pytest_twisted.ensureDeferred
async def test_a_receipt_is_told_with_the_token_of_the_push(viber: ViberRig) -> None:
    outcome = await viber.channel.push(order(viber))
    assert isinstance(outcome, Accepted)
    token = int(outcome.provider_ids[0])
    at = now_ms() - 1000
    call = viber.service.callback("delivered", message_token=token, user_id=SECRET_ADDRESS, timestamp=at)
    assert await viber.bot.hook(call) == HookAnswer(200)
    assert viber.host.receipts == [PushReceipt("viber", outcome.provider_ids[0], ReceiptState.DELIVERED, at)]


@pytest_twisted.ensureDeferred
async def test_seen_reads_everything_of_his_before(viber: ViberRig) -> None:
    at = now_ms() - 1000
    call = viber.service.callback("seen", message_token=FIRST_TOKEN, user_id=SECRET_ADDRESS, timestamp=at)
    await viber.bot.hook(call)
    assert viber.host.receipts == [PushReceipt("viber", str(FIRST_TOKEN), ReceiptState.READ, at)]
    assert viber.host.reads == [("viber", ADDRESS, at)]


@pytest_twisted.ensureDeferred
async def test_who_leaves_is_gone_and_who_writes_is_heard(viber: ViberRig) -> None:
    await viber.bot.hook(viber.service.callback("unsubscribed", user_id=SECRET_ADDRESS))
    assert viber.host.lost == [("viber", ADDRESS, "unsubscribed")]
    await viber.bot.hook(viber.service.writes(SECRET_ADDRESS, "DATASMS ABCD-EFGH-JKLMN"))
    (text,) = viber.host.texts
    assert isinstance(text, InboundText)
    assert (text.from_, text.address) == (f"viber:{SECRET_ADDRESS}", ADDRESS)
    assert text.text == "DATASMS ABCD-EFGH-JKLMN"


@pytest_twisted.ensureDeferred
async def test_an_unsubscription_that_comes_after_what_he_wrote_later_is_old_news(viber: ViberRig) -> None:
    """Viber repeats what failed, in any order: he who wrote again is not gone."""
    left = viber.service.callback("unsubscribed", user_id=SECRET_ADDRESS, timestamp=now_ms() - MINUTE)
    await viber.bot.hook(viber.service.writes(SECRET_ADDRESS, "here again"))
    assert await viber.bot.hook(left) == HookAnswer(200)
    assert viber.host.lost == []
    again = viber.service.callback("unsubscribed", user_id=SECRET_ADDRESS, timestamp=now_ms() + 1)
    await viber.bot.hook(again)
    assert len(viber.host.lost) == 1


@pytest_twisted.ensureDeferred
async def test_a_link_registers_and_is_welcomed_with_a_button(viber: ViberRig) -> None:
    call = viber.service.callback("conversation_started", user={"id": "eva"}, context="ABCD-EFGH-JKLMN")
    answer = await viber.bot.hook(call)
    assert [text.text for text in viber.host.texts] == ["DATASMS ABCD-EFGH-JKLMN"]
    shown = msgspec.json.decode(answer.body, type=Welcome)
    assert shown.text == "Press the button to receive messages here."
    assert shown.keyboard is not None
    assert shown.keyboard.buttons[0].action_body == "OK"


@pytest_twisted.ensureDeferred
async def test_who_comes_without_a_link_is_welcomed_only(viber: ViberRig) -> None:
    answer = await viber.bot.hook(viber.service.callback("conversation_started", user={"id": "eva"}))
    shown = msgspec.json.decode(answer.body, type=Welcome)
    assert shown.text.startswith("Write DATASMS and your registration number")
    assert shown.keyboard is None
    assert untouched(viber.host)


@pytest_twisted.ensureDeferred
async def test_a_call_that_is_not_vibers_gets_403_and_changes_nothing(viber: ViberRig) -> None:
    genuine = viber.service.writes(SECRET_ADDRESS, "Hello")
    forged = [
        msgspec.structs.replace(genuine, headers={}),
        msgspec.structs.replace(genuine, headers={**genuine.headers, "x-viber-content-signature": "0" * 64}),
        changed(genuine, b"Hello", b"Hallo"),
        changed(genuine, b": ", b":"),
        msgspec.structs.replace(genuine, body=b"{"),
    ]
    for call in forged:
        assert await viber.bot.hook(call) == HookAnswer(403)
    assert untouched(viber.host)
    assert await viber.bot.hook(genuine) == HookAnswer(200)
    assert len(viber.host.texts) == 1


@pytest.mark.parametrize("age", [91 * MINUTE, 24 * 60 * MINUTE, -6 * MINUTE])
@pytest_twisted.ensureDeferred
async def test_a_genuine_call_of_another_time_gets_403_and_changes_nothing(viber: ViberRig, age: int) -> None:
    call = viber.service.callback("unsubscribed", user_id=SECRET_ADDRESS, timestamp=now_ms() - age)
    assert await viber.bot.hook(call) == HookAnswer(403)
    assert untouched(viber.host)


@pytest_twisted.ensureDeferred
async def test_a_replay_changes_nothing_and_is_counted(viber: ViberRig) -> None:
    """I23."""
    calls = [
        viber.service.callback("delivered", user_id=SECRET_ADDRESS),
        viber.service.callback("unsubscribed", user_id=SECRET_ADDRESS),
        viber.service.writes(SECRET_ADDRESS, "Hello"),
    ]
    for call in [*calls, *reversed(calls), *calls]:
        assert await viber.bot.hook(call) == HookAnswer(200)
    assert (len(viber.host.receipts), len(viber.host.lost), len(viber.host.texts)) == (1, 1, 1)
    assert viber.bot.repeats == 6


@pytest_twisted.ensureDeferred
async def test_a_repeated_opening_is_welcomed_again_but_registers_once(viber: ViberRig) -> None:
    call = viber.service.callback("conversation_started", user={"id": "eva"}, context="ABCD-EFGH-JKLMN")
    assert await viber.bot.hook(call) == await viber.bot.hook(call)
    assert len(viber.host.texts) == 1


@pytest_twisted.ensureDeferred
async def test_what_the_host_could_not_commit_is_done_when_viber_repeats_it(viber: ViberRig) -> None:
    """I24: the service is told only after the commit."""

    class Full(Exception):
        pass

    class FullHost(Host):
        full = True

        async def inbound(self, inbound: InboundText) -> None:
            if self.full:
                raise Full
            await super().inbound(inbound)

    host = FullHost()
    channel = viber.new_channel(None)
    channel.start(host)
    call = viber.service.writes(SECRET_ADDRESS, "Hello")
    with pytest.raises(Full):
        await channel.hook(call)
    host.full = False
    assert await channel.hook(call) == HookAnswer(200)
    assert [text.text for text in host.texts] == ["Hello"]
    assert channel.repeats == 0
    await channel.stop()


@pytest_twisted.ensureDeferred
async def test_a_call_before_the_start_is_to_be_repeated(viber: ViberRig) -> None:
    channel = viber.new_channel()
    assert await channel.hook(viber.service.writes(SECRET_ADDRESS, "Hello")) == HookAnswer(503)
    await channel.stop()


@pytest_twisted.ensureDeferred
async def test_signed_nonsense_gets_400_and_an_unknown_event_200(viber: ViberRig) -> None:
    assert await viber.bot.hook(viber.service.signed(b"{")) == HookAnswer(400)
    assert await viber.bot.hook(viber.service.callback("delivered")) == HookAnswer(400)
    assert await viber.bot.hook(viber.service.callback("client_status", status={"type": "payment"})) == HookAnswer(200)
    assert await viber.bot.hook(viber.service.callback("brand_new", message_token="x")) == HookAnswer(200)
    assert untouched(viber.host)


@pytest_twisted.ensureDeferred
async def test_no_callback_gets_into_the_log(viber: ViberRig) -> None:
    said: list[str] = []

    @implementer(ILogObserver)
    def observe(event: dict[str, Any]) -> None:
        said.append(f"{formatEvent(event)} {event!r}")

    globalLogPublisher.addObserver(observe)
    try:
        genuine = viber.service.writes(SECRET_ADDRESS, "canary text")
        await viber.bot.hook(genuine)
        await viber.bot.hook(genuine)
        await viber.bot.hook(changed(genuine, b"canary", b"Canary"))
        await viber.bot.hook(viber.service.callback("failed", user_id=SECRET_ADDRESS, timestamp=5))
        viber.service.webhook, viber.service.hook = None, None
        viber.service.calls["set_webhook"] = [status(2, f"token {TOKEN} is bad")]
        await viber.channel.push(order(viber))
        viber.service.calls["set_webhook"] = [status(1, "Result:\x1b[2J code: 404")]
        await viber.channel.push(order(viber))
    finally:
        globalLogPublisher.removeObserver(observe)
    for secret in (SECRET_ADDRESS, TOKEN, "anary text", "\x1b"):
        assert not [line for line in said if secret in line]
    assert [line for line in said if "Result:\\x1b[2J code: 404" in line]


@pytest_twisted.ensureDeferred
async def test_a_push_ends_in_time_whatever_the_number_of_tries(viber: ViberRig) -> None:
    channel = viber.new_channel(timeout=Duration(300))
    viber.service.webhook = None
    viber.service.calls["set_webhook"] = [answers.late(viber.reactor, 0.2, status(0))]
    viber.script(status(10), answers.late(viber.reactor, 0.2, status(0, message_token=1)))
    before = now_ms()
    outcome = await channel.push(order(viber))
    assert isinstance(outcome, Unknown | LineDown | Later)
    assert now_ms() - before < 600
    await channel.stop()
