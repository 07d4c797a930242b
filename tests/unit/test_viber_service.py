"""The stand-in for Viber refuses what Viber refuses, so that tests against it mean something."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
import pytest_twisted
from twisted.internet.interfaces import IReactorCore

from datasms_daemon.https.client import Answer, SafeClient
from datasms_daemon.https.connect import Reactor
from datasms_daemon.model import HookAnswer, HookCall
from datasms_daemon.rules.addresses import Hosts, netloc
from tests.fakes.viber_service import FIRST_TOKEN, ViberService

NOW = 1_795_000_000_000
GOOD = {"receiver": "jan", "type": "text", "text": "Hello", "sender": {"name": "Acme"}}
PICTURE = {**GOOD, "type": "picture", "text": "", "media": "https://x.example/a.png"}
KEY = {"Columns": 6, "Rows": 1, "ActionType": "reply", "ActionBody": "YES", "Text": "Yes"}
FILE = {
    "receiver": "jan",
    "type": "file",
    "sender": {"name": "Acme"},
    "media": "https://x.example/a",
    "size": 50 << 20,
    "file_name": "plan.pdf",
}


def with_keys(*keys: object, **changed: object) -> dict[str, object]:
    """A good message with this keyboard."""
    return {**GOOD, "keyboard": {"Type": "keyboard", "DefaultHeight": False, "Buttons": keys} | changed}


class Caller:
    """Asks the stand-in, as anybody could."""

    def __init__(self, reactor: Reactor) -> None:
        self.reactor = reactor
        self.service = ViberService(reactor, lambda: NOW, "token")

    async def start(self, directory: Path) -> None:
        await self.service.listen(self.reactor)
        host = netloc(self.service.endpoint)
        assert host is not None
        self.client = SafeClient(
            self.reactor,
            hosts=Hosts((host,)),
            allow_private=True,
            ca_file=self.service.write_ca(directory),
            concurrency=1,
            total_timeout_s=5,
        )

    async def post(self, call: str, body: object, token: str = "token", content_type: str = "application/json") -> Any:
        """The answer's JSON, or its HTTP status if that is not 200."""
        headers = {"X-Viber-Auth-Token": token, "Content-Type": content_type}
        raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
        answer = await self.client.post(f"{self.service.endpoint}/{call}", headers, raw)
        assert isinstance(answer, Answer)
        return msgspec.json.decode(answer.body) if answer.status == 200 else answer.status


@pytest_twisted.async_yield_fixture
async def caller(reactor: IReactorCore, tmp_path: Path) -> AsyncIterator[Caller]:
    caller = Caller(cast(Reactor, reactor))
    await caller.start(tmp_path)
    caller.service.webhook = "https://mx.example.org/"
    caller.service.subscribers.add("jan")
    yield caller
    await caller.client.stop()
    await caller.service.stop()


@pytest_twisted.ensureDeferred
async def test_it_takes_a_good_message_and_bills_it(caller: Caller) -> None:
    answer = await caller.post("pa/send_message", GOOD)
    assert answer == {"status": 0, "status_message": "ok", "message_token": FIRST_TOKEN + 1, "billing_status": 5}
    assert [sent.text for sent in caller.service.sent] == ["Hello"]


@pytest.mark.parametrize(
    "body", [PICTURE, FILE, {**PICTURE, "text": "x" * 768, "thumbnail": "https://x.example/t.jpg"}]
)
@pytest_twisted.ensureDeferred
async def test_it_takes_pictures_and_files(caller: Caller, body: object) -> None:
    assert (await caller.post("pa/send_message", body))["status"] == 0


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 3),
        ({**GOOD, "receiver": ""}, 4),
        ({**GOOD, "sender": {}}, 4),
        ({**GOOD, "sender": {"name": "x" * 29}}, 4),
        ({**GOOD, "text": ""}, 4),
        ({**GOOD, "text": "x" * 7001}, 4),
        ({**GOOD, "tracking_data": "x" * 4001}, 4),
        ({**GOOD, "strange": 1}, 4),
        ({**GOOD, "media": "https://x.example/a"}, 4),
        ({**PICTURE, "text": "x" * 769}, 4),
        ({**PICTURE, "media": "http://x.example/a.png"}, 4),
        ({**PICTURE, "media": "https://x.example/a.png/a"}, 4),
        ({**PICTURE, "media": "https://x.example/a?x=a.png"}, 4),
        ({**PICTURE, "media": "https://x.example/a.webp"}, 4),
        ({**PICTURE, "size": 1}, 4),
        ({name: value for name, value in PICTURE.items() if name != "text"}, 4),
        ({name: value for name, value in PICTURE.items() if name != "media"}, 4),
        ({**FILE, "size": (50 << 20) + 1}, 4),
        ({**FILE, "size": 0}, 4),
        ({**FILE, "file_name": "plan"}, 4),
        ({**FILE, "file_name": "run.ExE"}, 4),
        ({**FILE, "file_name": "x" * 253 + ".pdf"}, 4),
        ({**FILE, "text": ""}, 4),
        ({name: value for name, value in FILE.items() if name != "size"}, 4),
        ({**GOOD, "type": "sticker"}, 4),
        ({**GOOD, "text": "ž" * 15_000}, 3),
        ({**GOOD, "receiver": "nobody"}, 5),
    ],
)
@pytest_twisted.ensureDeferred
async def test_it_refuses_a_bad_message(caller: Caller, body: object, status: int) -> None:
    assert (await caller.post("pa/send_message", body))["status"] == status
    assert caller.service.sent == []


