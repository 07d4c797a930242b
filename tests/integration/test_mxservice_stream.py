"""The inbox as a WebSocket, over real sockets and Twisted's own client, plain and over TLS."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorCore
from twisted.logger import LogLevel, capturedLogs

from datasms_daemon.config.records import Mxservice
from datasms_daemon.errors import StoreHeld
from datasms_daemon.model import Button, DeviceReceipt, MessageId, ReceiptState
from datasms_daemon.mxservice.stream import CLOSE_S, MAX_FRAME, PING_S
from tests.fakes.backend import NOW
from tests.fakes.mx_server import MxServer, RawClient, connect_raw

AT = "2026-09-21T14:13:20Z"
TEXT, CONTINUATION, CLOSE, PING, PONG = 1, 0, 8, 9, 10


@pytest.fixture(params=["plain", "tls"])
def server(reactor: IReactorCore, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MxServer]:
    """A service that is stopped afterwards and has left nothing behind."""
    started = MxServer(reactor, Mxservice(max_connections_per_address=2))
    if request.param == "plain":
        started.start()
    else:
        pytest_twisted.blockon(Deferred.fromCoroutine(started.start_tls(tmp_path)))
    yield started
    pytest_twisted.blockon(Deferred.fromCoroutine(started.stop()))
    assert started.backend.watchers() == 0
    assert started.clock.getDelayedCalls() == []


async def _handshake(server: MxServer, token: str, extra: str = "", path: str = "") -> RawClient:
    """A connection on which the upgrade was answered."""
    client = await connect_raw(server)
    assert client.transport is not None
    client.transport.write(
        f"GET /mx/v1/inbox/stream{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{extra}\r\n".encode()
    )
    await server.until(lambda: b"\r\n\r\n" in client.data)
    head, _, client.data = client.data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    return client


def _frame(opcode: int, payload: bytes, *, final: bool = True, size: int | None = None) -> bytes:
    """A client's frame, masked with zeros (RFC 6455 section 5.2); ``size`` may promise more than there is."""
    length = len(payload) if size is None else size
    head = bytes([opcode | (0x80 if final else 0)])
    if length < 126:
        head += bytes([0x80 | length])
    elif length < 65536:
        head += bytes([0x80 | 126]) + struct.pack("!H", length)
    else:
        head += bytes([0x80 | 127]) + struct.pack("!Q", length)
    return head + b"\0\0\0\0" + payload


def _frames(data: bytes) -> list[tuple[int, bytes]]:
    """The whole frames of a server in ``data``."""
    found = []
    while len(data) >= 2:
        size, skip = data[1], 2
        if size == 126:
            size, skip = struct.unpack("!H", data[2:4])[0], 4
        elif size == 127:
            size, skip = struct.unpack("!Q", data[2:10])[0], 10
        if len(data) < skip + size:
            break
        found.append((data[0] & 15, data[skip : skip + size]))
        data = data[skip + size :]
    return found


def _codes(client: RawClient) -> list[int]:
    return [struct.unpack("!H", payload[:2])[0] for opcode, payload in _frames(client.data) if opcode == CLOSE]


def _write(client: RawClient, data: bytes) -> None:
    assert client.transport is not None
    client.transport.write(data)


@pytest_twisted.ensureDeferred
async def test_the_backlog_comes_first_and_then_what_is_live(server: MxServer) -> None:
    token = server.backend.add_device("one")
    for n in range(50):
        server.backend.put(token, f"text {n}")
    client = await server.open_socket(token, "/mx/v1/inbox/stream?after=3")
    await server.until(lambda: len(client.frames) == 47)
    server.backend.put(token, "live", buttons=(Button("Confirm", "YES 4711"),))
    await server.until(lambda: len(client.frames) == 48)
    assert client.texts == [f"text {n}" for n in range(3, 50)] + ["live"]
    assert client.frames[-1] == {
        "id": "message-51",
        "cursor": "51",
        "sent_at": "2026-09-21T14:13:20.000Z",
        "priority": "high",
        "title": None,
        "text": "live",
        "attachments": [],
        "buttons": [{"text": "Confirm", "reply": "YES 4711", "url": None}],
        "thread": None,
        "valid_until": "2026-09-21T15:13:20.000Z",
    }


