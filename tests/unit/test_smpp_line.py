"""The SMPP line against the SMSC stand-in, in memory and in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from datasms_daemon.config.records import Duration, SmppLine
from datasms_daemon.demo.smsc import Fault, Reply, Smsc
from datasms_daemon.errors import ConfigError
from datasms_daemon.lines.smpp_pdu import BIND_RECEIVER, BIND_TRANSMITTER, MESSAGE_PAYLOAD, ShortMessage
from datasms_daemon.lines.smpp_status import RINVPASWD, ROK, outcome_of
from datasms_daemon.model import (
    Accepted,
    AddressGone,
    Later,
    LineDown,
    LineState,
    NotSent,
    ReceiptState,
    Secret,
    Unknown,
)
from tests.fakes.smpp_host import NUMBER, START, Bench, handover, smpp_options, virtual_clock

LONG = "Pump 3 stopped. " * 20

BenchMaker = Callable[..., Bench]


@pytest.fixture
def bench() -> Iterator[BenchMaker]:
    """Makes started benches and stops them; a timer left behind fails the test."""
    made: list[Bench] = []

    def make(
        on_submit: Callable[[ShortMessage], Reply] | None = None,
        receipt_id: Callable[[str], str] = str,
        **changed: object,
    ) -> Bench:
        clock = virtual_clock()
        smsc = Smsc(clock, "secret", on_submit=on_submit, receipt_id=receipt_id)
        made.append(Bench(smpp_options(**changed), smsc, clock).start())
        return made[-1]

    yield make
    for each in made:
        each.stop()


# Handing over


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
    assert b.host.rooms > told
    assert b.line.room() == 1
    assert len(b.smsc.submissions) == 2


def test_a_token_gives_room_though_no_answer_has_come(bench: BenchMaker) -> None:
    b = bench(rate=1.0)
    b.smsc.fault = Fault.SILENT
    b.send()
    b.send(handover(n=2))
    assert b.line.room() == 0
    told = b.host.rooms
    b.net.advance(1)
    assert b.host.rooms == told + 1
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
