"""SMPP for any input: what is written is read again, however it is cut; garbage is only ever MalformedPdu."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from datasms_daemon.errors import MalformedPdu
from datasms_daemon.lines.smpp_parts import user_data_of
from datasms_daemon.lines.smpp_pdu import (
    BIND_RECEIVER,
    BIND_TRANSCEIVER,
    BIND_TRANSMITTER,
    DATA_SM,
    DATA_SM_RESP,
    DELIVER_SM,
    DELIVER_SM_RESP,
    ENQUIRE_LINK,
    ENQUIRE_LINK_RESP,
    GENERIC_NACK,
    RESPONSE,
    SUBMIT_SM,
    SUBMIT_SM_RESP,
    UNBIND,
    UNBIND_RESP,
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
from datasms_daemon.lines.smpp_receipt import normal_id, parse_receipt
from datasms_daemon.model import Secret

octet = st.integers(0, 255)
sequence = st.integers(0, 2**32 - 1)
status = st.integers(0, 2**32 - 1)
tlvs = st.dictionaries(st.integers(0, 0xFFFF), st.binary(max_size=40), max_size=5)


def text(size: int) -> st.SearchStrategy[str]:
    return st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=size - 1)


binds = st.builds(
    Bind,
    st.sampled_from([BIND_RECEIVER, BIND_TRANSMITTER, BIND_TRANSCEIVER]),
    sequence,
    text(16),
    st.builds(Secret, text(9)),
    text(13),
    octet,
    octet,
    octet,
    text(41),
)
bind_responses = st.one_of(
    st.builds(
        BindResponse,
        st.sampled_from([BIND_RECEIVER | RESPONSE, BIND_TRANSCEIVER | RESPONSE]),
        sequence,
        st.just(0),
        text(16),
        tlvs,
    ),
    st.builds(BindResponse, st.just(BIND_TRANSMITTER | RESPONSE), sequence, st.integers(1, 2**32 - 1)),
)
short_messages = st.builds(
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
    schedule_delivery_time=text(17),
    validity_period=text(17),
    registered_delivery=octet,
    replace_if_present=octet,
    data_coding=octet,
    default_message_id=octet,
    short_message=st.binary(max_size=254),
    tlvs=tlvs,
)
data_messages = st.builds(
    ShortMessage,
    st.just(DATA_SM),
    sequence,
    service_type=text(6),
    source_ton=octet,
    source=text(65),
    dest_npi=octet,
    dest=text(65),
    esm_class=octet,
    registered_delivery=octet,
    data_coding=octet,
    tlvs=tlvs,
)
responses = st.builds(
    MessageResponse, st.sampled_from([SUBMIT_SM_RESP, DELIVER_SM_RESP, DATA_SM_RESP]), sequence, status, text(65)
)
bare = st.builds(
    Bare,
    st.sampled_from([UNBIND, UNBIND_RESP, ENQUIRE_LINK, ENQUIRE_LINK_RESP, GENERIC_NACK]),
    sequence,
    status,
)
pdus = st.one_of(binds, bind_responses, short_messages, data_messages, responses, bare)
commands = st.sampled_from(
    [command | bit for command in (1, 2, 4, 5, 6, 9, 0x0B, 0x15, 0x102, 0x103, 0) for bit in (0, RESPONSE)]
)


@given(pdus)
def test_every_pdu_that_is_written_is_read_again(pdu: Pdu) -> None:
    (frame,) = Framer().feed(encode(pdu))
    assert decode(frame) == pdu


@given(st.lists(pdus, max_size=6), st.data())
def test_the_cuts_of_the_stream_do_not_matter(sent: list[Pdu], data: st.DataObject) -> None:
    octets = b"".join(encode(pdu) for pdu in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(octets)), max_size=20)))
    framer = Framer()
    received: list[Pdu] = []
    for start, end in zip([0, *cuts], [*cuts, len(octets)], strict=True):
        received += [decode(frame) for frame in framer.feed(octets[start:end])]
    assert received == sent


@given(st.lists(st.binary(max_size=200), max_size=10))
def test_any_octets_are_pdus_or_malformed(chunks: list[bytes]) -> None:
    framer = Framer()
    with contextlib.suppress(MalformedPdu):
        for chunk in chunks:
            for frame in framer.feed(chunk):
                decode(frame)


@given(commands, status, sequence, st.binary(max_size=300))
def test_any_body_is_read_or_malformed(command: int, status: int, sequence: int, body: bytes) -> None:
    with contextlib.suppress(MalformedPdu):
        pdu = decode(Frame(command, status, sequence, body))
        assert pdu.sequence == sequence
        if isinstance(pdu, ShortMessage):
            user_data_of(pdu)
            parse_receipt(pdu)


@given(short_messages)
def test_any_message_gives_its_user_data_and_perhaps_a_receipt(pdu: ShortMessage) -> None:
    octets, concat = user_data_of(pdu)
    assert pdu.content.endswith(octets)
    assert concat is None or 1 <= concat.number <= concat.total
    parse_receipt(pdu)


@given(st.integers(0, 16**16 - 1), st.booleans(), st.integers(0, 4))
def test_one_number_in_two_bases_is_one_id_i21(number: int, upper: bool, zeros: int) -> None:
    hexadecimal = "0" * zeros + (f"{number:X}" if upper else f"{number:x}")
    decimal = "0" * zeros + str(number)
    assert normal_id(hexadecimal, "hex-to-decimal", "response") == normal_id(decimal, "hex-to-decimal", "receipt")
    assert normal_id(decimal, "decimal-to-hex", "response") == normal_id(hexadecimal, "decimal-to-hex", "receipt")


@given(st.text(st.characters(max_codepoint=255), max_size=64))
def test_an_id_as_text_is_the_same_on_both_sides_i21(raw: str) -> None:
    assert normal_id(raw, "text", "response") == normal_id(raw, "text", "receipt")
    normal = normal_id(raw, "text", "response")
    assert normal_id(normal, "text", "receipt") == normal
