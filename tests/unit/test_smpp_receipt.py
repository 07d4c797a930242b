"""Delivery receipts and message ids by example (sheet smpp.md § 7)."""

from __future__ import annotations

import pytest

from datasms_daemon.lines.smpp_pdu import DATA_SM, DELIVER_SM, ShortMessage
from datasms_daemon.lines.smpp_receipt import (
    IdFormat,
    Receipt,
    failure_reason,
    is_receipt,
    normal_id,
    parse_receipt,
    receipt_state,
)
from datasms_daemon.model import ReceiptState

TYPICAL = "id:0A1B2C sub:001 dlvrd:001 submit date:2611231200 done date:2611231201 stat:DELIVRD err:000 text:Hello"


def receipt_pdu(text: str, **tlvs: bytes) -> ShortMessage:
    numbers = {"id": 0x001E, "state": 0x0427}
    return ShortMessage(
        DELIVER_SM,
        1,
        esm_class=0x04,
        short_message=text.encode("latin-1"),
        tlvs={numbers[name]: value for name, value in tlvs.items()},
    )


@pytest.mark.parametrize(
    ("text", "receipt"),
    [
        (TYPICAL, Receipt("0A1B2C", 2, None)),
        (TYPICAL.lower(), Receipt("0a1b2c", 2, None)),
        ("id:1 submit date: done date: stat:UNDELIV err: text:", Receipt("1", 5, None)),
        ("id:1 stat:UNDELIV err:0B7 text:x", Receipt("1", 5, "0B7")),
        ("stat:EXPIRED id:77", Receipt("77", 3, None)),
        ("id:abc-d_e stat:REJECTD done date:261123120105", Receipt("abc-d_e", 8, None)),
        ("id: 12 stat: DELIVRD", Receipt("12", 2, None)),
        ("id:1 stat:DELIVERED", Receipt("1", 2, None)),
        ("id:1 stat:UNDELIVERABLE", Receipt("1", 5, None)),
        ("id:1 stat:NEWWORD", Receipt("1", 0, None)),
        ("id:1 stat:", Receipt("1", 0, None)),
        ("id:1 stat:DELIVRD text:id:2 stat:UNDELIV", Receipt("1", 2, None)),
        ("text:id:2 hello id:1 stat:DELIVRD", Receipt("1", 2, None)),
        ("text:hello id:2 x id:1 stat:DELIVRD", Receipt("1", 2, None)),
        ("id:1 Text:a stat:DELIVRD", Receipt("1", 2, None)),
    ],
)
def test_the_text_is_read_key_by_key(text: str, receipt: Receipt) -> None:
    assert parse_receipt(receipt_pdu(text)) == receipt


@pytest.mark.parametrize("id_", [b"0A1B2C", b"0A1B2C\0", b"0A1B2C\0\0"])
def test_tlvs_count_before_the_text(id_: bytes) -> None:
    assert parse_receipt(receipt_pdu("id:9 stat:UNDELIV", id=id_, state=b"\x02")) == Receipt("0A1B2C", 2, None)


def test_each_tlv_alone_is_completed_by_the_text() -> None:
    assert parse_receipt(receipt_pdu("id:9 stat:UNDELIV", id=b"8")) == Receipt("8", 5, None)
    assert parse_receipt(receipt_pdu("id:9 stat:UNDELIV", state=b"\x03")) == Receipt("9", 3, None)


@pytest.mark.parametrize("text", ["", "Hello", "stat:DELIVRD", "id: stat:DELIVRD", "id:" + "1" * 65])
def test_a_receipt_without_a_usable_id_names_no_message(text: str) -> None:
    assert parse_receipt(receipt_pdu(text)) is None


def test_only_type_bits_or_an_id_with_a_state_make_a_receipt() -> None:
    assert is_receipt(receipt_pdu(TYPICAL))
    assert is_receipt(ShortMessage(DELIVER_SM, 1, esm_class=0x20))
    assert is_receipt(ShortMessage(DATA_SM, 1, tlvs={0x001E: b"1", 0x0427: b"\x02"}))
    assert is_receipt(ShortMessage(DELIVER_SM, 1, short_message=TYPICAL.encode(), tlvs={0x001E: b"0A1B2C"}))
    assert not is_receipt(ShortMessage(DELIVER_SM, 1, short_message=TYPICAL.encode()))
    assert not is_receipt(ShortMessage(DELIVER_SM, 1, esm_class=0x40))


def test_a_text_to_which_the_smsc_gives_an_id_is_no_receipt() -> None:
    assert not is_receipt(ShortMessage(DELIVER_SM, 1, short_message=b"Help", tlvs={0x001E: b"1"}))
    assert not is_receipt(ShortMessage(DATA_SM, 1, tlvs={0x001E: b"1", 0x0424: b"Help"}))


@pytest.mark.parametrize(
    ("state", "means", "reason"),
    [
        (0, None, None),
        (1, None, None),
        (2, ReceiptState.DELIVERED, None),
        (3, ReceiptState.FAILED, "expired, error 12"),
        (4, ReceiptState.FAILED, "deleted, error 12"),
        (5, ReceiptState.FAILED, "undeliverable, error 12"),
        (6, ReceiptState.SENT, None),
        (7, None, None),
        (8, ReceiptState.FAILED, "rejected, error 12"),
        (9, None, None),
    ],
)
def test_each_message_state_has_its_meaning(state: int, means: ReceiptState | None, reason: str | None) -> None:
    receipt = Receipt("1", state, "12")
    assert receipt_state(receipt, False) is means
    assert failure_reason(receipt) == reason


def test_acceptd_is_delivered_where_the_operator_says_so() -> None:
    assert receipt_state(Receipt("1", 6, None), True) is ReceiptState.DELIVERED


@pytest.mark.parametrize(
    ("id_format", "response", "receipt"),
    [
        ("text", "0A1B2C", "0A1B2C"),
        ("text", "0A1B2C", "a1b2c"),
        ("text", "00012", "12"),
        ("text", "12 ", "0000000012"),
        ("text", "ab-CD_1", "AB-cd_1"),
        ("text", "000", "0"),
        ("hex-to-decimal", "0A1B2C", "662316"),
        ("hex-to-decimal", "a1b2c", "0000662316"),
        ("hex-to-decimal", "10", "16"),
        ("hex-to-decimal", "uuid-1", "UUID-1"),
        ("decimal-to-hex", "662316", "0A1B2C"),
        ("decimal-to-hex", "0000662316", "a1b2c"),
        ("decimal-to-hex", "16", "10"),
    ],
)
def test_the_spellings_of_one_id_meet_i21(id_format: IdFormat, response: str, receipt: str) -> None:
    assert normal_id(response, id_format, "response") == normal_id(receipt, id_format, "receipt")


@pytest.mark.parametrize(
    ("id_format", "response", "receipt"),
    [("text", "10", "16"), ("text", "1", "10"), ("hex-to-decimal", "10", "10"), ("decimal-to-hex", "10", "10")],
)
def test_other_ids_do_not_meet_i21(id_format: IdFormat, response: str, receipt: str) -> None:
    assert normal_id(response, id_format, "response") != normal_id(receipt, id_format, "receipt")
