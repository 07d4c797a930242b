"""A stand-in for Infobip: OMNI failover and the Messages API (protocols/infobip-omni.md).

It refuses what the real service refuses, keeps what it took, knows a message id that it has seen before, and hands each
report out once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec import Meta
from twisted.internet.interfaces import IReactorTime
from twisted.web.http import Request

from datasms_daemon.demo.answers import Rendered, ScriptedAnswer, answer
from datasms_daemon.demo.https import HttpsService, content, content_type

API_KEY = "canary-key-9c41"
SCENARIO = "AD9E01A5DC7BEE2C2B828D208182A611"

Id = Annotated[str, Meta(min_length=1, max_length=200)]
Number = Annotated[str, Meta(pattern=r"^[1-9][0-9]{6,14}$")]
Text = Annotated[str, Meta(min_length=1)]
Callback = Annotated[str, Meta(max_length=4000)]
Address = Annotated[str, Meta(pattern=r"^https://")]
MessagesChannel = Literal["RCS", "SMS", "VIBER_BM", "WHATSAPP"]

UNITS = {"SECONDS": 1, "MINUTES": 60, "HOURS": 3600}


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Refuses what it does not know."""


class OmniPart(Strict, frozen=True):
    text: Text
    validity_period: int
    validity_period_time_unit: Literal["SECONDS", "MINUTES", "HOURS"] = "MINUTES"

    @property
    def validity_s(self) -> int:
        return self.validity_period * UNITS[self.validity_period_time_unit]


class OmniTo(Strict, frozen=True):
    phone_number: Number


class OmniDestination(Strict, frozen=True):
    message_id: Id
    to: OmniTo


class OmniBody(Strict, frozen=True):
    destinations: Annotated[tuple[OmniDestination, ...], Meta(min_length=1)]
    scenario_key: str | None = None
    sms: OmniPart | None = None
    viber: OmniPart | None = None
    whats_app: OmniPart | None = None
    notify_url: Address | None = None
    notify_content_type: Literal["application/json", "application/xml"] = "application/json"
    callback_data: Callback | None = None


class Period(Strict, frozen=True):
    amount: int
    time_unit: Literal["SECONDS", "MINUTES", "HOURS"] = "MINUTES"

    @property
    def validity_s(self) -> int:
        return self.amount * UNITS[self.time_unit]


class TextBody(Strict, frozen=True):
    type: Literal["TEXT"]
    text: Text


class MessageContent(Strict, frozen=True):
    body: TextBody


class ByChannel(Strict, frozen=True):
    channel: MessagesChannel
    to: Number


class Destination(Strict, frozen=True):
    message_id: Id
    by_channel: tuple[ByChannel, ...]


class MessageOptions(Strict, frozen=True):
    validity_period: Period | None = None


class Delivery(Strict, frozen=True):
    url: Address
    intermediate_report: bool = False
    receive_triggered_failover_reports: bool = False


class Seen(Strict, frozen=True):
    url: Address


class Webhooks(Strict, frozen=True):
    delivery: Delivery | None = None
    seen: Seen | None = None
    callback_data: Callback | None = None


class Failover(Strict, frozen=True):
    channel: MessagesChannel
    sender: Text
    content: MessageContent
    validity_period: Period | None = None


class Message(Strict, frozen=True):
    channel: MessagesChannel
    sender: Text
    destinations: Annotated[tuple[Destination, ...], Meta(min_length=1)]
    content: MessageContent
    options: MessageOptions = MessageOptions()
    webhooks: Webhooks = Webhooks()
    failover: tuple[Failover, ...] = ()


class MessagesBody(Strict, frozen=True):
    messages: Annotated[tuple[Message, ...], Meta(min_length=1)]


Flow = list[dict[str, str]]


