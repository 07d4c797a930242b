"""The stand-in for a push service refuses what real ones refuse."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import http_ece
import msgspec
import pytest
import pytest_twisted
from twisted.internet.interfaces import IReactorCore

from datasms_daemon.crypto.webpush import (
    application_server_key,
    client_keys,
    encrypt,
    private_key,
    vapid_token,
)
from datasms_daemon.https.client import Answer, SafeClient
from datasms_daemon.https.connect import Reactor
from datasms_daemon.rules.addresses import Hosts
from tests.contract.rigs.base import KEYS, now_ms
from tests.fakes.webpush_service import WebPushService, decrypt

KEY = private_key(b"k" * 40)
OTHER = private_key(b"o" * 40)


class Sender:
    """Posts what a careful sender posts, but for what a test changes."""

    def __init__(self, service: WebPushService, client: SafeClient) -> None:
        self.service = service
        self.client = client

    def proof(self, *, audience: str | None = None, life_s: int = 3600, contact: str = "mailto:it@acme.example") -> str:
        token = vapid_token(KEY, audience or self.service.endpoint, contact, now_ms() // 1000 + life_s)
        return f"vapid t={token}, k={application_server_key(KEY)}"

    async def post(
        self, changed: dict[str, str] | None = None, *, path: str = "", body: bytes | None = None
    ) -> tuple[int, object]:
        """Status and Mozilla's number of the answer."""
        keys = client_keys(KEYS)
        assert keys is not None
        if body is None:
            body = encrypt(b'{"datasms":"1","id":"m1"}', keys, private_key(b"s" * 40), b"s" * 16)
        headers = {
            "TTL": "60",
            "Urgency": "high",
            "Topic": "abc123",
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "Authorization": self.proof(),
        }
        sent = {name: value for name, value in (headers | (changed or {})).items() if value}
        answer = await self.client.post(self.service.subscription + path, sent, body)
        assert isinstance(answer, Answer), answer
        return answer.status, msgspec.json.decode(answer.body)["errno"] if answer.body else None


@pytest_twisted.async_yield_fixture
async def sender(reactor: IReactorCore, tmp_path: Path) -> AsyncIterator[Sender]:
    running = cast(Reactor, reactor)
    service = WebPushService(running, now_ms, "abc")
    await service.listen(running)
    service.application_server_key = application_server_key(KEY)
    client = SafeClient(
        running,
        hosts=Hosts(("*", service.endpoint.removeprefix("https://"))),
        allow_private=True,
        ca_file=service.write_ca(tmp_path),
        concurrency=1,
        total_timeout_s=5.0,
    )
    yield Sender(service, client)
    await client.stop()
    await service.stop()


@pytest_twisted.ensureDeferred
async def test_it_takes_what_is_right(sender: Sender) -> None:
    assert await sender.post() == (201, None)
    assert sender.service.pushed[0].payload == {"datasms": "1", "id": "m1"}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"TTL": ""}, (400, 112)),
        ({"TTL": "-1"}, (400, 112)),
        ({"TTL": "1.5"}, (400, 112)),
        ({"TTL": "2592001"}, (400, 112)),
        ({"Urgency": "HIGH"}, (400, 113)),
        ({"Topic": "x" * 33}, (400, 113)),
        ({"Topic": "a-b"}, (400, 113)),
        ({"Content-Encoding": "aesgcm"}, (400, 110)),
        ({"Content-Type": "application/json"}, (400, 110)),
        ({"Authorization": ""}, (401, 109)),
        ({"Authorization": "Bearer x"}, (401, 109)),
        ({"Authorization": "WebPush x.y.z"}, (401, 109)),
    ],
)
@pytest_twisted.ensureDeferred
async def test_it_refuses_wrong_headers(sender: Sender, changed: dict[str, str], expected: tuple[int, int]) -> None:
    assert await sender.post(changed) == expected
    assert not sender.service.pushed


@pytest_twisted.ensureDeferred
async def test_it_refuses_an_endpoint_that_it_does_not_know(sender: Sender) -> None:
    assert await sender.post(path="x") == (404, 102)


@pytest_twisted.ensureDeferred
async def test_it_refuses_a_body_that_is_too_large(sender: Sender) -> None:
    assert await sender.post(body=b"x" * 4097) == (413, 104)


@pytest_twisted.ensureDeferred
async def test_it_refuses_a_proof_for_somebody_else_out_of_date_or_of_another_key(sender: Sender) -> None:
    for proof in (
        sender.proof(audience="https://other.example"),
        sender.proof(audience=sender.service.endpoint + "/"),
        sender.proof(life_s=-1),
        sender.proof(life_s=86_500),
        sender.proof(contact="it@acme.example"),
        sender.proof().replace(" t=", " t=A"),
        sender.proof().replace(application_server_key(KEY), application_server_key(OTHER)),
        sender.proof().replace(", k=", ",k="),
    ):
        assert await sender.post({"Authorization": proof}) == (401, 109)


@pytest_twisted.ensureDeferred
async def test_it_keeps_the_last_push_of_a_topic(sender: Sender) -> None:
    for ttl, topic in (("1", "a"), ("2", "a"), ("3", "b")):
        await sender.post({"TTL": ttl, "Topic": topic})
    assert {topic: pushed.ttl_s for topic, pushed in sender.service.waiting.items()} == {"a": 2, "b": 3}


def test_the_browser_reads_nothing_that_is_not_for_it() -> None:
    keys = client_keys({**KEYS, "auth": "A" * 22})
    assert keys is not None
    with pytest.raises(http_ece.ECEException):
        decrypt(encrypt(b"x", keys, private_key(b"s" * 40), b"s" * 16))
