"""Receipts that come to the SMPP line, and how the line stops."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from datasms_daemon.config.records import SmppLine
from datasms_daemon.demo.smsc import Fault
from datasms_daemon.errors import ConfigError
from datasms_daemon.lines.smpp_pdu import ShortMessage
from datasms_daemon.lines.smpp_status import ROK
from datasms_daemon.model import (
    Accepted,
    Later,
    ReceiptState,
    Secret,
    Unknown,
)
from tests.fakes.smpp_host import NUMBER, START, Bench, BenchMaker, benches, handover, smpp_options

LONG = "Pump 3 stopped. " * 20


@pytest.fixture
def bench() -> Iterator[BenchMaker]:
    """Makes started benches and stops them."""
    with benches() as make:
        yield make


# Receipts


@pytest.mark.parametrize("tlvs", [True, False])
@pytest.mark.parametrize(
    ("stat", "state", "reason"),
    [
        ("DELIVRD", ReceiptState.DELIVERED, None),
        ("UNDELIV", ReceiptState.FAILED, "undeliverable, error 01B"),
        ("ACCEPTD", ReceiptState.SENT, None),
    ],
)
def test_a_receipt_is_passed_up_and_then_answered(
    bench: BenchMaker, stat: str, state: ReceiptState, reason: str | None, tlvs: bool
) -> None:
    b = bench()
    (outcome,) = b.send()
    assert isinstance(outcome, Accepted)
    b.host.hold()
    done = b.smsc.deliver_receipt("A0000001", stat, "01B", tlvs=tlvs)
    b.net.settle()
    assert not done.called
    (receipt,) = b.host.receipts
    assert (receipt.line, receipt.provider_ids) == ("smpp", outcome.provider_ids)
    assert (receipt.state, receipt.reason) == (state, reason)
    assert (receipt.to, receipt.at) == (NUMBER, START * 1000)
    b.host.release()
    b.net.settle()
    assert done.result == ROK


@pytest.mark.parametrize("stat", ["ENROUTE", "UNKNOWN"])
def test_a_receipt_that_says_nothing_is_only_answered(bench: BenchMaker, stat: str) -> None:
    b = bench()
    b.send()
    done = b.smsc.deliver_receipt("A0000001", stat)
    b.net.settle()
    assert (done.result, b.host.receipts) == (ROK, [])


def test_a_receipt_that_was_not_committed_comes_again_i24(
    bench: BenchMaker, logged_failures: list[dict[str, object]]
) -> None:
    b = bench()
    b.send()
    b.host.is_failing = True
    done = b.smsc.deliver_receipt("A0000001")
    b.net.settle()
    assert (done.called, b.host.receipts) == (False, [])
    assert [event["log_format"] for event in logged_failures] == ["a delivery was not taken"]
    logged_failures.clear()
    b.host.is_failing = False
    b.net.advance(1)
    assert (done.result, len(b.host.receipts)) == (ROK, 1)


def test_a_receipt_may_come_before_the_answer_i22(bench: BenchMaker) -> None:
    b = bench()
    b.smsc.fault = Fault.RECEIPT_FIRST
    (outcome,) = b.send()
    assert isinstance(outcome, Accepted)
    assert [receipt.provider_ids for receipt in b.host.receipts] == [outcome.provider_ids]


@pytest.mark.parametrize(
    ("id_format", "spell"),
    [
        ("text", str),
        ("text", str.lower),
        ("text", lambda id_: "00" + id_),
        ("hex-to-decimal", lambda id_: str(int(id_, 16))),
        ("hex-to-decimal", lambda id_: f"{int(id_, 16):020}"),
    ],
)
def test_the_receipts_spelling_of_an_id_meets_the_answers_i21(
    bench: BenchMaker, id_format: str, spell: Callable[[str], str]
) -> None:
    b = bench(id_format=id_format, receipt_id=spell)
    (outcome,) = b.send()
    b.smsc.deliver_receipt("A0000001")
    b.net.settle()
    assert isinstance(outcome, Accepted)
    assert b.host.receipts[0].provider_ids == outcome.provider_ids


def test_a_receipt_without_an_id_is_answered_and_dropped(bench: BenchMaker) -> None:
    b = bench()
    done = b.smsc.deliver(ShortMessage(5, 0, esm_class=4, short_message=b"nothing"))
    b.net.settle()
    assert (done.result, b.host.receipts, b.host.texts) == (ROK, [], [])


# Stopping


def test_stopping_unbinds_and_makes_the_unanswered_unknown() -> None:
    b = Bench().start()
    b.smsc.fault = Fault.SILENT
    outcomes = b.send()
    b.stop()
    assert outcomes == [Unknown("connection lost before the answer")]
    assert b.line.room() == 0
    assert b.line.status().reason == "stopped"


def test_stopping_is_done_as_soon_as_the_unbind_is_answered() -> None:
    b = Bench().start()
    done: list[None] = []
    Deferred.fromCoroutine(b.line.stop()).addCallback(done.append)
    b.net.settle()
    assert done == [None]


def test_stopping_waits_for_answers_that_come_before_the_unbind_is_answered() -> None:
    b = Bench().start()
    outcomes: list[object] = []
    sending = Deferred.fromCoroutine(b.line.send(handover()))
    sending.addCallback(lambda result: outcomes.append(result.outcome))
    b.stop()
    assert outcomes == [Accepted(("a0000001",))]


def test_stopping_ends_the_wait_for_a_token() -> None:
    b = Bench(smpp_options(rate=0.1)).start()
    b.send()
    waiting = b.send(handover(n=2))
    b.stop()
    assert waiting == [Later("no time left at this rate")]


def test_stopping_does_not_wait_for_an_smsc_that_does_not_answer_the_unbind() -> None:
    b = Bench().start()
    b.net.cables[0].server.is_paused = True
    b.stop()


def test_stopping_while_nobody_answers_the_door() -> None:
    b = Bench()
    b.net.is_refusing = True
    b.start().stop()


def test_a_line_that_was_never_started_can_be_stopped() -> None:
    Bench().stop()


@pytest.mark.parametrize(
    "options",
    [
        smpp_options(password=Secret("ninechars")),
        smpp_options(system_id="s" * 16),
        smpp_options(source="twelve chars"),
        smpp_options(source="Čerpadla"),
    ],
)
def test_options_that_smpp_cannot_carry_are_a_configuration_error(options: SmppLine) -> None:
    with pytest.raises(ConfigError, match="line smpp"):
        Bench(options, clock=Clock())


def test_the_lease_outlasts_any_send() -> None:
    assert Bench().line.lease_ms > 3 * 60_000
    assert Bench(smpp_options(rate=0.1)).line.lease_ms > 380_000
    assert not Bench().line.drops_repeats


def test_stopping_an_unbound_line_waits_for_its_hand_overs_to_return() -> None:
    b = Bench(smpp_options(rate=0.1)).start()
    b.send()
    waiting = b.send(handover(n=2))
    b.net.is_refusing = True
    b.net.cables[0].cut()
    done: list[None] = []
    Deferred.fromCoroutine(b.line.stop()).addCallback(done.append)
    assert (done, waiting) == ([], [])
    b.net.settle()
    assert (done, waiting) == ([None], [Later("no time left at this rate")])


def test_a_hand_over_that_is_given_up_leaves_the_window(bench: BenchMaker) -> None:
    b = bench()
    b.smsc.fault = Fault.SILENT
    sending = Deferred.fromCoroutine(b.line.send(handover()))
    assert b.line.room() == 9
    sending.addErrback(lambda failure: failure.trap(CancelledError))
    sending.cancel()
    assert b.line.room() == 10
    b.net.settle()
    b.smsc.connections[0].write_octets(bytes.fromhex("00000013 80000004 00000000 00000002 414200"))
    b.net.settle()
    assert b.send(handover(n=2)) == []
