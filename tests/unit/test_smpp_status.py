"""The whole command_status table of the sheet (smpp.md § 8) as outcomes."""

from __future__ import annotations

import pytest

from datasms_daemon.lines.smpp_status import outcome_of, status_name
from datasms_daemon.model import AddressGone, Later, LineDown, NotSent, Outcome

GONE = [0x0B]
DOWN = [0x03, 0x0A, 0x0D, 0x0E, 0x0F, 0x15, 0x48, 0x49, 0x50, 0x51, 0x53]
LATER = [0x04, 0x05, 0x08, 0x14, 0x45, 0x58, 0x64, 0x67, 0xFF]
REFUSED = [
    *(0x01, 0x02, 0x06, 0x07, 0x0C, 0x11, 0x13, 0x33, 0x34, 0x40, 0x42, 0x43, 0x44, 0x54, 0x55),
    *(0x61, 0x62, 0x63, 0x65, 0x66, 0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xFE),
]
VENDOR = [0x09, 0x400, 0x4FF, 0x410, 0x7FFFFFFF]


def _expected(status: int) -> Outcome:
    reason = status_name(status)
    if status in GONE:
        return AddressGone(reason)
    if status in DOWN:
        return LineDown(reason)
    if status in REFUSED:
        return NotSent(reason, final=True)
    return Later(reason, 5)


@pytest.mark.parametrize("status", GONE + DOWN + LATER + REFUSED + VENDOR)
def test_each_status_has_its_outcome(status: int) -> None:
    assert outcome_of(status, 5) == _expected(status)


def test_every_named_status_of_the_sheet_is_in_the_table() -> None:
    named = GONE + DOWN + LATER + REFUSED
    assert len(named) == len(set(named)) == 47
    assert all(status_name(status).startswith("ESME_R") for status in named)


def test_a_vendors_status_is_shown_as_a_number() -> None:
    assert status_name(0x410) == "status 0x410"
    assert status_name(0x58) == "ESME_RTHROTTLED (0x58)"
