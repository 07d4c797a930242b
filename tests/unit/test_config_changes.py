"""What a reload changed, told by names."""

from __future__ import annotations

from msgspec.structs import replace

from datasms_daemon.config.changes import changes, names
from datasms_daemon.config.records import Config, DatasmsLine, SmppLine
from datasms_daemon.config.routing import Rule, StepOptions
from datasms_daemon.model import LineName, Secret, SectionChange

STEPS = (StepOptions(line=LineName("datasms")),)


def rule(name: str, *, enabled: bool = True) -> Rule:
    """A rule of that name."""
    return Rule(name=name, steps=STEPS, enabled=enabled)


def config(*rules: Rule, password: str = "x") -> Config:
    """Two lines and some rules."""
    smpp = SmppLine(name=LineName("sms"), host="h", system_id="s", password=Secret(password))
    return Config(line=(DatasmsLine(name=LineName("datasms")), smpp), rule=rules)


def test_equal_configurations_have_no_changes() -> None:
    assert changes(config(rule("a")), config(rule("a"))) == ()


def test_what_was_added_removed_and_changed_is_named() -> None:
    before = config(rule("a"), rule("b"), rule("c"))
    after = config(rule("b", enabled=False), rule("c"), rule("d"))
    assert changes(before, after) == (SectionChange("rule", added=("d",), removed=("a",), changed=("b",)),)


def test_another_order_of_the_same_rules_is_a_change() -> None:
    before, after = config(rule("a"), rule("b")), config(rule("b"), rule("a"))
    assert changes(before, after) == (SectionChange("rule", reordered=True),)


def test_rules_of_one_name_are_told_apart() -> None:
    before = config(rule("a"), rule("a"))
    assert changes(before, config(rule("a"), rule("a", enabled=False))) == (SectionChange("rule", changed=("a (2)",)),)
    assert changes(before, config(rule("a"))) == (SectionChange("rule", removed=("a (2)",)),)


def test_a_secret_that_changed_is_told_and_not_shown() -> None:
    found = changes(config(rule("a")), config(rule("a"), password="hunter2"))
    assert found == (SectionChange("line", changed=("sms",)),)


def test_options_of_one_table_and_of_tables_in_it_are_named() -> None:
    before = Config()
    after = replace(
        before,
        daemon=replace(before.daemon, country="DE"),
        gateway=replace(before.gateway, http=replace(before.gateway.http, max_connections=7)),
        alias={"o2": ("^1",)},
    )
    assert changes(before, after) == (
        SectionChange("daemon", changed=("country",)),
        SectionChange("gateway", changed=("http.max_connections",)),
        SectionChange("alias", added=("o2",)),
    )


def test_the_names_of_a_configuration_are_those_of_its_lists_and_tables_of_names() -> None:
    found = names(config(rule("a"), rule("b")))
    assert found["rule"] == ("a", "b")
    assert found["line"] == ("datasms", "sms")
    assert found["priority"] == ("high", "normal", "low")
    assert "gateway" not in found
