"""What must be true of senders and their groups as a whole."""

from __future__ import annotations

import re
from collections.abc import Mapping

from datasms_daemon.config.problems import Problems, below
from datasms_daemon.config.records import Config, SenderGroup, SenderOptions
from datasms_daemon.config.references import check_name, check_numbers, check_references, leads_back, one_of
from datasms_daemon.rules.inbound import APP


def check_senders(config: Config, problems: Problems) -> None:
    """Adds every problem of senders, their groups and the defaults."""
    _options("sender_defaults", config.sender_defaults, config, problems)
    for name, options in config.sender.items():
        _options(below("sender", name), options, config, problems)
    _suffixes(config, problems)
    for name, group in config.sender_group.items():
        place = below("sender_group", name)
        _options(place, group, config, problems)
        for number, member in enumerate(group.members, start=1):
            check_name(below(below(place, "members"), number), member.removeprefix(APP), problems)
        _parent(below(place, "parent"), name, config.sender_group, problems)


def _options(place: str, options: SenderOptions, config: Config, problems: Problems) -> None:
    lines = [line.name for line in config.line]
    check_references(below(place, "lines"), options.lines or (), lines, "line", problems)
    check_references(below(place, "priorities"), options.priorities or (), config.priority, "priority", problems)
    check_numbers(below(place, "numbers"), options.numbers or (), config, problems)


def _suffixes(config: Config, problems: Problems) -> None:
    taken: dict[str, str] = {}
    for name, options in config.sender.items():
        if options.suffix is None:
            continue
        place = below(below("sender", name), "suffix")
        if not re.fullmatch("[0-9]{1,5}", options.suffix):
            problems.add(place, "cannot stand behind a number", "1 to 5 digits", options.suffix)
        elif options.suffix in taken:
            problems.add(place, f"is that of {taken[options.suffix]}", "one of his own", options.suffix)
        taken[options.suffix] = name


def _parent(place: str, name: str, groups: Mapping[str, SenderGroup], problems: Problems) -> None:
    parent = groups[name].parent
    if parent is not None and parent not in groups:
        problems.add(place, "there is no such sender group", one_of(parent, groups), parent)
    elif leads_back(name, {each: group.parent for each, group in groups.items()}):
        problems.add(place, "leads back to the group itself", "a group that is not within this one", parent)
