"""What must be true of operators, aliases and number lists as a whole: prefixes, patterns, files that can be read."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from datasms_daemon.config.problems import Problems, below
from datasms_daemon.config.records import Config
from datasms_daemon.config.references import check_name, check_pattern, one_of, sets_of
from datasms_daemon.rules.lists import ListFault, numbers_in, ported_in
from datasms_daemon.rules.numbers import is_country
from datasms_daemon.rules.operators import UNKNOWN
from datasms_daemon.rules.patterns import NUMBER_REACH

_PREFIX = re.compile(r"\+[1-9][0-9]{0,14}")


def check_numbers_tables(config: Config, problems: Problems) -> None:
    """Adds every problem of the tables ``alias``, ``number_list``, ``operator`` and ``portability``."""
    for part in (_aliases, _lists, _operators):
        part(config, problems)


def _aliases(config: Config, problems: Problems) -> None:
    for name, patterns in config.alias.items():
        for number, pattern in enumerate(patterns, start=1):
            place = below(below("alias", name), number)
            if pattern.startswith(("$", "!")):
                problems.add(place, "is another alias or a not", "a regular expression", pattern)
            else:
                check_pattern(place, pattern, NUMBER_REACH, problems)


def _lists(config: Config, problems: Problems) -> None:
    if not is_country(config.daemon.country):
        return
    for name, options in config.number_list.items():
        place = below("number_list", name)
        check_name(place, name, problems)
        if name in config.alias:
            problems.add(place, "is the name of an alias too", "another name", name)
        _file(below(place, "file"), options.file, numbers_in, "one number a line", config, problems)
    if config.portability.file is not None:
        right = "NUMBER,OPERATOR on each line"
        _file("portability.file", config.portability.file, ported_in, right, config, problems)


def _file(
    place: str, path: Path, read: Callable[[str, str], object], right: str, config: Config, problems: Problems
) -> None:
    if not path.name:
        return
    try:
        read(path.read_text("utf-8"), config.daemon.country)
    except ListFault as fault:
        problems.add(place, str(fault), right, path.name)
    except UnicodeDecodeError:
        problems.add(place, "is no UTF-8 text", right, path.name)
    except OSError as error:
        problems.add(place, f"cannot be read: {error.strerror}", right, path.name)


def _operators(config: Config, problems: Problems) -> None:
    owners: dict[str, str] = {}
    sets = sets_of(config)
    for name, operator in config.operator.items():
        place = below("operator", name)
        check_name(place, name, problems)
        if name == UNKNOWN and operator.prefixes:
            problems.add(
                below(place, "prefixes"), "is for numbers that no prefix fits", "leave it out", operator.prefixes
            )
        for number, prefix in enumerate(operator.prefixes, start=1):
            here = below(below(place, "prefixes"), number)
            if not _PREFIX.fullmatch(prefix):
                problems.add(here, "is no prefix", "+ and 1 to 15 digits", prefix)
            elif owners.setdefault(prefix, name) != name:
                problems.add(here, f"is a prefix of {owners[prefix]} too", "a prefix of one operator", prefix)
        if operator.rules not in sets:
            problems.add(
                below(place, "rules"), "there is no such set of rules", one_of(operator.rules, sets), operator.rules
            )
