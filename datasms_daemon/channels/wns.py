"""Windows Push Notification Services (protocols/wns.md). A push wakes the client or shows a fixed sentence; the
message's text is never in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Literal
from xml.sax.saxutils import escape, quoteattr

import msgspec
from twisted.logger import Logger
from zope.interface import implementer

from datasms_daemon.channels._answers import outcome_of_failure, usual
from datasms_daemon.channels._oauth import AccessToken
from datasms_daemon.config.channels import WnsChannel
from datasms_daemon.errors import ConfigError
from datasms_daemon.https.client import Answer, Failed, SafeClient
from datasms_daemon.https.connect import Reactor
from datasms_daemon.https.retry_after import retry_at
from datasms_daemon.interfaces import IChannel, IChannelHost
from datasms_daemon.model import (
    Accepted,
    AddressGone,
    Later,
    LineDown,
    NotSent,
    Outcome,
    PushOrder,
    Record,
    Secret,
    Unknown,
    Verdict,
)
from datasms_daemon.rules.addresses import Hosts, netloc

log = Logger()

MAX_PAYLOAD = 5000
# A channel lives no longer, so neither need what WNS keeps for it.
CHANNEL_LIFE_MS = 30 * 24 * 3600 * 1000
TAG_LENGTH = 16
# After a 200 that says "throttled", and after a 406 that names no time.
PAUSE_MS = 30_000
BACK_OFF_MS = 120_000
MAX_PAUSES = 10_000

DROPPED = "dropped"
THROTTLED = frozenset({"channelthrottled", "appthrottled"})
RECEIVED = "received"
STATUS_HEADERS = ("x-wns-status", "x-wns-notificationstatus")
SUPPORT_HEADERS = ("x-wns-msg-id", "x-wns-debug-trace", "x-wns-error-description", "x-wns-deviceconnectionstatus")
MAX_SAID = 200
# Nothing that WNS tells support is as long as a token or holds an address, unless it repeats what we sent.
TOO_TELLING = re.compile(r"\S*://\S*|[^\s,;]{32,}")
NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

ADVICE = {
    "invalid_client": "the client id or secret is not accepted: a secret is pasted by its value, not by its id, and it "
    "expires; make a new one",
    "unauthorized_client": "there is no such application in this tenant: compare tenant and client_id with the "
    "application's overview page",
    "invalid_request": "the token service does not understand the request: compare tenant and client_id",
    "invalid_scope": "the scope is not known there: leave scope out, or try it with or without a slash at the end",
    "invalid_resource": "the scope is not known there: leave scope out, or try it with or without a slash at the end",
}


class _Identity(Record, frozen=True):
    """Where one kind of access token comes from."""

    title: str
    endpoint: str
    path: str
    scope: str


IDENTITIES = {
    "entra": _Identity(
        "Microsoft Entra ID",
        "https://login.microsoftonline.com",
        "/{tenant}/oauth2/v2.0/token",
        "https://wns.windows.com/.default",
    ),
    "store": _Identity("Store identity", "https://login.live.com", "/accesstoken.srf", "notify.windows.com"),
}


class PushRequest(Record, frozen=True):
    """What is posted to a channel URI, without the access token."""

    headers: dict[str, str]
    body: bytes


class Pauses:
    """Channel URIs to be left alone for a while; at most MAX_PAUSES of them, the oldest are forgotten first."""

    def __init__(self) -> None:
        self._until: dict[str, int] = {}

    def begin(self, uri: str, until_ms: int) -> None:
        """Leave it alone until then (UTC ms)."""
        self._until.pop(uri, None)
        self._until[uri] = until_ms
        if len(self._until) > MAX_PAUSES:
            del self._until[next(iter(self._until))]

    def end_of(self, uri: str, now_ms: int) -> int | None:
        """When the pause will be over (UTC ms); None: there is none."""
        until_ms = self._until.get(uri)
        if until_ms is not None and until_ms <= now_ms:
            del self._until[uri]
            return None
        return until_ms


@implementer(IChannel)
class Wns:
    """Pushes for one application. Raises ConfigError when its options or the CA file cannot be used."""

    carries_text = False

    def __init__(self, options: WnsChannel, reactor: Reactor, now_ms: Callable[[], int]) -> None:
        problems = _problems_of(options)
        token_host = netloc(token_url(options))
        if problems or token_host is None:
            raise ConfigError([f"channel {options.name}: {problem}" for problem in problems])
        self.name = options.name
        self._options = options
        self._clock = reactor
        self._now_ms = now_ms
        self._timeout_s = options.timeout / 1000
        exact = [entry for entry in options.hosts if ":" in entry]
        below = [entry for entry in options.hosts if ":" not in entry]
        self._hosts = Hosts(exact, below)
        self._client = SafeClient(
            reactor,
            hosts=Hosts((token_host, *exact), below),
            allow_private=options.allow_private,
            ca_file=options.ca_file,
            concurrency=options.concurrency,
            total_timeout_s=self._timeout_s,
            proxy=options.proxy,
        )
        self._token = self._new_token()
        self._pauses = Pauses()

    def start(self, host: IChannelHost) -> None:
        """Nothing to do: the token is fetched and connections are made by the first push."""

    async def stop(self) -> None:
        """All connections are closed; pushes under way end as Later or Unknown."""
        await self._client.stop()

    async def push(self, order: PushOrder) -> Outcome:
        """What WNS said, within the configured time whatever the number of tries (IChannel.push).

        NotSent when the channel URI is not WNS's: whoever answers there would get our access token.
        """
        form = self._options.form
        return await self._deliver(order, to_request(order, form=form, toast_text=self._options.toast_text))

    async def withdraw(self, order: PushOrder) -> None:
        """A quiet push that takes the place of a stored raw one, and tells a client to forget the message."""
        await self._deliver(order, to_request(order, withdraws=True))

    async def check(self) -> Verdict:
        """Has a token issued; WNS itself has no way to be asked without a channel URI."""
        title = IDENTITIES[self._options.identity].title
        # One of its own: the token that pushes share may be of yesterday, when the secret was still good.
        token = await self._new_token().get(self._timeout_s)
        if isinstance(token, Secret):
            return Verdict(
                True,
                (
                    f"{title} gives access tokens to {self._options.client_id}",
                    "whether WNS takes them for the clients' channels shows with the first push: 403 is a no",
                ),
            )
        finding = f"{title} gives no access token: {token.reason}"
        advice = ADVICE.get(token.reason.rpartition(" ")[2])
        return Verdict(False, (finding,) if advice is None else (finding, advice))

    def _new_token(self) -> AccessToken:
        form = {
            "grant_type": "client_credentials",
            "client_id": self._options.client_id,
            "scope": self._options.scope or IDENTITIES[self._options.identity].scope,
        }
        secret = self._options.client_secret
        url = token_url(self._options)
        return AccessToken(url, lambda: form | {"client_secret": secret.reveal()}, self._client.post, self._clock)

    async def _deliver(self, order: PushOrder, request: PushRequest) -> Outcome:
        uri = order.device.address.get("channel_uri", "")
        refusal = self._refusal(uri, request)
        if refusal is not None:
            return refusal
        answer = await self._send_with_token(uri, request)
        if not isinstance(answer, Answer):
            return outcome_of_failure(answer) if isinstance(answer, Failed) else answer
        now_ms = self._now_ms()
        until_ms = pause_of(answer.status, answer.headers, now_ms)
        if until_ms is not None:
            self._pauses.begin(uri, until_ms)
        outcome = outcome_of(answer.status, answer.headers, now_ms)
        if not isinstance(outcome, Accepted):
            said = _said(answer.headers)
            log.info("{channel}: WNS answers {status}: {said}", channel=self.name, status=answer.status, said=said)
        return outcome

    def _refusal(self, uri: str, request: PushRequest) -> Outcome | None:
        """Why nothing is sent there now, if so."""
        if not uri:
            return NotSent("the device's address has no channel_uri", final=True)
        place = netloc(uri)
        if place is None or not self._hosts.admit(place):
            return NotSent("the channel URI points elsewhere", final=True)
        if len(request.body) > MAX_PAYLOAD:
            return NotSent("larger than WNS takes", final=True)
        until_ms = self._pauses.end_of(uri, self._now_ms())
        return None if until_ms is None else Later("WNS throttles this channel", until_ms)

    async def _send_with_token(self, uri: str, request: PushRequest) -> Answer | Failed | Later | LineDown:
        until = self._clock.seconds() + self._timeout_s
        answer = await self._send(uri, request, until)
        if isinstance(answer, Answer) and answer.status == 401:
            answer = await self._send(uri, request, until)
        return answer

    async def _send(self, uri: str, request: PushRequest, until: float) -> Answer | Failed | Later | LineDown:
        token = await self._token.get(self._left(until))
        if not isinstance(token, Secret):
            return token
        headers = {**request.headers, "Authorization": f"Bearer {token.reveal()}"}
        answer = await self._client.post(uri, headers, request.body, timeout_s=self._left(until))
        if isinstance(answer, Answer) and answer.status == 401:
            self._token.refuse(token)
        return answer

    def _left(self, until: float) -> float:
        return max(0.0, until - self._clock.seconds())


def token_url(options: WnsChannel) -> str:
    """Where the access token is asked for (wns.md § 1)."""
    identity = IDENTITIES[options.identity]
    endpoint = options.endpoint or identity.endpoint
    return endpoint.rstrip("/") + identity.path.format(tenant=options.tenant)


def to_request(
    order: PushOrder, *, form: Literal["raw", "toast"] = "raw", toast_text: str = "", withdraws: bool = False
) -> PushRequest:
    """Headers and body of a push (wns.md § 3). ``withdraws``: the message is over, which is always told raw.

    The header values are ours and made of letters, digits and ``/``; no text of a user comes near them.
    """
    word = "withdrawn" if withdraws else "id"
    wake_up = msgspec.json.encode({"datasms": "1", word: order.message})
    ttl_s = min(max(order.ttl_ms, 0), CHANNEL_LIFE_MS) // 1000
    headers = {
        # WNS refuses a time to live that contradicts the policy (wns.md § 6).
        "X-WNS-TTL": str(ttl_s),
        "X-WNS-Cache-Policy": "cache" if ttl_s else "no-cache",
        "X-WNS-PRIORITY": "1" if order.urgent and not withdraws else "2",
        "X-WNS-RequestForStatus": "true",
    }
    if form == "raw" or withdraws:
        return PushRequest(headers | {"X-WNS-Type": "wns/raw", "Content-Type": "application/octet-stream"}, wake_up)
    headers |= {"X-WNS-Type": "wns/toast", "Content-Type": "text/xml"}
    tag = tag_of(order.message)
    if tag:
        headers["X-WNS-Tag"] = tag
    return PushRequest(headers, _toast(wake_up.decode(), toast_text).encode())


def tag_of(message: str) -> str:
    """The tag of a message's toast, so that a repeat replaces it: the id's last 16 ASCII letters and digits."""
    return re.sub("[^A-Za-z0-9]", "", message)[-TAG_LENGTH:]


def outcome_of(status: int, headers: Mapping[str, str], now_ms: int) -> Outcome:
    """What WNS's answer means (wns.md § 4, design.md § 6). ``headers`` by lower-case name; the body says nothing.

    500 is Unknown as after any other server: the client drops a repeat, so resending it later is harmless.
    """
    reason = str(status)
    match status:
        case 200:
            return _outcome_of_success(headers)
        case 401 | 403:
            return LineDown(reason)
        case 404 | 410:
            return AddressGone(reason)
        case 406 | 429:
            return Later(reason, pause_of(status, headers, now_ms))
    return usual(status, reason, headers, now_ms) if status >= 300 else Unknown(f"{status}: no word from WNS")


def pause_of(status: int, headers: Mapping[str, str], now_ms: int) -> int | None:
    """Until when (UTC ms) WNS wants no more for this channel URI; None: it does not mind."""
    if status in (406, 429):
        return retry_at(headers, now_ms) or now_ms + BACK_OFF_MS
    if status == 200 and _words(headers) & THROTTLED:
        return retry_at(headers, now_ms) or now_ms + PAUSE_MS
    return None


def _outcome_of_success(headers: Mapping[str, str]) -> Outcome:
    words = _words(headers)
    if DROPPED in words:
        return NotSent("200 dropped: the device is offline or does not want notifications")
    if words & THROTTLED or RECEIVED in words:
        return Accepted()
    return Unknown("200: no word from WNS")


def _words(headers: Mapping[str, str]) -> frozenset[str]:
    """All that the status headers say, whichever of them is there."""
    return _words_of(",".join([headers.get(name, "") for name in STATUS_HEADERS])[:MAX_SAID])


@lru_cache(maxsize=64)  # WNS knows few words
def _words_of(said: str) -> frozenset[str]:
    return frozenset(map(str.strip, said.lower().split(",")))


def _said(headers: Mapping[str, str]) -> str:
    """What Microsoft's support will want to know, fit for a log: bounded, one line, nothing that was in the request."""
    return " ".join(f"{name}={_harmless(headers[name])}" for name in SUPPORT_HEADERS if name in headers)