@pytest_twisted.ensureDeferred
async def test_a_client_that_comes_back_with_its_cursor_misses_and_repeats_nothing(server: MxServer) -> None:
    token = server.backend.add_device("one")
    server.backend.put(token, "first")
    client = await server.open_socket(token)
    await server.until(lambda: len(client.frames) == 1)
    client.transport.loseConnection()
    await server.until(lambda: server.backend.watchers() == 0)
    server.backend.put(token, "second")
    client = await server.open_socket(token, f"/mx/v1/inbox/stream?after={client.frames[-1]['cursor']}")
    await server.until(lambda: len(client.frames) == 1)
    assert client.texts == ["second"]


@pytest_twisted.ensureDeferred
async def test_receipts_sent_as_a_frame_are_committed_and_confirmed(server: MxServer) -> None:
    token, other = server.backend.add_device("one"), server.backend.add_device("two")
    mine, theirs = server.backend.put(token, "mine"), server.backend.put(other, "theirs")
    client = await server.open_socket(token)
    await server.until(lambda: len(client.frames) == 1)
    receipts = [{"id": mine.id, "state": "read", "at": AT}, {"id": theirs.id, "state": "read", "at": AT}]
    client.send({"receipts": receipts})
    await server.until(lambda: len(client.frames) == 2)
    assert client.frames[1] == {"confirmed": [mine.id], "unknown": [theirs.id]}
    stored = DeviceReceipt(message=MessageId(mine.id), state=ReceiptState.READ, at=NOW)
    assert server.backend.stored_receipts == [("device-one", stored)]


def _has_stored(server: MxServer, count: int) -> bool:
    return len(server.backend.stored_receipts) == count


@pytest_twisted.ensureDeferred
async def test_receipts_above_the_limit_wait_and_go_together(server: MxServer) -> None:
    token = server.backend.add_device("one")
    item = server.backend.put(token, "text")
    client = await server.open_socket(token)
    receipt = {"receipts": [{"id": item.id, "state": "received", "at": AT}]}
    # Opening the stream took the first of the sixty.
    for n in range(1, 60):
        client.send(receipt)
        await server.until(partial(_has_stored, server, n))
    for _ in range(5):
        client.send(receipt)
    await server.pause(0.05)
    assert len(server.backend.stored_receipts) == 59
    server.clock.advance(1)
    await server.until(lambda: len(server.backend.stored_receipts) == 64)


@pytest_twisted.ensureDeferred
async def test_a_revoked_device_is_cut_off_at_once(server: MxServer) -> None:
    token = server.backend.add_device("one")
    client = await server.open_socket(token)
    await server.until(lambda: server.backend.watchers() == 1)
    server.backend.revoke(token)
    await server.until(lambda: client.is_lost)


@pytest_twisted.ensureDeferred
async def test_a_device_revoked_while_its_stream_opens_is_cut_off(server: MxServer) -> None:
    token = server.backend.add_device("one")
    server.backend.put(token, "not for it any more")
    server.backend.meanwhile = lambda: server.backend.revoke(token)
    client = await server.open_socket(token)
    await server.until(lambda: client.is_lost)
    assert client.frames == []


@pytest_twisted.ensureDeferred
async def test_a_revoked_client_that_takes_nothing_is_cut_off_within_five_seconds(server: MxServer) -> None:
    token = server.backend.add_device("one")
    for _ in range(200):
        server.backend.put(token, "x" * 60_000)
    client = await _handshake(server, token)
    assert client.transport is not None
    client.transport.pauseProducing()  # type: ignore[attr-defined]
    await server.pause(0.05)
    server.backend.revoke(token)
    await server.pause(0.01)
    assert CLOSE_S < 5
    server.clock.advance(CLOSE_S)
    await server.until(lambda: not server.site._channels)
    client.transport.abortConnection()  # type: ignore[attr-defined]
    await server.until(lambda: client.is_lost)


