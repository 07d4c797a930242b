from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from datasms_daemon.config.kinds import Duration
from datasms_daemon.config.records import Config, DatasmsLine, Rule, SmppLine, StepOptions, When
from datasms_daemon.model import LineName
from datasms_daemon.rules.routing import Facts, Router

names = st.sampled_from(["a", "b", "c", "d"])
subsets = st.none() | st.lists(names, max_size=4).map(tuple)
words = st.lists(st.sampled_from(["a", "b", "!a", "!b"]), max_size=2).map(tuple)
booleans = st.booleans()

lines = st.tuples(*[booleans] * 4).map(
    lambda enabled: (
        DatasmsLine(name=LineName("a"), enabled=enabled[0]),
        *(
            SmppLine(name=LineName(name), host="h", system_id="s", enabled=each)
            for name, each in zip("bcd", enabled[1:], strict=True)
        ),
    )
)
steps = st.builds(StepOptions, line=names.map(LineName), wait=st.none() | st.integers(1000, 9000).map(Duration))
whens = st.builds(
    When,
    sender=words,
    sender_group=words,
    recipient_group=words,
    class_=words,
    has_device=st.none() | booleans,
    text=st.lists(st.sampled_from(["a", "!b", "a.*b"]), max_size=2).map(tuple),
)
rules = st.lists(
    st.builds(
        Rule,
        name=names,
        when=whens,
        steps=st.lists(steps, min_size=1, max_size=4).map(tuple),
        enabled=booleans,
        continue_=booleans,
    ),
    max_size=5,
).map(tuple)
groups = st.frozensets(st.sampled_from("ab"))
facts = st.builds(
    Facts,
    priority=st.sampled_from(["low", "normal", "high"]),
    sender=names,
    to=st.none() | st.just("+420603123456"),
    sender_groups=groups,
    groups=groups,
    class_=st.none() | names,
    has_device=booleans,
    text=st.text("abc", max_size=5),
    lines=subsets,
    allowed_lines=subsets,
)


@given(lines, rules, st.lists(facts, max_size=5))
def test_a_plan_holds_each_usable_line_at_most_once_and_depends_on_the_facts_only(
    line: tuple[DatasmsLine | SmppLine, ...], rule: tuple[Rule, ...], many: list[Facts]
) -> None:
    config = Config(line=line, rule=rule)
    router = Router(config)
    enabled = {each.name for each in line if each.enabled}
    for fact in many:
        routed = router.plan(fact)
        used = [step.line for step in routed.plan]
        skipped = [skip.line for skip in routed.skipped]
        assert len(set(used + skipped)) == len(used + skipped)
        assert set(used) <= enabled
        assert fact.lines is None or set(used) <= set(fact.lines)
        assert fact.allowed_lines is None or set(used) <= set(fact.allowed_lines)
        assert fact.has_device or "a" not in used
        assert fact.to is not None or set(used) <= {"a"}
        assert Router(config).plan(fact) == routed


@given(lines, rules, facts)
def test_what_a_rule_names_is_either_in_the_plan_or_skipped_with_a_reason(
    line: tuple[DatasmsLine | SmppLine, ...], rule: tuple[Rule, ...], fact: Facts
) -> None:
    numbered = tuple(
        Rule(name=str(n), when=each.when, steps=each.steps, enabled=each.enabled, continue_=each.continue_)
        for n, each in enumerate(rule)
    )
    routed = Router(Config(line=line, rule=numbered)).plan(fact)
    named = [step.line for name in routed.rules for step in numbered[int(name)].steps]
    assert set(named) == {step.line for step in routed.plan} | {skip.line for skip in routed.skipped}
    assert all(skip.reason for skip in routed.skipped)
    assert all(numbered[int(name)].enabled for name in routed.rules)
    assert all(numbered[int(name)].continue_ for name in routed.rules[:-1])
