"""Rules asked at once agree with rules asked one by one, and their order surprises nobody."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from datasms_daemon.config.records import Config, DatasmsLine, Rule, SmppLine, StepOptions, When
from datasms_daemon.model import LineName
from datasms_daemon.rules.facts import Facts
from datasms_daemon.rules.routing import Router

LINES = (
    DatasmsLine(name=LineName("push")),
    SmppLine(name=LineName("sms"), host="h", system_id="s"),
    SmppLine(name=LineName("other"), host="h", system_id="s"),
)
ALIASES = {"mobile": (r"^\+4206", r"^\+4207"), "odd": (r"3$",), "none": ()}
NUMBERS = ("+420603123456", "+420777000003", "+421903000000")

words = st.lists(st.sampled_from(["a", "b", "c", "!a", "!b"]), max_size=3).map(tuple)
recipients = st.lists(
    st.sampled_from([r"^\+420", r"!^\+421", "6$", "!3$", "$mobile", "!$mobile", "$odd", "!$odd", "$none", "!$none"]),
    max_size=3,
).map(tuple)
whens = st.builds(
    When,
    priority=st.lists(st.sampled_from(["low", "high", "!low"]), max_size=2).map(tuple),
    sender=words,
    sender_group=words,
    recipient=recipients,
    operator=words,
    recipient_group=words,
    class_=words,
    has_device=st.none() | st.booleans(),
    text=st.lists(st.sampled_from(["x", "!y", "x.*y"]), max_size=2).map(tuple),
)
steps = st.lists(
    st.builds(StepOptions, line=st.sampled_from(["push", "sms", "other"]).map(LineName)), min_size=1, max_size=2
).map(tuple)
rules = st.lists(
    st.builds(Rule, name=st.just(""), when=whens, steps=steps, continue_=st.booleans(), enabled=st.booleans()),
    max_size=6,
).map(lambda found: tuple(replace(rule, name=str(n)) for n, rule in enumerate(found)))
groups = st.frozensets(st.sampled_from("abc"))
facts = st.builds(
    Facts,
    priority=st.sampled_from(["low", "normal", "high"]),
    sender=st.sampled_from("abc"),
    to=st.none() | st.sampled_from(NUMBERS),
    operator=st.sampled_from("abc"),
    sender_groups=groups,
    groups=groups,
    class_=st.none() | st.sampled_from("abc"),
    has_device=st.booleans(),
    text=st.text("xyz", max_size=4),
)


def router(rule: tuple[Rule, ...]) -> Router:
    """Of these rules."""
    return Router(Config(line=LINES, rule=rule, alias=ALIASES))


def holds(alternatives: Sequence[str], has: Sequence[str]) -> bool:
    """None of the excluded ones, and one of those asked for if any is."""
    wanted = [each for each in alternatives if not each.startswith("!")]
    excluded = [each[1:] for each in alternatives if each.startswith("!")]
    return not set(excluded) & set(has) and (not wanted or bool(set(wanted) & set(has)))


def finds(alternatives: Sequence[str], text: str | None) -> bool:
    """The same with patterns and aliases."""

    def found(word: str) -> bool:
        patterns = ALIASES[word[1:]] if word.startswith("$") else (word,)
        return text is not None and any(re.search(pattern, text) for pattern in patterns)

    wanted = [each for each in alternatives if not each.startswith("!")]
    return not any(found(each[1:]) for each in alternatives if each.startswith("!")) and (
        not wanted or any(found(each) for each in wanted)
    )


def matches(rule: Rule, fact: Facts) -> bool:
    """What the guide says of conditions, word for word."""
    when = rule.when
    return (
        rule.enabled
        and holds(when.priority, [fact.priority])
        and holds(when.sender, [fact.sender])
        and holds(when.operator, [fact.operator])
        and holds(when.sender_group, list(fact.sender_groups))
        and holds(when.recipient_group, list(fact.groups))
        and holds(when.class_, [] if fact.class_ is None else [fact.class_])
        and when.has_device in (None, fact.has_device)
        and finds(when.recipient, fact.to)
        and finds(when.text, fact.text)
    )


@given(rules, facts)
def test_the_rules_found_are_those_that_one_by_one_would_have_found(rule: tuple[Rule, ...], fact: Facts) -> None:
    expected = []
    for each in rule:
        if matches(each, fact):
            expected.append(each.name)
            if not each.continue_:
                break
    assert list(router(rule).plan(fact).rules) == expected


@given(rules, facts, whens, st.integers(0, 6))
def test_a_rule_that_does_not_match_changes_nothing_wherever_it_stands(
    rule: tuple[Rule, ...], fact: Facts, when: When, place: int
) -> None:
    stranger = Rule(name="stranger", when=when, steps=(StepOptions(line=LineName("sms")),))
    if matches(stranger, fact):
        stranger = replace(stranger, enabled=False)
    assert router((*rule[:place], stranger, *rule[place:])).plan(fact) == router(rule).plan(fact)


@given(rules, facts)
def test_the_order_of_alternatives_does_not_matter(rule: tuple[Rule, ...], fact: Facts) -> None:
    def mixed(when: When) -> When:
        fields = ("priority", "sender", "operator", "sender_group", "recipient_group", "class_", "recipient", "text")
        return replace(when, **{name: tuple(reversed(getattr(when, name))) for name in fields})

    turned = tuple(replace(each, when=mixed(each.when)) for each in rule)
    assert router(turned).plan(fact) == router(rule).plan(fact)


@given(rules, facts)
def test_nothing_behind_the_first_match_that_does_not_continue_counts(rule: tuple[Rule, ...], fact: Facts) -> None:
    routed = router(rule).plan(fact)
    if routed.rules and not rule[int(routed.rules[-1])].continue_:
        assert router(rule[: int(routed.rules[-1]) + 1]).plan(fact) == routed


def test_an_alias_of_nothing_means_nobody_and_not_everybody() -> None:
    for recipient in (("$none",), ("$none", r"!^\+421")):
        rule = Rule(name="0", when=When(recipient=recipient), steps=(StepOptions(line=LineName("sms")),))
        assert router((rule,)).plan(Facts(priority="low", sender="a", to=NUMBERS[0])).rules == ()
