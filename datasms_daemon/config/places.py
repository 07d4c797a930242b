"""Where a daemon keeps its things, read from a configuration that may be faulty otherwise.

An operator must reach the running daemon although its file was just edited into nonsense, or names secrets that only
the service can read.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

from datasms_daemon.config.files import default_state_dir
from datasms_daemon.config.records import Store
from datasms_daemon.errors import ConfigError
from datasms_daemon.model import Record


class Places(Record, frozen=True):
    """The state directory and the database file."""

    state_dir: Path
    database: Path


def places(path: Path | None, env: Mapping[str, str]) -> Places:
    """Those of a configuration file, or the defaults for None. ConfigError: it is no TOML that could be read."""
    raw = {} if path is None else _toml(path)
    named, url = _text(raw, "daemon", "state_dir"), _text(raw, "store", "url")
    base = Path() if path is None else path.parent
    state_dir = default_state_dir(env) if named is None else (base / named).absolute()
    return Places(state_dir, state_dir / (url or Store().url).removeprefix("sqlite:"))


def _toml(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
    except ValueError as error:
        raise ConfigError([f"{path}: is no TOML: {error}"]) from error


def _text(raw: Mapping[str, object], table: str, option: str) -> str | None:
    found = raw.get(table)
    value = found.get(option) if isinstance(found, dict) else None
    return value if isinstance(value, str) else None