@pytest_twisted.ensureDeferred
async def test_a_client_that_does_not_read_is_not_read_ahead_for(server: MxServer) -> None:
    """I36: what is in memory for a slow client is one batch, however long its inbox is."""
    token = server.backend.add_device("one")
    for _ in range(500):
        server.backend.put(token, "x" * 1000)
    client = await _handshake(server, token)
    await server.pause(0.05)
    sent = [payload for opcode, payload in _frames(client.data) if opcode == TEXT]
    assert len(sent) == 20
    assert server.backend.reads == 1
    _write(client, _frame(PONG, b"0"))
    await server.pause(0.05)
    assert server.backend.reads == 1
    _write(client, _frame(PONG, b"1"))
    await server.until(lambda: server.backend.reads == 2)
    client.transport.loseConnection()  # type: ignore[union-attr]
    await server.until(lambda: client.is_lost)


@pytest_twisted.ensureDeferred
async def test_a_client_is_pinged_and_cut_off_when_its_pong_is_missing(server: MxServer) -> None:
    token = server.backend.add_device("one")
    client = await _handshake(server, token)
    server.clock.advance(PING_S)
    await server.until(lambda: (PING, b"1") in _frames(client.data))
    _write(client, _frame(PONG, b"1"))
    await server.pause(0.02)
    server.clock.advance(PING_S)
    await server.until(lambda: (PING, b"2") in _frames(client.data))
    assert not client.is_lost
    server.clock.advance(PING_S)
    await server.until(lambda: client.is_lost)


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([_frame(TEXT, b"x" * (MAX_FRAME + 1))], 1009),
        ([_frame(TEXT, b"x" * 30_000, size=2**40)] + [b"x" * 30_000] * 2, 1009),
        ([_frame(TEXT, b"x", final=False)] + [_frame(CONTINUATION, b"x" * 9_000, final=False)] * 8, 1009),
        ([_frame(PING, b"x" * 100)] * 1000, 1009),
        ([_frame(2, b"binary")], 1003),
        ([_frame(TEXT, b"no json")], 1008),
        ([_frame(TEXT, b'{"receipts": []}')], 1008),
        ([_frame(TEXT, b"\xff\xfe")], 1007),
        ([b"\xff" * 20], 1002),
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_client_that_sends_what_it_may_not_is_told_why_and_cut_off(
    server: MxServer, frames: list[bytes], code: int
) -> None:
    client = await _handshake(server, server.backend.add_device("one"))
    for frame in frames:
        _write(client, frame)
    await server.until(lambda: bool(_codes(client)))
    assert _codes(client)[0] == code
    _write(client, _frame(TEXT, b'{"receipts": []}'))
    await server.pause(0.01)
    server.clock.advance(CLOSE_S)
    await server.until(lambda: client.is_lost)


@pytest_twisted.ensureDeferred
async def test_more_receipts_than_are_kept_end_the_stream_and_what_came_is_committed(server: MxServer) -> None:
    token = server.backend.add_device("one")
    item = server.backend.put(token, "text")
    client = await server.open_socket(token)
    await server.until(lambda: len(client.frames) == 1)
    gates: list[Deferred[None]] = []

    def gate() -> Deferred[None]:
        gates.append(Deferred())
        return gates[-1]

    server.backend.gate = gate
    many = [{"id": item.id, "state": "read", "at": AT}] * 500
    for _ in range(4):
        client.send({"receipts": many})
    await server.until(lambda: client.is_lost)
    server.backend.gate = None
    for waiting in gates:
        waiting.callback(None)
    await server.until(lambda: len(server.backend.stored_receipts) >= 1000)


@pytest_twisted.ensureDeferred
async def test_a_client_that_says_goodbye_is_let_go(server: MxServer) -> None:
    client = await _handshake(server, server.backend.add_device("one"))
    _write(client, _frame(CLOSE, struct.pack("!H", 1000)))
    await server.until(lambda: client.is_lost)
    assert _codes(client) == [1000]
    await server.until(lambda: server.backend.watchers() == 0)


