from __future__ import annotations

from itertools import product

import pytest

from datasms_daemon.config.calendars import CalendarOptions
from datasms_daemon.config.kinds import Duration
from datasms_daemon.config.records import (
    Config,
    DatasmsLine,
    Operator,
    Priority,
    Rule,
    RuleSet,
    SmppLine,
    StepOptions,
    When,
)
from datasms_daemon.model import LineName, OnUnknown, SkippedLine, Step, Success
from datasms_daemon.rules.opening_hours import calendar_of
from datasms_daemon.rules.routing import Facts, Routed, Router

APP, SMS, BACKUP = LineName("datasms"), LineName("sms-o2"), LineName("sms-2")
LINES = (
    DatasmsLine(name=APP),
    SmppLine(name=SMS, host="smsc", system_id="acme"),
    SmppLine(name=BACKUP, host="smsc2", system_id="acme"),
)
EVERYBODY = Rule(name="everybody", steps=(StepOptions(line=APP), StepOptions(line=SMS)))
NUMBER = "+420603123456"


def routed(*rules: Rule, config: Config | None = None, facts: Facts | None = None) -> Routed:
    base = config or Config(line=LINES, rule=rules)
    return Router(base).plan(facts or Facts(priority="normal", sender="crm", to=NUMBER, has_device=True))


def facts(**given: object) -> Facts:
    values: dict[str, object] = {"priority": "normal", "sender": "crm", "to": NUMBER, "has_device": True, **given}
    return Facts(**values)  # type: ignore[arg-type]


def only_when(**when: object) -> Rule:
    return Rule(name="only", when=When(**when), steps=(StepOptions(line=SMS),))  # type: ignore[arg-type]


def lines_of(answer: Routed) -> list[str]:
    return [step.line for step in answer.plan]


def test_the_first_rule_that_matches_wins() -> None:
    first = Rule(name="first", steps=(StepOptions(line=SMS),))
    answer = routed(first, EVERYBODY)
    assert answer.rules == ("first",)
    assert lines_of(answer) == [SMS]


def test_a_disabled_rule_is_passed_over() -> None:
    off = Rule(name="off", steps=(StepOptions(line=SMS),), enabled=False)
    assert routed(off, EVERYBODY).rules == ("everybody",)


def test_continue_adds_the_steps_of_the_next_match_and_no_line_twice() -> None:
    first = Rule(name="first", continue_=True, steps=(StepOptions(line=SMS, wait=Duration(1000)),))
    other = only_when(sender=("erp",))
    last = Rule(name="last", steps=(StepOptions(line=BACKUP),))
    answer = routed(first, other, EVERYBODY, last)
    assert answer.rules == ("first", "everybody")
    assert lines_of(answer) == [SMS, APP]
    assert answer.plan[0].wait_ms == 1000


def test_without_a_match_there_is_no_plan() -> None:
    assert routed(only_when(sender=("erp",))) == Routed(plan=(), rules=(), skipped=())


def test_the_wait_is_the_steps_else_the_lines_else_the_drivers_else_the_default() -> None:
    waits = {"datasms": 1, "smpp": 2, SMS: 3, "default": 4}
    steps = (StepOptions(line=APP, wait=Duration(9)), StepOptions(line=SMS), StepOptions(line=BACKUP))
    for known, expected in (
        (("datasms", "smpp", SMS, "default"), [9, 3, 2]),
        (("smpp", "default"), [9, 2, 2]),
        (("default",), [9, 4, 4]),
    ):
        priority = Priority(wait={name: Duration(waits[name]) for name in known}, ttl=Duration(1))
        config = Config(line=LINES, rule=(Rule(name="all", steps=steps),), priority={"normal": priority})
        assert [step.wait_ms for step in routed(config=config).plan] == expected


def test_success_is_the_steps_and_what_follows_unknown_is_the_steps_or_the_priorities() -> None:
    priority = Priority(wait={"default": Duration(5)}, ttl=Duration(1), on_unknown=OnUnknown.REPORT)
    steps = (
        StepOptions(line=APP, success=Success.READ, on_unknown=OnUnknown.RESEND),
        StepOptions(line=SMS),
    )
    config = Config(line=LINES, rule=(Rule(name="all", steps=steps),), priority={"normal": priority})
    assert routed(config=config).plan == (
        Step(APP, 5, Success.READ, OnUnknown.RESEND),
        Step(SMS, 5, Success.DELIVERED, OnUnknown.REPORT),
    )


