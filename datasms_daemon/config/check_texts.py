"""What must be true of the options about texts."""

from __future__ import annotations

from datasms_daemon.config.lines import SmsLine
from datasms_daemon.config.problems import Problems, below, nearest
from datasms_daemon.config.records import Config
from datasms_daemon.config.texts import LineTextOptions, Substitution
from datasms_daemon.rules.patterns import TEXT_REACH, PatternError, compile_pattern
from datasms_daemon.rules.pipeline import VARIABLES
from datasms_daemon.rules.templates import groups_of, variables_of


def check_texts(config: Config, problems: Problems) -> None:
    """Adds every problem of replacements, headers and patterns."""
    for character in config.text.replace:
        if len(character) != 1:
            place = below(below("text", "replace"), character)
            problems.add(place, "is not one character", "a single character; [[line]] substitute knows patterns")
    for line in config.line:
        _line(below("line", line.name), line, problems)


def _line(place: str, line: LineTextOptions, problems: Problems) -> None:
    for name in variables_of(line.header):
        if name not in VARIABLES:
            right = nearest(name, VARIABLES, "known: " + ", ".join(f"${known}" for known in VARIABLES))
            problems.add(below(place, "header"), f"there is no ${name}", right, line.header)
    for number, substitution in enumerate(line.substitute, start=1):
        _substitution(below(below(place, "substitute"), number), substitution, problems)
    if line.diacritics == "when-shorter" and not isinstance(line, SmsLine):
        right = "keep or strip: texts do not travel in parts here"
        problems.add(below(place, "diacritics"), "has no meaning on this line", right, line.diacritics)


def _substitution(place: str, substitution: Substitution, problems: Problems) -> None:
    pattern, template = substitution.pattern, substitution.with_
    if not pattern:
        problems.add(below(place, "pattern"), "is empty", "a regular expression")
        return
    try:
        groups = compile_pattern(pattern, TEXT_REACH).groups
    except PatternError as error:
        problems.add(below(place, "pattern"), error.wrong, error.right, pattern)
        return
    for group in groups_of(template):
        if group > groups:
            right = f"$0{f' to ${groups}' if groups else ''}, or another pair of brackets in the pattern"
            problems.add(below(place, "with"), f"the pattern has no group {group}", right, template)
