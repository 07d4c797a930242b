"""The SMSC ends the session: what both sides owe an answer for is settled before the line agrees."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from datasms_daemon.demo.smsc import Fault, Reply
from datasms_daemon.lines.smpp_session import CLOSE_TIMEOUT
from datasms_daemon.lines.smpp_status import ROK
from datasms_daemon.model import Accepted, LineState, Unknown
from tests.fakes.smpp_host import NUMBER, Bench, BenchMaker, benches, handover

UNBIND = bytes.fromhex("00000010 00000006 00000000 00000064")
AGREED = bytes.fromhex("00000010 80000006 00000000 00000064")


@pytest.fixture
def bench() -> Iterator[BenchMaker]:
    """Makes started benches and stops them."""
    with benches() as make:
        yield make


def unbind(b: Bench) -> None:
    b.smsc.connections[0].write_octets(UNBIND)
    b.net.cables[0].move()


def has_agreed(b: Bench) -> bool:
    return b.net.cables[0].client.waiting.endswith(AGREED)


def test_an_answer_that_comes_after_the_unbind_counts(bench: BenchMaker) -> None:
    b = bench(on_submit=lambda _: Reply(ROK, 2.0))
    outcomes = b.send()
    unbind(b)
    assert not has_agreed(b)
    assert b.line.room() == 0
    b.net.advance(2)
    assert outcomes == [Accepted(("a0000001",))]
    b.net.advance(2)
    assert (b.net.tried, b.line.status().state) == (2, LineState.UP)


def test_the_line_agrees_as_soon_as_the_last_answer_is_there(bench: BenchMaker) -> None:
    b = bench(on_submit=lambda _: Reply(ROK, 2.0))
    b.send()
    b.clock.advance(1)
    b.send(handover(n=2))
    unbind(b)
    b.clock.advance(1)
    b.net.cables[0].move()
    assert not has_agreed(b)
    b.clock.advance(1)
    b.net.cables[0].move()
    assert has_agreed(b)


def test_a_text_whose_commit_takes_a_while_is_answered_first(bench: BenchMaker) -> None:
    b = bench()
    b.host.hold()
    (sent,) = b.smsc.send_inbound(NUMBER, "+420600000000", "On my way")
    b.net.settle()
    unbind(b)
    assert not has_agreed(b)
    b.host.release()
    assert has_agreed(b)
    b.net.settle()
    assert sent.result == ROK


def test_an_answer_that_never_comes_is_not_waited_for_longer_than_the_close(bench: BenchMaker) -> None:
    b = bench()
    b.smsc.fault = Fault.SILENT
    outcomes = b.send()
    unbind(b)
    b.clock.advance(CLOSE_TIMEOUT - 1)
    assert (has_agreed(b), outcomes) == (False, [])
    b.clock.advance(1)
    assert has_agreed(b)
    b.net.settle()
    assert outcomes == [Unknown("connection lost before the answer")]


def test_a_line_that_stops_meanwhile_still_waits_for_the_answer(bench: BenchMaker) -> None:
    b = bench(on_submit=lambda _: Reply(ROK, 2.0))
    outcomes = b.send()
    unbind(b)
    b.stop()
    assert outcomes == [Accepted(("a0000001",))]