@pytest_twisted.ensureDeferred
async def test_it_refuses_another_token_content_type_and_address(caller: Caller) -> None:
    assert (await caller.post("pa/send_message", GOOD, token="other"))["status"] == 2
    assert (await caller.post("pa/send_message", GOOD, content_type="text/plain"))["status"] == 3
    assert await caller.post("pa/strange", GOOD) == 404
    assert await caller.post("send_message", GOOD) == 404
    assert caller.service.sent == []


@pytest_twisted.ensureDeferred
async def test_it_sends_nothing_without_a_webhook_or_to_who_left(caller: Caller) -> None:
    caller.service.subscribers.discard("jan")
    caller.service.strangers.add("jan")
    assert (await caller.post("pa/send_message", GOOD))["status"] == 6
    caller.service.webhook = None
    assert (await caller.post("pa/send_message", GOOD))["status"] == 10


@pytest_twisted.ensureDeferred
async def test_it_takes_a_webhook_only_after_the_probe_was_answered(caller: Caller) -> None:
    probes: list[HookCall] = []
    answer = HookAnswer(403)

    async def hook(call: HookCall) -> HookAnswer:
        probes.append(call)
        return answer

    caller.service.webhook = None
    asked = {"url": "https://mx.example.org/x", "event_types": ["seen"]}
    assert (await caller.post("pa/set_webhook", asked))["status"] == 1
    caller.service.hook = hook
    assert (await caller.post("pa/set_webhook", asked))["status"] == 1
    assert "webhook" not in await caller.post("pa/get_account_info", {})
    answer = HookAnswer(200)
    assert (await caller.post("pa/set_webhook", asked))["status"] == 0
    assert (await caller.post("pa/get_account_info", {}))["webhook"] == "https://mx.example.org/x"
    assert len(probes) == 2
    assert caller.service.library.verify_signature(probes[0].body, probes[0].headers["x-viber-content-signature"])


@pytest.mark.parametrize(
    "asked", [{"url": "http://mx.example.org/x"}, {"url": "https://mx.example.org/x", "event_types": ["strange"]}]
)
@pytest_twisted.ensureDeferred
async def test_it_refuses_a_webhook_that_is_not_https_or_wants_unknown_events(
    caller: Caller, asked: dict[str, object]
) -> None:
    assert (await caller.post("pa/set_webhook", asked))["status"] == 1


@pytest.mark.parametrize(
    "body",
    [
        with_keys(KEY),
        with_keys({"ActionBody": "YES"}),
        with_keys({**KEY, "ActionType": "none", "ActionBody": ""}),
        with_keys({**KEY, "ActionType": "open-url", "ActionBody": "http://x.example"}),
        with_keys({**KEY, "Text": "x" * 250, "Columns": 1, "Rows": 2, "Silent": True}),
        with_keys({**KEY, "ActionType": "share-phone"}) | {"min_api_version": 3},
        with_keys(*[KEY] * 24),
        with_keys(*[{**KEY, "Rows": 2}] * 12),
        with_keys(*[{**KEY, "Columns": 3}] * 48),
        with_keys(*[{**KEY, "Columns": 4}, {**KEY, "Columns": 2, "Rows": 2}] * 12),
        {**with_keys(KEY), **PICTURE},
        {**with_keys(KEY), **FILE},
    ],
)
@pytest_twisted.ensureDeferred
async def test_it_takes_a_keyboard_with_any_message(caller: Caller, body: dict[str, object]) -> None:
    body = {name: value for name, value in body.items() if name != "text" or body["type"] != "file"}
    assert (await caller.post("pa/send_message", body))["status"] == 0


@pytest.mark.parametrize(
    "body",
    [
        with_keys(),
        with_keys(KEY, Type="rich_media"),
        with_keys(KEY, Strange=1),
        with_keys({**KEY, "Columns": 0}),
        with_keys({**KEY, "Columns": 7}),
        with_keys({**KEY, "Rows": 0}),
        with_keys({**KEY, "Rows": 3}),
        with_keys({**KEY, "ActionType": "call"}),
        with_keys({**KEY, "ActionBody": ""}),
        with_keys({"Text": "Yes"}),
        with_keys({**KEY, "Text": "x" * 251}),
        with_keys({**KEY, "strange": 1}),
        with_keys({**KEY, "ActionType": "open-url", "ActionBody": "YES"}),
        with_keys({**KEY, "ActionType": "location-picker"}),
        with_keys({**KEY, "ActionType": "share-phone"}) | {"min_api_version": 2},
        with_keys(*[KEY] * 25),
        with_keys(*[{**KEY, "Rows": 2}] * 12, KEY),
        with_keys(*[{**KEY, "Columns": 3}] * 49),
        with_keys(*[{**KEY, "Columns": 4}, {**KEY, "Columns": 2, "Rows": 2}] * 12, KEY),
        with_keys(*[{**KEY, "Columns": 4, "Rows": 2}, {**KEY, "Columns": 2}] * 12, KEY),
        with_keys(*[{**KEY, "Columns": 4}] * 25),
    ],
)
@pytest_twisted.ensureDeferred
async def test_it_refuses_a_keyboard_that_cannot_be_shown(caller: Caller, body: object) -> None:
    assert (await caller.post("pa/send_message", body))["status"] == 4
    assert caller.service.sent == []


@pytest_twisted.ensureDeferred
async def test_what_is_pressed_is_written_about_the_newest_message_and_only_what_is_shown(caller: Caller) -> None:
    await caller.post("pa/send_message", with_keys(KEY) | {"tracking_data": "m1"})
    said = msgspec.json.decode(caller.service.presses("jan", "Yes").body)
    assert said["message"] == {"type": "text", "text": "YES", "tracking_data": "m1"}
    await caller.post("pa/send_message", GOOD)
    with pytest.raises(ValueError, match="not enough values"):
        caller.service.presses("jan", "Yes")
