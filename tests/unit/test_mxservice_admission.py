"""What counts as one client address for the limits."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress

from datasms_daemon.mxservice.admission import Admission, source
from datasms_daemon.web.problems import HttpProblem
from datasms_daemon.web.request import Request
from tests.fakes.backend import FakeBackend


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


def test_who_has_many_addresses_gets_no_more_registrations_than_a_rush_of_people_needs() -> None:
    admission = Admission(FakeBackend(), lambda: 1_000.0)
    addresses = (IPv6Address("TCP", f"2001:db8:{n:x}::1", 1) for n in range(301))
    requests = [cast(Request, SimpleNamespace(getClientAddress=lambda at=at: at)) for at in addresses]
    for request in requests[:300]:
        admission.before_registration(request)
    with pytest.raises(HttpProblem) as refused:
        admission.before_registration(requests[300])
    assert refused.value.code == "too_many_requests"
