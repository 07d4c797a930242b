"""The configuration as the core offers it to operators; the daemon's service stands behind it."""

from __future__ import annotations

from typing import Protocol

from datasms_daemon.model import Reloaded, RunningConfiguration


class Configuration(Protocol):
    """Which one is in use, and taking another."""

    def running(self) -> RunningConfiguration:
        """The one in use."""
        ...

    async def reload(self, by: str) -> Reloaded:
        """Reads the file anew and uses all of it, or nothing; ``by`` is who wants it."""
        ...
