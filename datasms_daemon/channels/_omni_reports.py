"""What Infobip says, in answers and by itself, as records (protocols/infobip-omni.md §§ 3.1, 3.3, 3.4, 4, 6). Pure.

Infobip may add fields and values at any time: what is not known is passed over, and changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import TypeVar

import msgspec

from datasms_daemon.channels._answers import decoded, usual
from datasms_daemon.channels._omni_requests import PHONE
from datasms_daemon.https.retry_after import retry_at
from datasms_daemon.model import (
    Accepted,
    AddressGone,
    Later,
    LineDown,
    NotSent,
    Outcome,
    ReceiptState,
    Record,
    Unknown,
)

T = TypeVar("T")

DEFAULT_RETRY_MS = 60_000
SUNSET = "sunset: Infobip has ended this API; see the other value of the option api"
_WORD = re.compile(r"[A-Za-z0-9_]{1,60}")

# Status groups and ids, § 6.
_TAKEN = (0, 1, 3)
_OVER = (2, 4)
_REJECTED = 5
_DELIVERED = 3
_TO_HANDSET = 5
_RECEIPT_UNKNOWN = 29
_ACCOUNT = (11, 12, 13, 17, 19, 87)
_SYSTEM_ERROR = 21
_DUPLICATE = 23
_DEAD_STATUS = (8, 14)  # no such prefix, blocklisted: what § 6 calls permanent among the errors 352 and 2050
# Errors that say of the number itself that nothing ever reaches it, if Infobip says that they are permanent.
_DEAD_ERROR = (1, 9, 11, 12, 352, 629, 7002)
_DUPLICATE_ERROR = 5492


class Report(Record, frozen=True):
    """A later word about a push, by the message id that we gave it; ``dead``: the number that nothing reaches."""

    message_id: str
    state: ReceiptState
    reason: str | None = None
    dead: str | None = None


class Incoming(Record, frozen=True):
    """What a person wrote, from his number; ``key`` is the same when it is told again."""

    from_: str
    to: str
    text: str
    key: str


class Told(Record, frozen=True):
    """All that one body said; ``passed_over`` counts what means nothing to us."""

    reports: tuple[Report, ...] = ()
    incoming: tuple[Incoming, ...] = ()
    passed_over: int = 0

    @property
    def results(self) -> int:
        """How many there were in all."""
        return len(self.reports) + len(self.incoming) + self.passed_over


class ScenarioStep(msgspec.Struct, frozen=True):
    """One step of a scenario: its channel, and who it is sent as."""

    channel: str = ""
    sender: str = msgspec.field(default="", name="from")


class _Scenario(msgspec.Struct, frozen=True):
    flow: tuple[ScenarioStep, ...]


class _Scenarios(msgspec.Struct, frozen=True):
    scenarios: tuple[_Scenario, ...]


class _Word(msgspec.Struct, frozen=True, rename="camel"):
    """A status or an error."""

    id: int | None = None
    group_id: int | None = None
    name: str = ""
    permanent: bool = False


class _Entry(msgspec.Struct, frozen=True, rename="camel"):
    status: _Word
    message_id: str | None = None


class _Sent(msgspec.Struct, frozen=True):
    messages: tuple[_Entry, ...]


class _Results(msgspec.Struct, frozen=True):
    results: tuple[msgspec.Raw, ...]


class _Result(msgspec.Struct, frozen=True, rename="camel"):
    """A delivery or seen report of either API."""

    message_id: str
    event: str | None = None
    status: _Word | None = None
    error: _Word | None = None
    seen_at: str | None = None
    channel: str | None = None
    callback_data: str | None = None
    to: str | None = None
    destination: str | None = None


class _Part(msgspec.Struct, frozen=True):
    """What a person sent: a text, or something with a type, perhaps a caption and a place to get it from."""

    type: str = "TEXT"
    text: str | None = None
    caption: str | None = None
    title: str | None = None
    url: str | None = None


class _Mo(msgspec.Struct, frozen=True, rename="camel"):
    """A text from a person: by OMNI (``message``), the Messages API (``content``) or a plain SMS hook (``text``)."""

    message_id: str | None = None
    event: str | None = None
    from_: str | None = msgspec.field(default=None, name="from")
    sender: str | None = None
    to: str | None = None
    destination: str | None = None
    text: str | None = None
    message: _Part | None = None
    content: tuple[_Part, ...] = ()


class _ServiceException(msgspec.Struct, frozen=True, rename="camel"):
    message_id: str = ""


class _RequestError(msgspec.Struct, frozen=True, rename="camel"):
    service_exception: _ServiceException = _ServiceException()


class _Violation(msgspec.Struct, frozen=True):
    property: str = ""


class Refusal(msgspec.Struct, frozen=True, rename="camel"):
    """Why a request was refused, in the words of either API."""

    error_code: str = ""
    request_error: _RequestError = _RequestError()
    violations: tuple[_Violation, ...] = ()

    @property
    def code(self) -> str:
        """Infobip's word for it, as far as it looks like one; else an empty text."""
        return _word(self.error_code or self.request_error.service_exception.message_id)

    @property
    def faulty(self) -> tuple[str, ...]:
        """The fields that are said to be wrong."""
        named = (violation.property for violation in self.violations)
        return tuple(name for name in named if re.fullmatch(r"[A-Za-z0-9_.\[\]]{1,100}", name))


