"""Files that the configuration names, and where the daemon keeps its own."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path

_MOST = 64 << 10


def config_path(option: str | None, env: Mapping[str, str]) -> Path | None:
    """The configuration file: the command line's, else ``$DATASMS_CONFIG``; None: there is none."""
    named = option or env.get("DATASMS_CONFIG")
    return Path(named) if named else None


def default_state_dir(env: Mapping[str, str]) -> Path:
    """Where the state is kept unless the file says so: ``$DATASMS_STATE_DIR``, systemd's, or below the home."""
    # systemd joins several directories with colons; ours is the first.
    named = env.get("DATASMS_STATE_DIR") or env.get("STATE_DIRECTORY", "").partition(":")[0]
    home = Path(env["HOME"]) if env.get("HOME") else Path.home()
    return (Path(named) if named else home / ".local" / "state" / "datasms").absolute()


class Files:
    """Finds the files that one configuration names and notes which are too open.

    ``warnings`` are sentences for the operator.
    """

    def __init__(self, base: Path, env: Mapping[str, str]) -> None:
        self.warnings: list[str] = []
        self._base = base.absolute()
        self._credentials = env.get("CREDENTIALS_DIRECTORY")

    def path(self, named: str) -> Path:
        """Where this is: relative paths are relative to the configuration file."""
        return self._base / named

    def existing(self, named: str) -> Path | None:
        """The file itself, else systemd's credential of that name; None: neither is there."""
        places = [self.path(named)]
        if self._credentials:
            places.append(Path(self._credentials) / Path(named).name)
        return next((path for path in places if _is_file(path)), None)

    def secret(self, path: Path) -> str | None:
        """The file's text without the line's end; None when it cannot be read, is empty, or is no short text."""
        try:
            with path.open("rb") as file:
                content = file.read(_MOST + 1)
            text = content.decode().rstrip("\r\n")
        except (OSError, UnicodeDecodeError):
            return None
        self.warn_if_open(path)
        return text if text and len(content) <= _MOST else None

    def warn_if_open(self, path: Path) -> None:
        """Notes a file with a secret in it that everybody on the machine may read."""
        if path.stat().st_mode & stat.S_IROTH:
            self.warnings.append(f"{path} holds a secret and may be read by everybody; chmod o-r would be right")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False
