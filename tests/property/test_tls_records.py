"""TLS records that are read once: however they are cut, what came whole is with the protocol at once."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from itertools import pairwise

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import PrivateCertificate
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from datasms_daemon.crypto.prompt import PromptTls, PromptTlsFactory, Records

texts = st.lists(st.binary(min_size=1, max_size=300) | st.just(bytes(16_000)), min_size=1, max_size=8)


def record(size: int) -> bytes:
    return b"\x17\x03\x03" + size.to_bytes(2, "big") + bytes(size)


streams = st.lists((st.integers(1, 40) | st.integers(250, 600)).map(record), min_size=1, max_size=12)


def cut(whole: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(whole), *(place % len(whole) for place in cuts)})
    return [whole[a:b] for a, b in pairwise(places)]


class Collector(Protocol):
    """Keeps what comes, and why no more does."""

    def __init__(self) -> None:
        self.received = b""
        self.ended: Failure | None = None

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.ended = reason


@cache
def options() -> tuple[object, ssl.SSLContext]:
    authority = trustme.CA()
    pem = authority.issue_cert("localhost").private_key_and_cert_chain_pem.bytes()
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return PrivateCertificate.loadPEM(pem).options(), context


class Pair:
    """Our server's end of a connection and a client of Python's own ``ssl``, in memory."""

    def __init__(self) -> None:
        server, context = options()
        self.collector = Collector()
        factory = PromptTlsFactory(server, False, Factory.forProtocol(lambda: self.collector), Clock())  # type: ignore[arg-type]
        self.transport = StringTransport()
        self.protocol = factory.buildProtocol(None)
        assert isinstance(self.protocol, PromptTls)
        self.protocol.makeConnection(self.transport)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._client = context.wrap_bio(self._in, self._out, server_hostname="localhost")
        while not self._is_through():
            self.protocol.dataReceived(self._out.read())
            self._in.write(self.transport.value())
            self.transport.clear()
        self.protocol.dataReceived(self._out.read())

    def encrypt(self, text: bytes) -> bytes:
        """One record that carries it."""
        self._client.write(text)
        return self._out.read()

    def bye(self) -> bytes:
        """The record that ends it."""
        with suppress(ssl.SSLWantReadError):
            self._client.unwrap()
        return self._out.read()

    def refuse(self) -> bytes:
        """The record that says that what came was damaged."""
        self._in.write(record(32))
        with suppress(ssl.SSLError):
            self._client.read()
        return self._out.read()

    def _is_through(self) -> bool:
        try:
            self._client.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True


@given(texts, st.lists(st.integers(0, 1 << 20), max_size=12))
def test_what_came_whole_is_there_at_once(texts: list[bytes], cuts: list[int]) -> None:
    pair = Pair()
    records = [pair.encrypt(text) for text in texts]
    ends = [sum(map(len, records[: n + 1])) for n in range(len(records))]
    came = 0
    for piece in cut(b"".join(records), cuts):
        pair.protocol.dataReceived(piece)
        came += len(piece)
        whole = sum(end <= came for end in ends)
        assert pair.collector.received == b"".join(texts[:whole])
    # By itself again, whatever came before.
    pair.protocol.dataReceived(pair.encrypt(b"more"))
    assert pair.collector.received == b"".join(texts) + b"more"


def damaged(record: bytes) -> bytes:
    return record[:-1] + bytes([record[-1] ^ 1])


@pytest.mark.parametrize(
    ("last", "why"),
    [
        (Pair.bye, "Connection was closed cleanly"),
        (lambda pair: damaged(pair.encrypt(b"text")), "bad record mac"),
        (Pair.refuse, "alert bad record mac"),
    ],
    ids=["end", "damage", "alert"],
)
def test_an_end_and_a_fault_end_the_connection_and_say_why(last: Callable[[Pair], bytes], why: str) -> None:
    pair = Pair()
    pair.protocol.dataReceived(pair.encrypt(b"text"))
    pair.protocol.dataReceived(last(pair))
    assert pair.collector.received == b"text"
    assert pair.transport.disconnecting
    pair.protocol.connectionLost(Failure(ConnectionDone()))
    assert pair.collector.ended is not None
    assert why in pair.collector.ended.getErrorMessage()


@given(streams)
def test_each_that_comes_by_itself_is_one(stream: list[bytes]) -> None:
    records = Records()
    assert [records.is_one(one) for one in stream] == [True] * len(stream)


@given(streams, st.lists(st.integers(0, 1 << 20), max_size=12))
def test_only_a_whole_one_that_comes_alone_is_one(stream: list[bytes], cuts: list[int]) -> None:
    records = Records()
    ends = {sum(map(len, stream[:n])): len(one) for n, one in enumerate(stream)}
    at = 0
    for piece in cut(b"".join(stream), cuts):
        assert not records.is_one(piece) or ends[at] == len(piece)
        at += len(piece)


def test_one_cut_within_its_body_is_followed_and_one_cut_within_its_head_ends_the_telling() -> None:
    records = Records()
    assert [records.is_one(piece) for piece in (record(100)[:50], record(100)[50:], record(7))] == [False, False, True]
    assert [records.is_one(piece) for piece in (record(9) + record(8), record(7))] == [False, True]
    assert [records.is_one(piece) for piece in (record(9)[:3], record(9)[3:], record(7))] == [False, False, False]