def outcome_of(status: int, headers: Mapping[str, str], body: bytes, now_ms: int, message_id: str) -> Outcome:
    """What the answer to a push means (§§ 2, 6, design.md § 6).

    ``headers`` by lower-case name, ``message_id`` as we gave it.
    """
    if 200 <= status < 300:
        return _sent(body, message_id)
    reason = f"{status} {refusal_of(body).code}".rstrip()
    match status:
        case 401 | 403 | 404:
            return LineDown(reason)
        case 410:
            return LineDown(SUNSET)
        case 429:
            return Later(reason, retry_at(headers, now_ms) or now_ms + DEFAULT_RETRY_MS)
    return usual(status, reason, headers, now_ms)


def refusal_of(body: bytes) -> Refusal:
    """The error in the body; an empty one when there is none to be understood, as from a proxy."""
    return decoded(body, Refusal, strict=False) or Refusal()


def flow_of(body: bytes) -> tuple[ScenarioStep, ...]:
    """The steps of the scenario in an answer, or of the first one in a list; none when there is no scenario."""
    listed = decoded(body, _Scenarios, strict=False)
    found = decoded(body, _Scenario, strict=False) if listed is None else next(iter(listed.scenarios), None)
    return () if found is None else found.flow


def reports_of(body: bytes, mark: str, not_last: tuple[str, ...] = ()) -> Told | None:
    """Delivery and seen reports, pushed or pulled; None: it is no such body.

    Those with another callbackData than ``mark`` belong to somebody else. The failure of a channel in ``not_last`` is
    not the end: Infobip goes on to its next step.
    """
    raws = _results(body)
    if raws is None:
        return None
    results = [decoded(raw, _Result, strict=False) for raw in raws]
    reports = [_report(result, mark, not_last) for result in results if result is not None]
    known = tuple(report for report in reports if report is not None)
    return Told(reports=known, passed_over=len(raws) - len(known))


def incoming_of(body: bytes) -> Told | None:
    """Texts from persons; None: it is no such body. What has no phone number as its sender is passed over."""
    raws = _results(body)
    if raws is None:
        return None
    incoming = [_incoming(decoded(raw, _Mo, strict=False), raw) for raw in raws]
    known = tuple(one for one in incoming if one is not None)
    return Told(incoming=known, passed_over=len(raws) - len(known))


def _sent(body: bytes, message_id: str) -> Outcome:
    sent = decoded(body, _Sent, strict=False)
    if sent is None or len(sent.messages) != 1:
        return Unknown("success without the status of one message")
    (entry,) = sent.messages
    if entry.message_id not in (None, message_id):
        return Unknown("success with the status of another message")
    status = entry.status
    reason = f"status {status.id} {_word(status.name)}".rstrip()
    if status.group_id in _TAKEN:
        return Accepted((message_id,))
    if status.group_id == _REJECTED or (status.group_id in _OVER and status.id in _ACCOUNT):
        return _rejected(status.id, reason, message_id)
    if status.group_id in _OVER and status.id != _RECEIPT_UNKNOWN:
        return NotSent(reason, final=True)
    return Unknown(reason)


def _rejected(id_: int | None, reason: str, message_id: str) -> Outcome:
    if id_ == _DUPLICATE:
        # A repeat after a time-out: the first one had arrived.
        return Accepted((message_id,))
    if id_ in _ACCOUNT:
        return LineDown(reason)
    if id_ == _SYSTEM_ERROR:
        return Later(reason)
    return AddressGone(reason) if id_ in _DEAD_STATUS else NotSent(reason, final=True)


def _report(result: _Result, mark: str, not_last: tuple[str, ...]) -> Report | None:
    if result.callback_data not in (None, "", mark):
        return None
    status, error = result.status, result.error or _Word()
    if status is None:
        return Report(result.message_id, ReceiptState.READ) if result.seen_at or result.event == "SEEN" else None
    if status.group_id == _DELIVERED:
        state = ReceiptState.DELIVERED if status.id == _TO_HANDSET else ReceiptState.SENT
        return Report(result.message_id, state)
    if status.group_id not in (*_OVER, _REJECTED) or (result.channel or "").upper() in not_last:
        return None
    if status.id == _DUPLICATE or error.id == _DUPLICATE_ERROR:
        # Of a repeat of ours: the first one is still on its way, under the same id.
        return None
    reason = f"status {status.id} error {error.id}"
    dead = error.permanent and error.id in _DEAD_ERROR
    number = phone_of(result.to or result.destination or "")
    return Report(result.message_id, ReceiptState.FAILED, reason, number if dead else None)


def phone_of(text: str) -> str | None:
    """The number in E.164 with ``+``, which Infobip writes without; None for anything else."""
    number = f"+{text.removeprefix('+')}"
    return number if PHONE.fullmatch(number) else None


def _incoming(mo: _Mo | None, raw: bytes) -> Incoming | None:
    if mo is None or mo.event not in (None, "MO"):
        return None
    number = phone_of(mo.from_ or mo.sender or "")
    parts = mo.content or (mo.message or _Part(text=mo.text),)
    text = "\n".join(line for line in map(_line, parts) if line)
    if number is None or not text:
        return None
    to = mo.to or mo.destination or ""
    return Incoming(number, phone_of(to) or to, text, mo.message_id or sha256(raw).hexdigest())


def _line(part: _Part) -> str:
    """A text as it is; anything else by the name of its type, with what it says and where it is."""
    said = [one for one in (part.text, part.caption, part.title, part.url) if one]
    if part.type.upper() == "TEXT":
        return said[0] if said else ""
    kind = _word(part.type).lower().replace("_", " ") or "unknown"
    return " ".join([f"[{kind}]", *said])


def _results(body: bytes) -> tuple[bytes, ...] | None:
    found = decoded(body, _Results, strict=False)
    return None if found is None else tuple(bytes(raw) for raw in found.results)


def _word(text: str) -> str:
    """Infobip's own word, as far as it looks like one: its texts may quote the request."""
    return text if _WORD.fullmatch(text) else ""
