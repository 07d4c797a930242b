"""Delivery receipts: what a deliver_sm or data_sm says became of a message (sheet smpp.md § 7)."""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

from datasms_daemon.lines.smpp_pdu import MAX_ID, MESSAGE_STATE, RECEIPTED_MESSAGE_ID, ShortMessage
from datasms_daemon.model import ReceiptState

IdFormat = Literal["text", "hex-to-decimal", "decimal-to-hex"]

ENROUTE: Final = 1
DELIVERED: Final = 2
EXPIRED: Final = 3
DELETED: Final = 4
UNDELIVERABLE: Final = 5
ACCEPTED: Final = 6
UNKNOWN: Final = 7
REJECTED: Final = 8

_TYPE_BITS = 0x3C
_RECEIPT_TYPES = frozenset({0x04, 0x20})
_NAMES = {ENROUTE: "enroute", DELIVERED: "delivered", ACCEPTED: "accepted", UNKNOWN: "unknown"}
_FAILURES = {EXPIRED: "expired", DELETED: "deleted", UNDELIVERABLE: "undeliverable", REJECTED: "rejected"}
# Appendix B writes seven letters; whole words are seen too, so the first five decide.
_STATES = {name[:5]: state for state, name in (_NAMES | _FAILURES).items()}
_FIELD = re.compile(r"(?<!\S)(id|stat|err|text):(?:[ \t]+(?!\w+:))?(\S*)", re.IGNORECASE)
_DECIMAL = re.compile(r"[0-9]+", re.ASCII)
_HEX = re.compile(r"[0-9a-f]+", re.ASCII)


class Receipt(NamedTuple):
    """A receipt as read: the SMSC's id, the message_state (0: not one we know), its error code if any."""

    id: str
    state: int
    error: str | None


def is_receipt(pdu: ShortMessage) -> bool:
    """Whether the PDU is about a message of ours: by its type bits, or by TLVs; never by what a text looks like."""
    if pdu.esm_class & _TYPE_BITS in _RECEIPT_TYPES:
        return True
    # Some SMSCs forget the type bits, and some (Kannel's drive_smpp) give people's texts an id of their own here.
    return RECEIPTED_MESSAGE_ID in pdu.tlvs and (MESSAGE_STATE in pdu.tlvs or "stat" in _fields(_text_of(pdu)))


def parse_receipt(pdu: ShortMessage) -> Receipt | None:
    """The receipt in a PDU for which ``is_receipt`` holds; the TLVs count before the text. None: names no message."""
    fields = _fields(_text_of(pdu))
    id_ = pdu.tlvs.get(RECEIPTED_MESSAGE_ID, b"").rstrip(b"\0").decode("latin-1") or fields.get("id", "")
    if not id_ or len(id_) > MAX_ID:
        return None
    told = pdu.tlvs.get(MESSAGE_STATE, b"")
    state = told[0] if len(told) == 1 else _STATES.get(fields.get("stat", "")[:5].lower(), 0)
    error = fields.get("err", "")[:16]
    return Receipt(id_, state, None if not error.strip("0") else error)


def receipt_state(receipt: Receipt, acceptd_is_final: bool) -> ReceiptState | None:
    """What it means for the message; None: nothing we did not know (under way, unknown)."""
    if receipt.state in _FAILURES:
        return ReceiptState.FAILED
    if receipt.state == DELIVERED:
        return ReceiptState.DELIVERED
    if receipt.state == ACCEPTED:
        return ReceiptState.DELIVERED if acceptd_is_final else ReceiptState.SENT
    return None


def failure_reason(receipt: Receipt) -> str | None:
    """Why it failed, in a few words; None when it did not."""
    word = _FAILURES.get(receipt.state)
    if word is None:
        return None
    return word if receipt.error is None else f"{word}, error {receipt.error}"


def normal_id(raw: str, id_format: IdFormat, source: Literal["response", "receipt"]) -> str:
    """The one spelling under which an SMSC's message id is stored and compared (I21).

    Without letter case and leading zeros; where the response and its receipt write one number in two bases
    (``id_format``), the decimal one. An id that is not such a number is only freed of case and zeros.
    """
    text = raw.strip().lower()
    is_hex = (id_format, source) in {("hex-to-decimal", "response"), ("decimal-to-hex", "receipt")}
    if is_hex and _HEX.fullmatch(text):
        return str(int(text, 16))
    if id_format != "text" and not is_hex and _DECIMAL.fullmatch(text):
        return str(int(text))
    return text.lstrip("0") or text[:1]


def _text_of(pdu: ShortMessage) -> str:
    return pdu.content.decode("latin-1")


def _fields(text: str) -> dict[str, str]:
    """The first of each key up to ``text:``; what is missing there, the last one after it (any order is allowed)."""
    before: dict[str, str] = {}
    after: dict[str, str] = {}
    in_text = False
    for key, value in _FIELD.findall(text):
        if key.lower() == "text":
            in_text = True
        elif in_text:
            after[key.lower()] = value
        else:
            before.setdefault(key.lower(), value)
    return after | before
