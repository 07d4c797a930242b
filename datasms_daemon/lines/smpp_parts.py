"""A message as submit_sm PDUs, and the user data of a deliver_sm (sheet smpp.md § 3, 5 and 6)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, NamedTuple

from datasms_daemon.config.kinds import DAY, HOUR, MINUTE, SECOND
from datasms_daemon.config.records import SmppLine
from datasms_daemon.lines.smpp_pdu import (
    MESSAGE_PAYLOAD,
    SAR_MSG_REF_NUM,
    SAR_SEGMENT_SEQNUM,
    SAR_TOTAL_SEGMENTS,
    SUBMIT_SM,
    ShortMessage,
)
from datasms_daemon.model import Handover, NotSent
from datasms_daemon.rules.text import Coded, encode, split

INTERNATIONAL: Final = 1
NETWORK_SPECIFIC: Final = 3
ALPHANUMERIC: Final = 5
E164: Final = 1

MAX_PARTS: Final = 255
LONGEST_RELATIVE: Final = 30 * DAY

_UDHI = 0x40
_CONCAT_8 = 0x00
_CONCAT_16 = 0x08


class Address(NamedTuple):
    """An address with its type of number and numbering plan."""

    ton: int
    npi: int
    text: str


class Concat(NamedTuple):
    """Where a part belongs: the reference all parts share, how many there are, which one it is (from 1)."""

    reference: int
    total: int
    number: int


def source_address(source: str) -> Address:
    """The sender as configured: ``+`` and digits, a short code, up to 11 letters, or nothing (the SMSC's own).

    ValueError when it is none of these.
    """
    digits = source.removeprefix("+")
    if not source:
        return Address(0, 0, "")
    if not source.isascii() or not source.isprintable():
        raise ValueError("the source may hold only ASCII characters")
    if digits.isdigit() and len(digits) <= 20:
        return Address(INTERNATIONAL, E164, digits) if source[0] == "+" else Address(NETWORK_SPECIFIC, 0, digits)
    if len(source) > 11:
        raise ValueError("a source with letters has at most 11 characters")
    return Address(ALPHANUMERIC, 0, source)


def number_of(ton: int, address: str) -> str:
    """An address from the SMSC as we write it: E.164 with ``+`` when it says that it is international."""
    digits = address.removeprefix("+").removeprefix("00")
    return f"+{digits}" if ton == INTERNATIONAL and digits.isdigit() else address


def validity_period(options: SmppLine, valid_until: int, now: int) -> str:
    """The end of validity in the form the SMSC wants; empty for its own default.

    Relative ones end after LONGEST_RELATIVE at the latest, because months have no fixed length.
    """
    if options.validity == "none":
        return ""
    if options.validity == "absolute":
        return datetime.fromtimestamp(valid_until // SECOND, UTC).strftime("%y%m%d%H%M%S000+")
    left = max(SECOND, min(valid_until - now, LONGEST_RELATIVE))
    days, hours, minutes, seconds = left // DAY, left % DAY // HOUR, left % HOUR // MINUTE, left % MINUTE // SECOND
    return f"0000{days:02}{hours:02}{minutes:02}{seconds:02}000R"


def parts_for(
    handover: Handover, options: SmppLine, source: Address, reference: int, now: int
) -> list[ShortMessage] | NotSent:
    """The submit_sm PDUs (sequence 0) of a message, in order; NotSent when this line can never carry it."""
    digits = (handover.to or "").removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 20):
        return NotSent("no phone number", final=True)
    coded = split(handover.text, options.alphabet)
    if len(coded.parts) > MAX_PARTS:
        return NotSent(f"text of {len(coded.parts)} parts", final=True)
    validity = validity_period(options, handover.valid_until, now)
    parts: list[ShortMessage] = []
    for esm_class, user_data, tlvs in _user_data(handover.text, coded, options, reference):
        part = ShortMessage(
            SUBMIT_SM,
            0,
            source_ton=source.ton,
            source_npi=source.npi,
            source=source.text,
            dest_ton=INTERNATIONAL,
            dest_npi=E164,
            dest=digits,
            esm_class=esm_class,
            validity_period=validity,
            registered_delivery=1,
            data_coding=coded.data_coding,
            short_message=user_data,
            tlvs=tlvs,
        )
        parts.append(part)
    return parts


def user_data_of(pdu: ShortMessage) -> tuple[bytes, Concat | None]:
    """The text octets of a message without their header, and its place if it is a part (UDH or sar_* TLVs)."""
    content = pdu.content
    if pdu.esm_class & _UDHI and content and content[0] < len(content):
        return content[content[0] + 1 :], _concat_of(content[1 : content[0] + 1])
    sar = [pdu.tlvs.get(tag, b"") for tag in (SAR_MSG_REF_NUM, SAR_TOTAL_SEGMENTS, SAR_SEGMENT_SEQNUM)]
    return content, _checked(*(int.from_bytes(value) for value in sar)) if all(sar) else None


def _user_data(text: str, coded: Coded, options: SmppLine, reference: int) -> list[tuple[int, bytes, dict[int, bytes]]]:
    total = len(coded.parts)
    if total == 1:
        return [(0, coded.parts[0], {})]
    if options.concatenation == "payload":
        return [(0, b"", {MESSAGE_PAYLOAD: encode(text, options.alphabet)[1]})]
    if options.concatenation == "udh":
        header = bytes((5, _CONCAT_8, 3, reference & 0xFF, total))
        return [(_UDHI, header + bytes((n,)) + part, {}) for n, part in enumerate(coded.parts, 1)]
    sar = {SAR_MSG_REF_NUM: (reference & 0xFFFF).to_bytes(2), SAR_TOTAL_SEGMENTS: bytes((total,))}
    return [(0, part, sar | {SAR_SEGMENT_SEQNUM: bytes((n,))}) for n, part in enumerate(coded.parts, 1)]


def _concat_of(header: bytes) -> Concat | None:
    at = 0
    while at + 2 <= len(header):
        kind, size = header[at], header[at + 1]
        value = header[at + 2 : at + 2 + size]
        if kind == _CONCAT_8 and len(value) == 3:
            return _checked(*value)
        if kind == _CONCAT_16 and len(value) == 4:
            return _checked(int.from_bytes(value[:2]), value[2], value[3])
        at += 2 + size
    return None


def _checked(reference: int, total: int, number: int) -> Concat | None:
    return Concat(reference, total, number) if 1 <= number <= total <= MAX_PARTS and total > 1 else None
