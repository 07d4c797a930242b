"""Google's OAuth for service accounts: a signed assertion is exchanged for an access token (protocols/fcm.md § 2)."""

from __future__ import annotations

import base64
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal
from urllib.parse import urlencode

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from datasms_daemon.channels._addresses import netloc
from datasms_daemon.channels._push import Answer, Failed
from datasms_daemon.errors import ConfigError
from datasms_daemon.model import Later, LineDown, Record, Secret

# Google's libraries put this into ``aud`` whatever the key file's token_uri says.
AUDIENCE = "https://oauth2.googleapis.com/token"
SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
ASSERTION_S = 3600
BEARER = re.compile(r"[A-Za-z0-9._~+/-]+=*")
REFRESH_BEFORE_S = 225.0
# After a failed refresh everybody is told the same for so long, so that an outage is not answered with a storm.
FAILED_PAUSE_S = 10.0

log = Logger()


class _KeyFile(msgspec.Struct, frozen=True):
    type: Literal["service_account"]
    project_id: str
    private_key_id: str
    private_key: str
    client_email: str
    token_uri: str


class _TokenAnswer(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: float


class _TokenError(msgspec.Struct, frozen=True):
    error: str


class ServiceAccount(Record, frozen=True):
    """A service account's key file, checked. Its repr holds no secret."""

    project_id: str
    key_id: str
    email: str
    token_uri: str
    key: RSAPrivateKey

    def assertion(self, now_s: int) -> str:
        """A JWT (RS256) that asks for a token to send with, good for an hour from ``now_s`` (seconds UTC)."""
        header = {"alg": "RS256", "typ": "JWT", "kid": self.key_id}
        claims = {"iss": self.email, "scope": SCOPE, "aud": AUDIENCE, "iat": now_s, "exp": now_s + ASSERTION_S}
        signed = f"{_base64url(msgspec.json.encode(header))}.{_base64url(msgspec.json.encode(claims))}"
        signature = self.key.sign(signed.encode("ascii"), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_base64url(signature)}"


def read_service_account(path: Path) -> ServiceAccount:
    """The account of a key file as the Firebase console gives it. Raises ConfigError naming what is wrong."""
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_KeyFile)
    except OSError as problem:
        raise ConfigError([f"{path}: cannot be read: {problem.strerror}"]) from problem
    except msgspec.DecodeError as problem:
        raise ConfigError([f"{path}: not a service account's key file: {problem}"]) from problem
    problems = []
    if netloc(file.token_uri) is None:
        problems.append(f"{path}: token_uri: must be a plain https URL")
    if not file.project_id or not file.project_id.replace("-", "").isalnum():
        problems.append(f"{path}: project_id: must be letters, digits and hyphens")
    try:
        key = load_pem_private_key(file.private_key.encode(), password=None)
    except (ValueError, TypeError):
        # Without the cause: its text may quote the key.
        raise ConfigError([*problems, f"{path}: private_key: not an unencrypted PEM key"]) from None
    if not isinstance(key, RSAPrivateKey) or key.key_size < 2048:
        problems.append(f"{path}: private_key: must be RSA with 2048 bits or more")
    if problems or not isinstance(key, RSAPrivateKey):
        raise ConfigError(problems)
    return ServiceAccount(file.project_id, file.private_key_id, file.client_email, file.token_uri, key)


Post = Callable[[str, dict[str, str], bytes], Awaitable[Answer | Failed]]


class AccessToken:
    """The one token all pushes share, fetched with ``post`` when needed, by one request however many wait for it."""

    def __init__(self, account: ServiceAccount, post: Post, clock: IReactorTime, now_ms: Callable[[], int]) -> None:
        self._account = account
        self._post = post
        self._clock = clock
        self._now_ms = now_ms
        self._token: Secret | None = None
        self._refresh_at = 0.0
        self._expires_at = 0.0
        self._failure: Later | LineDown | None = None
        self._try_again_at = 0.0
        self._waiting: list[Deferred[Secret | Later | LineDown]] = []

    async def get(self, timeout_s: float) -> Secret | Later | LineDown:
        """A token that is good now; Later or LineDown if there is none to be had, or not within ``timeout_s``."""
        now = self._clock.seconds()
        if self._token is not None and now < self._refresh_at:
            return self._token
        if self._failure is not None and now < self._try_again_at:
            return self._usable(now) or self._failure
        waiter: Deferred[Secret | Later | LineDown] = Deferred()
        self._waiting.append(waiter)
        if len(self._waiting) == 1:
            refresh = Deferred.fromCoroutine(self._refresh())
            refresh.addErrback(lambda failure: log.failure("token refresh failed", failure))
        try:
            return await waiter.addTimeout(timeout_s, self._clock)
        except defer.TimeoutError:
            return Later("no access token in time")

    def refuse(self, token: Secret) -> None:
        """The service does not take ``token``: the next ``get`` fetches another, unless somebody already did."""
        if self._token == token:
            self._token = None

    async def _refresh(self) -> None:
        result: Secret | Later | LineDown = Later("token refresh failed")
        try:
            result = await self._fetch()
        finally:
            now = self._clock.seconds()
            if not isinstance(result, Secret):
                self._failure = result
                self._try_again_at = now + FAILED_PAUSE_S
                log.warn("no access token: {reason}", reason=result.reason)
            waiting, self._waiting = self._waiting, []
            for waiter in waiting:
                if not waiter.called:
                    waiter.callback(self._usable(now) or result)

    async def _fetch(self) -> Secret | Later | LineDown:
        assertion = self._account.assertion(self._now_ms() // 1000)
        form = urlencode({"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion})
        asked_at = self._clock.seconds()
        answer = await self._post(
            self._account.token_uri, {"Content-Type": "application/x-www-form-urlencoded"}, form.encode("ascii")
        )
        result = _token_of(answer)
        if not isinstance(result, _TokenAnswer):
            return result
        self._token = Secret(result.access_token)
        self._expires_at = asked_at + result.expires_in
        self._refresh_at = self._expires_at - REFRESH_BEFORE_S
        self._failure = None
        return self._token

    def _usable(self, now: float) -> Secret | None:
        return self._token if now < self._expires_at else None


def _token_of(answer: Answer | Failed) -> _TokenAnswer | Later | LineDown:
    """What the token endpoint said. No answer is never ambiguous here: the message itself was not sent."""
    if isinstance(answer, Failed):
        reason = f"token endpoint: {answer.reason}"
        return LineDown(reason) if answer.lasting else Later(reason)
    if answer.status == 429 or answer.status >= 500:
        return Later(f"token endpoint: status {answer.status}")
    if answer.status != 200:
        return LineDown(f"token endpoint: status {answer.status} {_error_of(answer.body)}".rstrip())
    try:
        token = msgspec.json.decode(answer.body, type=_TokenAnswer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Later("token endpoint: not a token answer")
    # RFC 6750 § 2.1: anything else could break out of the header it goes into.
    return token if BEARER.fullmatch(token.access_token) else Later("token endpoint: not a bearer token")


def _error_of(body: bytes) -> str:
    """The OAuth error word (invalid_grant: wrong key or clock), if there is one."""
    try:
        word = msgspec.json.decode(body, type=_TokenError).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    return word if word.isidentifier() and len(word) <= 40 else ""


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
