"""Room on the disk: new work is refused while what is accepted can still be written down."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

ASK_EVERY_MS = 500


class DiskRoom:
    """Whether ``directory`` has ``min_free`` bytes left; the file system is asked twice a second at most."""

    def __init__(self, directory: Path, min_free: int, now_ms: Callable[[], int]) -> None:
        self._directory = directory
        self._min_free = min_free
        self._now_ms = now_ms
        self._asked_at = 0
        self._has_room = True

    def has_room(self) -> bool:
        """False: accept nothing new."""
        now = self._now_ms()
        if now - self._asked_at >= ASK_EVERY_MS:
            self._asked_at = now
            status = os.statvfs(self._directory)
            self._has_room = status.f_bavail * status.f_frsize >= self._min_free
        return self._has_room
