"""Files with phone numbers: read at the start, and again when they change."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from twisted.internet.defer import succeed
from twisted.logger import Logger
from zope.interface import implementer

from datasms_daemon.config.kinds import SECOND
from datasms_daemon.config.records import Config
from datasms_daemon.errors import ConfigError
from datasms_daemon.interfaces import IPortability
from datasms_daemon.ops.metrics import Metrics
from datasms_daemon.rules.lists import numbers_in, ported_in

LOOK_EVERY_MS = 15 * SECOND

T = TypeVar("T")
C = TypeVar("C")


class InThread(Protocol):
    """Runs what may wait for a disk outside the reactor's thread."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]: ...


class _File(Generic[C]):
    """One file; ``parse`` makes of its text what is kept, and raises ValueError for one that cannot be used."""

    def __init__(self, place: str, path: Path, parse: Callable[[str], C]) -> None:
        self.place = place
        self.path = path
        self.fault: str | None = None
        self._parse = parse
        self._stamp: object = None

    def look(self) -> C | None:
        """What changed; None: nothing, or ``fault`` says why the content of before has to stay."""
        new = None
        try:
            status = self.path.stat()
            stamp = status.st_mtime_ns, status.st_size, status.st_ino
            if stamp != self._stamp:
                new = self._parse(self.path.read_text("utf-8"))
                self._stamp = stamp
            self.fault = None
        except OSError as error:
            self.fault = f"cannot be read: {error.strerror}"
        except UnicodeDecodeError:
            self.fault = "is no UTF-8 text"
        except ValueError as error:
            self.fault = str(error)
        return new


class NumberFiles:
    """The number lists and ported numbers of one configuration, read once by the constructor, which waits for the disk.

    ``lists`` is looked into by name; a list that changes is replaced whole. ConfigError: a file cannot be used.
    """

    _log = Logger()

    def __init__(self, config: Config) -> None:
        self.lists: dict[str, frozenset[str]] = {}
        self.ported: dict[str, str] = {}
        self._looked_at: int | None = None
        self._is_looking = False
        # Nothing here knows the whole: what a reload replaces must go without a garbage collection.
        country = config.daemon.country
        self._lists = {
            name: _File(f"number_list.{name}", options.file, partial(numbers_in, country=country))
            for name, options in config.number_list.items()
        }
        self._ported: _File[dict[str, str]] | None = None
        if config.portability.file is not None:
            self._ported = _File("portability", config.portability.file, partial(ported_in, country=country))
        self._files: list[_File[frozenset[str]] | _File[dict[str, str]]] = [*self._lists.values()]
        if self._ported is not None:
            self._files.append(self._ported)
        self._look()
        if faults := [f"{file.path} {file.fault}" for file in self._files if file.fault is not None]:
            raise ConfigError(faults)

    def show(self, metrics: Metrics) -> None:
        """Which of the files are in use as they are, and of which only what was read before."""
        metrics.number_file_up.clear()
        for file in self._files:
            metrics.number_file_up.labels(file.place).set(file.fault is None)

    async def refresh(self, now: int, in_thread: InThread) -> None:
        """Reads what changed, at most every ``LOOK_EVERY_MS``. A file that cannot be used leaves what was there, and is
        told of once."""
        is_early = self._looked_at is not None and now - self._looked_at < LOOK_EVERY_MS
        if not self._files or self._is_looking or is_early:
            return
        self._looked_at, self._is_looking = now, True
        before = {file.place: file.fault for file in self._files}
        try:
            await in_thread(self._look)
        finally:
            self._is_looking = False
        for file in self._files:
            if file.fault is not None and before[file.place] is None:
                self._log.error(
                    "[{place}] {path} {why}; what was read before stays in use",
                    place=file.place, path=str(file.path), why=file.fault,
                )  # fmt: skip
            elif file.fault is None and before[file.place] is not None:
                self._log.info("[{place}] {path} can be read again", place=file.place, path=str(file.path))

    def _look(self) -> None:
        for name, file in self._lists.items():
            if (numbers := file.look()) is not None:
                self.lists[name] = numbers
        if self._ported is not None and (ported := self._ported.look()) is not None:
            self.ported = ported


@implementer(IPortability)
class PortedNumbers:
    """The look-up in ``[portability] file``."""

    keeps_ms = LOOK_EVERY_MS

    def __init__(self, files: NumberFiles) -> None:
        self._files = files

    def operator(self, number: str) -> Awaitable[str | None]:
        """See :class:`IPortability`."""
        return succeed(self._files.ported.get(number))
