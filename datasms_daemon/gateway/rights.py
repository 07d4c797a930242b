"""Who may do what, and how often."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable

from twisted.internet.interfaces import IReactorTime

from datasms_daemon.gateway.ports import Keys
from datasms_daemon.model import RIGHTS, Key
from datasms_daemon.rules.buckets import Bucket
from datasms_daemon.web.problems import HttpProblem
from datasms_daemon.web.request import Request
from datasms_daemon.web.routes import Api, Permission

SEND: Permission = ("send",)
READ: Permission = ("read", "operate", "admin")
CHANGE: Permission = ("send", "operate", "admin")
INBOUND: Permission = ("inbound",)
DIRECTORY: Permission = ("directory",)
OPERATE: Permission = ("operate", "admin")
ADMIN: Permission = ("admin",)
ANY: Permission = RIGHTS

BURST_S = 4

GatewayApi = Api[Key]
Authorise = Callable[[Request], Awaitable[Key | None]]

LOCAL_OPERATOR = Key(id="local", name="local", rights=RIGHTS)


def sees(key: Key) -> str | None:
    """Whose messages the key sees: its own sender's, or everybody's (None)."""
    return None if "operate" in key.rights or "admin" in key.rights else key.name


async def local_operator(_: Request) -> Key:
    """Whoever can open the Unix socket is the operator."""
    return LOCAL_OPERATOR


class KeyAuthority:
    """Knows callers by their bearer key; each may ask ``rate`` times a second and ``BURST_S`` times that at once."""

    def __init__(self, keys: Keys, reactor: IReactorTime) -> None:
        self._keys = keys
        self._reactor = reactor
        self._buckets: dict[str, tuple[int, Bucket]] = {}

    async def authorise(self, request: Request) -> Key | None:
        """The caller's key; None when it has no good one; HttpProblem ``too_many_requests`` when it asks too often."""
        secret = _bearer(request)
        key = None if secret is None else self._keys.sender_of(secret)
        if key is not None:
            self._charge(key)
        return key

    def _charge(self, key: Key) -> None:
        rate, bucket = self._buckets.get(key.id, (0, None))
        if bucket is None or rate != key.rate:
            bucket = Bucket(key.rate * BURST_S, key.rate)
            self._buckets[key.id] = key.rate, bucket
        wait_ms = bucket.take(int(self._reactor.seconds() * 1000))
        if wait_ms:
            detail = f"This key may ask {key.rate} times a second"
            raise HttpProblem("too_many_requests", detail, retry_after=math.ceil(wait_ms / 1000))


def _bearer(request: Request) -> str | None:
    values = request.requestHeaders.getRawHeaders(b"authorization", ())
    if len(values) != 1:
        return None
    scheme, _, secret = values[0].partition(b" ")
    if scheme.lower() != b"bearer" or not 0 < len(secret) <= 200 or not secret.isascii():
        return None
    return secret.decode("ascii")
