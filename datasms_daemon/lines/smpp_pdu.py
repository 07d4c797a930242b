"""SMPP 3.4 on the wire: PDUs as records, their octets, and the cutting of a byte stream (sheet smpp.md § 1 to 4).

Texts in PDUs (ids, addresses) are octets without a stated alphabet; they are read as Latin-1, which takes any octet.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct, error
from typing import Final, NamedTuple

import msgspec

from datasms_daemon.errors import MalformedPdu
from datasms_daemon.lines.smpp_status import RINVCMDID, RINVCMDLEN, RINVMSGLEN, RINVOPTPARSTREAM
from datasms_daemon.model import Secret

BIND_RECEIVER: Final = 0x00000001
BIND_TRANSMITTER: Final = 0x00000002
SUBMIT_SM: Final = 0x00000004
DELIVER_SM: Final = 0x00000005
UNBIND: Final = 0x00000006
BIND_TRANSCEIVER: Final = 0x00000009
ENQUIRE_LINK: Final = 0x00000015
ALERT_NOTIFICATION: Final = 0x00000102
DATA_SM: Final = 0x00000103
RESPONSE: Final = 0x80000000
GENERIC_NACK: Final = 0x80000000
BIND_RECEIVER_RESP: Final = BIND_RECEIVER | RESPONSE
BIND_TRANSMITTER_RESP: Final = BIND_TRANSMITTER | RESPONSE
BIND_TRANSCEIVER_RESP: Final = BIND_TRANSCEIVER | RESPONSE
SUBMIT_SM_RESP: Final = SUBMIT_SM | RESPONSE
DELIVER_SM_RESP: Final = DELIVER_SM | RESPONSE
DATA_SM_RESP: Final = DATA_SM | RESPONSE
UNBIND_RESP: Final = UNBIND | RESPONSE
ENQUIRE_LINK_RESP: Final = ENQUIRE_LINK | RESPONSE

RECEIPTED_MESSAGE_ID: Final = 0x001E
SAR_MSG_REF_NUM: Final = 0x020C
SAR_TOTAL_SEGMENTS: Final = 0x020E
SAR_SEGMENT_SEQNUM: Final = 0x020F
SC_INTERFACE_VERSION: Final = 0x0210
MESSAGE_PAYLOAD: Final = 0x0424
MESSAGE_STATE: Final = 0x0427

HEADER_SIZE: Final = 16
MAX_PDU: Final = (64 + 2) * 1024  # a full message_payload and everything around it
MAX_SEQUENCE: Final = 0x7FFFFFFF
MAX_ID: Final = 64

_HEADER = Struct(">IIII")
_TLV = Struct(">HH")
_BINDS = frozenset({BIND_RECEIVER, BIND_TRANSMITTER, BIND_TRANSCEIVER})
_BIND_RESPONSES = frozenset({BIND_RECEIVER_RESP, BIND_TRANSMITTER_RESP, BIND_TRANSCEIVER_RESP})
_MESSAGES = frozenset({SUBMIT_SM, DELIVER_SM})
_MESSAGE_RESPONSES = frozenset({SUBMIT_SM_RESP, DELIVER_SM_RESP, DATA_SM_RESP})
_BODILESS = frozenset({UNBIND, UNBIND_RESP, ENQUIRE_LINK, ENQUIRE_LINK_RESP, GENERIC_NACK})


class Frame(NamedTuple):
    """One PDU as it was cut from the stream, its body not looked at."""

    command: int
    status: int
    sequence: int
    body: bytes


class Bare(msgspec.Struct):
    """A PDU without a body: enquire_link, unbind, their responses, generic_nack."""

    command: int
    sequence: int
    status: int = 0


class Bind(msgspec.Struct):
    """bind_receiver, bind_transmitter or bind_transceiver."""

    command: int
    sequence: int
    system_id: str
    password: Secret
    system_type: str = ""
    interface_version: int = 0x34
    addr_ton: int = 0
    addr_npi: int = 0
    address_range: str = ""


class BindResponse(msgspec.Struct):
    """The answer to a bind; ``system_id`` is the SMSC's and empty with an error."""

    command: int
    sequence: int
    status: int = 0
    system_id: str = ""
    tlvs: dict[int, bytes] = {}


class ShortMessage(msgspec.Struct):
    """submit_sm, deliver_sm or data_sm (which has no times, flags and short_message: they keep their defaults)."""

    command: int
    sequence: int
    service_type: str = ""
    source_ton: int = 0
    source_npi: int = 0
    source: str = ""
    dest_ton: int = 0
    dest_npi: int = 0
    dest: str = ""
    esm_class: int = 0
    protocol_id: int = 0
    priority_flag: int = 0
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    replace_if_present: int = 0
    data_coding: int = 0
    default_message_id: int = 0
    short_message: bytes = b""
    tlvs: dict[int, bytes] = {}

    @property
    def content(self) -> bytes:
        """The user data, wherever it stands: short_message or message_payload."""
        return self.short_message or self.tlvs.get(MESSAGE_PAYLOAD, b"")


