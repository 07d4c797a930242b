"""Binding, losing and testing the connection to an SMSC, and PDUs that nobody asked for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol

from datasms_daemon.config.kinds import Duration
from datasms_daemon.demo.smsc import Fault, Smsc
from datasms_daemon.lines.smpp_pdu import BIND_RECEIVER, BIND_TRANSMITTER
from datasms_daemon.lines.smpp_status import RINVPASWD, ROK
from datasms_daemon.model import (
    Accepted,
    Later,
    LineDown,
    LineState,
    ReceiptState,
    Secret,
    Unknown,
)
from tests.fakes.smpp_host import START, Bench, BenchMaker, benches, smpp_options
from tests.fakes.smpp_wire import MemoryNet

LONG = "Pump 3 stopped. " * 20


@pytest.fixture
def bench() -> Iterator[BenchMaker]:
    """Makes started benches and stops them."""
    with benches() as make:
        yield make


# Binding


def test_a_refused_connection_is_tried_again_ever_more_slowly() -> None:
    b = Bench()
    b.net.is_refusing = True
    b.start()
    assert b.line.status().state is LineState.DEGRADED
    assert b.line.room() == 0
    assert b.send() == [Later("not bound")]
    tried_at: list[float] = []
    for _ in range(4000):
        before = b.net.tried
        b.net.advance(0.1)
        tried_at += [b.clock.seconds()] * (b.net.tried - before)
    gaps = [later - earlier for earlier, later in zip([START, *tried_at], tried_at, strict=False)]
    for gap, base in zip(gaps, [1, 2, 4, 8, 16, 32, 60, 60, 60], strict=False):
        assert base * 0.79 <= gap <= base * 1.21 + 0.1
    b.net.is_refusing = False
    told = b.host.rooms
    b.net.advance(75)
    assert b.line.status().state is LineState.UP
    assert b.host.rooms > told
    b.stop()


@pytest.mark.parametrize(("stood", "gaps"), [(40.0, (0.8, 1.3)), (5.0, (6.4, 9.7))])
def test_only_a_connection_that_stood_for_a_while_ends_the_slowing_down(
    bench: BenchMaker, stood: float, gaps: tuple[float, float]
) -> None:
    b = bench()
    for _ in range(3):
        b.net.cables[-1].cut()
        b.net.advance(6, 0.1)
        assert b.line.status().state is LineState.UP
    b.net.advance(stood)
    tried = b.net.tried
    b.net.cables[-1].cut()
    b.net.advance(gaps[0] - 0.05, 0.05)
    assert b.net.tried == tried
    b.net.advance(gaps[1] - gaps[0], 0.05)
    assert b.net.tried == tried + 1


def test_refused_credentials_take_the_line_down_and_answer_at_once(bench: BenchMaker) -> None:
    b = bench(password=Secret("wrong"), bad_credentials_pause=Duration(300_000))
    assert b.line.status().state is LineState.DOWN
    assert b.line.status().reason == "bind refused: ESME_RINVPASWD (0x0E)"
    assert b.line.room() > 0
    assert b.send() == [LineDown("bind refused: ESME_RINVPASWD (0x0E)")]
    b.net.advance(230)
    assert len(b.smsc.binds) == 1
    b.net.advance(140)
    assert len(b.smsc.binds) == 2


def test_credentials_put_right_at_the_smsc_bring_the_line_up(
    bench: BenchMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([RINVPASWD, 0x05, ROK])
    monkeypatch.setattr(Smsc, "bind_status", lambda _self, _bind: next(answers))
    b = bench(bad_credentials_pause=Duration(10_000))
    assert b.line.status().state is LineState.DOWN
    b.net.advance(12)
    assert b.line.status().reason == "bind refused: ESME_RALYBND (0x05)"
    assert b.line.status().state is LineState.DEGRADED
    assert b.line.room() == 0
    b.net.advance(3)
    assert b.line.status().state is LineState.UP
    assert isinstance(b.send()[0], Accepted)


def test_a_bind_without_an_answer_is_given_up(bench: BenchMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasms_daemon.demo.smsc.SmscConnection._bind", lambda _self, _bind: None)
    b = bench(bind_timeout=Duration(5_000))
    b.net.advance(4)
    assert b.net.tried == 1
    b.net.advance(3)
    assert b.net.tried == 2


def test_a_pair_binds_twice_and_receives_on_the_second() -> None:
    b = Bench(smpp_options(bind="pair")).start()
    assert [bind.command for bind in b.smsc.binds] == [BIND_TRANSMITTER, BIND_RECEIVER]
    assert b.send() == [Accepted(("a0000001",))]
    done = b.smsc.deliver_receipt("A0000001")
    b.net.settle()
    assert done.result == ROK
    assert [receipt.state for receipt in b.host.receipts] == [ReceiptState.DELIVERED]
    b.stop()


def test_a_pair_without_its_receiver_says_so_and_still_sends() -> None:
    b = Bench(smpp_options(bind="pair")).start()
    b.net.is_refusing = True
    b.net.cables[1].cut()
    assert b.line.status().state is LineState.DEGRADED
    assert b.line.status().reason == "receiver: connection lost"
    assert b.send() == [Accepted(("a0000001",))]
    b.stop()


# The link


def test_a_silent_link_is_tested_and_an_answer_keeps_it(bench: BenchMaker) -> None:
    b = bench()
    b.net.advance(300)
    assert b.net.tried == 1
    assert b.line.status().state is LineState.UP


def test_a_dead_link_is_dropped(bench: BenchMaker) -> None:
    b = bench()
    b.net.cables[0].client.waiting = b""
    b.net.cables[0].server.is_paused = True
    b.net.advance(39)
    assert b.net.tried == 1
    b.net.advance(3)
    assert b.net.tried == 2


def test_octets_that_never_make_a_pdu_do_not_keep_a_link(bench: BenchMaker) -> None:
    b = bench()
    b.smsc.connections[0].write_octets(bytes.fromhex("00010000 00000005 00000000 00000001"))
    for _ in range(42):
        b.net.cables[0].server.write(b"x")
        b.net.advance(1)
    assert b.net.tried == 2


def test_the_smscs_own_enquiry_and_unbind_are_answered(bench: BenchMaker) -> None:
    b = bench()
    b.smsc.connections[0].write_octets(bytes.fromhex("00000010 00000015 00000000 00000063"))
    b.net.cables[0].move()
    assert b.net.cables[0].client.waiting == bytes.fromhex("00000010 80000015 00000000 00000063")
    b.smsc.connections[0].write_octets(bytes.fromhex("00000010 00000006 00000000 00000064"))
    b.net.cables[0].move()
    assert b.net.cables[0].client.waiting.endswith(bytes.fromhex("00000010 80000006 00000000 00000064"))
    b.net.advance(2)
    assert b.net.tried == 2


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        ("00000010 00000777 00000000 00000063", "00000010 80000000 00000003 00000063"),
        ("00000010 0000000b 00000000 00000063", "00000010 80000000 00000003 00000063"),
        ("00000010 00000004 00000000 00000063", "00000010 80000000 00000002 00000063"),
        ("00000018 00000005 00000000 00000063 ffffffffffffffff", "00000010 80000000 00000002 00000063"),
        ("00000010 00000102 00000000 00000063", ""),
        ("00000010 80000777 00000000 00000063", ""),
    ],
)
def test_what_is_not_understood_gets_a_generic_nack_and_the_line_goes_on(
    bench: BenchMaker, request_: str, answer: str
) -> None:
    b = bench()
    b.smsc.connections[0].write_octets(bytes.fromhex(request_))
    b.net.cables[0].move()
    assert b.net.cables[0].client.waiting == bytes.fromhex(answer)
    assert isinstance(b.send()[0], Accepted)
    assert b.net.tried == 1


def test_malformed_pdus_before_an_answer_do_not_hurt_it(bench: BenchMaker) -> None:
    b = bench()
    b.smsc.fault = Fault.MALFORMED
    assert b.send() == [Accepted(("a0000001",))]
    assert b.net.tried == 1


def test_an_impossible_length_costs_the_connection(bench: BenchMaker) -> None:
    b = bench()
    b.smsc.fault = Fault.GIANT
    assert b.send() == [Unknown("connection lost before the answer")]
    b.smsc.fault = Fault.NONE
    b.net.advance(2)
    assert b.send() == [Accepted(("a0000002",))]


def test_an_smsc_that_drips_is_understood(bench: BenchMaker) -> None:
    b = bench()
    b.smsc.fault = Fault.DRIP
    outcomes = b.send()
    b.net.advance(1, 0.01)
    assert outcomes == [Accepted(("a0000001",))]


def test_a_peer_that_asks_and_never_reads_is_dropped(bench: BenchMaker) -> None:
    b = bench()
    client = b.net.cables[0].client
    assert client.producer is not None
    client.producer.pauseProducing()
    enquiries = bytes.fromhex("00000010 00000015 00000000 00000063") * 4096
    for _ in range(16):
        client.protocol.dataReceived(enquiries)
        client.waiting = b""
    assert not client.is_closing
    client.protocol.dataReceived(enquiries)
    assert client.is_aborted


def test_a_peer_that_reads_again_is_forgiven(bench: BenchMaker) -> None:
    b = bench()
    client = b.net.cables[0].client
    enquiries = bytes.fromhex("00000010 00000015 00000000 00000063") * 4096
    for _ in range(40):
        assert client.producer is not None
        client.producer.pauseProducing()
        client.protocol.dataReceived(enquiries)
        client.producer.resumeProducing()
        client.waiting = b""
    assert not client.is_closing


@pytest.mark.parametrize("answer", ["80000009 00000000 00000001 ff", "80000000 00000003 00000001"])
def test_a_bind_answered_with_nonsense_or_a_nack_is_tried_again(
    bench: BenchMaker, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    octets = bytes.fromhex(answer)
    monkeypatch.setattr(
        "datasms_daemon.demo.smsc.SmscConnection._bind",
        lambda self, _bind: self.write_octets((len(octets) + 4).to_bytes(4) + octets),
    )
    b = bench()
    assert b.line.status().state is LineState.DEGRADED
    b.net.advance(2)
    assert b.net.tried == 2


def test_nothing_is_taken_after_the_smscs_unbind(bench: BenchMaker) -> None:
    b = bench()
    unbind, enquiry = (bytes.fromhex(f"00000010 000000{command} 00000000 00000063") for command in ("06", "15"))
    client = b.net.cables[0].client
    client.protocol.dataReceived(unbind + enquiry)
    client.protocol.dataReceived(enquiry)
    assert client.waiting == bytes.fromhex("00000010 80000006 00000000 00000063")


def test_a_surprise_while_connecting_does_not_end_the_line(
    bench: BenchMaker, logged_failures: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    b = bench()

    def surprise(_self: MemoryNet, _factory: object) -> Deferred[IProtocol]:
        raise LookupError("never thought of")

    with monkeypatch.context() as patched:
        patched.setattr(MemoryNet, "connect", surprise)
        b.net.cables[0].cut()
        b.net.advance(1.5)
    assert b.line.status().reason == "internal error"
    assert [event["log_format"] for event in logged_failures] == ["unexpected end of a connection"]
    logged_failures.clear()
    b.net.advance(3)
    assert b.line.status().state is LineState.UP
