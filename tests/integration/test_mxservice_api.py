"""The calls of clients over a real socket: registration, inbox, receipts, the device's own record, limits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorCore

from datasms_daemon.model import Button, DeviceReceipt, MessageId, Reach, ReceiptState
from tests.fakes.backend import NOW
from tests.fakes.mx_server import MxServer, connect_raw

ASKED = {"channel": "direct", "address": {}, "name": "phone", "platform": "android", "app": "datasms 1"}
KEYS = {"p256dh": "B" * 87, "auth": "a" * 22}
AT = "2026-09-21T16:13:20+02:00"


@pytest.fixture
def server(reactor: IReactorCore) -> Iterator[MxServer]:
    """A service that is stopped afterwards and has left nothing behind."""
    started = MxServer(reactor).start()
    yield started
    pytest_twisted.blockon(Deferred.fromCoroutine(started.stop()))
    assert started.backend.watchers() == 0
    assert started.clock.getDelayedCalls() == []


@pytest_twisted.ensureDeferred
async def test_a_registration_gives_the_sms_to_send_and_its_token_once(server: MxServer) -> None:
    answer = await server.call("POST", "/mx/v1/registrations", body=ASKED)
    assert answer.status == 201
    given = answer.json()
    assert given["sms"] == {
        "to": "+420603123456",
        "text": "DATASMS ABCD-EFGH-JK01",
        "uri": "sms:+420603123456?body=DATASMS%20ABCD-EFGH-JK01",
    }
    path, secret = f"/mx/v1/registrations/{given['id']}", str(given["secret"])
    pending = await server.call("GET", path, token=secret)
    assert pending.json() == {"state": "pending", "device": None}
    server.backend.complete(str(given["id"]))
    first = await server.call("GET", path, headers={"Registration-Secret": secret})
    assert first.json() == {"state": "active", "device": {"id": "device-phone", "token": "dst_phone"}}
    assert (await server.call("GET", path, token=secret)).json() == {"state": "active", "device": None}
    own = await server.call("GET", "/mx/v1/device", token="dst_phone")
    assert own.json() == {
        "id": "device-phone",
        "person": "novak",
        "channel": "direct",
        "channels": ["direct"],
        "name": "phone",
        "platform": "",
        "app": "",
        "state": "active",
        "last_seen_at": None,
        "address_expires_at": None,
    }


@pytest_twisted.ensureDeferred
async def test_a_long_poll_of_a_registration_answers_when_it_is_completed(server: MxServer) -> None:
    given = (await server.call("POST", "/mx/v1/registrations", body=ASKED)).json()
    path = f"/mx/v1/registrations/{given['id']}?wait=30"
    polling = Deferred.fromCoroutine(server.call("GET", path, token=str(given["secret"])))
    await server.until(lambda: server.backend.watchers() == 1)
    await server.pause(0.02)
    assert not polling.called
    server.backend.complete(str(given["id"]))
    assert (await polling).json()["state"] == "active"


@pytest_twisted.ensureDeferred
async def test_a_registration_is_only_for_who_has_its_secret(server: MxServer) -> None:
    given = (await server.call("POST", "/mx/v1/registrations", body=ASKED)).json()
    path = f"/mx/v1/registrations/{given['id']}"
    wrong = await server.call("GET", path, token="wrong")
    unknown = await server.call("GET", "/mx/v1/registrations/other", token=str(given["secret"]))
    assert (wrong.status, unknown.status) == (404, 404)
    assert wrong.text == unknown.text
    assert (await server.call("GET", path)).status == 401


@pytest_twisted.ensureDeferred
async def test_an_address_that_guesses_secrets_of_registrations_is_stopped(server: MxServer) -> None:
    given = (await server.call("POST", "/mx/v1/registrations", body=ASKED)).json()
    path = f"/mx/v1/registrations/{given['id']}"
    guesses = [(await server.call("GET", path, token=f"guess {n}")).status for n in range(21)]
    assert guesses == [404] * 20 + [429]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"channel": "wns"}, "/channel"),
        ({"channel": "off"}, "/channel"),
        ({"address": {"token": "x"}}, "/address/token"),
        ({"channel": "fcm"}, "/address"),
        ({"channel": "fcm", "address": {"token": "x", "fid": "y"}}, "/address"),
        ({"name": "two\nlines"}, "/name"),
        ({"name": "ends in a line\n"}, "/name"),
        ({"keys": {"p256dh": "short", "auth": "a" * 22}}, "/keys/p256dh"),
        ({"nmae": "x"}, "/nmae"),
        ({"others": [{"channel": "fcm", "address": {"token": "x"}}, {"channel": "wns"}]}, "/others/1/channel"),
        ({"others": [{"channel": "fcm", "address": {}}]}, "/others/0/address"),
        ({"others": [{"channel": "fcm", "address": {"uri": "x"}}]}, "/others/0/address/uri"),
        ({"others": [{"channel": "fcm", "address": {"token": ""}}]}, "/others/0/address/token"),
        ({"others": [{"channel": "direct"}]}, "/others/0"),
        ({"others": [{"channel": "fcm", "address": {"token": "x"}}] * 2}, "/others/1"),
        ({"others": [{"channel": "fcm", "address": {"token": str(n)}} for n in range(5)]}, "/others"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_registration_that_cannot_be_right_is_refused_by_name(
    server: MxServer, change: dict[str, object], pointer: str
) -> None:
    answer = await server.call("POST", "/mx/v1/registrations", body={**ASKED, **change})
    assert answer.status == 422
    errors = answer.json()["errors"]
    assert isinstance(errors, list)
    assert pointer in [error["pointer"] for error in errors]
    assert server.backend.registrations == {}


@pytest_twisted.ensureDeferred
async def test_the_channels_that_are_configured_are_named_in_a_refusal(server: MxServer) -> None:
    answer = await server.call("POST", "/mx/v1/registrations", body={**ASKED, "channel": "wns"})
    assert "direct, fcm" in answer.text
    assert "off" not in answer.text


@pytest_twisted.ensureDeferred
async def test_what_the_client_says_of_itself_reaches_the_core_with_its_network_address(server: MxServer) -> None:
    asked = {**ASKED, "channel": "fcm", "address": {"fid": "f1"}, "keys": {"p256dh": "B" * 87 + "=", "auth": "a" * 22}}
    given = (await server.call("POST", "/mx/v1/registrations", body=asked)).json()
    request = server.backend.registrations[str(given["id"])].request
    assert (request.channel, request.address, request.keys) == ("fcm", {"fid": "f1"}, KEYS)
    assert (request.name, request.platform, request.app) == ("phone", "android", "datasms 1")
    assert request.remote == "127.0.0.1"


@pytest_twisted.ensureDeferred
async def test_a_device_registers_and_changes_several_channels_in_order_of_preference(server: MxServer) -> None:
    fcm = [{"channel": "fcm", "address": {"token": token}} for token in ("x", "y")]
    given = (await server.call("POST", "/mx/v1/registrations", body={**ASKED, "others": fcm})).json()
    request = server.backend.registrations[str(given["id"])].request
    assert request.others == (Reach("fcm", {"token": "x"}), Reach("fcm", {"token": "y"}))
    server.backend.complete(str(given["id"]))
    own = (await server.call("GET", "/mx/v1/device", token="dst_phone")).json()
    assert own["channels"] == ["direct", "fcm", "fcm"]
    await server.call("PUT", "/mx/v1/device", token="dst_phone", body={"address": {}, "name": "new"})
    assert server.backend.devices["dst_phone"].others == request.others
    body = {"channel": "fcm", "address": {"fid": "f"}, "others": [{"channel": "direct"}]}
    changed = (await server.call("PUT", "/mx/v1/device", token="dst_phone", body=body)).json()
    assert (changed["channel"], changed["channels"]) == ("fcm", ["fcm", "direct"])
    twice = await server.call("PUT", "/mx/v1/device", token="dst_phone", body={**body, "others": [fcm[0], fcm[0]]})
    assert (twice.status, "/others/1" in twice.text) == (422, True)


@pytest_twisted.ensureDeferred
async def test_paused_registration_says_when_to_come_again(server: MxServer) -> None:
    server.backend.is_paused = True
    answer = await server.call("POST", "/mx/v1/registrations", body=ASKED)
    assert answer.status == 503
    assert answer.headers["retry-after"] == "60"


@pytest_twisted.ensureDeferred
async def test_one_address_gets_six_registrations_and_then_one_each_thirty_seconds(server: MxServer) -> None:
    answers = [await server.call("POST", "/mx/v1/registrations", body=ASKED) for _ in range(7)]
    assert [answer.status for answer in answers] == [201] * 6 + [429]
    assert answers[-1].headers["retry-after"] == "30"
    server.clock.advance(30)
    assert (await server.call("POST", "/mx/v1/registrations", body=ASKED)).status == 201


@pytest_twisted.ensureDeferred
async def test_the_inbox_gives_pages_after_a_cursor(server: MxServer) -> None:
    token, other = server.backend.add_device("one"), server.backend.add_device("two")
    items = [server.backend.put(token, f"text {n}") for n in range(3)]
    server.backend.put(other, "not yours")
    first = (await server.call("GET", "/mx/v1/inbox?limit=2", token=token)).json()
    assert first["next"] == str(items[1].seq)
    assert isinstance(first["items"], list)
    assert first["items"][0] == {
        "id": "message-1",
        "cursor": "1",
        "sent_at": "2026-09-21T14:13:20.000Z",
        "priority": "high",
        "title": None,
        "text": "text 0",
        "attachments": [],
        "buttons": [],
        "thread": None,
        "valid_until": "2026-09-21T15:13:20.000Z",
    }
    second = (await server.call("GET", f"/mx/v1/inbox?limit=2&after={first['next']}", token=token)).json()
    assert isinstance(second["items"], list)
    assert [item["text"] for item in second["items"]] == ["text 2"]
    assert second["next"] is None


@pytest_twisted.ensureDeferred
async def test_an_item_names_what_can_be_pressed_below_its_text(server: MxServer) -> None:
    token = server.backend.add_device("one")
    buttons = (Button("Confirm", "YES 4711"), Button("Open", url="https://crm.example.org/"))
    server.backend.put(token, "The pump?", buttons=buttons)
    items = (await server.call("GET", "/mx/v1/inbox", token=token)).json()["items"]
    assert isinstance(items, list)
    assert items[0]["buttons"] == [
        {"text": "Confirm", "reply": "YES 4711", "url": None},
        {"text": "Open", "reply": None, "url": "https://crm.example.org/"},
    ]


@pytest_twisted.ensureDeferred
async def test_a_long_poll_answers_with_what_comes_or_with_nothing_when_its_time_is_over(server: MxServer) -> None:
    token = server.backend.add_device("one")
    polling = Deferred.fromCoroutine(server.call("GET", "/mx/v1/inbox?wait=55", token=token))
    await server.until(lambda: server.backend.reads == 1)
    server.backend.put(token, "hello")
    assert "hello" in (await polling).text
    polling = Deferred.fromCoroutine(server.call("GET", "/mx/v1/inbox?after=1&wait=55", token=token))
    await server.until(lambda: server.backend.reads == 3)
    server.clock.advance(55)
    assert (await polling).json() == {"items": [], "next": None}
    assert (await server.call("GET", "/mx/v1/inbox?wait=56", token=token)).status == 400


@pytest_twisted.ensureDeferred
async def test_revoking_a_device_ends_its_long_poll_at_once(server: MxServer) -> None:
    token = server.backend.add_device("one")
    polling = Deferred.fromCoroutine(server.call("GET", "/mx/v1/inbox?wait=55", token=token))
    await server.until(lambda: server.backend.reads == 1)
    server.backend.revoke(token)
    assert (await polling).status == 401


@pytest_twisted.ensureDeferred
async def test_a_device_revoked_while_it_is_being_authenticated_does_not_wait(server: MxServer) -> None:
    token = server.backend.add_device("one")
    server.backend.meanwhile = lambda: server.backend.revoke(token)
    assert (await server.call("GET", "/mx/v1/inbox?wait=55", token=token)).status == 401


@pytest_twisted.ensureDeferred
async def test_a_client_that_hangs_up_leaves_no_watch_behind(server: MxServer) -> None:
    token = server.backend.add_device("one")
    client = await connect_raw(server)
    assert client.transport is not None
    request = f"GET /mx/v1/inbox?wait=55 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
    client.transport.write(request.encode())
    await server.until(lambda: server.backend.watchers() == 1)
    client.transport.loseConnection()
    await server.until(lambda: server.backend.watchers() == 0)


@pytest_twisted.ensureDeferred
async def test_receipts_are_taken_for_the_own_inbox_only(server: MxServer) -> None:
    """I39's neighbour at the edge: a device confirms what is its own; other ids are unknown, not an error."""
    token, other = server.backend.add_device("one"), server.backend.add_device("two")
    mine, theirs = server.backend.put(token, "mine"), server.backend.put(other, "theirs")
    receipts = [{"id": mine.id, "state": "received", "at": AT}, {"id": theirs.id, "state": "read", "at": AT}]
    answer = await server.call("POST", "/mx/v1/inbox/receipts", token=token, body={"receipts": receipts})
    assert answer.status == 200
    assert answer.json() == {"confirmed": [mine.id], "unknown": [theirs.id]}
    expected = DeviceReceipt(message=MessageId(mine.id), state=ReceiptState.DELIVERED, at=NOW)
    assert server.backend.stored_receipts == [("device-one", expected)]