class OmniService(HttpsService):
    """``sent`` has what was taken, by message id; ``script`` what the next sends are answered in place of the usual;
    ``reports`` what the next question for reports is answered; ``senders`` the agreed ones; ``headers`` go out with
    every answer."""

    def __init__(self, clock: IReactorTime, now_ms: Callable[[], int]) -> None:
        super().__init__(clock, now_ms)
        self.sent: dict[str, OmniBody | Message] = {}
        self.script: list[ScriptedAnswer] = []
        self.reports: list[dict[str, object]] = []
        self.pulls = 0
        self.senders = {"Acme", "AcmeSMS"}
        self.headers: dict[str, str] = {}
        self.scenarios: dict[str, Flow] = {
            SCENARIO: [{"from": "Acme", "channel": "VIBER"}, {"from": "AcmeSMS", "channel": "SMS"}]
        }
        self.default: str | None = SCENARIO

    def answer(self, request: Request) -> Rendered:
        """See HttpsService."""
        for name, value in self.headers.items():
            request.setHeader(name, value)
        path = urlsplit(request.uri.decode("ascii")).path
        rest = path.removeprefix("/omni/1/scenarios/")
        if request.getHeader("Authorization") != f"App {API_KEY}":
            return refusal(401, "UNAUTHORIZED", path)(request)
        if request.method == b"POST" and content_type(request) != "application/json":
            return refusal(400, "BAD_REQUEST", path)(request)
        match (request.method, path):
            case (b"POST", "/omni/1/advanced" | "/messages-api/1/messages"):
                return self._send(path, request)(request)
            case (b"POST", "/messages-api/1/messages/validate"):
                return self._validate(content(request))(request)
            case (b"GET", "/omni/1/reports" | "/messages-api/1/reports"):
                return self._hand_out()(request)
            case (b"GET", "/omni/1/scenarios"):
                return self._list_scenarios(request)(request)
            case (b"GET", _) if rest != path:
                return self._scenario(unquote(rest))(request)
        return refusal(404, "NOT_FOUND", path)(request)

    def _send(self, path: str, request: Request) -> ScriptedAnswer:
        read = self._omni if path.startswith("/omni/") else self._messages
        found = read(content(request))
        if isinstance(found, str):
            return refusal(400, "BAD_REQUEST", path, found)
        if self.script:
            return self.script.pop(0)
        entries = []
        for id_, taken in found.items():
            entries.append(entry(5, 23, "REJECTED_DUPLICATE_MESSAGE_ID", id_) if id_ in self.sent else pending(id_))
            self.sent.setdefault(id_, taken)
        return answer(200, msgspec.json.encode({"messages": entries}))

    def _omni(self, body: bytes) -> dict[str, OmniBody] | str:
        try:
            asked = msgspec.json.decode(body, type=OmniBody)
        except msgspec.DecodeError:
            return "body"
        if (asked.scenario_key or self.default) not in self.scenarios:
            return "scenarioKey"
        parts = {"sms": asked.sms, "viber": asked.viber, "whatsApp": asked.whats_app}
        if not any(parts.values()):
            return "body"
        for name, part in parts.items():
            over_s, most_s = (35, 14 * 86_400) if name == "viber" else (30, 48 * 3600)
            if part is not None and not over_s < part.validity_s <= most_s:
                return f"{name}.validityPeriod"
        return {destination.message_id: asked for destination in asked.destinations}

    def _messages(self, body: bytes) -> dict[str, Message] | str:
        try:
            asked = msgspec.json.decode(body, type=MessagesBody)
        except msgspec.DecodeError:
            return "body"
        for message in asked.messages:
            wrong = self._fault(message)
            if wrong is not None:
                return wrong
        return {one.message_id: message for message in asked.messages for one in message.destinations}

    def _fault(self, message: Message) -> str | None:
        channels = [message.channel, *(step.channel for step in message.failover)]
        if len(set(channels)) != len(channels):
            return "messages[0].failover"
        for destination in message.destinations:
            if {one.channel for one in destination.by_channel} != set(channels):
                return "messages[0].destinations"
        if not {message.sender, *(step.sender for step in message.failover)} <= self.senders:
            return "messages[0].sender"
        periods = [message.options.validity_period, *(step.validity_period for step in message.failover)]
        if not all(period is None or 10 <= period.validity_s <= 48 * 3600 for period in periods):
            return "messages[0].options.validityPeriod"
        return None

    def _validate(self, body: bytes) -> ScriptedAnswer:
        found = self._messages(body)
        if isinstance(found, str):
            return refusal(400, "BAD_REQUEST", "/messages-api/", found)
        return answer(200, b'{"description": "Request is valid.", "action": "none"}')

    def _hand_out(self) -> ScriptedAnswer:
        self.pulls += 1
        handed, self.reports = self.reports[:100], self.reports[100:]
        return answer(200, msgspec.json.encode({"results": handed}))

    def _list_scenarios(self, request: Request) -> ScriptedAnswer:
        default_only = request.args.get(b"isDefault") == [b"true"]
        keys = [key for key in self.scenarios if key == self.default or not default_only]
        return answer(200, msgspec.json.encode({"scenarios": [self._described(key) for key in keys]}))

    def _scenario(self, key: str) -> ScriptedAnswer:
        if key not in self.scenarios:
            return refusal(404, "NOT_FOUND", "/omni/")
        return answer(200, msgspec.json.encode(self._described(key)))

    def _described(self, key: str) -> dict[str, object]:
        return {"key": key, "name": "stand-in", "flow": self.scenarios[key], "default": key == self.default}


def refusal(status: int, code: str, path: str, wrong: str | None = None, **headers: str) -> ScriptedAnswer:
    """An error in the words of the API that ``path`` belongs to; ``headers`` with ``_`` for ``-``."""
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    if path.startswith("/omni/"):
        return answer(status, omni_error(code), said)
    body: dict[str, object] = {"errorCode": f"E{status}", "description": "stand-in"}
    if wrong is not None:
        body["violations"] = [{"property": wrong, "violation": "stand-in"}]
    return answer(status, msgspec.json.encode(body), said)


def omni_error(code: str) -> bytes:
    """An error body of the OMNI API."""
    return msgspec.json.encode({"requestError": {"serviceException": {"messageId": code, "text": "stand-in"}}})


def entry(group: int, id_: int, name: str, message_id: str) -> dict[str, object]:
    """One message's entry in an answer."""
    status = {"groupId": group, "groupName": "GROUP", "id": id_, "name": name, "description": "stand-in"}
    return {"to": {"phoneNumber": "420603555019"}, "status": status, "messageId": message_id}


def pending(message_id: str) -> dict[str, object]:
    """The entry of a message that was taken."""
    return entry(1, 7, "PENDING_ENROUTE", message_id)


def answered(group: int, id_: int, name: str, message_id: str) -> ScriptedAnswer:
    """A scripted answer with one entry."""
    return answer(200, msgspec.json.encode({"messages": [entry(group, id_, name, message_id)]}))
