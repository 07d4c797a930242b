"""How fast the SMPP line sends: window, rate, throttling."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from datasms_daemon.demo.smsc import Fault, Reply
from datasms_daemon.lines.smpp_status import ROK, outcome_of
from datasms_daemon.model import (
    Accepted,
    Later,
    LineState,
)
from tests.fakes.smpp_host import START, BenchMaker, benches, handover

LONG = "Pump 3 stopped. " * 20


@pytest.fixture
def bench() -> Iterator[BenchMaker]:
    """Makes started benches and stops them."""
    with benches() as make:
        yield make


# Window, rate, throttling


def test_the_window_bounds_what_is_unanswered(bench: BenchMaker) -> None:
    b = bench(window=3)
    b.smsc.fault = Fault.SILENT
    for n in range(3):
        assert b.line.room() == 3 - n
        b.send(handover(n=n))
    assert b.line.room() == 0
    told = b.host.rooms
    b.net.advance(60)
    assert b.host.rooms == told + 1
    assert b.line.room() == 3


def test_messages_leave_at_the_rate(bench: BenchMaker) -> None:
    b = bench(rate=10.0, window=1000)
    sent = 0
    for _ in range(100):
        while b.line.room() > 0:
            b.send()
            sent += 1
        b.net.advance(0.1, 0.1)
    assert 95 <= len(b.smsc.submissions) <= 102
    assert sent - len(b.smsc.submissions) <= 1


def test_the_host_is_told_when_the_rate_gives_room_again(bench: BenchMaker) -> None:
    b = bench(rate=1.0)
    b.send()
    b.send(handover(n=2))
    assert b.line.room() == 0
    told = b.host.rooms
    b.net.advance(1)
    assert len(b.smsc.submissions) == 2
    assert b.line.room() == 0
    b.net.advance(0.9, 0.1)
    assert b.host.rooms == told
    b.net.advance(0.051, 0.001)
    assert b.host.rooms > told
    assert b.line.room() == 1


def test_a_token_gives_room_though_no_answer_has_come(bench: BenchMaker) -> None:
    b = bench(rate=1.0)
    b.smsc.fault = Fault.SILENT
    b.send()
    b.send(handover(n=2))
    assert b.line.room() == 0
    told = b.host.rooms
    b.net.advance(1.98, 0.01)
    assert b.host.rooms == told + 1
    assert b.line.room() == 1


def test_an_alarm_waits_behind_no_more_than_what_leaves_within_50_ms(bench: BenchMaker) -> None:
    b = bench(rate=10.0)
    b.send()
    assert b.line.room() == 0
    b.net.advance(0.049, 0.001)
    assert b.line.room() == 0
    b.net.advance(0.002, 0.001)
    assert b.line.room() == 1


@pytest.mark.parametrize("status", [0x58, 0x14])
def test_a_throttling_smsc_is_left_alone_for_a_while(bench: BenchMaker, status: int) -> None:
    refusals = iter([status, status, ROK, status])
    b = bench(on_submit=lambda _: Reply(next(refusals)))
    for pause in (1, 2):
        assert b.send() == [outcome_of(status, int((b.clock.seconds() + pause) * 1000))]
        assert b.line.room() == 0
        assert b.line.status().state is LineState.DEGRADED
        told = b.host.rooms
        b.net.advance(pause - 0.01, 0.1)
        assert b.line.room() == 0
        b.net.advance(0.02, 0.01)
        assert b.line.room() == 10
        assert b.host.rooms > told
    assert isinstance(b.send()[0], Accepted)
    assert b.send() == [outcome_of(status, int((b.clock.seconds() + 1) * 1000))]


def test_refusals_of_one_moment_double_the_pause_once(bench: BenchMaker) -> None:
    b = bench(on_submit=lambda _: Reply(0x58, 1.0))
    for n in range(10):
        b.send(handover(n=n))
    b.net.advance(1)
    b.net.advance(1.01, 0.01)
    assert b.line.room() == 10


def test_nothing_is_sent_during_a_pause(bench: BenchMaker) -> None:
    b = bench()
    b.smsc.throttle(1)
    b.send()
    assert b.send(handover(n=2)) == [Later("throttled", START * 1000 + 1000)]
    assert b.smsc.submissions == []
