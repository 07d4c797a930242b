"""What must be true of a configuration as a whole: names, references, patterns, addresses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

from datasms_daemon.config.check_applications import check_applications
from datasms_daemon.config.check_calendars import check_calendars, check_zone
from datasms_daemon.config.check_channels import check_channels, is_base_url
from datasms_daemon.config.check_classes import check_classes
from datasms_daemon.config.check_inbound import check_inbound
from datasms_daemon.config.check_numbers import check_numbers_tables
from datasms_daemon.config.check_rules import check_rules
from datasms_daemon.config.check_senders import check_senders
from datasms_daemon.config.check_targets import check_targets
from datasms_daemon.config.check_texts import check_texts
from datasms_daemon.config.options import driver_of, drivers_of, element_of, options_of
from datasms_daemon.config.problems import Problems, below
from datasms_daemon.config.records import Config, Http, SmppLine
from datasms_daemon.config.references import check_name, check_operators, leads_back, one_of
from datasms_daemon.config.units import format_duration, format_size, parse_clock, parse_listen
from datasms_daemon.rules.inbound import APP
from datasms_daemon.rules.numbers import is_country, normalise
from datasms_daemon.rules.planning import backup_of

_SOURCE = re.compile(r"\+[0-9]{3,15}|[0-9]{3,15}|[ -~]{1,11}|")
_INBOUND_NUMBER = re.compile(r"\+?[0-9]{3,15}")


def check(config: Config, problems: Problems) -> None:
    """Adds every problem that lies between the options, or that their types do not show."""
    for part in (
        _daemon,
        _listeners,
        _attachments,
        _names,
        _lines,
        check_texts,
        check_channels,
        _priorities,
        check_numbers_tables,
        check_senders,
        check_calendars,
        check_rules,
        check_classes,
        check_inbound,
        check_applications,
        check_targets,
    ):
        part(config, problems)


class _Named(Protocol):
    @property
    def name(self) -> str: ...


def _daemon(config: Config, problems: Problems) -> None:
    country, url = config.daemon.country, config.store.url
    if not is_country(country):
        problems.add("daemon.country", "is no country", 'two ISO 3166 letters such as "CZ"', country)
    if parse_clock(config.store.check_at) is None:
        problems.add("store.check_at", "is no time of day", 'one such as "03:00"', config.store.check_at)
    check_zone("daemon.timezone", config.daemon.timezone, problems)
    if url.startswith("postgresql:"):
        problems.add("store.url", "not supported yet", "sqlite:FILE")
    elif not re.fullmatch(r"sqlite:[^?#\0]+", url):
        problems.add("store.url", "is no database that we know", "sqlite:FILE", url)


def _listeners(config: Config, problems: Problems) -> None:
    gateway, clients = config.gateway.http, config.mxservice
    for place, http in (("gateway.http", gateway), ("mxservice", clients)):
        _listener(place, http, problems)
    listen = parse_listen(gateway.listen)
    if listen is not None and listen[1] != 0 and listen == parse_listen(clients.listen):
        problems.add("mxservice.listen", "[gateway.http] listens there too", "another address or port", clients.listen)
    if clients.public_url is not None and not is_base_url(clients.public_url):
        right = "https://HOST or https://HOST:PORT, without a path"
        problems.add("mxservice.public_url", "is no such address", right, clients.public_url)
    number, country = clients.registration_number, config.daemon.country
    if number is not None and is_country(country) and normalise(number, country) is None:
        right = "one that people can send an SMS to, as +420603123456"
        problems.add("mxservice.registration_number", "is no valid phone number", right, number)


def _listener(place: str, http: Http, problems: Problems) -> None:
    if parse_listen(http.listen) is None:
        right = "ADDRESS:PORT such as 127.0.0.1:8443, 0.0.0.0:8444 or [::]:8444"
        problems.add(below(place, "listen"), "is no address to listen at", right, http.listen)
    if http.certificate_file is not None and http.key_file is None:
        problems.add(below(place, "key_file"), "missing", "the private key of certificate_file")
    if http.key_file is not None and http.certificate_file is None:
        problems.add(below(place, "certificate_file"), "missing", "the certificate of key_file")


def _attachments(config: Config, problems: Problems) -> None:
    options = config.attachments
    if options.max_size > options.quota:
        right = f"at most the quota, {format_size(options.quota)}"
        problems.add("attachments.max_size", "is more than a sender may keep", right, format_size(options.max_size))


def _names(config: Config, problems: Problems) -> None:
    lists: tuple[tuple[str, Sequence[_Named]], ...] = (
        ("line", config.line),
        ("channel", config.channel),
        ("rule", config.rule),
        ("inbound", config.inbound),
        ("application", config.application),
        ("webhook", config.webhook),
    )
    for table, entries in lists:
        seen: set[str] = set()
        for number, entry in enumerate(entries, start=1):
            place = below(below(table, entry.name or number), "name")
            if entry.name in seen:
                problems.add(place, "is given twice", "a name of its own for each", entry.name)
            elif table in ("line", "channel", "application", "webhook"):
                check_name(place, entry.name, problems)
            elif not 0 < len(entry.name) <= 100 or not entry.name.isprintable():
                problems.add(place, "is no name", "1 to 100 characters on one line", entry.name)
            seen.add(entry.name)
    for table, names in (
        ("priority", config.priority),
        ("calendar", config.calendar),
        ("alias", config.alias),
        ("class", config.class_),
        ("sender", config.sender),
        ("sender_group", config.sender_group),
    ):
        for name in names:
            # The messages of an application are those of a sender with this name.
            check_name(below(table, name), name.removeprefix(APP) if table == "sender" else name, problems)


def _drivers() -> tuple[str, ...]:
    line = next(option for option in options_of(Config) if option.name == "line")
    return tuple(drivers_of(element_of(line.kind)))


def _lines(config: Config, problems: Problems) -> None:
    backups: dict[str, str | None] = {line.name: backup_of(line) for line in config.line}
    for line in config.line:
        place = below("line", line.name)
        if line.name == "default" or (line.name in _drivers() and line.name != driver_of(type(line))):
            wrong = "means something else in a priority's wait"
            problems.add(below(place, "name"), wrong, "another name", line.name)
        if isinstance(line, SmppLine):
            _smpp(place, line, problems)
            check_operators(below(place, "prices"), tuple(line.prices), config, problems)
        backup = backups[line.name]
        if backup is not None and backup not in backups:
            problems.add(below(place, "backup"), "there is no such line", one_of(backup, backups), backup)
        elif leads_back(line.name, backups):
            problems.add(below(place, "backup"), "leads back to the line itself", "another line", backup)


def _smpp(place: str, line: SmppLine, problems: Problems) -> None:
    if not re.fullmatch(r"[0-9A-Za-z.:_-]{1,253}", line.host):
        problems.add(below(place, "host"), "is no host", "a name or an address, the port apart", line.host)
    if not line.system_id:
        problems.add(below(place, "system_id"), "is empty", "the account at the SMSC", line.system_id)
    if not _SOURCE.fullmatch(line.source):
        right = "a number with +, a short code or up to 11 letters"
        problems.add(below(place, "source"), "cannot be shown as a sender", right, line.source)
    if line.suffixes and line.inbound_number is None:
        problems.add(below(place, "inbound_number"), "missing", "the number that suffixes stand behind")
    if line.inbound_number is not None and not _INBOUND_NUMBER.fullmatch(line.inbound_number):
        right = "a number with + or a short code"
        problems.add(below(place, "inbound_number"), "cannot be written to", right, line.inbound_number)


def _priorities(config: Config, problems: Problems) -> None:
    known = {"default", *_drivers(), *(line.name for line in config.line)}
    for name, priority in config.priority.items():
        place = below(below("priority", name), "wait")
        for line in priority.wait:
            if line not in known:
                problems.add(below(place, line), "there is no such line or driver", one_of(line, known))
        if priority.ndr_after is not None and priority.ndr_after >= priority.ttl:
            here, written = below(below("priority", name), "ndr_after"), format_duration(priority.ndr_after)
            problems.add(here, "is not before the end of its ttl", "shorter than ttl", written)
        if priority.retry.first > priority.retry.cap:
            here, written = (
                below(below(below("priority", name), "retry"), "first"),
                format_duration(priority.retry.first),
            )
            problems.add(here, "is longer than retry.cap", "at most retry.cap", written)
        if "default" not in priority.wait:
            problems.add(below(place, "default"), "missing", "how long to wait on any other line, such as 2h")
