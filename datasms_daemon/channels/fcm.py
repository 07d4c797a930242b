"""Firebase Cloud Messaging, HTTP v1 (protocols/fcm.md). A push wakes the client and carries the message's id only."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import msgspec
from zope.interface import implementer

from datasms_daemon.channels._answers import decoded, outcome_of_failure, usual
from datasms_daemon.channels._google import read_service_account
from datasms_daemon.channels._oauth import AccessToken
from datasms_daemon.config.channels import FcmChannel
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
    Secret,
    Unknown,
    Verdict,
)
from datasms_daemon.rules.addresses import Hosts, netloc

MAX_TTL_S = 2_419_200  # four weeks
DEFAULT_RETRY_MS = 60_000
FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
# The APNs or web push credentials in the Firebase project are bad; a new token of ours would not help.
THIRD_PARTY = ("THIRD_PARTY_AUTH_ERROR", "APNS_AUTH_ERROR")
COLLAPSE_KEY = "datasms"
NOBODY = "datasms-test"
ADVICE = {
    401: "the key file's account is not accepted; make a new key in the console",
    403: "the account may not send: give it the role Firebase Cloud Messaging API Admin, and enable that API",
    404: "there is no such project",
    429: "the project's quota is used up",
}
ADDRESS_FIELDS = ("message.token", "message.fid", "token", "fid")


class _Violation(msgspec.Struct, frozen=True):
    field: str = ""


class _Detail(msgspec.Struct, frozen=True, rename="camel"):
    type: str = msgspec.field(default="", name="@type")
    error_code: str = ""
    field_violations: tuple[_Violation, ...] = ()


class _Error(msgspec.Struct, frozen=True):
    details: tuple[_Detail, ...] = ()

    @property
    def code(self) -> str:
        """FCM's own error code, as far as it looks like one; else an empty text."""
        codes = [detail.error_code for detail in self.details if detail.type == FCM_ERROR]
        return codes[0] if codes and re.fullmatch(r"[A-Z_]{1,40}", codes[0]) else ""

    @property
    def names_the_address(self) -> bool:
        """Whether the fault is said to be in the address."""
        return any(
            violation.field in ADDRESS_FIELDS for detail in self.details for violation in detail.field_violations
        )


class _ErrorBody(msgspec.Struct, frozen=True):
    error: _Error


class _Sent(msgspec.Struct, frozen=True):
    name: str


