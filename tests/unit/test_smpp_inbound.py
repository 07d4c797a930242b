"""Texts from people over SMPP: parts, repeats, and what is answered when."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from twisted.internet.defer import Deferred

from datasms_daemon.config.records import SmppLine
from datasms_daemon.lines.smpp_inbound import MAX_REMEMBERED
from datasms_daemon.lines.smpp_pdu import DATA_SM, DELIVER_SM, MESSAGE_PAYLOAD, RECEIPTED_MESSAGE_ID, ShortMessage
from datasms_daemon.lines.smpp_session import MAX_DELIVERIES
from datasms_daemon.lines.smpp_status import ROK
from datasms_daemon.model import InboundText
from tests.fakes.smpp_host import NUMBER, START, Bench, smpp_options

TO = "+420600000000"
LONG = "Whatever you say, I will be there in the morning. " * 8


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A started line."""
    b = Bench().start()
    yield b
    b.stop()


def part(number: int, total: int, content: bytes, *, reference: int = 7, data_coding: int = 0) -> ShortMessage:
    """One part by UDH, as an SMSC sends it."""
    return ShortMessage(
        DELIVER_SM,
        0,
        source_ton=1,
        source="420603123456",
        dest_ton=1,
        dest="420600000000",
        esm_class=0x40,
        data_coding=data_coding,
        short_message=bytes((5, 0, 3, reference, total, number)) + content,
    )


def texts(bench: Bench) -> list[str]:
    return [text.text for text in bench.host.texts]


def results(sent: list[Deferred[int]]) -> list[object]:
    return [each.result if each.called else None for each in sent]


def test_a_text_with_an_id_of_the_smscs_is_not_lost(bench: Bench) -> None:
    text = ShortMessage(
        DELIVER_SM, 0, source_ton=1, source="420603123456", short_message=b"Help", tlvs={RECEIPTED_MESSAGE_ID: b"77\0"}
    )
    sent = bench.smsc.deliver(text)
    bench.net.settle()
    assert (results([sent]), texts(bench), bench.host.receipts) == ([ROK], ["Help"], [])


def test_a_text_is_answered_once_it_is_committed_i24(bench: Bench) -> None:
    bench.host.hold()
    (sent,) = bench.smsc.send_inbound(NUMBER, TO, "DATASMS 1234")
    bench.net.settle()
    assert not sent.called
    (text,) = bench.host.texts
    assert (text.line, text.from_, text.to, text.text, text.at) == ("smpp", NUMBER, TO, "DATASMS 1234", START * 1000)
    bench.host.release()
    bench.net.settle()
    assert sent.result == ROK


@pytest.mark.parametrize(
    ("ton", "source", "told"),
    [(1, "420603123456", NUMBER), (1, "+420603123456", NUMBER), (1, "00420603123456", NUMBER), (0, "4636", "4636")],
)
def test_the_sender_is_written_as_e164_when_the_smsc_says_so(bench: Bench, ton: int, source: str, told: str) -> None:
    bench.smsc.deliver(ShortMessage(DELIVER_SM, 0, source_ton=ton, source=source, short_message=b"x"))
    bench.net.settle()
    assert bench.host.texts[0].from_ == told


def test_a_text_to_nobody_is_to_the_lines_own_number() -> None:
    b = Bench(smpp_options(inbound_number="4636")).start()
    b.smsc.deliver(ShortMessage(DELIVER_SM, 0, source="1", short_message=b"x"))
    b.net.settle()
    assert b.host.texts[0].to == "4636"
    b.stop()


def test_a_text_may_come_as_data_sm_or_payload(bench: Bench) -> None:
    bench.smsc.deliver(ShortMessage(DATA_SM, 0, source="1", tlvs={MESSAGE_PAYLOAD: b"one"}))
    bench.smsc.deliver(ShortMessage(DELIVER_SM, 0, source="2", tlvs={MESSAGE_PAYLOAD: b"two"}))
    bench.net.settle()
    assert texts(bench) == ["one", "two"]


