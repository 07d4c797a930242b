"""What must be true of outgoing rules as a whole: what they name is there, patterns can be used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from datasms_daemon.config.problems import Problems, below
from datasms_daemon.config.records import Config, Rule
from datasms_daemon.config.references import (
    check_name,
    check_numbers,
    check_operators,
    check_references,
    check_texts,
    leads_back,
    one_of,
    sets_of,
)
from datasms_daemon.rules.routing import DEFAULT_SET


def check_rules(config: Config, problems: Problems) -> None:
    """Adds every problem of outgoing rules and their sets."""
    for part in (_rules, _sets):
        part(config, problems)


def _rules(config: Config, problems: Problems) -> None:
    lines = {line.name for line in config.line}
    for rule in config.rule:
        place = below("rule", rule.name)
        when = below(place, "when")
        if rule.when.line:
            problems.add(below(when, "line"), "is for [[inbound]] only", "leave it out", rule.when.line)
        check_references(below(when, "priority"), rule.when.priority, config.priority, "priority", problems)
        check_references(
            below(when, "sender_group"), rule.when.sender_group, config.sender_group, "sender group", problems
        )
        check_references(below(when, "calendar"), rule.when.calendar, config.calendar, "calendar", problems)
        check_operators(below(when, "operator"), rule.when.operator, config, problems)
        for name in ("sender", "class", "recipient_group"):
            words = rule.when.class_ if name == "class" else getattr(rule.when, name)
            check_references(below(when, name), words, None, name, problems)
        check_numbers(below(when, "recipient"), rule.when.recipient, config, problems)
        check_texts(below(when, "text"), rule.when.text, problems)
        check_name(below(place, "set"), rule.set, problems)
        _steps(place, rule, lines, problems)


def _steps(place: str, rule: Rule, lines: Iterable[str], problems: Problems) -> None:
    for number, step in enumerate(rule.steps, start=1):
        if step.line not in lines:
            # The default rule is not in the file, where one would look for it.
            is_default = rule in Config().rule
            right = "there is no [[rule]]: write one" if is_default else one_of(step.line, lines)
            problems.add(below(below(below(place, "steps"), number), "line"), "there is no such line", right, step.line)


def _sets(config: Config, problems: Problems) -> None:
    followed = {name: options.then for name, options in config.rule_set.items()}
    known = sets_of(config)
    are_right = all(operator.rules in known for operator in config.operator.values())
    for name, then in followed.items():
        place = below("rule_set", name)
        check_name(place, name, problems)
        if then is None:
            continue
        if then not in known:
            problems.add(below(place, "then"), "there is no such set", one_of(then, known), then)
        elif leads_back(name, followed):
            problems.add(below(place, "then"), "leads back to the set itself", "a set that comes before no other", then)
        else:
            continue
        are_right = False
    if are_right:
        _unused(config, followed, problems)


def _unused(config: Config, followed: Mapping[str, str | None], problems: Problems) -> None:
    used = {DEFAULT_SET, *(operator.rules for operator in config.operator.values())}
    for name in tuple(used):
        following = followed.get(name)
        while following is not None:
            used.add(following)
            following = followed.get(following)
    for rule in config.rule:
        if rule.set not in used:
            right = 'the set of an operator (rules = "…"), or one that follows another'
            problems.add(below(below("rule", rule.name), "set"), "is used by no operator", right, rule.set)
