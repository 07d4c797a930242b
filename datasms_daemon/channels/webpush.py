"""Web Push and UnifiedPush (protocols/webpush.md). A push wakes the client and carries the message's id only,
encrypted for it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from msgspec import Meta
from twisted.logger import Logger
from zope.interface import implementer

from datasms_daemon.channels._answers import decoded, outcome_of_failure, usual
from datasms_daemon.config.channels import WebPushChannel
from datasms_daemon.crypto.certificates import write_private
from datasms_daemon.crypto.webpush import (
    KEY_SEED_BYTES,
    SALT_BYTES,
    ClientKeys,
    application_server_key,
    client_keys,
    encrypt,
    is_signed_by,
    private_key,
    read_vapid_key,
    vapid_key_pem,
    vapid_token,
)
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
    MessageId,
    NotSent,
    Outcome,
    PushOrder,
    Record,
    Secret,
    Verdict,
)
from datasms_daemon.rules.addresses import Hosts, netloc

KEY_FILE = "vapid.pem"
MAX_TTL_S = 2_419_200  # four weeks: the least of what the known services take
WITHDRAWAL_TTL_S = 60
DEFAULT_RETRY_MS = 60_000
# Every push is as long as any other, so that its length does not tell what it is.
STEP = 128
# What Firefox on Android takes is some 2.7 kB, encrypted.
MAX_PAYLOAD = 2_500
TOKEN_LIFE_S = 12 * 3600
RENEW_BEFORE_S = 3600
MAX_TOKENS = 1000
APPLE = Hosts(below=("push.apple.com",))
WINDOWS = Hosts(below=("notify.windows.com",))
CONTACT = re.compile(r"mailto:[^\s@<>\"]+@[^\s@<>\"]+|https://[^\s<>\"]+")
# A contact at such a host cannot be written to from outside.
LOCAL_DOMAINS = ("local", "localhost", "localdomain", "internal", "lan", "invalid", "test")

log = Logger()


class Request(Record, frozen=True):
    """What is posted to the endpoint, but for the sender's proof of identity."""

    headers: dict[str, str]
    body: bytes


class _Refusal(msgspec.Struct, frozen=True):
    errno: Annotated[int, Meta(ge=100, le=999)] | None = None  # Mozilla
    reason: Annotated[str, Meta(pattern=r"^[A-Za-z]{1,40}\Z")] | None = None  # Apple


