"""What must be true of outgoing rules and aliases as a whole: what they name is there, patterns can be used."""

from __future__ import annotations

from collections.abc import Iterable

from datasms_daemon.config.problems import Problems, below
from datasms_daemon.config.records import Config, Rule
from datasms_daemon.config.references import check_numbers, check_pattern, check_references, check_texts, one_of
from datasms_daemon.rules.patterns import NUMBER_REACH


def check_rules(config: Config, problems: Problems) -> None:
    """Adds every problem of outgoing rules and of aliases."""
    for part in (_aliases, _rules):
        part(config, problems)


def _aliases(config: Config, problems: Problems) -> None:
    for name, patterns in config.alias.items():
        for number, pattern in enumerate(patterns, start=1):
            place = below(below("alias", name), number)
            if pattern.startswith(("$", "!")):
                problems.add(place, "is another alias or a not", "a regular expression", pattern)
            else:
                check_pattern(place, pattern, NUMBER_REACH, problems)


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
        for name in ("sender", "class", "recipient_group"):
            words = rule.when.class_ if name == "class" else getattr(rule.when, name)
            check_references(below(when, name), words, None, name, problems)
        check_numbers(below(when, "recipient"), rule.when.recipient, config, problems)
        check_texts(below(when, "text"), rule.when.text, problems)
        _steps(place, rule, lines, problems)


def _steps(place: str, rule: Rule, lines: Iterable[str], problems: Problems) -> None:
    for number, step in enumerate(rule.steps, start=1):
        if step.line not in lines:
            # The default rule is not in the file, where one would look for it.
            is_default = rule in Config().rule
            right = "there is no [[rule]]: write one" if is_default else one_of(step.line, lines)
            problems.add(below(below(below(place, "steps"), number), "line"), "there is no such line", right, step.line)
