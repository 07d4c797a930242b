"""What Viber's answers mean (viber.md §§ 1, 3, 4). Pure. HTTP 200 says nothing: the JSON's ``status`` does."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from datasms_daemon.channels._answers import decoded, usual
from datasms_daemon.https.retry_after import retry_at
from datasms_daemon.model import Accepted, AddressGone, Later, LineDown, NotSent, Outcome, Record, Secret, Unknown
from datasms_daemon.ops.printable import printable

HOUR_MS = 3_600_000
MAX_WORDS = 200
WEBHOOK_NOT_SET = 10
# What a body that is no such JSON raises; RecursionError: nested thousands deep.

# Statuses that are about the bot, and what its owner can do.
OURS = {
    1: "invalidUrl: Viber refuses the webhook's address",
    2: "invalidAuthToken: take the token from the bot's page again",
    7: "publicAccountBlocked: the bot is blocked; ask Viber",
    8: "publicAccountNotFound: there is no such bot; was it deleted?",
    9: "publicAccountSuspended: the bot is suspended; ask Viber",
    WEBHOOK_NOT_SET: "webhookNotSet: Viber sends nothing for a bot without a webhook",
    15: "publicAccountNotAuthorized: the bot may not do this; ask Viber",
    21: "unsupportedCountry: no payments in this country",
    22: "paymentUnsupported: no payments for this bot",
    23: "freeMessagesExceeded: the free messages are used up; agree on paid ones",
    24: "noBalance: the account has no money left",
}
# Statuses that are about the one who should get it.
THEIRS = {5: "receiverNotRegistered: no such Viber user", 6: "receiverNotSubscribed: he left, or never wrote"}
# Statuses that are about this message.
REFUSED = {
    3: "badData",
    4: "missingData",
    11: "receiverNoSuitableDevice: his Viber cannot show it",
    13: "apiVersionNotSupported: his Viber is too old",
    14: "incompatibleWithVersion",
    16: "inchatReplyMessageNotAllowed",
    17: "publicAccountIsNotInline",
    18: "noPublicChat",
    19: "cannotSendBroadcast",
    20: "broadcastNotAllowed",
}
TOO_MANY = 12


class _Status(msgspec.Struct, frozen=True):
    status: int


class _Token(msgspec.Struct, frozen=True):
    message_token: int


class _Billing(msgspec.Struct, frozen=True):
    billing_status: int


class _Explained(msgspec.Struct, frozen=True):
    status_message: str


class Account(Record, frozen=True):
    """What Viber knows of a bot (``get_account_info``)."""

    name: str = ""
    uri: str = ""
    webhook: str | None = None
    event_types: tuple[str, ...] | None = None
    subscribers_count: int | None = None


def outcome_of(status: int, headers: Mapping[str, str], body: bytes, now_ms: int) -> Outcome:
    """What the answer to send_message means (viber.md § 4, design.md § 6). ``headers`` by lower-case name.

    Accepted holds the message token as a decimal text, exact.
    """
    if not 200 <= status < 300:
        return _outcome_of_http(status, headers, now_ms)
    said = status_of(body)
    if said is None:
        return Unknown("success without a status")
    if said == 0:
        token = decoded(body, _Token)
        return Unknown("success without a message token") if token is None else Accepted((str(token.message_token),))
    if said in THEIRS:
        return AddressGone(described(said))
    if said in OURS:
        return LineDown(described(said))
    if said in REFUSED:
        return NotSent(described(said), final=True)
    # His hour begins anew when he writes; nobody tells us, so it is the whole hour.
    return Later(described(said), now_ms + HOUR_MS if said == TOO_MANY else None)


def status_of(body: bytes) -> int | None:
    """The ``status`` of an answer; None: it is no answer of Viber's."""
    answer = decoded(body, _Status)
    return None if answer is None else answer.status


def billing_of(body: bytes) -> int | None:
    """The ``billing_status`` of an accepted message: 0 to 4 free, 5 charged (viber.md § 3). None: it says nothing."""
    answer = decoded(body, _Billing)
    return answer.billing_status if answer is not None and answer.billing_status in range(6) else None


def explanation_of(body: bytes, token: Secret) -> str:
    """Viber's own words about a status, for the log; an empty text if there are none, or if they quote the token."""
    answer = decoded(body, _Explained)
    if answer is None or token.reveal() in answer.status_message:
        return ""
    return shown(answer.status_message)


def shown(words: str) -> str:
    """Foreign words as far as a log or a verdict may show them."""
    return printable(words[:MAX_WORDS])[:MAX_WORDS]


def account_of(body: bytes) -> Account | None:
    """The answer of get_account_info whose status is 0; None: it is none."""
    return decoded(body, Account)


def described(status: int) -> str:
    """A status with its name, and what to do about it."""
    if status == TOO_MANY:
        return f"{status} tooManyRequests: a hundred messages in an hour that he did not answer"
    name = OURS.get(status) or THEIRS.get(status) or REFUSED.get(status) or "general error"
    return f"{status} {name}"


def _outcome_of_http(status: int, headers: Mapping[str, str], now_ms: int) -> Outcome:
    """What a status means that is not Viber's but a server's in between: Viber answers 200 to everything."""
    reason = f"HTTP {status}"
    if status == 429:
        return Later(reason, retry_at(headers, now_ms))
    if status in (401, 403, 404, 407):
        return LineDown(f"{reason}: is the endpoint right?")
    return usual(status, reason, headers, now_ms)
