"""What the SMPP line sends and what it says became of it; against the SMSC stand-in, in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from msgspec.structs import replace

from datasms_daemon.demo.smsc import Fault, Reply
from datasms_daemon.lines.smpp_pdu import MESSAGE_PAYLOAD, ShortMessage
from datasms_daemon.lines.smpp_status import ROK, outcome_of
from datasms_daemon.model import (
    Accepted,
    AddressGone,
    Later,
    LineState,
    NotSent,
    Unknown,
)
from tests.fakes.smpp_host import BenchMaker, benches, handover

LONG = "Pump 3 stopped. " * 20


@pytest.fixture
def bench() -> Iterator[BenchMaker]:
    """Makes started benches and stops them."""
    with benches() as make:
        yield make


# Handing over


def test_a_message_shows_its_senders_own_number_where_it_has_one(bench: BenchMaker) -> None:
    b = bench()
    b.send(replace(handover(), source="+42060000000017"))
    ((_, pdu),) = b.smsc.submissions
    assert (pdu.source_ton, pdu.source_npi, pdu.source) == (1, 1, "42060000000017")


def test_a_message_is_accepted_under_the_id_of_the_smsc(bench: BenchMaker) -> None:
    b = bench()
    assert b.send() == [Accepted(("a0000001",))]
    ((_, pdu),) = b.smsc.submissions
    assert (pdu.source_ton, pdu.source_npi, pdu.source) == (1, 1, "420600000000")
    assert (pdu.dest_ton, pdu.dest_npi, pdu.dest) == (1, 1, "420603123456")
    assert (pdu.esm_class, pdu.data_coding, pdu.registered_delivery) == (0, 0, 1)
    assert (pdu.short_message, pdu.validity_period) == (b"Pump 3 stopped", "000000010000000R")


@pytest.mark.parametrize(
    ("source", "ton", "npi", "shown"),
    [("+420600000000", 1, 1, "420600000000"), ("4636", 3, 0, "4636"), ("Pumps Ltd", 5, 0, "Pumps Ltd"), ("", 0, 0, "")],
)
def test_the_source_says_what_it_is(bench: BenchMaker, source: str, ton: int, npi: int, shown: str) -> None:
    b = bench(source=source)
    b.send()
    pdu = b.smsc.submissions[0].pdu
    assert (pdu.source_ton, pdu.source_npi, pdu.source) == (ton, npi, shown)


@pytest.mark.parametrize(
    ("validity", "told"), [("relative", "000000010000000R"), ("absolute", "260921151320000+"), ("none", "")]
)
def test_the_end_of_validity_is_told_as_the_smsc_wants_it(bench: BenchMaker, validity: str, told: str) -> None:
    b = bench(validity=validity)
    b.send()
    assert b.smsc.submissions[0].pdu.validity_period == told


def test_what_is_not_gsm_goes_as_ucs_2(bench: BenchMaker) -> None:
    b = bench()
    b.send(handover("Čerpadlo 3 stojí"))
    pdu = b.smsc.submissions[0].pdu
    assert (pdu.data_coding, pdu.short_message.decode("utf-16-be")) == (8, "Čerpadlo 3 stojí")


def test_parts_by_udh_share_a_reference_and_give_one_id_each(bench: BenchMaker) -> None:
    b = bench(concatenation="udh")
    assert b.send(handover(LONG)) == [Accepted(("a0000001", "a0000002", "a0000003"))]
    pdus = [submission.pdu for submission in b.smsc.submissions]
    headers = [pdu.short_message[:6] for pdu in pdus]
    reference = headers[0][3]
    assert headers == [bytes((5, 0, 3, reference, 3, n)) for n in (1, 2, 3)]
    assert {pdu.esm_class for pdu in pdus} == {0x40}
    assert b"".join(pdu.short_message[6:] for pdu in pdus).decode() == LONG
    b.send(handover(LONG, n=2))
    assert b.smsc.submissions[3].pdu.short_message[3] != reference


def test_parts_by_sar_tlvs_have_no_header(bench: BenchMaker) -> None:
    b = bench(concatenation="sar")
    assert b.send(handover(LONG)) == [Accepted(("a0000001", "a0000002", "a0000003"))]
    pdus = [submission.pdu for submission in b.smsc.submissions]
    assert b"".join(pdu.short_message for pdu in pdus).decode() == LONG
    assert {pdu.esm_class for pdu in pdus} == {0}
    assert len({pdu.tlvs[0x020C] for pdu in pdus}) == 1
    assert [(pdu.tlvs[0x020E], pdu.tlvs[0x020F]) for pdu in pdus] == [(b"\x03", bytes((n,))) for n in (1, 2, 3)]


def test_a_long_text_by_payload_is_one_pdu_and_a_short_one_needs_none(bench: BenchMaker) -> None:
    b = bench(concatenation="payload")
    assert b.send(handover(LONG)) == [Accepted(("a0000001",))]
    b.send(handover())
    long, short = (submission.pdu for submission in b.smsc.submissions)
    assert (long.short_message, long.tlvs[MESSAGE_PAYLOAD].decode()) == (b"", LONG)
    assert (short.short_message, short.tlvs) == (b"Pump 3 stopped", {})


@pytest.mark.parametrize("to", [None, "", "+", "+42060x", "+" + "1" * 21, "+٣٤"])
def test_no_phone_number_is_final(bench: BenchMaker, to: str | None) -> None:
    assert bench().send(handover(to=to)) == [NotSent("no phone number", final=True)]


def test_a_text_of_more_than_255_parts_cannot_go(bench: BenchMaker) -> None:
    assert bench().send(handover("a" * 153 * 256)) == [NotSent("text of 256 parts", final=True)]


@pytest.mark.parametrize("status", [0x08, 0x0A, 0x0B, 0x0C, 0x45, 0x62, 0x400])
def test_a_refusal_means_what_the_table_says(bench: BenchMaker, status: int) -> None:
    b = bench(on_submit=lambda _: Reply(status))
    assert b.send() == [outcome_of(status)]
    assert b.line.room() == 10


def test_a_bad_number_is_gone_and_does_not_stop_the_line(bench: BenchMaker) -> None:
    b = bench(on_submit=lambda pdu: Reply(0x0B if pdu.dest == "420603000000" else ROK))
    assert b.send(handover(to="+420603000000")) == [AddressGone("ESME_RINVDSTADR (0x0B)")]
    assert b.send() == [Accepted(("a0000001",))]


def test_a_forgotten_bind_is_made_again(bench: BenchMaker) -> None:
    b = bench(on_submit=lambda _: Reply(0x04))
    assert b.send() == [Later("ESME_RINVBNDSTS (0x04)")]
    b.net.advance(2)
    assert len(b.smsc.binds) == 2
    assert b.line.status().state is LineState.UP


# No answer


def test_no_answer_in_time_is_unknown(bench: BenchMaker) -> None:
    b = bench()
    b.smsc.fault = Fault.SILENT
    outcomes = b.send()
    b.net.advance(59)
    assert outcomes == []
    b.net.advance(1)
    assert outcomes == [Unknown("no answer in time")]
    assert b.line.room() == 10


def test_a_lost_connection_makes_what_was_not_answered_unknown(bench: BenchMaker) -> None:
    b = bench()
    b.smsc.fault = Fault.DROP
    assert b.send() == [Unknown("connection lost before the answer")]
    assert b.line.status().state is LineState.DEGRADED


def test_an_undecodable_answer_is_unknown_and_the_line_goes_on(bench: BenchMaker) -> None:
    b = bench()
    b.smsc.fault = Fault.SILENT
    outcomes = b.send()
    b.smsc.connections[0].write_octets(bytes.fromhex("00000052 80000004 00000000 00000002") + b"x" * 66)
    b.net.settle()
    assert outcomes == [Unknown("undecodable answer")]
    b.smsc.fault = Fault.NONE
    assert b.send() == [Accepted(("a0000002",))]


def test_a_late_answer_meets_nothing_i43(bench: BenchMaker) -> None:
    delays = iter([70.0, 20.0])
    b = bench(on_submit=lambda _: Reply(ROK, next(delays)))
    first = b.send()
    b.net.advance(61)
    second = b.send(handover(n=2))
    b.net.advance(10)
    assert (first, second) == ([Unknown("no answer in time")], [])
    b.net.advance(10)
    assert second == [Accepted(("a0000002",))]


def test_each_message_waits_its_own_time(bench: BenchMaker) -> None:
    b = bench()
    b.smsc.fault = Fault.SILENT
    first = b.send()
    b.net.advance(30)
    second = b.send(handover(n=2))
    b.net.advance(30)
    assert (first, second) == ([Unknown("no answer in time")], [])
    b.net.advance(30)
    assert second == [Unknown("no answer in time")]


def test_answers_of_the_bind_before_match_nothing_i43(bench: BenchMaker) -> None:
    b = bench()
    b.smsc.fault = Fault.SILENT
    first = b.send()
    b.net.cables[0].cut()
    b.net.advance(2)
    second = b.send(handover(n=2))
    old = bytes.fromhex("00000012 80000004 00000000 00000009 4100")
    b.net.cables[0].server.protocol.dataReceived(b"")
    b.smsc.connections[0].write_octets(old)
    b.net.settle()
    assert (first, second) == ([Unknown("connection lost before the answer")], [])
    b.net.advance(60)
    assert second == [Unknown("no answer in time")]


def test_answers_out_of_order_find_their_messages_i42(bench: BenchMaker) -> None:
    delays = {"420603000001": 3.0, "420603000002": 1.0, "420603000003": 2.0}
    b = bench(on_submit=lambda pdu: Reply(ROK, delays[pdu.dest]))
    outcomes = [b.send(handover(to=f"+{number}")) for number in delays]
    b.net.advance(4)
    by_dest = {submission.pdu.dest: submission.id.lower() for submission in b.smsc.submissions}
    assert outcomes == [[Accepted((by_dest[number],))] for number in delays]


def test_a_generic_nack_refuses_the_message_it_names(bench: BenchMaker) -> None:
    b = bench()
    b.smsc.fault = Fault.SILENT
    outcomes = b.send()
    b.smsc.connections[0].write_octets(bytes.fromhex("00000010 80000000 00000002 00000002"))
    b.net.settle()
    assert outcomes == [outcome_of(0x02)]


# Parts that fail


def _nth(n: int, reply: Reply) -> Callable[[ShortMessage], Reply]:
    seen: list[ShortMessage] = []

    def answer(pdu: ShortMessage) -> Reply:
        seen.append(pdu)
        return reply if len(seen) == n else Reply()

    return answer


def test_a_part_refused_after_others_were_taken_is_unknown(bench: BenchMaker) -> None:
    b = bench(on_submit=_nth(3, Reply(0x0B)))
    assert b.send(handover(LONG)) == [Unknown("2 of 3 parts taken: ESME_RINVDSTADR (0x0B)")]


def test_the_first_part_refused_is_refused_as_a_whole(bench: BenchMaker) -> None:
    b = bench(on_submit=_nth(1, Reply(0x0B)))
    assert b.send(handover(LONG)) == [AddressGone("ESME_RINVDSTADR (0x0B)")]
    assert b.smsc.submissions == []


def test_a_part_throttled_after_others_were_taken_is_tried_again(bench: BenchMaker) -> None:
    b = bench(on_submit=_nth(2, Reply(0x58)))
    outcomes = b.send(handover(LONG))
    assert outcomes == []
    b.net.advance(2)
    assert outcomes == [Accepted(("a0000001", "a0000002", "a0000003"))]


def test_a_part_that_is_never_taken_is_given_up_within_the_lease(bench: BenchMaker) -> None:
    seen: list[ShortMessage] = []

    def answer(pdu: ShortMessage) -> Reply:
        seen.append(pdu)
        return Reply(ROK if len(seen) == 1 else 0x08)

    b = bench(on_submit=answer)
    outcomes = b.send(handover(LONG))
    b.net.advance(b.line.lease_ms / 1000 - 1)
    assert outcomes == [Unknown("1 of 3 parts taken: ESME_RSYSERR (0x08)")]


def test_a_connection_lost_between_parts_is_waited_out(bench: BenchMaker) -> None:
    delays = iter([0.0, 5.0, 0.0, 0.0])
    b = bench(on_submit=lambda _: Reply(0x58 if (delay := next(delays)) else ROK, delay))
    outcomes = b.send(handover(LONG))
    b.net.advance(5)
    b.smsc.drop()
    b.net.advance(5)
    assert outcomes == [Accepted(("a0000001", "a0000002", "a0000003"))]