@pytest_twisted.ensureDeferred
async def test_a_client_that_says_goodbye_and_stays_is_cut_off(server: MxServer) -> None:
    client = await _handshake(server, server.backend.add_device("one"))
    assert client.transport is not None
    _write(client, _frame(CLOSE, struct.pack("!H", 1000)))
    # Over TLS the server would wait for ever for the far end's own goodbye.
    client.transport.pauseProducing()  # type: ignore[attr-defined]
    await server.until(lambda: server.backend.watchers() == 0)
    server.clock.advance(CLOSE_S)
    await server.until(lambda: not server.site._channels)
    client.transport.abortConnection()  # type: ignore[attr-defined]
    await server.until(lambda: client.is_lost)


@pytest_twisted.ensureDeferred
async def test_connections_of_streams_are_counted_and_given_back(server: MxServer) -> None:
    token = server.backend.add_device("one")
    for _ in range(3):
        clients = [await _handshake(server, token), await _handshake(server, token)]
        for client in clients:
            client.transport.loseConnection()  # type: ignore[union-attr]
        await server.until(lambda: not server.site._channels)
    assert server.backend.watchers() == 0


@pytest_twisted.ensureDeferred
async def test_an_error_of_the_core_ends_the_stream_and_is_logged(
    server: MxServer, logged_failures: list[dict[str, object]]
) -> None:
    token = server.backend.add_device("one")
    client = await _handshake(server, token)
    await server.until(lambda: server.backend.reads == 1)

    def fail() -> Deferred[None]:
        raise OSError("the disk")

    server.backend.gate = fail
    server.backend.notify(token)
    await server.until(lambda: _codes(client) == [1011])
    assert b"disk" not in client.data
    assert [event["log_format"] for event in logged_failures] == ["A stream ended"]
    logged_failures.clear()
    await server.until(lambda: client.is_lost)


@pytest_twisted.ensureDeferred
async def test_a_database_that_takes_no_receipts_ends_the_stream_with_one_sentence_in_the_log(server: MxServer) -> None:
    """I28: the client keeps them and comes again."""
    token = server.backend.add_device("one")
    client = await _handshake(server, token)
    await server.until(lambda: server.backend.reads == 1)

    def refuse() -> Deferred[None]:
        raise StoreHeld("the database is damaged")

    server.backend.gate = refuse
    receipt = {"id": "m1", "state": "read", "at": AT}
    with capturedLogs() as told:
        _write(client, _frame(TEXT, json.dumps({"receipts": [receipt]}).encode()))
        await server.until(lambda: _codes(client) == [1011])
    assert [(one["log_level"], one["why"]) for one in told if "why" in one] == [
        (LogLevel.warn, "the database is damaged")
    ]
    assert not any("log_failure" in one for one in told)
    await server.until(lambda: client.is_lost)


@pytest.mark.parametrize(
    ("path", "extra"),
    [
        ("?after=x", ""),
        ("?before=1", ""),
        ("", "Sec-WebSocket-Version: 12\r\n"),
        ("", "Upgrade: h2c\r\n"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_request_that_is_no_handshake_is_refused(server: MxServer, path: str, extra: str) -> None:
    client = await connect_raw(server)
    good = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAA\r\n"
    if extra:
        name = extra.partition(":")[0]
        good = "".join(f"{line}\r\n" for line in good.splitlines() if not line.startswith(name)) + extra
    token = server.backend.add_device("one")
    head = f"GET /mx/v1/inbox/stream{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n{good}\r\n"
    _write(client, head.encode())
    await server.until(lambda: b"}" in client.data)
    assert client.data.startswith(b"HTTP/1.1 400 ")
    problem = json.loads(client.data.partition(b"\r\n\r\n")[2])
    assert problem["code"] in ("malformed", "bad_query")
    client.transport.loseConnection()  # type: ignore[union-attr]
    await server.until(lambda: client.is_lost)