@pytest.mark.parametrize(
    ("at", "stored"),
    [
        ("2026-09-21T14:18:20Z", NOW + 300_000),
        ("2026-09-21T14:18:20.001Z", NOW),
        ("9999-12-31T23:59:59Z", NOW),
        ("2026-09-20T14:13:20Z", NOW - 86_400_000),
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_receipt_from_a_clock_far_ahead_counts_from_now(server: MxServer, at: str, stored: int) -> None:
    token = server.backend.add_device("one")
    item = server.backend.put(token, "mine")
    body = {"receipts": [{"id": item.id, "state": "read", "at": at}]}
    assert (await server.call("POST", "/mx/v1/inbox/receipts", token=token, body=body)).status == 200
    assert [receipt.at for _, receipt in server.backend.stored_receipts] == [stored]


@pytest.mark.parametrize(
    "receipts",
    [
        [],
        [{"id": "x", "state": "delivered", "at": AT}],
        [{"id": "x", "state": "read", "at": "2026-09-21T14:13:20"}],
        [{"id": "x", "state": "read", "at": AT}] * 501,
    ],
)
@pytest_twisted.ensureDeferred
async def test_receipts_that_cannot_be_right_are_refused(server: MxServer, receipts: list[object]) -> None:
    token = server.backend.add_device("one")
    answer = await server.call("POST", "/mx/v1/inbox/receipts", token=token, body={"receipts": receipts})
    assert answer.status == 422


@pytest_twisted.ensureDeferred
async def test_a_device_changes_its_address_and_keeps_what_it_does_not_name(server: MxServer) -> None:
    token = server.backend.add_device("one", "fcm")
    given = {"address": {"token": "t1"}, "keys": KEYS, "name": "new"}
    assert (await server.call("PUT", "/mx/v1/device", token=token, body=given)).json()["name"] == "new"
    answer = await server.call("PUT", "/mx/v1/device", token=token, body={"address": {"fid": "f1"}})
    assert answer.status == 200
    assert "f1" not in answer.text
    stored = server.backend.devices[token]
    assert (stored.address, stored.keys, stored.name) == ({"fid": "f1"}, KEYS, "new")
    assert (await server.call("PUT", "/mx/v1/device", token=token, body={"address": {}})).status == 422


@pytest_twisted.ensureDeferred
async def test_a_device_revoked_while_it_changes_its_address_is_told_so(server: MxServer) -> None:
    token = server.backend.add_device("one")
    server.backend.meanwhile = lambda: server.backend.revoke(token)
    answer = await server.call("PUT", "/mx/v1/device", token=token, body={"address": {}})
    assert answer.status == 401


@pytest_twisted.ensureDeferred
async def test_a_device_that_unregisters_is_out(server: MxServer) -> None:
    token = server.backend.add_device("one")
    assert (await server.call("DELETE", "/mx/v1/device", token=token)).status == 204
    assert (await server.call("GET", "/mx/v1/device", token=token)).status == 401


@pytest_twisted.ensureDeferred
async def test_an_address_that_tries_wrong_tokens_is_not_listened_to_any_more(server: MxServer) -> None:
    good = server.backend.add_device("one")
    wrong = [(await server.call("GET", "/mx/v1/device", token=f"dst_{n}")).status for n in range(21)]
    assert wrong == [401] * 20 + [429]
    asked = len(server.backend.asked_tokens)
    refused = await server.call("GET", "/mx/v1/device", token=good)
    assert (refused.status, refused.headers["retry-after"]) == (429, "30")
    assert len(server.backend.asked_tokens) == asked
    server.clock.advance(30)
    assert (await server.call("GET", "/mx/v1/device", token=good)).status == 200


@pytest_twisted.ensureDeferred
async def test_a_device_that_floods_is_told_to_wait_and_others_are_not(server: MxServer) -> None:
    token, other = server.backend.add_device("one"), server.backend.add_device("two")
    answers = [await server.call("GET", "/mx/v1/device", token=token) for _ in range(61)]
    assert [answer.status for answer in answers] == [200] * 60 + [429]
    assert answers[-1].headers["retry-after"] == "1"
    assert (await server.call("GET", "/mx/v1/device", token=other)).status == 200
    server.clock.advance(1)
    assert (await server.call("GET", "/mx/v1/device", token=token)).status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/mx/v1/inbox"),
        ("GET", "/mx/v1/inbox/stream"),
        ("GET", "/mx/v1/inbox/events"),
        ("POST", "/mx/v1/inbox/receipts"),
        ("GET", "/mx/v1/device"),
        ("PUT", "/mx/v1/device"),
        ("DELETE", "/mx/v1/device"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_call_of_a_device_needs_a_token(server: MxServer, method: str, path: str) -> None:
    for token in (None, "dst_nobody"):
        answer = await server.call(method, path, token=token, body={} if method in ("POST", "PUT") else None)
        assert answer.status == 401
        assert answer.headers["www-authenticate"] == 'Bearer realm="datasms"'
        assert "nobody" not in answer.text


@pytest_twisted.ensureDeferred
async def test_the_state_of_the_service_is_public(server: MxServer) -> None:
    assert (await server.call("GET", "/health/live")).json() == {"status": "ok"}
    assert (await server.call("GET", "/health/ready")).status == 200
    server.is_ready = False
    assert (await server.call("GET", "/health/ready")).status == 503
    assert "version" in (await server.call("GET", "/version")).json()
    paths = (await server.call("GET", "/openapi.json")).json()["paths"]
    assert isinstance(paths, dict)
    assert {"/mx/v1/registrations", "/mx/v1/inbox", "/mx/v1/inbox/stream", "/mx/v1/device"} < set(paths)


@pytest_twisted.ensureDeferred
async def test_a_services_call_reaches_its_channel_byte_for_byte(server: MxServer) -> None:
    body = b'{"event": "webhook",  "message_token": 4912661846655238145}'
    answer = await server.call("POST", "/mx/v1/hooks/viber/viber", raw=body, headers={"X-Signature": "abc"})
    assert (answer.status, answer.json()) == (200, {"ok": True})
    (call,) = server.backend.hooks
    assert (call.channel, call.path, call.body, call.headers["x-signature"]) == ("viber", "", body, "abc")
    await server.call("POST", "/mx/v1/hooks/omni/viber/reports/s3cret-s3cret", raw=b"x")
    assert server.backend.hooks[1].path == "reports/s3cret-s3cret"


@pytest_twisted.ensureDeferred
async def test_a_call_that_proves_nothing_or_is_for_nobody_is_refused(server: MxServer) -> None:
    forged = await server.call("POST", "/mx/v1/hooks/viber/viber", raw=b"{}")
    assert (forged.status, forged.json()["code"]) == (403, "forbidden")
    assert (await server.call("POST", "/mx/v1/hooks/viber/nobody", raw=b"{}")).status == 404
    assert (await server.call("POST", "/mx/v1/hooks/omni/viber/reports", raw=b"{}")).status == 404
    assert (await server.call("GET", "/mx/v1/hooks/viber/viber")).status == 405


@pytest_twisted.ensureDeferred
async def test_a_client_learns_which_channels_there_are(server: MxServer) -> None:
    items = (await server.call("GET", "/mx/v1/channels")).json()["items"]
    assert items == [
        {"name": "direct", "driver": "direct", "application_server_key": None},
        {"name": "fcm", "driver": "fcm", "application_server_key": None},
        {"name": "web", "driver": "webpush", "application_server_key": "B" * 87},
    ]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"channel": "web", "address": {"endpoint": "https://push.example/1"}}, "/keys"),
        ({"channel": "web", "address": {"token": "x"}, "keys": KEYS}, "/address/token"),
        ({"channel": "viber", "address": {"id": "user=="}}, "/channel"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_an_address_that_its_channel_cannot_use_is_refused(
    server: MxServer, body: dict[str, object], pointer: str
) -> None:
    answer = await server.call("POST", "/mx/v1/registrations", body=body)
    assert answer.status == 422
    assert pointer in str(answer.json()["errors"])
