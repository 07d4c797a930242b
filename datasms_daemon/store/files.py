"""The files of attachments, in one directory, each under its random id.

Everything here waits for the disk: it is called in threads, never in the reactor's.
"""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

from datasms_daemon.errors import DiskFull

_FULL = (errno.ENOSPC, errno.EDQUOT)


class Incoming:
    """A file that is being written. DiskFull from any verb when there is no room; then ``discard`` it."""

    def __init__(self, path: Path, head_bytes: int) -> None:
        self.size = 0
        self.head = b""
        self._path = path
        self._head_bytes = head_bytes
        self._is_kept = False
        self._hash = hashlib.sha256()
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    @property
    def sha256(self) -> str:
        """Of what was written, in hex."""
        return self._hash.hexdigest()

    def write(self, data: bytes) -> None:
        """Adds to it."""
        if len(self.head) < self._head_bytes:
            self.head += data[: self._head_bytes - len(self.head)]
        self._hash.update(data)
        self.size += len(data)
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            raise _translated(error) from error

    def finish(self) -> None:
        """Returns when content and name have reached the disk (I4)."""
        try:
            os.fsync(self._file)
            sync_directory(self._path.parent)
        except OSError as error:
            raise _translated(error) from error
        self._close()

    def keep(self) -> None:
        """From now on ``discard`` leaves it where it is."""
        self._is_kept = True

    def discard(self) -> None:
        """Nothing of it stays."""
        self._close()
        if not self._is_kept:
            self._path.unlink(missing_ok=True)

    def _close(self) -> None:
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)


class Files:
    """The directory; it is made when the first file comes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def create(self, id_: str, head_bytes: int) -> Incoming:
        """A new file; of what is written to it the first ``head_bytes`` are remembered. DiskFull."""
        try:
            if not self._directory.exists():
                self._directory.mkdir(mode=0o700)
                sync_directory(self._directory.parent)
            return Incoming(self._directory / id_, head_bytes)
        except OSError as error:
            raise _translated(error) from error

    def read(self, id_: str, offset: int, size: int) -> bytes:
        """At most ``size`` bytes from ``offset`` on; none behind the end, or when the file is gone."""
        try:
            with (self._directory / id_).open("rb") as file:
                file.seek(offset)
                return file.read(size)
        except FileNotFoundError:
            return b""

    def remove(self, ids: list[str]) -> None:
        """Those that are there are not any more."""
        for id_ in ids:
            (self._directory / id_).unlink(missing_ok=True)

    def sizes(self) -> dict[str, int]:
        """Of all that are there."""
        if not self._directory.exists():
            return {}
        with os.scandir(self._directory) as found:
            return {each.name: each.stat(follow_symlinks=False).st_size for each in found}


def sync_directory(path: Path) -> None:
    """Returns when the names in it have reached the disk."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _translated(error: OSError) -> Exception:
    return DiskFull("no room for the attachment") if error.errno in _FULL else error
