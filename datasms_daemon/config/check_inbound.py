"""What must be true of inbound rules: conditions that they can have, and targets that are there."""

from __future__ import annotations

import re

from datasms_daemon.config.problems import Problems, below
from datasms_daemon.config.records import Config, InboundRule, SmppLine, When
from datasms_daemon.config.references import check_numbers, check_references, check_texts, is_name, one_of
from datasms_daemon.rules.conditions import split_not
from datasms_daemon.rules.inbound import ACCOUNT, APP, FORWARD, MAIL, PERSON, WEBHOOK
from datasms_daemon.rules.mail import address_of, is_domain
from datasms_daemon.rules.numbers import is_country, normalise
from datasms_daemon.rules.templates import marks

OUT_ONLY = ("priority", "sender", "sender_group", "operator", "recipient_group", "class_", "calendar", "has_device")

BUILT_IN = ("registration",)
"""The applications that are there without being configured."""

_PERSON = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}")
_TARGETS = "account:NAME, app:NAME, webhook:NAME, mail:ADDRESS, forward:+420603123456 or forward:person:ID"


def check_inbound(config: Config, problems: Problems) -> None:
    """Adds every problem of inbound rules and of the default."""
    for rule in config.inbound:
        place = below("inbound", rule.name)
        _conditions(below(place, "when"), rule.when, config, problems)
        groups = _groups(rule)
        for option, template in (("to", rule.to), ("text", rule.text)):
            _template(below(place, option), template, groups, problems)
        _target(place, rule, config, problems)
        if rule.priority not in config.priority:
            right = one_of(rule.priority, config.priority)
            problems.add(below(place, "priority"), "there is no such priority", right, rule.priority)
    default = config.inbound_routing.default
    if default is not None:
        place = "inbound_routing.default"
        if default.startswith(MAIL):
            _mail(place, default, config, problems)
        elif not _is_literal(default, config):
            problems.add(place, "leads nowhere", _right(config), default)


def applications_of(config: Config) -> tuple[str, ...]:
    """The applications that texts can go to."""
    return tuple(dict.fromkeys((*BUILT_IN, *(one.name for one in config.application))))


def webhooks_of(config: Config) -> tuple[str, ...]:
    """The webhooks that texts can go to."""
    return tuple(one.name for one in config.webhook)


def _conditions(when: str, conditions: When, config: Config, problems: Problems) -> None:
    for field in OUT_ONLY:
        if getattr(conditions, field) not in ((), None):
            problems.add(below(when, field.rstrip("_")), "is for [[rule]] only", "text, line or recipient")
    check_references(below(when, "line"), conditions.line, {line.name for line in config.line}, "line", problems)
    check_numbers(below(when, "recipient"), conditions.recipient, config, problems)
    check_texts(below(when, "text"), conditions.text, problems)


def _groups(rule: InboundRule) -> int | None:
    """How many groups the rule's patterns have at most; None when that is told of elsewhere."""
    try:
        return max((re.compile(pattern).groups for pattern in split_not(rule.when.text)[0]), default=0)
    except (re.error, OverflowError, RecursionError):
        return None


def _template(place: str, template: str, groups: int | None, problems: Problems) -> None:
    try:
        asked = marks(template)
    except ValueError:
        problems.add(place, "has a $ that no number follows", "$0 to $9, or $$ for a dollar", template)
        return
    if groups is not None and max(asked, default=0) > groups:
        problems.add(place, "asks for a group that no pattern of when.text has", "a part of it in brackets", template)


def _target(place: str, rule: InboundRule, config: Config, problems: Problems) -> None:
    here = below(place, "to")
    is_template = "$" in rule.to
    if rule.to.startswith(FORWARD):
        if is_template and not split_not(rule.when.recipient)[0]:
            wrong = "lets anybody send messages at your cost"
            problems.add(here, wrong, "whose texts, in when.recipient", rule.to)
        elif not is_template:
            _forward(here, rule.to, config, problems)
    elif rule.to.startswith(MAIL):
        if is_template:
            _mail_template(here, rule, config, problems)
        else:
            _mail(here, rule.to, config, problems)
    elif not _is_literal(rule.to, config) and not (is_template and rule.to.startswith((ACCOUNT, APP, WEBHOOK))):
        problems.add(here, "leads nowhere", _right(config), rule.to)


def _mail(place: str, target: str, config: Config, problems: Problems) -> None:
    if address_of(target.removeprefix(MAIL)) is None:
        problems.add(place, "is no e-mail address", "mail: and one plain address, as mail:office@example.org", target)
    _relay(config, problems)


def _mail_template(place: str, rule: InboundRule, config: Config, problems: Problems) -> None:
    domain = rule.to.rpartition("@")[2] if "@" in rule.to else ""
    if not is_domain(domain) and not split_not(rule.when.recipient)[0]:
        wrong = "lets anybody send e-mail anywhere"
        problems.add(place, wrong, "a domain that is written out, or whose texts, in when.recipient", rule.to)
    _relay(config, problems)


def _relay(config: Config, problems: Problems) -> None:
    if config.mail.host is None:
        problems.add("mail.host", "missing", "the relay that takes what goes to mail:ADDRESS")


def _is_literal(target: str, config: Config) -> bool:
    kind, _, name = target.partition(":")
    return (
        (kind == "app" and name in applications_of(config))
        or (kind == "webhook" and name in webhooks_of(config))
        or (kind == "account" and is_name(name))
    )


def _right(config: Config) -> str:
    known = f"{_TARGETS}; applications: {', '.join(applications_of(config))}"
    webhooks = webhooks_of(config)
    return f"{known}; webhooks: {', '.join(webhooks)}" if webhooks else known


def _forward(place: str, target: str, config: Config, problems: Problems) -> None:
    to = target.removeprefix(FORWARD)
    if to.startswith(PERSON):
        if not _PERSON.fullmatch(to.removeprefix(PERSON)):
            problems.add(place, "names no person", "forward:person: and an id", target)
        return
    country = config.daemon.country
    number = normalise(to, country) if is_country(country) else to
    if number is None:
        problems.add(place, "is no valid phone number", "forward:+420603123456", target)
    elif number in _own_numbers(config):
        problems.add(place, "is a number of ours: it would come in again", "a number outside", target)


def _own_numbers(config: Config) -> set[str]:
    own = {line.inbound_number or "" for line in config.line if isinstance(line, SmppLine)}
    return {
        normalise(number, config.daemon.country) or "" for number in own | {config.mxservice.registration_number or ""}
    } - {""}