@pytest.mark.parametrize(
    ("when", "yes", "no"),
    [
        ({"priority": ("high", "low")}, {"priority": "low"}, {"priority": "normal"}),
        ({"priority": ("!normal",)}, {"priority": "low"}, {"priority": "normal"}),
        ({"sender": ("erp", "crm")}, {"sender": "erp"}, {"sender": "mail"}),
        ({"sender": ("!erp", "!crm")}, {"sender": "mail"}, {"sender": "erp"}),
        ({"sender": ("crm", "!crm")}, None, {"sender": "crm"}),
        ({"sender_group": ("shops",)}, {"sender_groups": frozenset({"a", "shops"})}, {}),
        ({"sender_group": ("!shops",)}, {}, {"sender_groups": frozenset({"a", "shops"})}),
        ({"recipient_group": ("night", "day")}, {"groups": frozenset({"day", "x"})}, {"groups": frozenset({"x"})}),
        (
            {"recipient_group": ("night", "!boss")},
            {"groups": frozenset({"night"})},
            {"groups": frozenset({"night", "boss"})},
        ),
        ({"recipient_group": ("night", "!boss")}, None, {"groups": frozenset({"x"})}),
        ({"recipient": (r"^\+42060",)}, {"to": NUMBER}, {"to": "+420723123456"}),
        ({"recipient": (r"^\+42060", r"!6$")}, {"to": "+420603123457"}, {"to": NUMBER}),
        ({"recipient": ("$o2",)}, {"to": "+420723123456"}, {"to": "+421905123456"}),
        ({"recipient": ("!$o2",)}, {"to": "+421905123456"}, {"to": "+420723123456"}),
        ({"operator": ("o2", "vodafone")}, {"operator": "o2"}, {"operator": "unknown"}),
        ({"operator": ("!o2",)}, {"operator": "unknown"}, {"operator": "o2"}),
        ({"class_": ("internal",)}, {"class_": "internal"}, {"class_": None}),
        ({"class_": ("!internal",)}, {"class_": None}, {"class_": "internal"}),
        ({"has_device": True}, {"has_device": True}, {"has_device": False}),
        ({"has_device": False}, {"has_device": False}, {"has_device": True}),
        ({"text": ("^alarm", "fire")}, {"text": "Big Fire!"}, {"text": "no alarm"}),
        ({"text": ("!fire",)}, {"text": "alarm"}, {"text": "FIRE"}),
        ({"text": ("late",)}, {"text": "x" * 996 + "late"}, {"text": "x" * 997 + "late"}),
        ({"sender": ("crm",), "text": ("a",)}, {"text": "a"}, {"text": "b"}),
    ],
)
def test_a_condition_holds_for_one_and_not_for_the_other(
    when: dict[str, object], yes: dict[str, object] | None, no: dict[str, object]
) -> None:
    alias: dict[str, tuple[str, ...]] = {"o2": (r"^\+42060[12]", r"^\+42072")}
    router = Router(Config(line=LINES, rule=(only_when(**when),), alias=alias))
    assert yes is None or router.plan(facts(**yes)).rules == ("only",)
    assert router.plan(facts(**no)).rules == ()


def test_a_person_without_a_number_matches_no_pattern_and_every_not() -> None:
    assert routed(only_when(recipient=(".",)), facts=facts(to=None)).rules == ()
    assert routed(only_when(recipient=("!.",)), facts=facts(to=None)).rules == ("only",)


@pytest.mark.parametrize(
    ("given", "skipped"),
    [
        ({"has_device": False}, SkippedLine(APP, "no device")),
        ({"to": None}, SkippedLine(SMS, "no phone number")),
        ({"lines": ("datasms",)}, SkippedLine(SMS, "not asked for")),
        ({"allowed_lines": ("sms-o2",)}, SkippedLine(APP, "not allowed for this sender")),
        ({"allowed_lines": ("sms-o2",), "lines": ("sms-o2",)}, SkippedLine(APP, "not allowed for this sender")),
    ],
)
def test_a_line_that_cannot_be_used_is_left_out_with_its_reason(given: dict[str, object], skipped: SkippedLine) -> None:
    answer = routed(EVERYBODY, facts=facts(**given))
    assert answer.skipped == (skipped,)
    assert lines_of(answer) == [line for line in (APP, SMS) if line != skipped.line]


def test_a_line_that_is_disabled_or_not_configured_is_left_out_once() -> None:
    lines = (DatasmsLine(name=APP, enabled=False),)
    more = Rule(name="more", continue_=True, steps=(StepOptions(line=APP),))
    answer = routed(config=Config(line=lines, rule=(more, EVERYBODY)))
    assert answer.plan == ()
    assert answer.skipped == (SkippedLine(APP, "disabled"), SkippedLine(SMS, "not configured"))


