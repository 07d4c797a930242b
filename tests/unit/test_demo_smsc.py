"""The SMSC stand-in itself: what it answers, and that its faults are what they say."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock

from datasms_daemon.demo.smsc import Fault, Reply, Smsc
from datasms_daemon.errors import MalformedPdu
from datasms_daemon.lines.smpp_pdu import (
    BIND_RECEIVER,
    BIND_TRANSCEIVER,
    BIND_TRANSMITTER,
    DELIVER_SM,
    DELIVER_SM_RESP,
    ENQUIRE_LINK,
    GENERIC_NACK,
    RESPONSE,
    SUBMIT_SM,
    SUBMIT_SM_RESP,
    UNBIND,
    Bare,
    Bind,
    BindResponse,
    Framer,
    MessageResponse,
    Pdu,
    ShortMessage,
    decode,
    encode,
)
from datasms_daemon.lines.smpp_receipt import Receipt, parse_receipt
from datasms_daemon.model import Secret
from tests.fakes.smpp_wire import MemoryNet


class RawEsme(Protocol):
    """Writes what a test wants and keeps what comes."""

    def __init__(self) -> None:
        self.octets = b""
        self.is_lost = False

    def dataReceived(self, data: bytes) -> None:
        self.octets += data

    def connectionLost(self, reason: object = None) -> None:
        self.is_lost = True


class Desk:
    """A stand-in and raw ESMEs on one virtual clock."""

    def __init__(self, smsc: Smsc, clock: Clock) -> None:
        self.smsc = smsc
        self.clock = clock
        self.net = MemoryNet(clock, smsc)

    def esme(self, command: int = BIND_TRANSCEIVER, password: str = "secret") -> RawEsme:
        esme = RawEsme()
        self.net.connect(Factory.forProtocol(lambda: esme))
        self.tell(esme, Bind(command, 1, "acme", Secret(password)))
        return esme

    def tell(self, esme: RawEsme, pdu: Pdu) -> None:
        assert esme.transport is not None
        esme.transport.write(encode(pdu))
        self.net.settle()

    def told(self, esme: RawEsme) -> list[Pdu]:
        octets, esme.octets = esme.octets, b""
        return [decode(frame) for frame in Framer().feed(octets)]


def submit(sequence: int = 2, text: bytes = b"Hello") -> ShortMessage:
    return ShortMessage(
        SUBMIT_SM, sequence, source="4636", dest_ton=1, dest="41790000000", registered_delivery=1, short_message=text
    )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(clock: Clock) -> Iterator[Desk]:
    made = Desk(Smsc(clock, "secret"), clock)
    yield made
    made.smsc.stop()
    made.net.settle()
    made.smsc.stop()
    assert clock.getDelayedCalls() == []


@pytest.mark.parametrize("command", [BIND_RECEIVER, BIND_TRANSMITTER, BIND_TRANSCEIVER])
def test_the_right_password_binds_and_a_wrong_one_does_not(desk: Desk, command: int) -> None:
    assert desk.told(desk.esme(command)) == [BindResponse(command | RESPONSE, 1, 0, "smsc")]
    assert desk.told(desk.esme(command, "wrong")) == [BindResponse(command | RESPONSE, 1, 0x0E)]


def test_nobody_binds_twice_on_one_connection(desk: Desk) -> None:
    esme = desk.esme()
    desk.told(esme)
    desk.tell(esme, Bind(BIND_TRANSCEIVER, 5, "acme", Secret("secret")))
    assert desk.told(esme) == [BindResponse(BIND_TRANSCEIVER | RESPONSE, 5, 0x04)]


def test_a_submission_is_kept_and_answered_with_an_id(desk: Desk) -> None:
    esme = desk.esme()
    desk.told(esme)
    desk.tell(esme, submit())
    assert desk.told(esme) == [MessageResponse(SUBMIT_SM_RESP, 2, 0, "A0000001")]
    assert desk.smsc.submissions == [("A0000001", submit())]


@pytest.mark.parametrize(("command", "password"), [(BIND_RECEIVER, "secret"), (BIND_TRANSCEIVER, "wrong")])
def test_only_a_bound_transmitter_may_submit(desk: Desk, command: int, password: str) -> None:
    esme = desk.esme(command, password)
    desk.told(esme)
    desk.tell(esme, submit())
    assert desk.told(esme) == [MessageResponse(SUBMIT_SM_RESP, 2, 0x04)]
    assert desk.smsc.submissions == []


def test_a_test_decides_on_answers_and_their_delay(clock: Clock) -> None:
    replies = iter([Reply(0x0B), Reply(delay=2.0)])
    desk = Desk(Smsc(clock, "secret", on_submit=lambda _: next(replies)), clock)
    esme = desk.esme()
    desk.told(esme)
    desk.tell(esme, submit(2))
    desk.tell(esme, submit(3))
    assert desk.told(esme) == [MessageResponse(SUBMIT_SM_RESP, 2, 0x0B)]
    desk.net.advance(2)
    assert desk.told(esme) == [MessageResponse(SUBMIT_SM_RESP, 3, 0, "A0000001")]


def test_it_throttles_so_many_times(desk: Desk) -> None:
    desk.smsc.throttle(2)
    esme = desk.esme()
    desk.told(esme)
    for sequence in (2, 3, 4):
        desk.tell(esme, submit(sequence))
    assert [pdu.status for pdu in desk.told(esme) if isinstance(pdu, MessageResponse)] == [0x58, 0x58, 0]


def test_a_receipt_follows_by_itself_when_wanted(clock: Clock) -> None:
    desk = Desk(Smsc(clock, "secret", receipt_after=3.0, receipt_id=str.lower), clock)
    esme = desk.esme()
    desk.tell(esme, submit())
    desk.told(esme)
    desk.net.advance(3)
    (receipt,) = desk.told(esme)
    assert isinstance(receipt, ShortMessage)
    assert (receipt.source, receipt.dest, receipt.esm_class) == ("41790000000", "4636", 0x04)
    assert parse_receipt(receipt) == Receipt("a0000001", 2, None)


def test_deliveries_wait_for_a_receiver_and_for_an_answer(desk: Desk) -> None:
    (sent,) = desk.smsc.send_inbound("+420603123456", "4636", "ahoj")
    transmitter = desk.esme(BIND_TRANSMITTER)
    assert len(desk.told(transmitter)) == 1
    receiver = desk.esme(BIND_RECEIVER)
    _, delivery = desk.told(receiver)
    assert isinstance(delivery, ShortMessage)
    assert (delivery.source, delivery.dest, delivery.short_message) == ("420603123456", "4636", b"ahoj")
    assert not sent.called
    desk.tell(receiver, MessageResponse(DELIVER_SM_RESP, delivery.sequence))
    assert sent.result == 0


def test_a_delivery_is_repeated_after_a_temporary_refusal_and_after_a_lost_connection(desk: Desk) -> None:
    (sent,) = desk.smsc.send_inbound("+420603123456", "4636", "ahoj")
    esme = desk.esme()
    desk.told(esme)
    desk.tell(esme, MessageResponse(DELIVER_SM_RESP, 1, 0x64))
    desk.net.advance(1)
    assert [pdu.sequence for pdu in desk.told(esme)] == [2]
    desk.smsc.drop()
    desk.net.advance(1)
    other = desk.esme()
    assert desk.told(other)[1].command == DELIVER_SM
    desk.tell(other, MessageResponse(DELIVER_SM_RESP, 1, 0x65))
    assert sent.result == 0x65


def test_a_nack_is_a_final_answer_to_a_delivery(desk: Desk) -> None:
    (sent,) = desk.smsc.send_inbound("+420603123456", "4636", "ahoj")
    desk.tell(desk.esme(), Bare(GENERIC_NACK, 1, 0x03))
    assert sent.result == 0x03


def test_a_long_text_comes_in_parts(desk: Desk) -> None:
    desk.smsc.send_inbound("+420603123456", "4636", "ž" * 100, reference=9)
    parts = desk.told(desk.esme())[1:]
    assert [part.short_message[:6].hex() for part in parts if isinstance(part, ShortMessage)] == [
        "050003090201",
        "050003090202",
    ]


def test_enquiries_and_unbinds_are_answered_and_nonsense_nacked(desk: Desk) -> None:
    esme = desk.esme()
    desk.told(esme)
    desk.tell(esme, Bare(ENQUIRE_LINK, 7))
    assert desk.told(esme) == [Bare(ENQUIRE_LINK | RESPONSE, 7)]
    desk.tell(esme, Bare(0x777, 8))
    assert desk.told(esme) == [Bare(GENERIC_NACK, 8, 0x03)]
    desk.tell(esme, Bare(UNBIND, 9))
    assert desk.told(esme) == [Bare(UNBIND | RESPONSE, 9)]
    assert esme.is_lost


def test_an_impossible_length_from_an_esme_is_nacked_and_hung_up_on(desk: Desk) -> None:
    esme = desk.esme()
    desk.told(esme)
    assert esme.transport is not None
    esme.transport.write(bytes(16))
    desk.net.settle()
    assert desk.told(esme) == [Bare(GENERIC_NACK, 0, 0x02)]
    assert esme.is_lost


@pytest.mark.parametrize(
    ("fault", "commands", "kept"),
    [
        (Fault.NONE, [SUBMIT_SM_RESP], 1),
        (Fault.DROP, [], 0),
        (Fault.SILENT, [], 1),
        (Fault.RECEIPT_FIRST, [DELIVER_SM, SUBMIT_SM_RESP], 1),
    ],
)
def test_each_fault_is_what_it_says(desk: Desk, fault: Fault, commands: list[int], kept: int) -> None:
    esme = desk.esme()
    desk.told(esme)
    desk.smsc.fault = fault
    desk.tell(esme, submit())
    assert [pdu.command for pdu in desk.told(esme)] == commands
    assert len(desk.smsc.submissions) == kept
    assert esme.is_lost == (fault is Fault.DROP)


def test_malformed_pdus_are_well_framed_and_giant_ones_are_not(desk: Desk) -> None:
    esme = desk.esme()
    desk.told(esme)
    desk.smsc.fault = Fault.MALFORMED
    desk.tell(esme, submit())
    *bad, good = Framer().feed(esme.octets)
    for frame in bad:
        with pytest.raises(MalformedPdu):
            decode(frame)
    assert (len(bad), good.command) == (2, SUBMIT_SM_RESP)
    esme.octets = b""
    desk.smsc.fault = Fault.GIANT
    desk.tell(esme, submit(3))
    with pytest.raises(MalformedPdu, match="command_length"):
        list(Framer().feed(esme.octets))


def test_a_dripping_smsc_writes_one_octet_at_a_time(desk: Desk) -> None:
    esme = desk.esme()
    desk.told(esme)
    desk.smsc.fault = Fault.DRIP
    desk.tell(esme, submit())
    assert len(esme.octets) == 1
    desk.net.advance(0.03, 0.01)
    assert len(esme.octets) == 4
    desk.net.advance(0.5, 0.01)
    assert desk.told(esme) == [MessageResponse(SUBMIT_SM_RESP, 2, 0, "A0000001")]
