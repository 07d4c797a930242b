"""The stand-in for WNS refuses what the real one refuses (protocols/wns.md §§ 1-4)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast
from urllib.parse import urlencode

import msgspec
import pytest
import pytest_twisted
from twisted.internet.interfaces import IReactorCore

from datasms_daemon.https.client import Answer, Method, SafeClient
from datasms_daemon.https.connect import Reactor
from datasms_daemon.rules.addresses import Hosts
from tests.contract.rigs.base import now_ms
from tests.fakes.wns_service import CLIENT_ID, CLIENT_SECRET, PACKAGE_SID, TENANT, WnsService

FORM = {
    "grant_type": "client_credentials",
    "client_id": CLIENT_ID,
    "client_secret": CLIENT_SECRET,
    "scope": "https://wns.windows.com/.default",
}
RAW = {"X-WNS-Type": "wns/raw", "Content-Type": "application/octet-stream"}
TOAST = {"X-WNS-Type": "wns/toast", "Content-Type": "text/xml"}
TOAST_XML = b'<toast><visual><binding template="ToastGeneric"><text>x</text></binding></visual></toast>'


class Asker:
    """Asks the stand-in; ``token`` is a good access token."""

    def __init__(self, service: WnsService, client: SafeClient) -> None:
        self.service = service
        self.client = client
        self.token = ""

    async def ask(self, method: Method, path: str, headers: dict[str, str], body: bytes) -> Answer:
        answer = await self.client.ask(method, f"{self.service.endpoint}{path}", headers, body)
        assert isinstance(answer, Answer)
        return answer

    async def ask_token(self, path: str, form: dict[str, str]) -> Answer:
        form_type = {"Content-Type": "application/x-www-form-urlencoded"}
        return await self.ask("POST", path, form_type, urlencode(form).encode())

    async def push(self, headers: dict[str, str], body: bytes = b"x", path: str = "/?token=abc") -> Answer:
        return await self.ask("POST", path, {"Authorization": f"Bearer {self.token}"} | headers, body)


@pytest_twisted.async_yield_fixture
async def asker(reactor: IReactorCore, tmp_path: Path) -> AsyncIterator[Asker]:
    clock = cast(Reactor, reactor)
    service = WnsService(clock, now_ms)
    await service.listen(clock)
    client = SafeClient(
        clock,
        hosts=Hosts((service.endpoint.removeprefix("https://"),)),
        allow_private=True,
        ca_file=service.write_ca(tmp_path),
        concurrency=1,
        total_timeout_s=5,
    )
    asker = Asker(service, client)
    answer = await asker.ask_token(f"/{TENANT}/oauth2/v2.0/token", FORM)
    asker.token = msgspec.json.decode(answer.body)["access_token"]
    yield asker
    await client.stop()
    await service.stop()


@pytest_twisted.ensureDeferred
async def test_a_proper_push_is_taken_and_remembered_byte_for_byte(asker: Asker) -> None:
    answer = await asker.push(RAW, b"wake up", "/?token=a%2fb%2Bc%3d")
    assert (answer.status, answer.headers["x-wns-status"]) == (200, "received")
    (taken,) = asker.service.taken
    assert (taken.query, taken.body) == (b"token=a%2fb%2Bc%3d", b"wake up")
    assert (await asker.push(TOAST, TOAST_XML)).status == 200


@pytest.mark.parametrize(
    ("path", "changed", "status", "error"),
    [
        ("entra", {"grant_type": "password"}, 400, "unsupported_grant_type"),
        ("entra", {"client_id": "other"}, 400, "unauthorized_client"),
        ("entra", {"client_secret": "wrong"}, 401, "invalid_client"),
        ("entra", {"scope": "notify.windows.com"}, 400, "invalid_scope"),
        ("store", {}, 400, "unauthorized_client"),
        ("store", {"client_id": PACKAGE_SID}, 400, "invalid_scope"),
        ("nowhere", {}, 400, "invalid_request"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_the_token_services_refuse_strangers(
    asker: Asker, path: str, changed: dict[str, str], status: int, error: str
) -> None:
    paths = {
        "entra": f"/{TENANT}/oauth2/v2.0/token",
        "store": "/accesstoken.srf",
        "nowhere": "/0000/oauth2/v2.0/token",
    }
    answer = await asker.ask_token(paths[path], FORM | changed)
    assert (answer.status, msgspec.json.decode(answer.body)["error"]) == (status, error)


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Authorization": "Bearer stranger"}, b"x", 401),
        ({"Authorization": ""}, b"x", 401),
        ({}, b"x" * 5001, 413),
        ({}, b"", 400),
        ({"Content-Type": "text/xml"}, b"x", 400),
        ({"X-WNS-Type": "toast"}, b"x", 400),
        ({"X-WNS-TTL": "0", "X-WNS-Cache-Policy": "cache"}, b"x", 400),
        ({"X-WNS-TTL": "0"}, b"x", 400),
        ({"X-WNS-TTL": "60", "X-WNS-Cache-Policy": "no-cache"}, b"x", 400),
        ({"X-WNS-TTL": "-1"}, b"x", 400),
        ({"X-WNS-Cache-Policy": "maybe"}, b"x", 400),
        ({"X-WNS-PRIORITY": "5"}, b"x", 400),
        ({"X-WNS-Tag": "with-hyphen"}, b"x", 400),
        ({"X-WNS-Tag": "x" * 17}, b"x", 400),
        ({"Expect": "100-continue"}, b"x", 400),
        (TOAST, b"<toast><visual>", 400),
        (TOAST, b"<toast/>", 400),
        (TOAST, b"<tile/>", 400),
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_push_that_breaks_a_rule_is_refused(
    asker: Asker, headers: dict[str, str], body: bytes, status: int
) -> None:
    assert (await asker.push(RAW | headers, body)).status == status
    assert not asker.service.taken


@pytest_twisted.ensureDeferred
async def test_only_channels_are_pushed_to_and_only_by_post(asker: Asker) -> None:
    assert (await asker.push(RAW, path="/")).status == 404
    assert (await asker.push(RAW, path="/elsewhere?token=abc")).status == 404
    assert (await asker.ask("GET", "/?token=abc", RAW | {"Authorization": f"Bearer {asker.token}"}, b"")).status == 405


@pytest_twisted.ensureDeferred
async def test_a_forgotten_token_is_no_good(asker: Asker) -> None:
    asker.service.forget_tokens()
    assert (await asker.push(RAW)).status == 401
