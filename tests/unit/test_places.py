"""Where the daemon's things are, even when its configuration is otherwise of no use."""

from __future__ import annotations

from pathlib import Path

import pytest

from datasms_daemon.config.load import load
from datasms_daemon.config.places import Places, places
from datasms_daemon.delivery.housekeeping import database_path
from datasms_daemon.errors import ConfigError


@pytest.mark.parametrize(
    "text",
    [
        "",
        'daemon.state_dir = "state"',
        'daemon.state_dir = "/var/lib/datasms"\nstore.url = "sqlite:other.db"',
        'store.url = "sqlite:other.db"',
    ],
)
def test_the_places_are_those_of_the_daemon(tmp_path: Path, text: str) -> None:
    file = tmp_path / "datasms.toml"
    file.write_text(text)
    env = {"DATASMS_STATE_DIR": str(tmp_path / "elsewhere"), "HOME": "/nowhere"}
    config = load(file, env)
    found = places(file, env)
    assert (found.state_dir, found.database) == (config.daemon.state_dir, database_path(config))


def test_faults_elsewhere_in_the_file_do_not_matter(tmp_path: Path) -> None:
    file = tmp_path / "datasms.toml"
    file.write_text('daemon.state_dir = "/srv"\nmistyped = 1\n[[line]]\nname = "x"\ndriver = "no such"\n')
    assert places(file, {}) == Places(Path("/srv"), Path("/srv/datasms.sqlite3"))


def test_without_a_file_they_are_the_defaults(tmp_path: Path) -> None:
    found = places(None, {"DATASMS_STATE_DIR": str(tmp_path)})
    assert found == Places(tmp_path, tmp_path / "datasms.sqlite3")


@pytest.mark.parametrize("content", [b"= broken", b"\xff\xfe"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "datasms.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match="is no TOML"):
        places(file, {})
    with pytest.raises(ConfigError, match=r"missing\.toml: cannot be read"):
        places(tmp_path / "missing.toml", {})
