"""Senders' settings: inherited from the nearest that says anything, and shown with where they stand."""

from __future__ import annotations

import pytest

from datasms_daemon.config.records import Config, SenderGroup, SenderOptions
from datasms_daemon.rules.senders import Account, Permission, Senders, permission


def account(name: str, **options: object) -> Account[SenderOptions]:
    config = Config(**options)  # type: ignore[arg-type]
    return Senders(config.sender_defaults, config.sender, config.sender_group).of(name)


MACHINES = SenderGroup(members=("plc", "pump"), parent="technical", lines=("sms",))
TECHNICAL = SenderGroup(lines=("datasms",), priorities=("low",))


def test_an_option_comes_from_the_sender_then_its_group_then_the_parent_then_the_defaults() -> None:
    found = account(
        "plc",
        sender={"plc": SenderOptions(numbers=("1",))},
        sender_group={"technical": TECHNICAL, "machines": MACHINES},
        sender_defaults=SenderOptions(priorities=("high",), lines=("x",)),
    )
    assert found.options == SenderOptions(numbers=("1",), lines=("sms",), priorities=("low",))
    assert found.origins == {
        "numbers": "sender.plc",
        "lines": "sender_group.machines",
        "priorities": "sender_group.technical",
    }
    assert found.groups == ("machines", "technical")


def test_what_nobody_says_has_no_origin() -> None:
    assert account("crm") == Account((), SenderOptions(), {})


def test_a_sender_that_the_configuration_does_not_name_has_the_defaults() -> None:
    found = account("crm", sender_group={"technical": TECHNICAL}, sender_defaults=SenderOptions(lines=("x",)))
    assert (found.groups, found.options, found.origins) == (
        (),
        SenderOptions(lines=("x",)),
        {"lines": "sender_defaults"},
    )


def test_of_two_groups_the_first_in_the_file_counts_and_both_before_their_parents() -> None:
    first = SenderGroup(members=("plc",), parent="above")
    second = SenderGroup(members=("plc",), priorities=("low",))
    above = SenderGroup(priorities=("high",), lines=("sms",))
    found = account("plc", sender_group={"above": above, "first": first, "second": second})
    assert found.groups == ("first", "second", "above")
    assert found.origins == {"priorities": "sender_group.second", "lines": "sender_group.above"}
    turned = account("plc", sender_group={"second": second, "first": first, "above": above})
    assert turned.groups == ("second", "first", "above")


def test_a_member_of_a_group_and_of_its_parent_is_in_each_once() -> None:
    groups = {"a": SenderGroup(members=("plc",), parent="b"), "b": SenderGroup(members=("plc",))}
    assert account("plc", sender_group=groups).groups == ("a", "b")


@pytest.mark.parametrize(
    ("lines", "of_key", "expected"),
    [
        (None, None, None),
        (None, ("a",), ("a",)),
        (("!a",), None, ("b", "c")),
        (("a", "b"), ("b", "c"), ("b",)),
        (("a",), ("b",), ()),
    ],
)
def test_the_lines_of_sender_and_key_are_those_that_both_allow(
    lines: tuple[str, ...] | None, of_key: tuple[str, ...] | None, expected: tuple[str, ...] | None
) -> None:
    assert permission(SenderOptions(lines=lines), "abc", {}).lines_with(of_key) == expected


def test_without_limits_nothing_is_asked() -> None:
    assert permission(SenderOptions(), "abc", {}) == Permission()


def test_allowed_numbers_know_aliases_and_nots() -> None:
    may = permission(SenderOptions(numbers=("$o2", "!9$")), "abc", {"o2": (r"^\+42060",)}).number
    assert may is not None
    assert [may(number) for number in ("+420601", "+420609", "+421601", None)] == [True, False, False, False]
