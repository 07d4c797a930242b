"""From the configuration file to a checked ``Config``; every problem is told at once."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from datetime import UTC, tzinfo
from pathlib import Path
from typing import cast

import msgspec

from datasms_daemon.config.check import check
from datasms_daemon.config.files import Files, default_state_dir
from datasms_daemon.config.problems import Problems
from datasms_daemon.config.reader import Reader
from datasms_daemon.config.records import Config
from datasms_daemon.config.units import parse_zone
from datasms_daemon.errors import ConfigError
from datasms_daemon.model import Record
from datasms_daemon.rules.numbers import normalise

_MOST = 1 << 20


class Loaded(Record, frozen=True):
    """A configuration, the SHA-256 of its file in hex, and what an operator should hear of although it can be used."""

    config: Config
    hash: str
    warnings: tuple[str, ...] = ()


def load(path: Path | None, env: Mapping[str, str]) -> Config:
    """The configuration of a file, or the defaults for None. ConfigError: with all problems, nothing was used."""
    return load_with_warnings(path, env).config


def load_with_warnings(path: Path | None, env: Mapping[str, str]) -> Loaded:
    """As ``load``. In the answer ``daemon.state_dir`` is absolute and phone numbers are normalised.

    ``env`` is the process's environment: state directory, credentials directory, home.
    """
    problems = Problems("the defaults" if path is None else str(path))
    files = Files(Path() if path is None else path.parent, env)
    content = b"" if path is None else _content(path, problems)
    raw = _toml(content, problems)
    if problems.lines:
        raise ConfigError(problems.lines)
    reader = Reader(problems, files)
    config = cast(Config, reader.table(Config, raw, "", None))
    check(config, problems)
    if problems.lines:
        raise ConfigError(problems.lines)
    if path is not None and reader.has_secrets:
        files.warn_if_open(path)
    hash_ = hashlib.sha256(content).hexdigest()
    return Loaded(config=_completed(config, env), hash=hash_, warnings=tuple(files.warnings))


def changes_needing_restart(old: Config, new: Config) -> list[str]:
    """The options that differ and cannot change in a running daemon; empty: a reload may take the new one."""
    options = {
        "daemon.state_dir": (old.daemon.state_dir, new.daemon.state_dir),
        "store.url": (old.store.url, new.store.url),
        "gateway.http.listen": (old.gateway.http.listen, new.gateway.http.listen),
        "mxservice.listen": (old.mxservice.listen, new.mxservice.listen),
    }
    return [name for name, (before, after) in options.items() if before != after]


def zone_of(config: Config) -> tzinfo:
    """The zone whose days and months limits, quotas and reports count by."""
    return parse_zone(config.daemon.timezone) or UTC


def _content(path: Path, problems: Problems) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST + 1)
    except OSError as error:
        problems.whole(f"cannot be read: {error.strerror}; a TOML file would be right")
        return b""
    if len(content) > _MOST:
        problems.whole("is larger than 1 MiB; a configuration file would be right")
        return b""
    return content


def _toml(content: bytes, problems: Problems) -> dict[str, object]:
    try:
        return tomllib.loads(content.decode())
    except UnicodeDecodeError as error:
        problems.whole(f"is no UTF-8 text at byte {error.start + 1}; a TOML file would be right")
    except tomllib.TOMLDecodeError as error:
        problems.whole(f"is no TOML: {error}")
    return {}


def _completed(config: Config, env: Mapping[str, str]) -> Config:
    replace = msgspec.structs.replace
    daemon, clients = config.daemon, config.mxservice
    if daemon.state_dir is None:
        daemon = replace(daemon, state_dir=default_state_dir(env))
    if clients.registration_number is not None:
        number = normalise(clients.registration_number, daemon.country)
        clients = replace(clients, registration_number=number)
    return replace(config, daemon=daemon, mxservice=clients)
