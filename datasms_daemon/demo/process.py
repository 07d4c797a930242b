"""The real daemon as a child process, as an operator would start it, on a directory of its own."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IReactorProcess, IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

import datasms_daemon
from datasms_daemon.errors import DatasmsError

STOP_S = 8.0
KEPT_OCTETS = 64 * 1024
_ADDRESS = re.compile(rb"(gateway|mxservice) listens on (https://\S+)")
_READY = re.compile(rb"datasms \S+ is ready")
# twistd without depending on where its script is; an editable installation hides our plugin unless its root is there.
_TWISTD = "import sys; root = sys.argv.pop(1); root in sys.path or sys.path.append(root); "
_TWISTD += "from twisted.scripts.twistd import run; run()"


class DemoFailed(DatasmsError):
    """Something did not happen as it should; the text says what."""


class DaemonProcess(ProcessProtocol):
    """``twistd datasms --config FILE``. ``ready`` fires with the addresses of its doors by name, or fails with
    DemoFailed when it ends before; ``ended`` fires when it is gone."""

    def __init__(self) -> None:
        self.ready: Deferred[dict[str, str]] = Deferred()
        self.ended: Deferred[None] = Deferred()
        self._said = b""

    def start(self, reactor: IReactorProcess, config_file: Path) -> None:
        """Starts it; whatever of our options the environment holds is not for this one."""
        root = str(Path(datasms_daemon.__file__).parents[1])
        command = [sys.executable, "-P", "-c", _TWISTD, root]
        command += ["--nodaemon", "--pidfile=", "datasms", "--config", str(config_file)]
        env = {name: value for name, value in os.environ.items() if not name.startswith("DATASMS_")}
        reactor.spawnProcess(self, sys.executable, command, env, str(config_file.parent))

    async def stop(self, clock: IReactorTime) -> None:
        """Asks it to end and waits; it is killed when it takes too long."""
        if self.ended.called:
            return
        self._signal("TERM")
        impatience = clock.callLater(STOP_S, self.kill)
        await self.ended
        if impatience.active():
            impatience.cancel()

    def kill(self) -> None:
        """Ends it at once."""
        self._signal("KILL")

    def outReceived(self, data: bytes) -> None:
        """Twisted: it wrote its log."""
        self._said = (self._said + data)[-KEPT_OCTETS:]
        if not self.ready.called and _READY.search(self._said):
            self.ready.callback({name.decode(): url.decode() for name, url in _ADDRESS.findall(self._said)})

    def errReceived(self, data: bytes) -> None:
        """Twisted: so do its errors."""
        self.outReceived(data)

    def processEnded(self, reason: Failure) -> None:
        """Twisted: it is gone."""
        self.ended.callback(None)
        if not self.ready.called:
            last = self._said.decode("utf-8", "replace").strip().splitlines()[-8:]
            self.ready.errback(DemoFailed("\n  ".join(["the daemon ended at its start:", *last])))

    def _signal(self, name: str) -> None:
        if self.transport is None:
            return
        try:
            self.transport.signalProcess(name)
        except ProcessExitedAlready:
            return
