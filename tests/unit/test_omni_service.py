"""The stand-in for Infobip refuses what Infobip refuses."""

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
from datasms_daemon.rules.addresses import Hosts
from tests.contract.rigs.base import now_ms
from tests.fakes.omni_service import API_KEY, SCENARIO, OmniService

SEND = "/omni/1/advanced"
MESSAGES = "/messages-api/1/messages"


class Asked:
    """The stand-in and a client without manners."""

    def __init__(self, reactor: Reactor) -> None:
        self.reactor = reactor
        self.service = OmniService(reactor, now_ms)

    async def start(self, directory: Path) -> None:
        await self.service.listen(self.reactor)
        host = self.service.endpoint.removeprefix("https://")
        self.client = SafeClient(
            self.reactor,
            hosts=Hosts((host,)),
            allow_private=True,
            ca_file=self.service.write_ca(directory),
            concurrency=1,
            total_timeout_s=5,
        )

    async def ask(self, path: str, body: object = None, **headers: str) -> Answer:
        known = {"Authorization": f"App {API_KEY}", "Content-Type": "application/json"}
        sent = known | {name.replace("_", "-"): value for name, value in headers.items()}
        encoded = b"" if body is None else msgspec.json.encode(body)
        url = f"{self.service.endpoint}{path}"
        answer = await self.client.ask("GET" if body is None else "POST", url, sent, encoded)
        assert isinstance(answer, Answer)
        return answer

    async def stop(self) -> None:
        await self.client.stop()
        await self.service.stop()


@pytest_twisted.async_yield_fixture
async def asked(reactor: IReactorCore, tmp_path: Path) -> AsyncIterator[Asked]:
    asked = Asked(cast(Reactor, reactor))
    await asked.start(tmp_path)
    yield asked
    await asked.stop()


def omni(**changed: Any) -> dict[str, Any]:
    known = {
        "destinations": [{"messageId": "1", "to": {"phoneNumber": "420603555019"}}],
        "sms": {"text": "x", "validityPeriod": 60, "validityPeriodTimeUnit": "SECONDS"},
    }
    return known | changed


def message(**changed: Any) -> dict[str, Any]:
    known = {
        "channel": "SMS",
        "sender": "Acme",
        "destinations": [{"messageId": "1", "byChannel": [{"channel": "SMS", "to": "420603555019"}]}],
        "content": {"body": {"type": "TEXT", "text": "x"}},
    }
    return {"messages": [known | changed]}


def part(period: int, unit: str = "SECONDS") -> dict[str, Any]:
    return {"text": "x", "validityPeriod": period, "validityPeriodTimeUnit": unit}


def step(channel: str = "VIBER_BM", sender: str = "Acme") -> dict[str, Any]:
    return {"channel": channel, "sender": sender, "content": {"body": {"type": "TEXT", "text": "x"}}}


@pytest.mark.parametrize(("path", "body"), [(SEND, omni()), (MESSAGES, message())])
@pytest_twisted.ensureDeferred
async def test_it_takes_what_is_right_and_knows_it_when_it_comes_again(
    asked: Asked, path: str, body: dict[str, Any]
) -> None:
    first, again = await asked.ask(path, body), await asked.ask(path, body)
    assert (first.status, again.status) == (200, 200)
    assert b"PENDING_ENROUTE" in first.body
    assert b"REJECTED_DUPLICATE_MESSAGE_ID" in again.body
    assert list(asked.service.sent) == ["1"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (SEND, []),
        (SEND, omni(unheard=1)),
        (SEND, omni(destinations=[])),
        (SEND, omni(destinations=[{"messageId": "1", "to": {"phoneNumber": "+420603555019"}}])),
        (SEND, omni(destinations=[{"messageId": "1" * 201, "to": {"phoneNumber": "420603555019"}}])),
        (SEND, omni(scenarioKey="none such")),
        (SEND, omni(callbackData="x" * 4001)),
        (SEND, omni(notifyUrl="http://plain.example")),
        (SEND, omni(sms=None)),
        (SEND, omni(sms=part(30))),
        (SEND, omni(sms=part(49, "HOURS"))),
        (SEND, omni(viber=part(35))),
        (MESSAGES, message(channel="VIBER")),
        (MESSAGES, message(channel="EMAIL")),
        (MESSAGES, message(sender="Stranger")),
        (MESSAGES, message(destinations=[])),
        (MESSAGES, message(content={"text": "x"})),
        (MESSAGES, message(options={"validityPeriod": {"amount": 9, "timeUnit": "SECONDS"}})),
        (MESSAGES, message(failover=[step("SMS")])),
        (MESSAGES, message(failover=[step("VIBER_BM")])),
        (f"{MESSAGES}/validate", message(sender="Stranger")),
    ],
)
@pytest_twisted.ensureDeferred
async def test_it_refuses_a_request_that_infobip_would_refuse(asked: Asked, path: str, body: object) -> None:
    assert (await asked.ask(path, body)).status == 400
    assert not asked.service.sent


@pytest_twisted.ensureDeferred
async def test_it_refuses_strangers_and_what_is_no_json(asked: Asked) -> None:
    for key in ("App wrong", API_KEY, f"Bearer {API_KEY}"):
        assert (await asked.ask(SEND, omni(), Authorization=key)).status == 401
    assert (await asked.ask(SEND, omni(), Content_Type="text/plain")).status == 400
    assert (await asked.ask("/omni/1/text", omni())).status == 404
    assert not asked.service.sent


@pytest_twisted.ensureDeferred
async def test_it_hands_a_report_out_once_and_a_hundred_at_most(asked: Asked) -> None:
    asked.service.reports = [{"messageId": str(number)} for number in range(101)]
    counts = [
        len(msgspec.json.decode((await asked.ask("/omni/1/reports?limit=100")).body)["results"]) for _ in range(3)
    ]
    assert counts == [100, 1, 0]


@pytest_twisted.ensureDeferred
async def test_it_shows_its_scenarios(asked: Asked) -> None:
    one = await asked.ask(f"/omni/1/scenarios/{SCENARIO}")
    listed = await asked.ask("/omni/1/scenarios?isDefault=true&limit=1")
    assert msgspec.json.decode(listed.body) == {"scenarios": [msgspec.json.decode(one.body)]}
    assert (await asked.ask("/omni/1/scenarios/none")).status == 404
