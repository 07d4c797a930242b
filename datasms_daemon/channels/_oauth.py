"""OAuth 2.0 as push services want it: one access token for all pushes (RFC 6749 § 5, RFC 6750)."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Annotated
from urllib.parse import urlencode

import msgspec
from msgspec import Meta
from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from datasms_daemon.channels._answers import decoded
from datasms_daemon.https.client import Answer, Failed
from datasms_daemon.model import Later, LineDown, Secret

BEARER = re.compile(r"[A-Za-z0-9._~+/-]+=*")
REFRESH_BEFORE_S = 225.0
# After a failed refresh everybody is told the same for so long, so that an outage is not answered with a storm.
FAILED_PAUSE_S = 10.0

log = Logger()


class _TokenAnswer(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: Annotated[float, Meta(gt=0, le=31_536_000)] = 3600.0


class _TokenError(msgspec.Struct, frozen=True):
    error: str


Post = Callable[[str, dict[str, str], bytes], Awaitable[Answer | Failed]]


class AccessToken:
    """The one token all pushes share, fetched when needed, by one request however many wait for it.

    ``form`` makes what is posted to the token endpoint ``url`` with ``post``.
    """

    def __init__(self, url: str, form: Callable[[], dict[str, str]], post: Post, clock: IReactorTime) -> None:
        self._url = url
        self._form = form
        self._post = post
        self._clock = clock
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
        form = urlencode(self._form()).encode("ascii")
        asked_at = self._clock.seconds()
        answer = await self._post(self._url, {"Content-Type": "application/x-www-form-urlencoded"}, form)
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
    # Some services write the seconds in quotes.
    token = decoded(answer.body, _TokenAnswer, strict=False)
    if token is None:
        return Later("token endpoint: not a token answer")
    # RFC 6750 § 2.1: anything else could break out of the header it goes into.
    return token if BEARER.fullmatch(token.access_token) else Later("token endpoint: not a bearer token")


def _error_of(body: bytes) -> str:
    """The OAuth error word (invalid_grant: wrong key or clock), if there is one."""
    found = decoded(body, _TokenError)
    word = "" if found is None else found.error
    return word if word.isidentifier() and len(word) <= 40 else ""