@implementer(IChannel)
class WebPush:
    """Pushes to the endpoints of subscriptions, on whatever hosts the configuration admits.

    Raises ConfigError when key file, contact, hosts or CA file cannot be used. A relative key file is below
    ``state_dir``; one that does not exist is made of ``random`` bytes. ``new_key`` makes the key of one push (RFC 8291
    § 3.1: it is never used again).
    """

    carries_text = False

    def __init__(
        self,
        options: WebPushChannel,
        reactor: Reactor,
        now_ms: Callable[[], int],
        random: Callable[[int], bytes],
        state_dir: Path,
        new_key: Callable[[], EllipticCurvePrivateKey],
    ) -> None:
        problems = [f"channel {options.name}: {problem}" for problem in _problems(options)]
        if problems:
            raise ConfigError(problems)
        self.name = options.name
        self._clock = reactor
        self._now_ms = now_ms
        self._random = random
        self._new_key = new_key
        self._timeout_s = options.timeout / 1000
        self._contact = options.contact
        self._hosts = Hosts(below=options.hosts)
        self._named = Hosts(below=[host for host in options.hosts if host != "*"])
        self._key_file = state_dir / (options.key_file or KEY_FILE)
        self._client = SafeClient(
            reactor,
            hosts=self._hosts,
            allow_private=options.allow_private,
            ca_file=options.ca_file,
            concurrency=options.concurrency,
            total_timeout_s=self._timeout_s,
            proxy=options.proxy,
        )
        self._key = _key_of(options.name, self._key_file, random)
        self._public = application_server_key(self._key)
        self._tokens = _Tokens(lambda origin, exp: vapid_token(self._key, origin, options.contact, exp), now_ms)

    @property
    def application_server_key(self) -> str:
        """What clients subscribe with (``applicationServerKey``): 87 characters."""
        return self._public

    def start(self, host: IChannelHost) -> None:
        """Nothing to do: connections are made by the first push."""

    async def stop(self) -> None:
        """All connections are closed; pushes under way end as Later or Unknown."""
        await self._client.stop()

    async def push(self, order: PushOrder) -> Outcome:
        """What the push service said, within the configured time whatever the number of tries (IChannel.push)."""
        return await self._deliver(order)

    async def withdraw(self, order: PushOrder) -> None:
        """Takes the place of a push that still waits at the service, and tells a connected client to forget the
        message. Nothing at Apple's, which ends subscriptions for pushes that show nothing."""
        place = netloc(order.device.address.get("endpoint", ""))
        if place is not None and not APPLE.admit(place):
            await self._deliver(order, withdraws=True)

    async def check(self) -> Verdict:
        """Looks at key and contact; without a subscription there is nobody to send to, so nothing is sent."""
        faults = _key_faults(self._key, self._key_file)
        if _is_local(self._contact):
            faults.append("contact: no address on the internet; Apple refuses such a one (403 BadJwtToken)")
        token = vapid_token(self._key, "https://push.example", self._contact, self._now_ms() // 1000 + TOKEN_LIFE_S)
        if not is_signed_by(self._key.public_key(), token):
            faults.append("what the key signs it does not verify: make a new key")
        if faults:
            return Verdict(False, tuple(faults))
        return Verdict(
            True,
            (
                f"the key signs; clients subscribe with {self._public}",
                "nothing was sent: whether a push service takes key and contact shows at the first push",
            ),
        )

    async def _deliver(self, order: PushOrder, *, withdraws: bool = False) -> Outcome:
        url = order.device.address.get("endpoint", "")
        place = netloc(url)
        if place is None or not self._hosts.admit(place):
            return NotSent(
                "the device's endpoint is missing, no plain https URL, or on a host not in hosts", final=True
            )
        keys = client_keys(order.device.keys)
        if keys is None:
            return NotSent("the device's keys p256dh and auth are missing or wrong", final=True)
        request = to_request(order, place, keys, self._new_key(), self._random(SALT_BYTES), withdraws=withdraws)
        if request is None:
            return NotSent("the message's id is too long for a push", final=True)
        answer = await self._post(url, place, request)
        if isinstance(answer, Failed):
            outcome = outcome_of_failure(answer)
        else:
            outcome = outcome_of(answer.status, answer.headers, answer.body, self._now_ms())
        return outcome if self._named.admit(place) else _of_a_stranger(outcome)

    async def _post(self, url: str, place: str, request: Request) -> Answer | Failed:
        until = self._clock.seconds() + self._timeout_s
        answer = await self._post_once(url, place, request, until)
        if isinstance(answer, Answer) and answer.status in (401, 403):
            answer = await self._post_once(url, place, request, until)
        return answer

    async def _post_once(self, url: str, place: str, request: Request, until: float) -> Answer | Failed:
        origin = f"https://{place}"
        token = self._tokens.get(origin)
        proof = f"vapid t={token.reveal()}, k={self._public}"
        left_s = max(0.0, until - self._clock.seconds())
        headers = {**request.headers, "Authorization": proof}
        answer = await self._client.post(url, headers, request.body, timeout_s=left_s)
        if isinstance(answer, Answer) and answer.status in (401, 403):
            self._tokens.refuse(origin, token)
        return answer


class _Tokens:
    """VAPID tokens by origin, each in use until an hour before it expires. ``sign`` makes one."""

    def __init__(self, sign: Callable[[str, int], str], now_ms: Callable[[], int]) -> None:
        self._sign = sign
        self._now_ms = now_ms
        self._tokens: dict[str, tuple[Secret, int]] = {}

    def get(self, origin: str) -> Secret:
        """A token that is good now."""
        now_s = self._now_ms() // 1000
        token, expires_at_s = self._tokens.get(origin, (Secret(""), 0))
        if now_s < expires_at_s - RENEW_BEFORE_S:
            return token
        expires_at_s = now_s + TOKEN_LIFE_S
        token = Secret(self._sign(origin, expires_at_s))
        self._tokens.pop(origin, None)
        if len(self._tokens) >= MAX_TOKENS:
            self._tokens.pop(next(iter(self._tokens)))
        self._tokens[origin] = (token, expires_at_s)
        return token

    def refuse(self, origin: str, token: Secret) -> None:
        """The service does not take ``token``: the next ``get`` makes another, unless somebody already did."""
        if self._tokens.get(origin, (None, 0))[0] == token:
            del self._tokens[origin]


def to_request(
    order: PushOrder,
    place: str,
    keys: ClientKeys,
    sender: EllipticCurvePrivateKey,
    salt: bytes,
    *,
    withdraws: bool = False,
) -> Request | None:
    """The request for an endpoint at ``place``, as ``netloc`` writes it (webpush.md §§ 2, 4; wns.md § 6); None if the
    message's id is too long. ``sender`` and ``salt`` must be new for each.

    All requests for one message have one topic, so that the service keeps only the last. ``withdraws``: the message is
    over; soon after this has taken the place of an earlier push it is gone itself, and it is worth no battery.
    """
    payload = msgspec.json.encode({"datasms": "1", "withdrawn" if withdraws else "id": order.message})
    if len(payload) > MAX_PAYLOAD:
        return None
    ttl_s = WITHDRAWAL_TTL_S if withdraws else min(max(order.ttl_ms // 1000, 0), MAX_TTL_S)
    urgency = "high" if order.urgent else "normal"
    headers = {
        "TTL": str(ttl_s),
        "Urgency": "very-low" if withdraws else urgency,
        "Topic": topic_of(order.message),
        "Content-Encoding": "aes128gcm",
        "Content-Type": "application/octet-stream",
    }
    if WINDOWS.admit(place):
        headers["X-WNS-Cache-Policy"] = "cache" if ttl_s else "no-cache"
    body = encrypt(payload, keys, sender, salt, step=STEP)
    return Request(headers, body)


def topic_of(message: MessageId) -> str:
    """What stands for the message at the service: 32 letters and digits, always the same ones, that do not tell its
    id."""
    return hashlib.sha256(message.encode()).hexdigest()[:32]


def outcome_of(status: int, headers: Mapping[str, str], body: bytes, now_ms: int) -> Outcome:
    """What a push service's answer means (webpush.md § 4, design.md § 6). ``headers`` by lower-case name.

    The id of what was taken is not kept: it is a URL by which anybody may drop it.
    """
    if 200 <= status < 300:
        return Accepted()
    reason = f"{status} {_said(body)}".rstrip()
    match status:
        case 404 | 410:
            return AddressGone(reason)
        case 401 | 403:
            return LineDown(reason)
        case 406 | 429:
            return Later(reason, retry_at(headers, now_ms) or now_ms + DEFAULT_RETRY_MS)
    return usual(status, reason, headers, now_ms)


def _said(body: bytes) -> str:
    """Mozilla's error number or Apple's word; an empty text when there is neither to be understood."""
    refusal = decoded(body, _Refusal) or _Refusal()
    return refusal.reason or (f"errno {refusal.errno}" if refusal.errno else "")


def _of_a_stranger(outcome: Outcome) -> Outcome:
    """A host that a client chose: what it refuses says nothing about our credentials."""
    return NotSent(outcome.reason, final=True) if isinstance(outcome, LineDown) else outcome


def _problems(options: WebPushChannel) -> list[str]:
    problems = []
    if not CONTACT.fullmatch(options.contact):
        problems.append("contact: must be mailto:… or https://…")
    for host in options.hosts:
        if host != "*" and netloc(f"https://{host}") != host:
            problems.append(f"hosts: {host}: must be a host's name in lower case without *. before it, or * alone")
    return problems


def _is_local(contact: str) -> bool:
    """Whether the contact's host means nothing outside."""
    host = re.sub(r"^(mailto:.*@|https://)", "", contact)
    domain = re.split("[/:?]", host.lower())[0].rstrip(".").rpartition(".")
    return not domain[0] or domain[2] in LOCAL_DOMAINS or domain[2].isdecimal()


def _key_of(name: str, path: Path, random: Callable[[int], bytes]) -> EllipticCurvePrivateKey:
    """The key in the file; made if there is no file. Raises ConfigError naming what is wrong."""
    here = f"channel {name}: key_file {path}:"
    try:
        if not path.exists():
            write_private(path, vapid_key_pem(private_key(random(KEY_SEED_BYTES))))
            log.info("channel {name}: made a new VAPID key, keep a copy of {path}", name=name, path=str(path))
        return read_vapid_key(path.read_bytes())
    except ValueError as problem:
        raise ConfigError([f"{here} {problem}"]) from problem
    except OSError as problem:
        raise ConfigError([f"{here} cannot be read or made ({problem.strerror})"]) from problem


def _key_faults(key: EllipticCurvePrivateKey, path: Path) -> list[str]:
    """What is wrong with the file of the key in use."""
    try:
        now_there = read_vapid_key(path.read_bytes())
        is_open = bool(path.stat().st_mode & 0o077)
    except ValueError as problem:
        return [f"{path} {problem}: restore it from a copy"]
    except OSError as problem:
        return [f"{path} cannot be read ({problem.strerror}): restore it from a copy"]
    faults = []
    if application_server_key(now_there) != application_server_key(key):
        faults.append(f"{path} holds another key than the one in use: restore it, or restart and subscribe anew")
    if is_open:
        faults.append(f"{path} may be read by others: chmod 600 {path}")
    return faults
