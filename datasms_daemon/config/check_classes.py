"""What must be true of classes and of those who name them."""

from __future__ import annotations

from datasms_daemon.config.problems import Problems, below
from datasms_daemon.config.records import Config
from datasms_daemon.config.references import check_references, one_of


def check_classes(config: Config, problems: Problems) -> None:
    """Adds every problem of classes. Where any is declared, all that rules name must be."""
    lines = {line.name for line in config.line}
    for name, class_ in config.class_.items():
        place = below("class", name)
        for number, line in enumerate(class_.lines or (), start=1):
            if line not in lines:
                problems.add(below(below(place, "lines"), number), "there is no such line", one_of(line, lines), line)
        if class_.notice is not None and class_.lines is None:
            problems.add(below(place, "notice"), "is never sent", "lines: those that the texts may leave by")
        if class_.notice is not None and not class_.notice.strip():
            problems.add(below(place, "notice"), "is empty", "a text, or leave it out", class_.notice)
    for rule in config.rule if config.class_ else ():
        when = below(below("rule", rule.name), "when")
        check_references(
            below(when, "class"), [word for word in rule.when.class_ if word], config.class_, "class", problems
        )
