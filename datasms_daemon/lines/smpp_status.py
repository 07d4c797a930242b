"""SMPP 3.4 command_status: names, and what each means for a message that was submitted (sheet smpp.md § 8).

The sheet's class C (configuration, session) is cut in two. What every message of this line would meet (sender,
credentials, service type, addressing) is LineDown. What hangs on the form of one PDU (flags, times, TLVs, which differ
between short and long texts) is NotSent and final: the line must not stop for one message that its SMSC dislikes (I37).
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from datasms_daemon.model import AddressGone, Later, LineDown, NotSent

ROK: Final = 0x00
RINVMSGLEN: Final = 0x01
RINVCMDLEN: Final = 0x02
RINVCMDID: Final = 0x03
RINVBNDSTS: Final = 0x04
RALYBND: Final = 0x05
RINVPASWD: Final = 0x0E
RMSGQFUL: Final = 0x14
RTHROTTLED: Final = 0x58
RX_T_APPN: Final = 0x64
RINVOPTPARSTREAM: Final = 0xC0

THROTTLING: Final = frozenset({RMSGQFUL, RTHROTTLED})
BAD_CREDENTIALS: Final = frozenset({0x0D, RINVPASWD, 0x0F, 0x53})


class _Kind(Enum):
    GONE = auto()
    LINE = auto()
    LATER = auto()
    REFUSED = auto()


_GONE, _LINE, _LATER, _REFUSED = _Kind.GONE, _Kind.LINE, _Kind.LATER, _Kind.REFUSED

_TABLE: dict[int, tuple[str, _Kind]] = {
    RINVMSGLEN: ("RINVMSGLEN", _REFUSED),
    RINVCMDLEN: ("RINVCMDLEN", _REFUSED),
    RINVCMDID: ("RINVCMDID", _LINE),
    RINVBNDSTS: ("RINVBNDSTS", _LATER),
    RALYBND: ("RALYBND", _LATER),
    0x06: ("RINVPRTFLG", _REFUSED),
    0x07: ("RINVREGDLVFLG", _REFUSED),
    0x08: ("RSYSERR", _LATER),
    0x0A: ("RINVSRCADR", _LINE),
    0x0B: ("RINVDSTADR", _GONE),
    0x0C: ("RINVMSGID", _REFUSED),
    0x0D: ("RBINDFAIL", _LINE),
    RINVPASWD: ("RINVPASWD", _LINE),
    0x0F: ("RINVSYSID", _LINE),
    0x11: ("RCANCELFAIL", _REFUSED),
    0x13: ("RREPLACEFAIL", _REFUSED),
    RMSGQFUL: ("RMSGQFUL", _LATER),
    0x15: ("RINVSERTYP", _LINE),
    0x33: ("RINVNUMDESTS", _REFUSED),
    0x34: ("RINVDLNAME", _REFUSED),
    0x40: ("RINVDESTFLAG", _REFUSED),
    0x42: ("RINVSUBREP", _REFUSED),
    0x43: ("RINVESMCLASS", _REFUSED),
    0x44: ("RCNTSUBDL", _REFUSED),
    0x45: ("RSUBMITFAIL", _LATER),
    0x48: ("RINVSRCTON", _LINE),
    0x49: ("RINVSRCNPI", _LINE),
    0x50: ("RINVDSTTON", _LINE),
    0x51: ("RINVDSTNPI", _LINE),
    0x53: ("RINVSYSTYP", _LINE),
    0x54: ("RINVREPFLAG", _REFUSED),
    0x55: ("RINVNUMMSGS", _REFUSED),
    RTHROTTLED: ("RTHROTTLED", _LATER),
    0x61: ("RINVSCHED", _REFUSED),
    0x62: ("RINVEXPIRY", _REFUSED),
    0x63: ("RINVDFTMSGID", _REFUSED),
    RX_T_APPN: ("RX_T_APPN", _LATER),
    0x65: ("RX_P_APPN", _REFUSED),
    0x66: ("RX_R_APPN", _REFUSED),
    0x67: ("RQUERYFAIL", _LATER),
    RINVOPTPARSTREAM: ("RINVOPTPARSTREAM", _REFUSED),
    0xC1: ("ROPTPARNOTALLWD", _REFUSED),
    0xC2: ("RINVPARLEN", _REFUSED),
    0xC3: ("RMISSINGOPTPARAM", _REFUSED),
    0xC4: ("RINVOPTPARAMVAL", _REFUSED),
    0xFE: ("RDELIVERYFAILURE", _REFUSED),
    0xFF: ("RUNKNOWNERR", _LATER),
}


def status_name(status: int) -> str:
    """As the specification writes it, with the number; the number alone for a vendor's or unknown one."""
    known = _TABLE.get(status)
    return f"ESME_{known[0]} (0x{status:02X})" if known else f"status 0x{status:X}"


def outcome_of(status: int, not_before: int | None = None) -> AddressGone | LineDown | Later | NotSent:
    """What a refused submit_sm means. ``not_before`` (UTC ms) goes into Later; vendor and unknown ones are Later."""
    reason = status_name(status)
    match _TABLE.get(status, ("", _LATER))[1]:
        case _Kind.GONE:
            return AddressGone(reason)
        case _Kind.LINE:
            return LineDown(reason)
        case _Kind.REFUSED:
            return NotSent(reason, final=True)
        case _Kind.LATER:
            return Later(reason, not_before)
