"""Who asks, and whether he asks too often (reliability.md §§ 3b, 5g)."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress
from twisted.logger import Logger

from datasms_daemon.interfaces import IBackend
from datasms_daemon.model import Device, Secret
from datasms_daemon.rules.buckets import Bucket, Buckets
from datasms_daemon.web.problems import HttpProblem
from datasms_daemon.web.request import Request

DEVICE = ("device",)


@dataclass(frozen=True, slots=True)
class Client:
    """A device that proved itself with its token."""

    device: Device
    token: Secret
    rights: tuple[str, ...] = DEVICE


class Admission:
    """Tells who sends a request and keeps everybody to his limits; ``seconds`` is monotonic."""

    def __init__(self, backend: IBackend, seconds: Callable[[], float]) -> None:
        self._backend = backend
        self._seconds = seconds
        self._registrations = Buckets(6, 1 / 30)
        # A number costs a slow hash and a row, and who has many addresses could ask for any number of them.
        self._all_registrations = Bucket(300, 5)
        self._guesses = Buckets(20, 1 / 30)
        self._devices = Buckets(60, 1)
        self._log = Logger()

    async def authorise(self, request: Request) -> Client | None:
        """The device of the request's token; None without a token or with a wrong one. HttpProblem
        ``too_many_requests`` for a device above its limit and for an address that tried too many wrong ones."""
        token = bearer(request)
        if token is None:
            return None
        self.before_guess(request)
        device = await self._backend.authenticate(token.reveal())
        if device is None:
            self.wrong_guess(request)
            return None
        self.charge(device.id)
        return Client(device, token)

    async def is_active(self, client: Client) -> bool:
        """Whether the client's token still works."""
        return await self._backend.authenticate(client.token.reveal()) is not None

    def before_registration(self, request: Request) -> None:
        """HttpProblem when this address asked for too many registrations, or all together did."""
        _refuse(self._registrations.take(source(request.getClientAddress()), self._now()))
        _refuse(self._all_registrations.take(self._now()))

    def before_guess(self, request: Request) -> None:
        """HttpProblem when this address has given too many wrong secrets; asked before a secret is looked up."""
        _refuse(self._guesses.wait(source(request.getClientAddress()), self._now()))

    def wrong_guess(self, request: Request) -> None:
        """This address gave a wrong secret."""
        self._log.info("A client gave a wrong token or secret")
        self._guesses.take(source(request.getClientAddress()), self._now())

    def charge(self, id_: str) -> None:
        """Counts one request of a device or a registration; HttpProblem when it is too many."""
        _refuse(self.delay_ms(id_))

    def delay_ms(self, id_: str) -> int:
        """As ``charge``, but answers how long to wait: 0 when it was counted."""
        return self._devices.take(id_, self._now())

    def _now(self) -> int:
        return int(self._seconds() * 1000)


def bearer(request: Request) -> Secret | None:
    """The token of the Authorization header (RFC 6750 section 2.1); None when there is none."""
    scheme, _, token = (request.header("authorization") or "").partition(" ")
    return Secret(token.strip()) if scheme.lower() == "bearer" and token.strip() else None


def source(address: IAddress) -> str:
    """What counts as one client: an IPv4 address or an IPv6 /64; one for all local sockets."""
    return _network(address.host) if isinstance(address, IPv4Address | IPv6Address) else "local"


@lru_cache(maxsize=4096)
def _network(host: str) -> str:
    ip = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        return str(ip.ipv4_mapped or ipaddress.IPv6Network((int(ip) >> 64 << 64, 64)))
    return str(ip)


def _refuse(wait_ms: int) -> None:
    if wait_ms:
        raise HttpProblem("too_many_requests", retry_after=-(-wait_ms // 1000))