def _harmless(text: str) -> str:
    return TOO_TELLING.sub("…", re.sub("[^ -~]", "?", text))[:MAX_SAID]


def _toast(wake_up: str, text: str) -> str:
    """``launch`` is what the client gets when the toast is clicked."""
    visual = f'<visual><binding template="ToastGeneric"><text>{escape(text)}</text></binding></visual>'
    return f"<toast launch={quoteattr(wake_up)}>{visual}</toast>"


def _problems_of(options: WnsChannel) -> list[str]:
    """All that is wrong with the options, one line each."""
    problems = []
    if options.identity == "entra" and not re.fullmatch(r"[A-Za-z0-9.-]+", options.tenant):
        problems.append("tenant: must be the directory (tenant) id of the application")
    if options.identity == "store" and not options.client_id.startswith("ms-app://"):
        problems.append("client_id: must be the package SID, which begins with ms-app://")
    elif not options.client_id:
        problems.append("client_id: is missing")
    if not options.client_secret:
        problems.append("client_secret: is missing; name the file that holds it in client_secret_file")
    if options.endpoint is not None and netloc(options.endpoint) is None:
        problems.append("endpoint: must be a plain https URL")
    # The access token goes there, so there is no "any host".
    if any(netloc(f"https://{entry}") != entry for entry in options.hosts):
        problems.append("hosts: must be host names in lower case, with :PORT for a port other than 443")
    if NOT_IN_XML.search(options.toast_text):
        problems.append("toast_text: holds a character that XML cannot carry")
    return problems