class MessageResponse(msgspec.Struct):
    """The answer to submit_sm, deliver_sm or data_sm; ``message_id`` is empty with an error and for deliver_sm."""

    command: int
    sequence: int
    status: int = 0
    message_id: str = ""


Pdu = Bare | Bind | BindResponse | ShortMessage | MessageResponse


class Framer:
    """Cuts a stream of octets into PDUs; holds at most one unfinished PDU of MAX_PDU octets."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._needed = HEADER_SIZE

    def feed(self, octets: bytes) -> Iterator[Frame]:
        """The PDUs that are complete now. MalformedPdu (fatal) at a length that cannot be: the rest is lost."""
        held = self._held
        held += octets
        if len(held) < self._needed:
            return
        data, at, left = bytes(held), 0, len(held)
        self._needed = HEADER_SIZE
        while left >= HEADER_SIZE:
            length, command, status, sequence = _HEADER.unpack_from(data, at)
            if not HEADER_SIZE <= length <= MAX_PDU:
                raise MalformedPdu(f"command_length {length}", RINVCMDLEN, sequence=sequence, fatal=True)
            if left < length:
                self._needed = length
                break
            yield Frame(command, status, sequence, data[at + HEADER_SIZE : at + length])
            at += length
            left -= length
        del held[:at]


def encode(pdu: Pdu) -> bytes:
    """The octets of a PDU. ValueError when a field does not fit where the specification puts it."""
    status = 0
    try:
        match pdu:
            case ShortMessage():
                body = _encode_data(pdu) if pdu.command == DATA_SM else _encode_message(pdu)
            case MessageResponse(status=status):
                body = b"" if status and not pdu.message_id else _cstring(pdu.message_id, MAX_ID + 1)
            case Bare(status=status):
                body = b""
            case Bind():
                body = _encode_bind(pdu)
            case BindResponse(status=status):
                body = b"" if status else _cstring(pdu.system_id, 16) + _encode_tlvs(pdu.tlvs)
        return _HEADER.pack(HEADER_SIZE + len(body), pdu.command, status, pdu.sequence) + body
    except error as problem:
        raise ValueError("a number does not fit its field") from problem


def decode(frame: Frame) -> Pdu:
    """The PDU of a frame; unknown TLVs are kept, the first of equal ones counts. MalformedPdu (not fatal) when the
    command is not one of ours or its body does not follow the specification."""
    command, status, sequence, body = frame
    try:
        if command in _MESSAGE_RESPONSES:
            return MessageResponse(command, sequence, status, _message_id(body))
        if command in _MESSAGES:
            return _decode_message(command, sequence, _Reader(body))
        if command in _BODILESS:
            return Bare(command, sequence, status)
        if command == DATA_SM:
            return _decode_data(sequence, _Reader(body))
        if command in _BINDS:
            return _decode_bind(command, sequence, _Reader(body))
        if command in _BIND_RESPONSES:
            return _decode_bind_response(command, status, sequence, _Reader(body))
    except _BadBodyError as problem:
        raise MalformedPdu(problem.detail, problem.status, sequence=sequence) from None
    raise MalformedPdu(f"command_id 0x{command:08X}", RINVCMDID, sequence=sequence)


class _BadBodyError(Exception):
    def __init__(self, detail: str, status: int) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status


class _Reader:
    """Takes fields from a body, in order; _BadBodyError when one is not there."""

    __slots__ = ("_at", "_body")

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def cstring(self, size: int) -> str:
        """A C-octet string of at most ``size`` octets, its NUL included."""
        end = self._body.find(0, self._at, self._at + size)
        if end < 0:
            raise _BadBodyError("C-octet string without an end", RINVCMDLEN)
        text = self._body[self._at : end].decode("latin-1")
        self._at = end + 1
        return text

    def octet(self) -> int:
        """One octet as a number."""
        at = self._at
        if at >= len(self._body):
            raise _BadBodyError("body too short", RINVCMDLEN)
        self._at = at + 1
        return self._body[at]

    def octets(self, size: int) -> bytes:
        """So many octets."""
        end = self._at + size
        if end > len(self._body):
            raise _BadBodyError("sm_length beyond the body", RINVMSGLEN)
        taken = self._body[self._at : end]
        self._at = end
        return taken

    def tlvs(self) -> dict[int, bytes]:
        """All TLVs up to the end of the body."""
        body, at, end = self._body, self._at, len(self._body)
        found: dict[int, bytes] = {}
        while at < end:
            if end - at < 4:
                raise _BadBodyError("octets after the last TLV", RINVOPTPARSTREAM)
            tag, size = _TLV.unpack_from(body, at)
            at += 4
            if size > end - at:
                raise _BadBodyError("TLV beyond the body", RINVOPTPARSTREAM)
            found.setdefault(tag, body[at : at + size])
            at += size
        return found


def _message_id(body: bytes) -> str:
    # A missing NUL, a missing body and trailing TLVs are seen in the field; none of them makes the id doubtful.
    found = body.partition(b"\0")[0]
    if len(found) > MAX_ID:
        raise _BadBodyError("message_id too long", RINVMSGLEN)
    return found.decode("latin-1")


def _decode_message(command: int, sequence: int, body: _Reader) -> ShortMessage:
    text, octet = body.cstring, body.octet
    return ShortMessage(
        command,
        sequence,
        service_type=text(6),
        source_ton=octet(),
        source_npi=octet(),
        source=text(65),
        dest_ton=octet(),
        dest_npi=octet(),
        dest=text(65),
        esm_class=octet(),
        protocol_id=octet(),
        priority_flag=octet(),
        schedule_delivery_time=text(17),
        validity_period=text(17),
        registered_delivery=octet(),
        replace_if_present=octet(),
        data_coding=octet(),
        default_message_id=octet(),
        short_message=body.octets(octet()),
        tlvs=body.tlvs(),
    )


def _decode_data(sequence: int, body: _Reader) -> ShortMessage:
    text, octet = body.cstring, body.octet
    return ShortMessage(
        DATA_SM,
        sequence,
        service_type=text(6),
        source_ton=octet(),
        source_npi=octet(),
        source=text(65),
        dest_ton=octet(),
        dest_npi=octet(),
        dest=text(65),
        esm_class=octet(),
        registered_delivery=octet(),
        data_coding=octet(),
        tlvs=body.tlvs(),
    )


def _decode_bind(command: int, sequence: int, body: _Reader) -> Bind:
    return Bind(
        command,
        sequence,
        system_id=body.cstring(16),
        password=Secret(body.cstring(9)),
        system_type=body.cstring(13),
        interface_version=body.octet(),
        addr_ton=body.octet(),
        addr_npi=body.octet(),
        address_range=body.cstring(41),
    )


def _decode_bind_response(command: int, status: int, sequence: int, body: _Reader) -> BindResponse:
    if status:
        return BindResponse(command, sequence, status)
    return BindResponse(command, sequence, status, body.cstring(16), body.tlvs())


def _cstring(text: str, size: int) -> bytes:
    octets = text.encode("latin-1")
    if len(octets) >= size or 0 in octets:
        raise ValueError(f"text does not fit a C-octet string of {size}")
    return octets + b"\0"


def _encode_tlvs(tlvs: dict[int, bytes]) -> bytes:
    return b"".join([_TLV.pack(tag, len(value)) + value for tag, value in tlvs.items()])


def _encode_message(pdu: ShortMessage) -> bytes:
    if len(pdu.short_message) > 254:
        raise ValueError("short_message holds at most 254 octets")
    flags = (pdu.registered_delivery, pdu.replace_if_present, pdu.data_coding, pdu.default_message_id)
    return b"".join(
        [
            *_encode_addresses(pdu, 21),
            bytes((pdu.esm_class, pdu.protocol_id, pdu.priority_flag)),
            _cstring(pdu.schedule_delivery_time, 17),
            _cstring(pdu.validity_period, 17),
            bytes((*flags, len(pdu.short_message))),
            pdu.short_message,
            _encode_tlvs(pdu.tlvs),
        ]
    )


def _encode_data(pdu: ShortMessage) -> bytes:
    flags = bytes((pdu.esm_class, pdu.registered_delivery, pdu.data_coding))
    return b"".join([*_encode_addresses(pdu, 65), flags, _encode_tlvs(pdu.tlvs)])


def _encode_addresses(pdu: ShortMessage, size: int) -> tuple[bytes, ...]:
    return (
        _cstring(pdu.service_type, 6),
        bytes((pdu.source_ton, pdu.source_npi)),
        _cstring(pdu.source, size),
        bytes((pdu.dest_ton, pdu.dest_npi)),
        _cstring(pdu.dest, size),
    )


def _encode_bind(pdu: Bind) -> bytes:
    return b"".join(
        [
            _cstring(pdu.system_id, 16),
            _cstring(pdu.password.reveal(), 9),
            _cstring(pdu.system_type, 13),
            bytes((pdu.interface_version, pdu.addr_ton, pdu.addr_npi)),
            _cstring(pdu.address_range, 41),
        ]
    )
