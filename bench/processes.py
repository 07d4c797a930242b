"""The processes of a measurement: the daemon and its rival on core 0, stand-ins on the load's core."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import msgspec

from bench.measure import cpu_s
from datasms_daemon.crypto.certificates import generate
from datasms_daemon.ops.clock import wall_ms
from datasms_daemon.web.client import Client, local_client

SERVER_CORE = 0
PATIENCE_S = 120.0
ROOT = Path(__file__).resolve().parent.parent
_ADDRESS = re.compile(r"(gateway|mxservice) listens on https://127\.0\.0\.1:(\d+)")

CONFIG = """
daemon.state_dir = "{state}"
store.min_free = "1M"
gateway.http = {{ listen = "127.0.0.1:0", max_connections_per_address = 1000, certificate_file = "cert.pem", key_file = "key.pem" }}
mxservice = {{ listen = "127.0.0.1:0", max_connections_per_address = 1000, certificate_file = "cert.pem", key_file = "key.pem" }}
"""  # noqa: E501 (an inline table of TOML is one line)


def pin(core: int) -> None:
    """Keeps this process, and what it starts from now on, on one core."""
    os.sched_setaffinity(0, {core})


def write_certificate(directory: Path) -> tuple[Path, Path]:
    """A certificate for localhost of the kind the daemon makes itself, and its key."""
    key_pem, certificate_pem = generate(["localhost"], 30, wall_ms())
    certificate, key = directory / "cert.pem", directory / "key.pem"
    certificate.write_bytes(certificate_pem)
    key.write_bytes(key_pem)
    return certificate, key


class StandIn:
    """``python -m bench.NAME`` in a process of its own; ``ready`` is the JSON object it wrote first."""

    def __init__(self, module: str, *arguments: object, core: int | None = None) -> None:
        # readBody warns of transports that Twisted's own pool makes.
        quiet = ["-W", "ignore::DeprecationWarning"]
        command = [sys.executable, *quiet, "-m", f"bench.{module}", *map(str, arguments)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, preexec_fn=_pinned(core))
        assert self._process.stdout is not None
        self.output = self._process.stdout
        self.ready = cast(dict[str, str], json.loads(self.output.readline()))

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()
        self.output.close()


class Daemon:
    """The real daemon on core 0, on a state directory that may be filled before ``start``."""

    def __init__(self, directory: Path, config: str, profile: Path | None = None) -> None:
        self.state = directory / "state"
        self.state.mkdir(mode=0o700, exist_ok=True)
        self.database = self.state / "datasms.sqlite3"
        self.ports: dict[str, int] = {}
        self._file = directory / "datasms.toml"
        self.configure(config)
        self._log = directory / "daemon.log"
        self._profile = profile
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def configure(self, config: str) -> None:
        """Writes the file; a daemon that runs takes it over when it is told to reload."""
        self._file.write_text(CONFIG.format(state=self.state) + config, "utf-8")

    def start(self) -> float:
        """Returns when it is ready; the seconds from its start till then."""
        twistd = str(Path(sys.executable).with_name("twistd"))
        profile = [] if self._profile is None else [f"--profile={self._profile}", "--profiler=cprofile", "--savestats"]
        command = [twistd, "-n", "--pidfile=", *profile, "datasms", "-c", str(self._file)]
        began = time.monotonic()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                preexec_fn=_pinned(SERVER_CORE),
            )
        while "is ready" not in (written := self._log.read_text("utf-8")):
            if self._process.poll() is not None or time.monotonic() - began > PATIENCE_S:
                raise RuntimeError(f"the daemon does not start:\n{written[-2000:]}")
            time.sleep(0.005)
        took = time.monotonic() - began
        self.ports = {name: int(port) for name, port in _ADDRESS.findall(written)}
        return took

    def stop(self) -> None:
        """An orderly stop; nothing when it does not run."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.wait(PATIENCE_S)

    @property
    def pid(self) -> int:
        """Of the life that runs."""
        assert self._process is not None
        return self._process.pid

    @property
    def operator(self) -> Client:
        """At the Unix socket."""
        return local_client(self.state / "datasms.sock")

    def metrics(self) -> str:
        """What operators see."""
        return self.operator.send("GET", "/metrics").decode()

    def new_key(self) -> str:
        """An application's key that may ask as often as it likes."""
        asked = {"name": "bench", "rights": ["send", "read"], "rate": 100_000}
        return self.operator.call(_NewKey, "POST", "/v1/keys", body=asked).secret

    def hold(self, line: str, how: str) -> None:
        """``pause`` or ``resume`` a line."""
        self.operator.send("POST", f"/v1/lines/{line}/{how}")


class Spent:
    """CPU and wall time of a process since this was made."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._wall = time.monotonic()
        self._cpu = cpu_s(pid)

    def cpu_s(self) -> float:
        """Seconds of CPU."""
        return cpu_s(self._pid) - self._cpu

    def wall_s(self) -> float:
        """Seconds."""
        return time.monotonic() - self._wall


class _NewKey(msgspec.Struct):
    secret: str


def _pinned(core: int | None) -> Callable[[], None] | None:
    return None if core is None else lambda: pin(core)
