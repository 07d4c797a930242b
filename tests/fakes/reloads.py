"""The real core under a configuration file, and its reload; lines' far ends are the test's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from datasms_daemon.assembly import lines_of
from datasms_daemon.config.load import load_with_warnings
from datasms_daemon.interfaces import ILine
from datasms_daemon.listeners import Listeners
from datasms_daemon.model import Reloaded
from datasms_daemon.ops.systemd import Notifier
from datasms_daemon.reloading import Reloading
from tests.fakes.daemon import FakeDaemon, FakeTime


class Configured:
    """One life of a daemon that is configured by ``path``; ``line`` makes what stands in the place of a driver."""

    def __init__(self, path: Path, time: FakeTime, line: Callable[[str], ILine], seed: int = 1) -> None:
        loaded = load_with_warnings(path, {})
        lines = {str(name): line(name) for name in lines_of(loaded.config)}
        self.daemon = FakeDaemon(loaded.config, lines, time, seed)
        parts = self.daemon.parts
        parts.line = lambda options: line(options.name)  # type: ignore[method-assign]
        self.reloading = Reloading(
            path, {}, loaded, parts, cast(Listeners, _Nothing()), cast(Notifier, _Nothing()), _step
        )

    def reload(self) -> Deferred[Reloaded]:
        """As the signal does."""
        return Deferred.fromCoroutine(self.reloading.reload("signal"))


class _Nothing:
    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args: None


async def _step(what: str, work: Callable[[], Any]) -> None:
    try:
        await work()
    except Exception:
        Logger().failure("{what} failed", what=what)