@pytest.mark.parametrize(("alphabet", "text"), [("gsm", "@à"), ("latin-1", "\0\x7f"), ("ascii", "\0\x7f")])
def test_data_coding_0_is_what_the_line_is_configured_for(alphabet: str, text: str) -> None:
    b = Bench(smpp_options(alphabet=alphabet)).start()
    b.smsc.deliver(ShortMessage(DELIVER_SM, 0, source="1", short_message=b"\x00\x7f"))
    b.net.settle()
    assert texts(b) == [text]
    b.stop()


# Parts


def places(bench: Bench) -> list[tuple[int, int, int, bytes]]:
    """Reference, total, number and octets of the parts that were passed on."""
    return [(one.reference, one.total, one.number, one.octets) for one in bench.host.parts]


def test_each_part_is_answered_once_it_is_committed_i24(bench: Bench) -> None:
    bench.host.hold()
    sent = bench.smsc.deliver(part(2, 3, b"b"))
    bench.net.settle()
    assert (sent.called, bench.host.texts) == (False, [])
    (one,) = bench.host.parts
    assert (one.line, one.from_, one.to, one.alphabet, one.coding) == ("smpp", NUMBER, TO, "gsm", 0)
    assert places(bench) == [(7, 3, 2, b"b")]
    bench.host.release()
    bench.net.settle()
    assert sent.result == ROK


def test_parts_are_known_by_sar_tlvs_and_by_16_bit_references(bench: Bench) -> None:
    tlvs = {0x020C: b"\x01\x02", 0x020E: b"\x02", 0x020F: b"\x01"}
    bench.smsc.deliver(ShortMessage(DELIVER_SM, 0, source="1", short_message=b"s", tlvs=tlvs))
    udh = bytes((6, 8, 4, 1, 2, 2, 2))
    bench.smsc.deliver(ShortMessage(DELIVER_SM, 0, source="2", esm_class=0x40, short_message=udh + b"u"))
    bench.net.settle()
    assert places(bench) == [(0x0102, 2, 1, b"s"), (0x0102, 2, 2, b"u")]


def test_other_elements_of_a_header_are_passed_over(bench: Bench) -> None:
    ports = bytes((5, 4, 0x0B, 0x84, 0, 0))
    udh = bytes((11,)) + ports + bytes((0, 3, 9, 2, 1))
    bench.smsc.deliver(ShortMessage(DELIVER_SM, 0, source="1", esm_class=0x40, short_message=udh + b"p"))
    alone = bytes((6,)) + ports
    bench.smsc.deliver(ShortMessage(DELIVER_SM, 0, source="2", esm_class=0x40, short_message=alone + b"alone"))
    bench.net.settle()
    assert (places(bench), texts(bench)) == ([(9, 2, 1, b"p")], ["alone"])


def test_a_part_that_was_not_committed_comes_again(bench: Bench, logged_failures: list[dict[str, object]]) -> None:
    bench.host.is_failing = True
    sent = bench.smsc.send_inbound(NUMBER, TO, LONG)
    bench.net.settle()
    logged_failures.clear()
    bench.host.is_failing = False
    bench.net.advance(1)
    assert results(sent) == [ROK, ROK, ROK]
    assert sorted(one.number for one in bench.host.parts) == [1, 2, 3]


# Repeats


def keys(bench: Bench) -> list[str]:
    return [text.key for text in bench.host.texts]


def test_the_same_words_twice_are_two_texts_while_answers_arrive(bench: Bench) -> None:
    for _ in range(3):
        bench.smsc.send_inbound(NUMBER, TO, "ok")
        bench.net.settle()
    assert texts(bench) == ["ok", "ok", "ok"]
    assert len(set(keys(bench))) == 3


