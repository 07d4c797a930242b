"""Where a text from outside goes: receipt, rules, suffix, last sender, default, in this order (original.md § 3.1)."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from datasms_daemon.model import Destination, InboundRoute, InboundStep, InboundText, PersonId, Record
from datasms_daemon.rules.conditions import number_check, split_not, text_check, word_check
from datasms_daemon.rules.inbound_index import InboundIndex
from datasms_daemon.rules.mail import address_of
from datasms_daemon.rules.numbers import normalise
from datasms_daemon.rules.patterns import TEXT_REACH, compile_pattern
from datasms_daemon.rules.suffixes import Suffixes
from datasms_daemon.rules.templates import fill, marks

ACCOUNT = "account:"
APP = "app:"
FORWARD = "forward:"
MAIL = "mail:"
WEBHOOK = "webhook:"
PERSON = "person:"

FORWARDER = "forward"
"""The sender of forwarded texts."""
OURSELVES = "datasms"
"""The sender of the daemon's own messages."""
LOOP_MS = 3_600_000
"""What comes from a number within so long after something was forwarded to it is not forwarded again."""

_BACK = "it would go back to where it came from"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}")


class Sent(Record, frozen=True):
    """A message that went to who writes now: its sender, and when it was last tried."""

    sender: str
    at: int


class InboundFacts(Record, frozen=True):
    """What is known of who wrote: himself, the newest messages to him; and the senders that can read what comes in."""

    now: int
    person: PersonId | None = None
    sent: tuple[Sent, ...] = ()
    readers: frozenset[str] = frozenset()


class _When(Protocol):
    @property
    def line(self) -> Sequence[str]: ...
    @property
    def recipient(self) -> Sequence[str]: ...
    @property
    def text(self) -> Sequence[str]: ...


