"""What must be true of applications: something that runs, and options that it can use."""

from __future__ import annotations

from datasms_daemon.config.applications import Application
from datasms_daemon.config.kinds import MINUTE, SECOND
from datasms_daemon.config.plugins import names, plugin
from datasms_daemon.config.problems import Problems, below
from datasms_daemon.config.records import Config
from datasms_daemon.config.references import one_of
from datasms_daemon.config.units import format_duration

LEAST_IDLE, MOST_IDLE = 5 * SECOND, MINUTE


def check_applications(config: Config, problems: Problems) -> None:
    """Adds every problem of applications."""
    for application in config.application:
        place = below("application", application.name)
        if application.priority not in config.priority:
            right = one_of(application.priority, config.priority)
            problems.add(below(place, "priority"), "there is no such priority", right, application.priority)
        if application.timeout < SECOND:
            problems.add(below(place, "timeout"), "is too short", "at least 1s")
        if application.idle < LEAST_IDLE:
            problems.add(below(place, "idle"), "is too short", "5s to 60s", format_duration(application.idle))
        elif application.idle > MOST_IDLE:
            problems.add(below(place, "idle"), "is too long", "5s to 60s", format_duration(application.idle))
        _maker(place, application, problems)


def _maker(place: str, application: Application, problems: Problems) -> None:
    if application.plugin is None and not application.command:
        problems.add(below(place, "plugin"), "missing", "a plugin, or a command")
    elif application.plugin is not None and application.command:
        problems.add(below(place, "command"), "a plugin is given too", "one of the two")
    elif application.command and not application.command[0].startswith("/"):
        problems.add(below(place, "command"), "is no program", "its whole path first", application.command[0])
    elif application.plugin is not None:
        _plugin(place, application.plugin, application, problems)


def _plugin(place: str, name: str, application: Application, problems: Problems) -> None:
    try:
        found = plugin(name)
    except ValueError as error:
        problems.add(below(place, "plugin"), str(error), "one that can be loaded", name)
        return
    if found is None:
        problems.add(below(place, "plugin"), "there is no such plugin", one_of(name, names()), name)
        return
    try:
        found.application(application.options)
    except ValueError as error:
        problems.add(below(place, "options"), str(error), "options that the plugin knows")
