"""SMPP PDUs by example: the sheet's octets, and what is refused (sheet smpp.md § 1 to 4)."""

from __future__ import annotations

import pytest

from datasms_daemon.errors import MalformedPdu
from datasms_daemon.lines.smpp_pdu import (
    BIND_TRANSCEIVER,
    BIND_TRANSCEIVER_RESP,
    DATA_SM,
    DELIVER_SM,
    DELIVER_SM_RESP,
    ENQUIRE_LINK,
    ENQUIRE_LINK_RESP,
    MAX_PDU,
    SUBMIT_SM,
    SUBMIT_SM_RESP,
    Bare,
    Bind,
    BindResponse,
    Frame,
    Framer,
    MessageResponse,
    Pdu,
    ShortMessage,
    decode,
    encode,
)
from datasms_daemon.model import Secret

RECEIPT_TEXT = (
    b"id:0A1B2C sub:001 dlvrd:001 submit date:2611231200 done date:2611231201 stat:DELIVRD err:000 text:Hello"
)
WIRE: list[tuple[str, Pdu]] = [
    (
        "000000210000000900000000000000017465737400736563726574000034000000",
        Bind(BIND_TRANSCEIVER, 1, "test", Secret("secret")),
    ),
    (
        "00000035000000040000000000000002000500496e666f0001013431373930303030303030000000000000010000000548656c6c6f",
        ShortMessage(
            SUBMIT_SM,
            2,
            source_ton=5,
            source="Info",
            dest_ton=1,
            dest_npi=1,
            dest="41790000000",
            registered_delivery=1,
            short_message=b"Hello",
        ),
    ),
    ("0000001780000004000000000000000230413142324300", MessageResponse(SUBMIT_SM_RESP, 2, 0, "0A1B2C")),
    (
        "000000a70000000500000000000000070001013431373930303030303030000500496e666f00040000000000000000"
        "6769643a304131423243207375623a30303120646c7672643a303031207375626d697420646174653a323631313233"
        "3132303020646f6e6520646174653a3236313132333132303120737461743a44454c49565244206572723a30303020"
        "746578743a48656c6c6f001e0007304131423243000427000102",
        ShortMessage(
            DELIVER_SM,
            7,
            source_ton=1,
            source_npi=1,
            source="41790000000",
            dest_ton=5,
            dest="Info",
            esm_class=4,
            short_message=RECEIPT_TEXT,
            tlvs={0x001E: b"0A1B2C\0", 0x0427: b"\x02"},
        ),
    ),
    ("0000001180000005000000000000000700", MessageResponse(DELIVER_SM_RESP, 7)),
    ("00000010000000150000000000000003", Bare(ENQUIRE_LINK, 3)),
    ("00000010800000150000000000000003", Bare(ENQUIRE_LINK_RESP, 3)),
]


@pytest.mark.parametrize(("octets", "pdu"), WIRE)
def test_the_examples_of_the_sheet_are_written_and_read(octets: str, pdu: Pdu) -> None:
    assert encode(pdu).hex() == octets
    (frame,) = Framer().feed(bytes.fromhex(octets))
    assert decode(frame) == pdu


@pytest.mark.parametrize("length", [0, 15, MAX_PDU + 1, 0x7FFFFFFF, 0xFFFFFFFF])
def test_an_impossible_length_ends_the_framing(length: int) -> None:
    with pytest.raises(MalformedPdu, match="command_length") as caught:
        list(Framer().feed(length.to_bytes(4) + bytes.fromhex("000000150000000000000009")))
    assert (caught.value.fatal, caught.value.status, caught.value.sequence) == (True, 0x02, 9)


def test_pdus_before_an_impossible_length_are_still_given() -> None:
    frames = Framer().feed(encode(Bare(ENQUIRE_LINK, 1)) + bytes(16))
    assert next(frames) == Frame(ENQUIRE_LINK, 0, 1, b"")
    with pytest.raises(MalformedPdu, match="command_length 0"):
        next(frames)