class _RuleOptions(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def when(self) -> _When: ...
    @property
    def to(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def priority(self) -> str: ...
    @property
    def enabled(self) -> bool: ...
    @property
    def continue_(self) -> bool: ...


class InboundOptions(Protocol):
    """The parts of the configuration that inbound rules are made of; ``config.Config`` has them."""

    @property
    def inbound(self) -> Sequence[_RuleOptions]: ...
    @property
    def alias(self) -> Mapping[str, Sequence[str]]: ...


class _Rule:
    """One rule, compiled."""

    def __init__(
        self, options: _RuleOptions, aliases: Mapping[str, Sequence[str]], lists: Mapping[str, Container[str]]
    ) -> None:
        self.why = f"rule {options.name}"
        self.to = options.to
        self.text = options.text
        self.priority = options.priority
        self.goes_on = options.continue_
        self.is_open = bool(marks(options.to))
        self._checks = tuple(_checks(options.when, aliases, lists))
        self._patterns = [compile_pattern(each, TEXT_REACH) for each in split_not(options.when.text)[0]]

    def obstacle(self, inbound: InboundText) -> str | None:
        """The first condition that does not hold; None: the rule matches."""
        return next((said for holds, said in self._checks if not holds(inbound)), None)

    def values(self, text: str) -> list[str]:
        """``$0`` and what the groups of the first pattern that matches found."""
        found = (pattern.search(text[:TEXT_REACH]) for pattern in self._patterns)
        match = next((each for each in found if each is not None), None)
        return [text, *(() if match is None else (group or "" for group in match.groups()))]


def _checks(
    when: _When, aliases: Mapping[str, Sequence[str]], lists: Mapping[str, Container[str]]
) -> Iterator[tuple[Callable[[InboundText], bool], str]]:
    """What a rule asks, and what is said where it does not hold."""
    if when.line:
        line = word_check(when.line)
        yield lambda inbound: line(inbound.line), "not by this line"
    if when.recipient:
        number = number_check(when.recipient, aliases, lists)
        yield lambda inbound: number(inbound.from_), "not from this number"
    if when.text:
        text = text_check(when.text)
        yield lambda inbound: text(inbound.text), "not this text"


class InboundRouter:
    """The inbound routing of one configuration. Built once, never changes.

    ``applications`` are those that run; ``default`` is where goes what nothing else wants, None: nowhere.
    ``lists`` are the number lists by name, ``webhooks`` the webhooks that there are, ``takes_mail`` says whether
    there is a mail relay.
    PatternError or KeyError from the constructor: options that the loader would have refused.
    """

    def __init__(
        self,
        options: InboundOptions,
        country: str,
        applications: Container[str],
        reply_window: Callable[[str], int],
        default: str | None,
        suffixes: Suffixes | None = None,
        lists: Mapping[str, Container[str]] = MappingProxyType({}),
        webhooks: Container[str] = (),
        takes_mail: bool = False,
    ) -> None:
        enabled = [rule for rule in options.inbound if rule.enabled]
        self._rules = tuple(_Rule(rule, options.alias, lists) for rule in enabled)
        whens = [rule.when for rule in enabled]
        self._index = InboundIndex(
            [when.line for when in whens],
            [when.recipient for when in whens],
            [when.text for when in whens],
            options.alias,
        )
        self._country = country
        self._applications = applications
        self._reply_window = reply_window
        self._default = default
        self._suffixes = suffixes or Suffixes({}, {})
        self._webhooks = webhooks
        self._takes_mail = takes_mail

    def destinations(self, inbound: InboundText, facts: InboundFacts) -> tuple[Destination, ...]:
        """Where the text goes. A rule that continues is looked past as if it had not matched."""
        return self._route(inbound, facts, (self._rules[n] for n in self._index.candidates(inbound)), [])

    def explain(self, inbound: InboundText, facts: InboundFacts) -> InboundRoute:
        """The same with every look on the way, also at rules that do not match."""
        looks = [InboundStep("receipt", "it is none: those are told apart at the line")]
        return InboundRoute(self._route(inbound, facts, self._rules, looks), tuple(looks))

    def _route(
        self, inbound: InboundText, facts: InboundFacts, rules: Iterable[_Rule], looks: list[InboundStep]
    ) -> tuple[Destination, ...]:
        found: dict[tuple[str, str], Destination] = {}
        for rule in rules:
            destination, verdict = self._by_rule(rule, inbound, facts)
            looks.append(InboundStep(rule.why, verdict))
            if destination is not None:
                found.setdefault((destination.target, destination.text), destination)
                if not rule.goes_on:
                    return tuple(found.values())
        steps = (("suffix", self._by_suffix), ("last sender", self._last_sender), ("default", self._by_default))
        for step, look in steps:
            target, verdict = look(inbound, facts)
            looks.append(InboundStep(step, verdict))
            if target is not None:
                found.setdefault((target, inbound.text), Destination(target, inbound.text, step))
                break
        return tuple(found.values())

    def _by_rule(self, rule: _Rule, inbound: InboundText, facts: InboundFacts) -> tuple[Destination | None, str]:
        obstacle = rule.obstacle(inbound)
        if obstacle is not None:
            return None, obstacle
        values = rule.values(inbound.text)
        target = fill(rule.to, values)
        if target.startswith(FORWARD):
            target, obstacle = self._forward(target, inbound, facts)
        elif target.startswith(MAIL):
            target, obstacle = self._mail(target)
        elif rule.is_open or target.startswith((APP, WEBHOOK)):
            obstacle = self._unreadable(target, facts)
        if obstacle is not None:
            return None, f"matches, but {obstacle}"
        verdict = f"matches: {target}{', and goes on' if rule.goes_on else ''}"
        return Destination(target, fill(rule.text, values), rule.why, rule.priority), verdict

    def _unreadable(self, target: str, facts: InboundFacts) -> str | None:
        """Why nobody would read what goes to this target; None when somebody does."""
        if target.startswith(APP):
            name = target.removeprefix(APP)
            return None if name in self._applications else f"there is no application {name[:64]!r}"
        if target.startswith(WEBHOOK):
            name = target.removeprefix(WEBHOOK)
            return None if name in self._webhooks else f"there is no webhook {name[:64]!r}"
        name = target.removeprefix(ACCOUNT)
        return None if name in facts.readers else f"no sender {name[:64]!r} may read what comes in"

    def _forward(self, target: str, inbound: InboundText, facts: InboundFacts) -> tuple[str, str | None]:
        """The target with its number normalised; why nothing may be forwarded there."""
        to = target.removeprefix(FORWARD)
        if any(one.sender == FORWARDER and one.at > facts.now - LOOP_MS for one in facts.sent):
            return target, "something was just forwarded to this number: forwarding might go round"
        if to.startswith(PERSON):
            if not _ID.fullmatch(to.removeprefix(PERSON)):
                return target, "what follows forward:person: is no id"
            return target, _BACK if to.removeprefix(PERSON) == facts.person else None
        number = normalise(to, self._country)
        if number is None:
            return target, f"{to[:32]!r} is no phone number"
        return FORWARD + number, _BACK if number == inbound.from_ else None

    def _mail(self, target: str) -> tuple[str, str | None]:
        """The target with its address as it is written to; why nothing can go there."""
        address = address_of(target.removeprefix(MAIL))
        if address is None:
            return target, f"{target.removeprefix(MAIL)[:64]!r} is no e-mail address"
        return MAIL + address, None if self._takes_mail else "there is no mail relay"

    def _by_suffix(self, inbound: InboundText, facts: InboundFacts) -> tuple[str | None, str]:
        sender = self._suffixes.sender(inbound.line, inbound.to)
        if sender is None:
            return None, "it was not written to a sender's own number"
        target = _target_of(sender)
        # What goes to an account may be read later by who has no right yet; an application is there or not.
        obstacle = self._unreadable(target, facts) if target.startswith(APP) else None
        return (None, f"it is {sender}'s, but {obstacle}") if obstacle else (target, f"it is {sender}'s")

    def _last_sender(self, _: InboundText, facts: InboundFacts) -> tuple[str | None, str]:
        last = next((one for one in facts.sent if one.sender not in (FORWARDER, OURSELVES)), None)
        if last is None:
            return None, "nobody has written to this number"
        if facts.now - last.at > self._reply_window(last.sender):
            return None, f"{last.sender} wrote too long ago for its reply_window"
        target = _target_of(last.sender)
        unreadable = self._unreadable(target, facts)
        return (None, f"it was {last.sender}, but {unreadable}") if unreadable else (target, f"it was {last.sender}")

    def _by_default(self, _: InboundText, __: InboundFacts) -> tuple[str | None, str]:
        return self._default, "there is none" if self._default is None else self._default


def _target_of(sender: str) -> str:
    return sender if sender.startswith(APP) else ACCOUNT + sender
