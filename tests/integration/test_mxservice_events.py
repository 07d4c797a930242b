"""The inbox as Server-Sent Events over real sockets, plain and over TLS."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorCore

from datasms_daemon.mxservice.events import BEAT_S
from tests.fakes.mx_server import MxServer, RawClient, connect_raw

_CHUNK = re.compile(rb"^[0-9a-f]+\r\n|\r\n[0-9a-f]+\r\n|\r\n$")


@pytest.fixture(params=["plain", "tls"])
def server(reactor: IReactorCore, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MxServer]:
    """A service that is stopped afterwards and has left nothing behind."""
    started = MxServer(reactor)
    if request.param == "plain":
        started.start()
    else:
        pytest_twisted.blockon(Deferred.fromCoroutine(started.start_tls(tmp_path)))
    yield started
    pytest_twisted.blockon(Deferred.fromCoroutine(started.stop()))
    assert started.backend.watchers() == 0
    assert started.clock.getDelayedCalls() == []


async def _open(server: MxServer, token: str, *, query: str = "", extra: str = "", method: str = "GET") -> RawClient:
    client = await connect_raw(server)
    _write(
        client,
        f"{method} /mx/v1/inbox/events{query} HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {token}\r\n{extra}\r\n",
    )
    await server.until(lambda: b"\r\n\r\n" in client.data or client.is_lost)
    return client


def _write(client: RawClient, text: str) -> None:
    assert client.transport is not None
    client.transport.write(text.encode())


def _body(client: RawClient) -> bytes:
    return _CHUNK.sub(b"", client.data.partition(b"\r\n\r\n")[2])


def _events(client: RawClient) -> list[tuple[str, str]]:
    """Id and text of each whole event."""
    found = []
    for block in _body(client).decode().split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            found.append((fields["id"], json.loads(fields["data"])["text"]))
    return found


async def _close(server: MxServer, client: RawClient) -> None:
    assert client.transport is not None
    client.transport.loseConnection()
    await server.until(lambda: client.is_lost and server.backend.watchers() == 0)


@pytest_twisted.ensureDeferred
async def test_the_backlog_comes_first_and_then_what_is_live(server: MxServer) -> None:
    token = server.backend.add_device("one")
    for n in range(50):
        server.backend.put(token, f"text {n}\n\nid: 7")
    client = await _open(server, token, query="?after=2")
    await server.until(lambda: len(_events(client)) == 48)
    server.backend.put(token, "live")
    await server.until(lambda: len(_events(client)) == 49)
    expected = [(str(n + 1), f"text {n}\n\nid: 7") for n in range(2, 50)]
    assert _events(client) == [*expected, ("51", "live")]
    assert b"Content-Type: text/event-stream\r\n" in client.data
    await _close(server, client)


@pytest_twisted.ensureDeferred
async def test_a_browser_that_comes_back_goes_on_after_its_last_event(server: MxServer) -> None:
    token = server.backend.add_device("one")
    for n in range(4):
        server.backend.put(token, f"text {n}")
    client = await _open(server, token, query="?after=1", extra="Last-Event-ID: 3\r\n")
    await server.until(lambda: len(_events(client)) == 1)
    assert _events(client) == [("4", "text 3")]
    await _close(server, client)


@pytest_twisted.ensureDeferred
async def test_a_last_event_id_that_is_none_of_ours_is_refused(server: MxServer) -> None:
    client = await _open(server, server.backend.add_device("one"), extra="Last-Event-ID: x\r\n")
    assert client.data.startswith(b"HTTP/1.1 400 ")
    await _close(server, client)


@pytest_twisted.ensureDeferred
async def test_asking_for_the_head_alone_opens_no_stream(server: MxServer) -> None:
    client = await _open(server, server.backend.add_device("one"), method="HEAD")
    assert client.data.startswith(b"HTTP/1.1 200 ")
    assert server.backend.watchers() == 0
    await _close(server, client)


@pytest_twisted.ensureDeferred
async def test_a_comment_keeps_the_stream_alive(server: MxServer) -> None:
    client = await _open(server, server.backend.add_device("one"))
    await server.until(lambda: _body(client) == b":\n\n")
    server.clock.advance(BEAT_S)
    await server.until(lambda: _body(client) == b":\n\n:\n\n")
    await _close(server, client)


@pytest_twisted.ensureDeferred
async def test_a_revoked_device_is_cut_off_at_once(server: MxServer) -> None:
    token = server.backend.add_device("one")
    client = await _open(server, token)
    server.backend.revoke(token)
    await server.until(lambda: client.is_lost)
    assert client.data.endswith(b"0\r\n\r\n")


@pytest_twisted.ensureDeferred
async def test_a_device_revoked_while_its_stream_opens_is_cut_off(server: MxServer) -> None:
    token = server.backend.add_device("one")
    server.backend.put(token, "not for it any more")
    server.backend.meanwhile = lambda: server.backend.revoke(token)
    client = await _open(server, token)
    await server.until(lambda: client.is_lost)
    assert _events(client) == []


@pytest.mark.parametrize("is_revoked", [True, False])
@pytest_twisted.ensureDeferred
async def test_a_client_that_takes_nothing_is_not_read_ahead_for_and_is_cut_off(
    server: MxServer, is_revoked: bool
) -> None:
    """I36: what is in memory for a slow client does not grow with its inbox."""
    token = server.backend.add_device("one")
    for _ in range(1000):
        server.backend.put(token, "x" * 60_000)
    client = await _open(server, token)
    assert client.transport is not None
    client.transport.pauseProducing()  # type: ignore[attr-defined]
    await server.pause(0.3)
    reads = server.backend.reads
    await server.pause(0.1)
    assert server.backend.reads == reads < 20
    if is_revoked:
        server.backend.revoke(token)
    else:
        server.clock.advance(BEAT_S)
        server.clock.advance(BEAT_S)
    await server.until(lambda: not server.site._channels)
    client.transport.abortConnection()  # type: ignore[attr-defined]
    await server.until(lambda: client.is_lost)


@pytest_twisted.ensureDeferred
async def test_an_error_of_the_core_ends_the_stream_and_is_logged(
    server: MxServer, logged_failures: list[dict[str, object]]
) -> None:
    token = server.backend.add_device("one")
    client = await _open(server, token)
    await server.until(lambda: server.backend.reads == 1)

    def fail() -> Deferred[None]:
        raise OSError("the disk")

    server.backend.gate = fail
    server.backend.notify(token)
    await server.until(lambda: client.is_lost)
    assert b"disk" not in client.data
    assert [event["log_format"] for event in logged_failures] == ["A stream ended"]
    logged_failures.clear()
