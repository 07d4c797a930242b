"""What Infobip is asked for: OMNI and Messages API requests (protocols/infobip-omni.md §§ 3.1, 4.1). Pure."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from datasms_daemon.config.channels import OmniChannel, OmniStep
from datasms_daemon.config.kinds import DAY, HOUR, SECOND
from datasms_daemon.config.units import format_duration
from datasms_daemon.model import Content, PushOrder, Record
from datasms_daemon.rules.addresses import netloc

Api = Literal["omni", "messages"]

PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
NOBODY = "447700900123"  # Ofcom keeps these numbers free for films
_KEY = re.compile(r"[!-~]+")
_HOOK_SECRET = re.compile(r"[A-Za-z0-9_-]{16,200}")
_LONG = 365 * DAY
# Only channels that find a person by the phone number and show a plain text.
_PARTS = {"SMS": "sms", "VIBER": "viber", "WHATSAPP": "whatsApp"}
_NAMES: dict[Api, tuple[str, ...]] = {"omni": tuple(_PARTS), "messages": ("RCS", "SMS", "VIBER_BM", "WHATSAPP")}
_SAME: dict[Api, dict[str, str]] = {"omni": {"VIBER_BM": "VIBER"}, "messages": {"VIBER": "VIBER_BM"}}


class Hooks(Record, frozen=True):
    """Where Infobip reports to."""

    reports: str
    seen: str


class _Leg(Record, frozen=True):
    """One of Infobip's steps for one message; ``starts_ms`` after the push, ``validity_s`` as Infobip gets it."""

    channel: str
    sender: str
    starts_ms: int
    validity_s: int


def problems_of(options: OmniChannel, public_url: str | None) -> list[str]:
    """Why the options cannot be used, a sentence each. ``public_url`` is MxService's."""
    problems = [] if netloc(options.endpoint) else ["endpoint: must be a plain https URL"]
    if not _KEY.fullmatch(options.api_key.reveal()):
        problems.append("api_key: must be the key as Infobip shows it")
    if options.api == "messages" and options.scenario is not None:
        problems.append('scenario: only api = "omni" has scenarios')
    if options.reports == "push" and public_url is None:
        problems.append('reports: "push" needs [mxservice] public_url; "pull" does not')
    wanted = options.reports == "push" or options.hook_secret
    if wanted and not _HOOK_SECRET.fullmatch(options.hook_secret.reveal()):
        problems.append("hook_secret: must be 16 or more letters, digits, '-' and '_'")
    return problems + _problems_of_steps(options)


def _problems_of_steps(options: OmniChannel) -> list[str]:
    problems = []
    names = [channel_of(step, options.api) for step in options.steps]
    for number, (step, name) in enumerate(zip(options.steps, names, strict=True), start=1):
        place = f"steps {number}"
        if name is None:
            known = ", ".join(_NAMES[options.api])
            problems.append(f"{place}: channel: must be one of {known}")
            continue
        if name in names[: number - 1]:
            problems.append(f"{place}: channel: {name} is there already")
        shortest_s, longest_s = _validity_s(options.api, name)
        if not shortest_s * SECOND <= step.wait <= longest_s * SECOND:
            span = f"{format_duration(shortest_s * SECOND)} to {format_duration(longest_s * SECOND)}"
            problems.append(f"{place}: wait: {name} takes {span}")
    return problems


def channel_of(step: OmniStep, api: Api) -> str | None:
    """The step's channel by the name that this API has for it; None for one that we cannot use."""
    name = step.channel.upper()
    name = _SAME[api].get(name, name)
    return name if name in _NAMES[api] else None


def channels_of(options: OmniChannel) -> tuple[str, ...]:
    """The channels of all steps by the API's names; steps that we cannot use are left out."""
    names = [channel_of(step, options.api) for step in options.steps]
    return tuple(name for name in names if name is not None)


def message_id(order: PushOrder, refused: int = 0) -> str:
    """The id that Infobip knows the push by: the same whenever it is repeated, unless Infobip has ``refused`` it so
    often and said that it may be sent again. 73 characters, as both ids are UUIDs, and few more."""
    name = f"{order.message}.{order.device.id}"
    return f"{name}.{refused}" if refused else name


def mark_of(options: OmniChannel) -> str:
    """Comes back in reports, and tells ours from those of others who use the same account."""
    return f"datasms:{options.name}"