def test_a_repeat_after_a_lost_answer_is_answered_and_not_told_again(bench: Bench) -> None:
    (sent,) = bench.smsc.send_inbound(NUMBER, TO, "ok")
    bench.net.cables[0].move()
    assert texts(bench) == ["ok"]
    bench.net.cables[0].cut()
    bench.net.advance(5)
    assert sent.result == ROK
    assert texts(bench) == ["ok"]
    bench.smsc.send_inbound(NUMBER, TO, "ok")
    bench.net.settle()
    assert len(set(keys(bench))) == 2


def test_a_repeat_while_the_first_is_being_committed_shares_its_answer(bench: Bench) -> None:
    bench.host.hold()
    (sent,) = bench.smsc.send_inbound(NUMBER, TO, "ok")
    bench.net.settle()
    bench.net.cables[0].cut()
    bench.net.advance(5)
    assert (texts(bench), sent.called) == (["ok"], False)
    bench.host.release()
    bench.net.settle()
    assert (texts(bench), sent.result) == (["ok"], ROK)


def test_words_said_again_long_after_a_lost_connection_are_new(bench: Bench) -> None:
    bench.smsc.send_inbound(NUMBER, TO, "ok")
    bench.net.advance(90)
    bench.net.cables[0].cut()
    bench.net.advance(5)
    bench.smsc.send_inbound(NUMBER, TO, "ok")
    bench.net.settle()
    assert len(set(keys(bench))) == 2


def test_a_refused_text_comes_again_under_the_same_key(
    bench: Bench, logged_failures: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    committed = bench.host.inbound

    def inbound(text: InboundText) -> Deferred[None]:
        tried.append(text.key)
        return committed(text)

    monkeypatch.setattr(bench.host, "inbound", inbound)
    bench.host.is_failing = True
    (sent,) = bench.smsc.send_inbound(NUMBER, TO, "ok")
    bench.net.settle()
    logged_failures.clear()
    bench.host.is_failing = False
    bench.net.advance(1)
    assert sent.result == ROK
    assert len(tried) == 2
    assert len(set(tried)) == 1


def first_key(options: SmppLine, wait: float) -> str:
    b = Bench(options).start()
    b.net.advance(wait)
    b.smsc.send_inbound(NUMBER, TO, "ok")
    b.net.settle()
    b.stop()
    return b.host.texts[0].key


def test_a_repeat_after_a_restart_has_the_same_key_and_later_words_another() -> None:
    assert first_key(smpp_options(), 0) == first_key(smpp_options(), 60)
    assert first_key(smpp_options(), 0) != first_key(smpp_options(), 700)


def test_a_part_repeated_after_a_lost_answer_is_only_answered(bench: Bench) -> None:
    sent = bench.smsc.send_inbound(NUMBER, TO, LONG)
    bench.net.cables[0].move()
    bench.net.cables[0].cut()
    bench.net.advance(5)
    assert (len(bench.host.parts), results(sent)) == (3, [ROK, ROK, ROK])


def test_what_is_remembered_is_bounded(bench: Bench) -> None:
    for n in range(MAX_REMEMBERED + 10):
        bench.smsc.send_inbound(NUMBER, TO, str(n))
    bench.net.settle()
    remembered = bench.line._texts._remembered if bench.line._texts is not None else {}
    assert len(remembered) == MAX_REMEMBERED
    assert len(bench.host.texts) == MAX_REMEMBERED + 10


def test_more_than_we_can_hold_is_asked_to_come_later(bench: Bench) -> None:
    bench.host.hold()
    sent = [bench.smsc.send_inbound(NUMBER, TO, str(n))[0] for n in range(MAX_DELIVERIES + 5)]
    bench.net.settle()
    assert len(bench.host.texts) == MAX_DELIVERIES
    bench.host.release()
    bench.net.advance(2)
    assert set(results(sent)) == {ROK}
    assert len(bench.host.texts) == MAX_DELIVERIES + 5