def test_the_longest_pdu_comes_through_in_single_octets() -> None:
    octets = MAX_PDU.to_bytes(4) + bytes.fromhex("000000150000000000000009") + bytes(MAX_PDU - 16)
    framer = Framer()
    frames = [frame for octet in octets for frame in framer.feed(bytes([octet]))]
    assert [len(frame.body) for frame in frames] == [MAX_PDU - 16]


@pytest.mark.parametrize(
    ("frame", "status"),
    [
        (Frame(0x0777, 0, 5, b""), 0x03),
        (Frame(0x0B, 0, 5, b""), 0x03),
        (Frame(DELIVER_SM, 0, 5, b""), 0x02),
        (Frame(DELIVER_SM, 0, 5, b"\0" * 10), 0x02),
        (Frame(DELIVER_SM, 0, 5, b"toolong\0"), 0x02),
        (Frame(DELIVER_SM, 0, 5, bytes(16) + b"\x05abc"), 0x01),
        (Frame(DELIVER_SM, 0, 5, bytes(17) + b"\x04"), 0xC0),
        (Frame(DELIVER_SM, 0, 5, bytes(17) + b"\x04\x24\x00\x09abc"), 0xC0),
        (Frame(BIND_TRANSCEIVER, 0, 5, b"a\0" + b"ninechars\0"), 0x02),
        (Frame(SUBMIT_SM_RESP, 0, 5, b"x" * 65), 0x01),
    ],
)
def test_a_body_against_the_specification_is_refused_with_a_status(frame: Frame, status: int) -> None:
    with pytest.raises(MalformedPdu) as caught:
        decode(frame)
    assert (caught.value.status, caught.value.sequence, caught.value.fatal) == (status, 5, False)


@pytest.mark.parametrize(
    ("body", "id_"), [(b"", ""), (b"\0", ""), (b"AB\0", "AB"), (b"AB", "AB"), (b"AB\0\x02\x1d\0\x01x", "AB")]
)
def test_sloppy_submit_responses_are_understood(body: bytes, id_: str) -> None:
    assert decode(Frame(SUBMIT_SM_RESP, 0, 5, body)) == MessageResponse(SUBMIT_SM_RESP, 5, 0, id_)


def test_an_error_answer_to_a_bind_needs_no_body() -> None:
    assert decode(Frame(BIND_TRANSCEIVER_RESP, 0x0E, 1, b"")) == BindResponse(BIND_TRANSCEIVER_RESP, 1, 0x0E)


def test_unknown_tlvs_are_kept_and_the_first_of_equal_ones_counts() -> None:
    body = bytes(17) + bytes.fromhex("1400 0001 aa 1400 0001 bb")
    pdu = decode(Frame(DELIVER_SM, 0, 1, body))
    assert isinstance(pdu, ShortMessage)
    assert pdu.tlvs == {0x1400: b"\xaa"}


@pytest.mark.parametrize(
    "pdu",
    [
        Bind(BIND_TRANSCEIVER, 1, "s" * 16, Secret("")),
        Bind(BIND_TRANSCEIVER, 1, "s", Secret("ninechars")),
        ShortMessage(SUBMIT_SM, 1, source="1" * 21),
        ShortMessage(SUBMIT_SM, 1, source="a\0b"),
        ShortMessage(SUBMIT_SM, 1, source="ž"),
        ShortMessage(SUBMIT_SM, 1, short_message=bytes(255)),
        ShortMessage(SUBMIT_SM, 1, esm_class=256),
        ShortMessage(SUBMIT_SM, 1, tlvs={0x0424: bytes(65536)}),
        ShortMessage(DATA_SM, 2**32),
        MessageResponse(SUBMIT_SM_RESP, 1, 0, "x" * 65),
    ],
)
def test_what_does_not_fit_a_field_is_not_written(pdu: Pdu) -> None:
    with pytest.raises(ValueError, match=r"fit|holds|byte|encode"):
        encode(pdu)


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(Bind(BIND_TRANSCEIVER, 1, "test", Secret("secret")))