def hooks_of(options: OmniChannel, public_url: str | None) -> Hooks | None:
    """Where Infobip is told to report; None: we ask."""
    if options.reports == "pull" or public_url is None:
        return None
    base = f"{public_url.rstrip('/')}/mx/v1/hooks/omni/{options.name}"
    secret = options.hook_secret.reveal()
    return Hooks(f"{base}/reports/{secret}", f"{base}/seen/{secret}")


def to_request(order: PushOrder, options: OmniChannel, hooks: Hooks | None, id_: str) -> bytes | None:
    """The request's JSON; None for an address without a phone number in E.164, or an order without a text. ``id_`` as
    from ``message_id``.

    No step may still send when the message is over: its validity ends with ``order.ttl_ms``, as far as Infobip takes so
    short a one, and the Messages API gets no steps that would begin after it. An OMNI scenario cannot be shortened.
    """
    phone = PHONE.fullmatch(order.device.address.get("phone", ""))
    if phone is None or order.content is None:
        return None
    to, text = phone[0].removeprefix("+"), _shown(order.content)
    if options.api == "omni":
        return msgspec.json.encode(_omni(to, text, id_, options, hooks, order.ttl_ms))
    return msgspec.json.encode({"messages": [_message(to, text, id_, options, hooks, order.ttl_ms)]})


def harmless_request(options: OmniChannel) -> bytes:
    """A Messages API request to have validated, in which nobody is addressed."""
    message = _message(NOBODY, "datasms", "datasms-test", options, None, _LONG)
    return msgspec.json.encode({"messages": [message]})


def _omni(to: str, text: str, id_: str, options: OmniChannel, hooks: Hooks | None, ttl_ms: int) -> dict[str, object]:
    request: dict[str, object] = {
        "destinations": [{"messageId": id_, "to": {"phoneNumber": to}}],
        "callbackData": mark_of(options),
    }
    if options.scenario is not None:
        request["scenarioKey"] = options.scenario
    if hooks is not None:
        request |= {"notifyUrl": hooks.reports, "notifyContentType": "application/json"}
    for leg in _legs(options, ttl_ms):
        validity = {"validityPeriod": leg.validity_s, "validityPeriodTimeUnit": "SECONDS"}
        request[_PARTS[leg.channel]] = {"text": text} | validity
    return request


def _message(to: str, text: str, id_: str, options: OmniChannel, hooks: Hooks | None, ttl_ms: int) -> dict[str, object]:
    first, *others = (leg for leg in _legs(options, ttl_ms) if leg.starts_ms < max(ttl_ms, 1))
    content = {"body": {"type": "TEXT", "text": text}}
    webhooks: dict[str, object] = {"callbackData": mark_of(options)}
    if hooks is not None:
        final_only = {"intermediateReport": False, "receiveTriggeredFailoverReports": False}
        webhooks |= {"delivery": {"url": hooks.reports} | final_only, "seen": {"url": hooks.seen}}
    message: dict[str, object] = {
        "channel": first.channel,
        "sender": first.sender,
        "destinations": [
            {"messageId": id_, "byChannel": [{"channel": leg.channel, "to": to} for leg in (first, *others)]}
        ],
        "content": content,
        "options": {"validityPeriod": _period(first)},
        "webhooks": webhooks,
    }
    if others:
        message["failover"] = [
            {"channel": leg.channel, "sender": leg.sender, "content": content, "validityPeriod": _period(leg)}
            for leg in others
        ]
    return message


def _period(leg: _Leg) -> dict[str, object]:
    return {"amount": leg.validity_s, "timeUnit": "SECONDS"}


def _legs(options: OmniChannel, ttl_ms: int) -> list[_Leg]:
    legs: list[_Leg] = []
    starts_ms = 0
    for name, step in zip(channels_of(options), options.steps, strict=True):
        shortest_s, _ = _validity_s(options.api, name)
        validity_s = max(shortest_s, min(step.wait, ttl_ms - starts_ms) // SECOND)
        legs.append(_Leg(name, step.sender, starts_ms, validity_s))
        starts_ms += step.wait
    return legs


def _validity_s(api: Api, channel: str) -> tuple[int, int]:
    """The shortest and the longest validity in whole seconds that Infobip takes (§§ 3.1, 4.1)."""
    if api == "messages":
        return 10, 48 * HOUR // SECOND
    return (36, 14 * DAY // SECOND) if channel == "VIBER" else (31, 48 * HOUR // SECOND)


def _shown(content: Content) -> str:
    return f"{content.title}\n{content.text}" if content.title else content.text
