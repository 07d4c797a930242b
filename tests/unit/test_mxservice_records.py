"""What clients are told of themselves."""

from __future__ import annotations

from datasms_daemon.model import Device, DeviceId, PersonId
from datasms_daemon.mxservice.records import device_answer


def test_a_wns_device_is_told_until_when_its_address_is_good() -> None:
    """Microsoft forgets a channel URI after 30 days (wns.md § 2)."""
    device = Device(DeviceId("d1"), PersonId("novak"), "windows", {"channel_uri": "x"}, addressed_at=0)
    assert device_answer(device, "wns").address_expires_at == "1970-01-31T00:00:00.000Z"
    assert device_answer(device, "fcm").address_expires_at is None