def test_asking_for_lines_never_widens_the_plan() -> None:
    assert lines_of(routed(EVERYBODY, facts=facts(lines=("sms-2", "sms-o2")))) == [SMS]


def test_equal_ways_share_one_plan() -> None:
    config = Config(line=LINES, rule=(only_when(text=("alarm",)), EVERYBODY))
    router = Router(config)
    first = router.plan(facts(text="one"))
    assert router.plan(facts(text="two", sender="erp")) is first
    assert router.plan(facts(lines=("datasms", "sms-o2"))).plan is first.plan
    assert router.plan(facts(text="alarm")).plan is not first.plan


def in_set(name: str, **more: object) -> Rule:
    return Rule(name=f"of {name}", set=name, steps=(StepOptions(line=SMS),), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("operator", "rules"),
    [("o2", ("of o2",)), ("vodafone", ("everybody",)), ("unknown", ("everybody",)), ("t-mobile", ())],
)
def test_an_operator_has_its_own_set_of_rules_or_the_shared_one_and_an_empty_set_is_no_route(
    operator: str, rules: tuple[str, ...]
) -> None:
    operators = {"o2": Operator(rules="o2"), "t-mobile": Operator(rules="empty"), "vodafone": Operator()}
    router = Router(
        Config(line=LINES, rule=(in_set("o2"), EVERYBODY), operator=operators, rule_set={"empty": RuleSet()})
    )
    assert router.reads_operator
    assert router.plan(facts(operator=operator)).rules == rules


def test_a_set_that_is_followed_goes_on_where_nothing_matches_or_the_last_match_continues() -> None:
    operators = {"o2": Operator(rules="o2")}
    sets = {"o2": RuleSet(then="more"), "more": RuleSet(then="default")}
    for rules, expected in (
        ((EVERYBODY,), ("everybody",)),
        ((in_set("o2"), EVERYBODY), ("of o2",)),
        ((EVERYBODY, in_set("o2", continue_=True)), ("of o2", "everybody")),
        ((EVERYBODY, in_set("more"), in_set("o2", when=When(sender=("erp",)))), ("of more",)),
    ):
        router = Router(Config(line=LINES, rule=rules, operator=operators, rule_set=sets))
        assert router.plan(facts(operator="o2")).rules == expected


def test_the_operator_is_read_only_where_a_rule_or_a_set_asks_for_it() -> None:
    assert not Router(Config(line=LINES, rule=(EVERYBODY,), operator={"o2": Operator()})).reads_operator
    assert Router(Config(line=LINES, rule=(only_when(operator=("o2",)),))).reads_operator


def test_a_priority_that_is_not_configured_is_an_error() -> None:
    with pytest.raises(KeyError):
        routed(EVERYBODY, facts=facts(priority="asap"))


def test_every_combination_of_limits_leaves_what_all_of_them_leave() -> None:
    router = Router(Config(line=LINES, rule=(EVERYBODY,)))
    choices: tuple[tuple[str, ...] | None, ...] = (None, (), ("datasms",), ("sms-o2",), ("datasms", "sms-o2"))
    for device, number, asked, allowed in product((True, False), (NUMBER, None), choices, choices):
        answer = router.plan(facts(has_device=device, to=number, lines=asked, allowed_lines=allowed))
        expected = [
            line
            for line, can in ((APP, device), (SMS, number is not None))
            if can and (asked is None or line in asked) and (allowed is None or line in allowed)
        ]
        assert lines_of(answer) == expected
        assert {skip.line for skip in answer.skipped} == {APP, SMS} - set(expected)


OFFICE = calendar_of(CalendarOptions(timezone="UTC", hours={"mon-fri": ("08:00-17:00",)}))
# Friday 27 November 2026, noon and evening.
NOON, EVENING = 1_795_780_800_000, 1_795_806_000_000


@pytest.mark.parametrize(("calendar", "by_day", "by_night"), [("office", True, False), ("!office", False, True)])
def test_a_rule_may_hold_while_a_calendar_is_open_or_closed(calendar: str, by_day: bool, by_night: bool) -> None:
    router = Router(Config(line=LINES, rule=(only_when(calendar=(calendar,)),)), {"office": OFFICE})
    assert bool(router.plan(facts(now=NOON)).plan) is by_day
    assert bool(router.plan(facts(now=EVENING)).plan) is by_night
