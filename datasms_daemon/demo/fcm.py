"""A local stand-in for Firebase Cloud Messaging and Google's token endpoint, over TLS.

It refuses what the real service refuses (protocols/fcm.md), remembers what it took, and answers by script.
"""

from __future__ import annotations

import base64
import re
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from twisted.internet.interfaces import IReactorTime
from twisted.web.http import Request

from datasms_daemon.crypto.certificates import write_private
from datasms_daemon.demo.answers import Rendered, ScriptedAnswer, answer
from datasms_daemon.demo.https import HttpsService, content, content_type

AUDIENCE = "https://oauth2.googleapis.com/token"
SCOPES = ("https://www.googleapis.com/auth/firebase.messaging", "https://www.googleapis.com/auth/cloud-platform")
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
MAX_DATA = 4096
MAX_TTL_S = 2_419_200
EMAIL = "datasms@demo-project.iam.gserviceaccount.com"
KEY_ID = "demo-key-1"
STATUS_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


class _Android(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    priority: Literal["HIGH", "NORMAL", "high", "normal"] = "NORMAL"
    ttl: str = "2419200s"
    direct_boot_ok: bool = False
    collapse_key: str | None = None


class _Apns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    headers: dict[str, str] = {}
    payload: dict[str, msgspec.Raw] = {}


class Pushed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message as the service got it."""

    data: dict[str, str]
    token: str | None = None
    fid: str | None = None
    android: _Android = _Android()
    apns: _Apns = _Apns()

    @property
    def address(self) -> str:
        """The token or Firebase installation id."""
        return self.token or self.fid or ""


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    message: Pushed
    validate_only: bool = False


class _Header(msgspec.Struct, frozen=True):
    alg: Literal["RS256"]
    kid: str


class _Claims(msgspec.Struct, frozen=True):
    iss: str
    scope: str
    aud: str
    iat: int
    exp: int


def error(status: int, code: str | None = None, *, field: str | None = None) -> bytes:
    """An error body as FCM writes it: with its own code and the faulty field, if given."""
    details: list[dict[str, object]] = []
    if code is not None:
        details.append({"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code})
    if field is not None:
        violations = [{"field": field, "description": "invalid"}]
        details.append({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations})
    name = STATUS_NAMES.get(status, "UNKNOWN")
    return msgspec.json.encode({"error": {"code": status, "message": "demo", "status": name, "details": details}})


def refusal(
    status: int, code: str | None = None, *, field: str | None = None, retry_after: str | None = None
) -> ScriptedAnswer:
    """A scripted error answer."""
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return answer(status, error(status, code, field=field), headers)


class DemoFcm(HttpsService):
    """FCM and its token endpoint on one port.

    ``pushed`` keeps the last ``keep`` messages taken; ``script`` holds, by address, what its next pushes are answered
    in place of the usual, ``token_script`` the same for token requests; ``on_push`` is told of each message taken.
    """

    def __init__(self, clock: IReactorTime, now_ms: Callable[[], int], *, keep: int = 10_000) -> None:
        super().__init__(clock, now_ms)
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._tokens: dict[str, int] = {}
        self._count = 0
        self.project = "demo-project"
        self.token_life_s = 3600
        self.pushed: deque[Pushed] = deque(maxlen=keep)
        self.script: dict[str, list[ScriptedAnswer]] = {}
        self.token_script: list[ScriptedAnswer] = []
        self.sends = 0
        self.token_requests = 0
        self.on_push: Callable[[Pushed], None] = lambda _: None

    def answer(self, request: Request) -> Rendered:
        """The token endpoint and ``messages:send``."""
        calls = {"/token": self.token, f"/v1/projects/{self.project}/messages:send": self.send}
        call = calls.get(request.path.decode("latin-1")) if request.method == b"POST" else None
        return answer(404)(request) if call is None else call(request)

    def write_files(self, directory: Path) -> tuple[Path, Path]:
        """Writes the service account's key file and the CA file, readable by their owner; answers their paths."""
        pem = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        account = {
            "type": "service_account",
            "project_id": self.project,
            "private_key_id": KEY_ID,
            "private_key": pem.decode("ascii"),
            "client_email": EMAIL,
            "token_uri": f"{self.endpoint}/token",
        }
        key_file, ca_file = directory / "firebase.json", directory / "demo-ca.pem"
        write_private(key_file, msgspec.json.encode(account))
        write_private(ca_file, self.ca_pem)
        return key_file, ca_file

    def forget_tokens(self) -> None:
        """From now on no access token given out so far is good."""
        self._tokens.clear()

    def token(self, request: Request) -> Rendered:
        """The token endpoint (RFC 7523)."""
        self.token_requests += 1
        if self.token_script:
            return self.token_script.pop(0)(request)
        form = parse_qs(content(request).decode("ascii", "replace"))
        if content_type(request) != "application/x-www-form-urlencoded" or form.get("grant_type") != [GRANT]:
            return answer(400, b'{"error": "unsupported_grant_type"}')(request)
        if not self._is_signed(form.get("assertion", [""])[0]):
            return answer(400, b'{"error": "invalid_grant", "error_description": "Invalid JWT"}')(request)
        token = f"ya29.demo-{self.token_requests}"
        self._tokens[token] = self.now_ms() + self.token_life_s * 1000
        body = {"access_token": token, "expires_in": self.token_life_s, "token_type": "Bearer"}
        return answer(200, msgspec.json.encode(body))(request)

    def send(self, request: Request) -> Rendered:
        """``messages:send``."""
        self.sends += 1
        token = (request.getHeader("Authorization") or "").removeprefix("Bearer ")
        if self._tokens.get(token, 0) <= self.now_ms():
            return refusal(401)(request)
        if content_type(request) != "application/json":
            return refusal(400, "INVALID_ARGUMENT")(request)
        try:
            asked = msgspec.json.decode(content(request), type=_Body)
        except msgspec.DecodeError:
            return refusal(400, "INVALID_ARGUMENT", field="message")(request)
        message = asked.message
        # Whoever only asks whether all is well has no device at hand.
        field = "message.token" if asked.validate_only else _fault(message)
        if field is not None:
            return refusal(400, "INVALID_ARGUMENT", field=field)(request)
        scripted = self.script.get(message.address)
        if scripted:
            return scripted.pop(0)(request)
        return self._take(message, request)

    def _take(self, message: Pushed, request: Request) -> Rendered:
        self._count += 1
        self.pushed.append(message)
        self.on_push(message)
        request.setHeader("Content-Type", "application/json; charset=UTF-8")
        return b'{"name": "projects/%s/messages/0:%d%%demo"}' % (self.project.encode(), self._count)

    def _is_signed(self, assertion: str) -> bool:
        """Whether it is a JWT of our service account, good now."""
        try:
            head, payload, signature = assertion.split(".")
            signed = f"{head}.{payload}".encode("ascii")
            self._key.public_key().verify(_unbase64url(signature), signed, padding.PKCS1v15(), hashes.SHA256())
            header = msgspec.json.decode(_unbase64url(head), type=_Header)
            claims = msgspec.json.decode(_unbase64url(payload), type=_Claims)
        except (ValueError, InvalidSignature, msgspec.DecodeError):
            return False
        now_s = self.now_ms() // 1000
        return (
            header.kid == KEY_ID
            and claims.iss == EMAIL
            and claims.aud == AUDIENCE
            and claims.scope in SCOPES
            and claims.iat - 60 <= now_s < claims.exp <= claims.iat + 3600
        )


def _fault(message: Pushed) -> str | None:
    """The first field the real service would refuse (fcm.md §§ 3-6)."""
    if (message.token is None) == (message.fid is None) or not message.address:
        return "message.token"
    if any(key in ("from", "message_type") or key.startswith(("google.", "gcm.")) for key in message.data):
        return "message.data"
    if sum(len(key.encode()) + len(value.encode()) for key, value in message.data.items()) > MAX_DATA:
        return "message.data"
    ttl = re.fullmatch(r"(\d+)(\.\d+)?s", message.android.ttl)
    if ttl is None or int(ttl[1]) > MAX_TTL_S:
        return "message.android.ttl"
    if message.apns.payload and message.apns.headers.get("apns-priority") != "5":
        return "message.apns.headers"
    return None


def _unbase64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
