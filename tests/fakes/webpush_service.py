"""A stand-in for a push service (RFC 8030) and for the one browser that subscribed there.

It refuses what real services refuse (protocols/webpush.md), with Mozilla's error numbers, and decrypts with
``http_ece``, whose author wrote RFC 8188.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable

import http_ece
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from py_vapid import Vapid02
from twisted.internet.interfaces import IReactorTime
from twisted.web.http import Request

from datasms_daemon.demo.answers import Rendered, ScriptedAnswer, answer
from datasms_daemon.demo.https import HttpsService, content, content_type

# The client of RFC 8291 § 5.
UA_PRIVATE = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
AUTH = "BTBZMqHH6r4Tts7J_aSIgg"
MAX_BODY = 4096
MAX_TTL_S = 2_592_000
DAY_S = 86_400
PROOF = re.compile(r"vapid t=([A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]{86}), k=([A-Za-z0-9_-]{87})")


class Pushed(msgspec.Struct, frozen=True):
    """A push as the browser got it: what it decrypted, and what stood around it."""

    plaintext: bytes
    ttl_s: int
    urgency: str
    topic: str
    token: str

    @property
    def payload(self) -> dict[str, str]:
        """The JSON in it."""
        return msgspec.json.decode(self.plaintext, type=dict[str, str])


class _Claims(msgspec.Struct, frozen=True):
    aud: str
    exp: int
    sub: str


class WebPushService(HttpsService):
    """Takes pushes for the subscription at ``subscription``.

    ``pushed`` keeps what it took; ``script`` holds what the next good pushes are answered in place of the usual.
    ``application_server_key`` is what the client subscribed with; None admits any.
    """

    def __init__(self, clock: IReactorTime, now_ms: Callable[[], int], path: str) -> None:
        super().__init__(clock, now_ms)
        self._path = f"/push/{path}"
        self.application_server_key: str | None = None
        self.pushed: list[Pushed] = []
        self.script: list[ScriptedAnswer] = []
        self.tokens: list[str] = []

    @property
    def subscription(self) -> str:
        """The endpoint."""
        return self.endpoint + self._path

    @property
    def waiting(self) -> dict[str, Pushed]:
        """What the service keeps for a browser that is away: the last of each topic."""
        return {pushed.topic: pushed for pushed in self.pushed}

    def answer(self, request: Request) -> Rendered:
        """One push."""
        if request.path.decode("ascii") != self._path:
            return refusal(404, 102)(request)
        body = content(request)
        fault = self._fault(request, body)
        if fault is not None:
            return refusal(*fault)(request)
        if self.script:
            return self.script.pop(0)(request)
        self.pushed.append(self._taken(request, body))
        return answer(201, headers={"Location": f"{self.endpoint}/message/secret-resource"})(request)

    def _fault(self, request: Request, body: bytes) -> tuple[int, int] | None:
        """Status and Mozilla's number of the first thing to be refused."""
        ttl = request.getHeader("TTL") or ""
        authorization = request.getHeader("Authorization") or ""
        checks: tuple[tuple[bool, int, int], ...] = (
            (request.method == b"POST", 405, 999),
            (re.fullmatch("[0-9]{1,7}", ttl) is not None and int(ttl) <= MAX_TTL_S, 400, 112),
            ((request.getHeader("Urgency") or "") in ("very-low", "low", "normal", "high"), 400, 113),
            (re.fullmatch("[A-Za-z0-9]{1,32}", request.getHeader("Topic") or "") is not None, 400, 113),
            (request.getHeader("Content-Encoding") == "aes128gcm", 400, 110),
            (content_type(request) == "application/octet-stream", 400, 110),
            (len(body) <= MAX_BODY, 413, 104),
            (self._is_proved(authorization), 401, 109),
        )
        return next(((status, errno) for holds, status, errno in checks if not holds), None)

    def _is_proved(self, authorization: str) -> bool:
        """Whether it is a VAPID proof for this very service, good now, of the key that the client subscribed with."""
        match = PROOF.fullmatch(authorization)
        if match is None or not Vapid02.verify(authorization.replace(", ", ",")):
            return False
        claims = msgspec.json.decode(_unbase64url(match[2]), type=_Claims)
        self.tokens.append(match[1])
        now_s = self.now_ms() // 1000
        return (
            claims.aud == self.endpoint
            and now_s < claims.exp <= now_s + DAY_S
            and claims.sub.startswith(("mailto:", "https:"))
            and self.application_server_key in (None, match[3])
        )

    def _taken(self, request: Request, body: bytes) -> Pushed:
        return Pushed(
            decrypt(body),
            int(request.getHeader("TTL") or ""),
            request.getHeader("Urgency") or "",
            request.getHeader("Topic") or "",
            self.tokens[-1],
        )


def decrypt(body: bytes) -> bytes:
    """What the browser reads. http_ece.ECEException: it is not for this client, or damaged."""
    key = ec.derive_private_key(int.from_bytes(_unbase64url(UA_PRIVATE)), ec.SECP256R1())
    plaintext = http_ece.decrypt(body, private_key=key, auth_secret=_unbase64url(AUTH), version="aes128gcm")
    assert isinstance(plaintext, bytes)
    return plaintext


def refusal(status: int, errno: int | None = None, *, retry_after: str | None = None) -> ScriptedAnswer:
    """An error answer as Mozilla's service writes it."""
    body = msgspec.json.encode({"code": status, "errno": errno, "error": "demo", "message": "demo"})
    return answer(status, body, {} if retry_after is None else {"Retry-After": retry_after})


def _unbase64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
