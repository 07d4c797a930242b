"""What counts as one client address for the limits."""

from __future__ import annotations

import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress

from datasms_daemon.mxservice.admission import source


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (IPv4Address("TCP", "192.0.2.7", 1), "192.0.2.7"),
        (IPv6Address("TCP", "2001:db8:1:2:3::4", 1), "2001:db8:1:2::/64"),
        (IPv6Address("TCP", "2001:db8:1:2:ffff:ffff:ffff:ffff", 9), "2001:db8:1:2::/64"),
        (IPv6Address("TCP", "::ffff:192.0.2.7", 1), "192.0.2.7"),
        (IPv6Address("TCP", "fe80::1%eth0", 1), "fe80::/64"),
        (UNIXAddress(b"/run/datasms"), "local"),
    ],
)
def test_an_address_stands_for_all_that_one_client_can_have(address: IAddress, expected: str) -> None:
    assert source(address) == expected
