"""Our PDUs against other people's reading and writing of them: PyPI smpp34 and smpplib."""

from __future__ import annotations

import smpp34
import smpplib.smpp
from hypothesis import given
from hypothesis import strategies as st
from smpplib.client import SimpleSequenceGenerator

from datasms_daemon.errors import MalformedPdu
from datasms_daemon.lines.smpp_pdu import (
    DELIVER_SM,
    HEADER_SIZE,
    MAX_SEQUENCE,
    MESSAGE_PAYLOAD,
    SAR_MSG_REF_NUM,
    SAR_SEGMENT_SEQNUM,
    SAR_TOTAL_SEGMENTS,
    SUBMIT_SM,
    SUBMIT_SM_RESP,
    Frame,
    Framer,
    MessageResponse,
    Pdu,
    ShortMessage,
    decode,
    encode,
)

FIELDS = {
    "service_type": "service_type",
    "source_ton": "source_addr_ton",
    "source_npi": "source_addr_npi",
    "source": "source_addr",
    "dest_ton": "dest_addr_ton",
    "dest_npi": "dest_addr_npi",
    "dest": "destination_addr",
    "esm_class": "esm_class",
    "protocol_id": "protocol_id",
    "priority_flag": "priority_flag",
    "schedule_delivery_time": "schedule_delivery_time",
    "validity_period": "validity_period",
    "registered_delivery": "registered_delivery",
    "replace_if_present": "replace_if_present_flag",
    "data_coding": "data_coding",
    "default_message_id": "sm_default_msg_id",
    "short_message": "short_message",
}
octet = st.integers(0, 255)
sequence = st.integers(1, MAX_SEQUENCE)
time = st.sampled_from(["", "261123120000000+", "000001000000000R"])
# Of no fixed length, so that no library refuses any value.
tlvs = st.dictionaries(st.sampled_from([MESSAGE_PAYLOAD, 0x0202, 0x0381]), st.binary(min_size=1, max_size=300))


def text(size: int) -> st.SearchStrategy[str]:
    return st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=size - 1)


messages = st.builds(
    ShortMessage,
    st.sampled_from([SUBMIT_SM, DELIVER_SM]),
    sequence,
    service_type=text(6),
    source_ton=octet,
    source_npi=octet,
    source=text(21),
    dest_ton=octet,
    dest_npi=octet,
    dest=text(21),
    esm_class=octet,
    protocol_id=octet,
    priority_flag=octet,
    schedule_delivery_time=time,
    validity_period=time,
    registered_delivery=octet,
    replace_if_present=octet,
    data_coding=octet,
    default_message_id=octet,
    short_message=st.binary(max_size=254),
    tlvs=tlvs,
)


def read(octets: bytes) -> Pdu:
    """Of one whole PDU."""
    (frame,) = Framer().feed(octets)
    return decode(frame)


def fields_of(theirs: object) -> dict[str, object]:
    """What smpp34 or smpplib has read, under our names."""
    found = {ours: getattr(theirs, name) for ours, name in FIELDS.items()}
    return {
        name: value.decode() if isinstance(value, bytes) and name != "short_message" else value
        for name, value in found.items()
    }


def ours_of(message: ShortMessage) -> dict[str, object]:
    return {name: getattr(message, name) for name in FIELDS}


@given(messages)
def test_smpp34_reads_what_we_write_and_writes_it_alike(message: ShortMessage) -> None:
    octets = encode(message)
    theirs = smpp34.decode(octets)
    assert isinstance(theirs, smpp34.SubmitSm | smpp34.DeliverSm)
    assert (theirs.command_id, theirs.sequence_number) == (message.command, message.sequence)
    assert fields_of(theirs) == ours_of(message)
    assert {tlv.tag: tlv.value for tlv in theirs.tlvs} == message.tlvs
    assert theirs.encode() == octets
    assert read(octets) == message


@given(messages)
def test_smpplib_reads_what_we_write(message: ShortMessage) -> None:
    theirs = smpplib.smpp.parse_pdu(encode(message), client=SimpleSequenceGenerator(), allow_unknown_opt_params=True)
    assert {**fields_of(theirs), "short_message": theirs.short_message or b""} == ours_of(message)


@given(st.integers(0, 0xFFFF), octet, octet, sequence)
def test_smpplib_reads_where_a_part_belongs(reference: int, total: int, number: int, n: int) -> None:
    place = {SAR_MSG_REF_NUM: reference.to_bytes(2), SAR_TOTAL_SEGMENTS: bytes([total])}
    message = ShortMessage(SUBMIT_SM, n, tlvs={**place, SAR_SEGMENT_SEQNUM: bytes([number])})
    theirs = smpplib.smpp.parse_pdu(encode(message), client=SimpleSequenceGenerator())
    assert (theirs.sar_msg_ref_num, theirs.sar_total_segments, theirs.sar_segment_seqnum) == (reference, total, number)


@given(sequence, st.text("0123456789abcdefABCDEF-", min_size=1, max_size=64))
def test_we_read_the_response_that_smpplib_writes(n: int, id_: str) -> None:
    response = smpplib.smpp.make_pdu("submit_sm_resp", client=SimpleSequenceGenerator(), message_id=id_)
    response.sequence = n
    assert read(response.generate()) == MessageResponse(SUBMIT_SM_RESP, n, 0, id_)


@given(messages, st.integers(min_value=0), octet)
def test_a_damaged_octet_is_refused_or_read_as_smpp34_reads_it(message: ShortMessage, at: int, value: int) -> None:
    octets = bytearray(encode(message))
    octets[HEADER_SIZE + at % (len(octets) - HEADER_SIZE)] = value
    try:
        ours = decode(Frame(message.command, 0, message.sequence, bytes(octets[HEADER_SIZE:])))
        theirs = smpp34.decode(bytes(octets))
    except (MalformedPdu, smpp34.SmppError):
        return
    assert isinstance(ours, ShortMessage)
    # Texts in fields: smpp34 reads UTF-8, we read Latin-1.
    assert fields_of(theirs) == {
        name: value.encode("latin-1").decode("utf-8", "replace") if isinstance(value, str) else value
        for name, value in ours_of(ours).items()
    }
