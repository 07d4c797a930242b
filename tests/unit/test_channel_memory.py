"""What the client keeps of hosts is bounded, however many there are (Web Push with any host)."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.testing import MemoryReactorClock
from twisted.web.client import URI

from datasms_daemon.crypto.certificates import Authority
from datasms_daemon.https import connect
from datasms_daemon.https.connect import Endpoints, Reactor
from datasms_daemon.rules.addresses import Hosts

NOW_MS = 1_790_000_000_000


def test_of_any_number_of_hosts_the_endpoints_made_last_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "MOST_ENDPOINTS", 3)
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes(Authority(30, NOW_MS).certificate_pem)
    reactor = cast(Reactor, MemoryReactorClock())
    endpoints = Endpoints(reactor, hosts=Hosts(below=("*",)), allow_private=False, ca_file=ca_file)

    def endpoint(n: int) -> IStreamClientEndpoint:
        return endpoints.endpointForURI(URI.fromBytes(b"https://push-%d.example/" % n))

    made = [endpoint(n) for n in range(5)]
    assert [endpoint(n) is made[n] for n in (2, 3, 4)] == [True] * 3
    assert endpoint(0) is not made[0]
    assert len(endpoints._endpoints) == 3