@implementer(IChannel)
class Fcm:
    """Pushes through one Firebase project. Raises ConfigError when key file, endpoint or CA file cannot be used."""

    carries_text = False

    def __init__(self, options: FcmChannel, reactor: Reactor, now_ms: Callable[[], int]) -> None:
        self.name = options.name
        self._clock = reactor
        self._now_ms = now_ms
        self._timeout_s = options.timeout / 1000
        account = read_service_account(options.credentials_file)
        host, token_host = netloc(options.endpoint), netloc(account.token_uri)
        if host is None or token_host is None:
            raise ConfigError([f"channel {options.name}: endpoint: must be a plain https URL"])
        self._project = account.project_id
        self._url = f"{options.endpoint.rstrip('/')}/v1/projects/{account.project_id}/messages:send"
        self._client = SafeClient(
            reactor,
            hosts=Hosts((host, token_host)),
            allow_private=options.allow_private,
            ca_file=options.ca_file,
            concurrency=options.concurrency,
            total_timeout_s=self._timeout_s,
            proxy=options.proxy,
        )
        self._token = AccessToken(account.token_uri, lambda: account.form(now_ms() // 1000), self._client.post, reactor)

    def start(self, host: IChannelHost) -> None:
        """Nothing to do: the token is fetched and connections are made by the first push."""

    async def stop(self) -> None:
        """All connections are closed; pushes under way end as Later or Unknown."""
        await self._client.stop()

    async def push(self, order: PushOrder) -> Outcome:
        """What FCM said, within the configured time whatever the number of tries (IChannel.push)."""
        body = to_request(order, self._now_ms() // 1000)
        if body is None:
            return NotSent("the device's address has neither token nor fid", final=True)
        return await self._deliver(body)

    async def withdraw(self, order: PushOrder) -> None:
        """A quiet push that takes the place of a stored wake-up, and tells a client to forget the message."""
        body = to_request(order, self._now_ms() // 1000, withdraws=True)
        if body is not None:
            await self._deliver(body)

    async def check(self) -> Verdict:
        """Has FCM look at a message to nobody (validate_only): it comes as far as the made-up address, or not."""
        nobody = {"validate_only": True, "message": {"token": NOBODY, "data": {"datasms": "1"}}}
        answer = await self._send_with_token(msgspec.json.encode(nobody))
        if not isinstance(answer, Answer):
            return Verdict(False, (f"no answer from FCM: {answer.reason}",))
        error = _error_of(answer.body)
        if answer.status == 200 or error.code == "UNREGISTERED" or error.names_the_address:
            return Verdict(True, (f"project {self._project}: Google takes the key, FCM takes messages",))
        reason = f"{ADVICE.get(answer.status, 'refused')} ({answer.status} {error.code})"
        return Verdict(False, (f"project {self._project}: {reason}",))

    async def _deliver(self, body: bytes) -> Outcome:
        answer = await self._send_with_token(body)
        if isinstance(answer, Answer):
            return outcome_of(answer.status, answer.headers, answer.body, self._now_ms())
        return outcome_of_failure(answer) if isinstance(answer, Failed) else answer

    async def _send_with_token(self, body: bytes) -> Answer | Failed | Later | LineDown:
        until = self._clock.seconds() + self._timeout_s
        answer = await self._send(body, until)
        if isinstance(answer, Answer) and _token_refused(answer):
            answer = await self._send(body, until)
        return answer

    async def _send(self, body: bytes, until: float) -> Answer | Failed | Later | LineDown:
        token = await self._token.get(self._left(until))
        if not isinstance(token, Secret):
            return token
        headers = {"Authorization": f"Bearer {token.reveal()}", "Content-Type": "application/json; charset=UTF-8"}
        answer = await self._client.post(self._url, headers, body, timeout_s=self._left(until))
        if isinstance(answer, Answer) and _token_refused(answer):
            self._token.refuse(token)
        return answer

    def _left(self, until: float) -> float:
        return max(0.0, until - self._clock.seconds())


def to_request(order: PushOrder, now_s: int, *, withdraws: bool = False) -> bytes | None:
    """The request's JSON (fcm.md §§ 3-5) at ``now_s`` seconds UTC; None for an address without token and fid.

    What need not be at once shares one collapse key, so that a device that is away finds one wake-up and not a hundred,
    at which FCM would drop them all; the inbox has the rest. ``withdraws``: the message is over.
    """
    address = order.device.address
    kind = "fid" if "fid" in address else "token"
    if not address.get(kind):
        return None
    ttl_s = min(max(order.ttl_ms // 1000, 0), MAX_TTL_S)
    urgent = order.urgent and not withdraws
    android: dict[str, str | bool] = {
        "priority": "HIGH" if urgent else "NORMAL",
        "ttl": f"{ttl_s}s",
        "direct_boot_ok": True,
    }
    if not urgent:
        android["collapse_key"] = COLLAPSE_KEY
    message = {
        kind: address[kind],
        "data": {"datasms": "1", "withdrawn" if withdraws else "id": order.message},
        "android": android,
        "apns": {
            # FCM refuses any other priority for a message without a notification.
            "headers": {"apns-priority": "5", "apns-expiration": str(now_s + ttl_s if ttl_s else 0)},
            "payload": {"aps": {"content-available": 1}},
        },
    }
    return msgspec.json.encode({"message": message})


def outcome_of(status: int, headers: Mapping[str, str], body: bytes, now_ms: int) -> Outcome:
    """What FCM's answer means (fcm.md § 8, design.md § 6). ``headers`` by lower-case name.

    500 is Unknown as after any other server: the client drops a repeat, so resending it later is harmless.
    """
    if 200 <= status < 300:
        return _accepted(body)
    error = _error_of(body)
    reason = f"{status} {error.code}".rstrip()
    match status:
        case 404 if error.code == "UNREGISTERED":
            return AddressGone(reason)
        case 403 if error.code == "SENDER_ID_MISMATCH":
            return AddressGone(f"{reason}: the address belongs to another Firebase project")
        case 400 if error.names_the_address:
            return AddressGone(reason)
        case 401 | 403 | 404:
            return LineDown(reason)
        case 429:
            return Later(reason, retry_at(headers, now_ms) or now_ms + DEFAULT_RETRY_MS)
    return usual(status, reason, headers, now_ms)


def _token_refused(answer: Answer) -> bool:
    """Whether another access token may help."""
    return answer.status == 401 and _error_of(answer.body).code not in THIRD_PARTY


def _accepted(body: bytes) -> Outcome:
    sent = decoded(body, _Sent)
    return Accepted() if sent is not None and sent.name else Unknown("success without a message name")


def _error_of(body: bytes) -> _Error:
    """The error in the body; an empty one when there is none to be understood, as from a proxy."""
    found = decoded(body, _ErrorBody)
    return _Error() if found is None else found.error
