"""The daemon and its far ends as processes, for tests of what an operator runs."""

from __future__ import annotations

import contextlib
import http.client
import importlib.metadata
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]
FAKES = Path(__file__).resolve().parent
PATIENCE_S = 30.0
_ADDRESS = re.compile(r"(gateway|mxservice) listens on https://127\.0\.0\.1:(\d+)")
_READY = "is ready"


def eventually(holds: Callable[[], bool], what: str, seconds: float = PATIENCE_S) -> None:
    """Returns when it holds; AssertionError naming ``what`` when it does not in ``seconds``."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(0.01)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def environment() -> dict[str, str]:
    """For a child: the checkout on its path only where datasms is not installed, so that CI runs the wheel."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("DATASMS_", "PYTHON"))}
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    try:
        installed = Path(str(importlib.metadata.distribution("datasms").locate_file(""))).resolve()
    except importlib.metadata.PackageNotFoundError:
        installed = ROOT
    if installed == ROOT:
        env["PYTHONPATH"] = str(ROOT)
    return env


class StandIn:
    """A far end in a process of its own that speaks JSON lines; ``events`` is all it said."""

    def __init__(self, script: str, *arguments: str, interpreter: str = sys.executable) -> None:
        self.events: list[dict[str, Any]] = []
        env = environment() | {"PYTHONPATH": str(ROOT)}
        self._process = subprocess.Popen(
            [interpreter, str(FAKES / script), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        eventually(lambda: bool(self.said("ready")), f"{script} is ready")

    def said(self, event: str) -> list[dict[str, Any]]:
        """The events of one kind so far."""
        return [one for one in tuple(self.events) if one["event"] == event]

    def tell(self, do: str, **fields: object) -> None:
        """One order."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **fields}).encode() + b"\n")
        self._process.stdin.flush()

    def close(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.kill()
        self._process.wait()
        self._reader.join()
        self._process.stdin.close()
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.events.append(json.loads(line))


@dataclass
class Answer:
    """Status and decoded body."""

    status: int
    body: Any


class Caller:
    """A client of one of the daemon's services; OSError or HTTPException when nobody answers."""

    def __init__(self, port: int, ca_file: Path, token: str | None = None, source: str = "") -> None:
        self._context = ssl.create_default_context(cafile=str(ca_file))
        self._token = token
        self._source = (source, 0) if source else None
        self.port = port

    def __call__(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Answer:
        connection = http.client.HTTPSConnection(
            "localhost", self.port, timeout=20, context=self._context, source_address=self._source
        )
        return _ask(connection, method, path, body, self._token, headers)

    def fetch(
        self, path: str, headers: dict[str, str] | None = None, *, method: str = "GET", content: bytes | None = None
    ) -> tuple[int, Message, bytes]:
        """Status, headers and body of an exchange of bytes."""
        sent = {"Connection": "close", **(headers or {})}
        if self._token is not None:
            sent["Authorization"] = f"Bearer {self._token}"
        connection = http.client.HTTPSConnection("localhost", self.port, timeout=20, context=self._context)
        try:
            connection.request(method, path, content, sent)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()


class LocalCaller:
    """The operator at the Unix socket."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, method: str, path: str, body: object = None) -> Answer:
        connection = http.client.HTTPConnection("localhost", timeout=20)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(20)
        connection.sock.connect(str(self._path))
        return _ask(connection, method, path, body, None, None)


def _ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: object,
    token: str | None,
    headers: dict[str, str] | None,
) -> Answer:
    sent = {"Connection": "close", **(headers or {})}
    if token is not None:
        sent["Authorization"] = f"Bearer {token}"
    data = None
    if body is not None:
        data = json.dumps(body).encode()
        sent["Content-Type"] = "application/json"
    try:
        connection.request(method, path, data, sent)
        response = connection.getresponse()
        content = response.read()
    finally:
        connection.close()
    return Answer(response.status, json.loads(content) if content else None)


@dataclass
class Daemon:
    """``twistd datasms`` on one state directory; each ``start`` is one life of it.

    ``wrapper`` stands before the command, for example strace; ``lives`` counts the starts.
    """

    directory: Path
    config: str
    wrapper: Sequence[str] = ()
    lives: int = 0
    ports: dict[str, int] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.state = self.directory / "state"
        self.config_file = self.directory / "datasms.toml"
        self.config_file.write_text(f'daemon.state_dir = "{self.state}"\n{self.config}', "utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._process is not None:
            self.kill()

    @property
    def log(self) -> str:
        """What this life has written so far."""
        return self._log_file.read_text("utf-8", "replace")

    @property
    def _log_file(self) -> Path:
        return self.directory / f"daemon-{self.lives}.log"

    @property
    def database(self) -> Path:
        """The store's file."""
        return self.state / "datasms.sqlite3"

    def start(self, wrapper: Sequence[str] | None = None) -> None:
        """A new life; returns at once."""
        assert self._process is None, "it lives"
        self.lives += 1
        self.ports = {}
        twistd = os.environ.get("DATASMS_TWISTD") or str(Path(sys.executable).with_name("twistd"))
        command = [twistd, "--nodaemon", "--pidfile=", "datasms", "--config", str(self.config_file)]
        with self._log_file.open("wb") as log:
            self._process = subprocess.Popen(
                [*(self.wrapper if wrapper is None else wrapper), *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment(),
                cwd=self.directory,
                start_new_session=True,
            )

    @property
    def is_ready(self) -> bool:
        """Whether it has said that it takes messages; from then on ``ports`` is known."""
        if not self.ports and _READY in (log := self.log):
            self.ports = {name: int(port) for name, port in _ADDRESS.findall(log)}
        return bool(self.ports)

    def wait_ready(self) -> bool:
        """True once it takes messages, False when it ended before."""
        eventually(lambda: self.is_ready or not self.is_alive, "the daemon is ready")
        return self.is_ready

    def run(self) -> Self:
        """A new life that takes messages."""
        self.start()
        assert self.wait_ready(), self.log
        return self

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Of the process that was started."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """kill -9, of a tracer too."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self.ended()

    def terminate(self) -> int:
        """An orderly stop; the exit code."""
        assert self._process is not None
        self._process.terminate()
        return self.ended()

    def ended(self) -> int:
        """Waits for the end; the exit code, negative for a signal."""
        assert self._process is not None
        code = self._process.wait(PATIENCE_S)
        self._process = None
        return code

    # --- talking to it -----------------------------------------------------------------------------------------------

    @property
    def operator(self) -> LocalCaller:
        """At the Unix socket."""
        return LocalCaller(self.state / "datasms.sock")

    def gateway(self, key: str) -> Caller:
        """As an application."""
        return Caller(self.ports["gateway"], self.state / "tls-cert.pem", key)

    def clients(self, token: str | None = None, source: str = "") -> Caller:
        """As a client device, from another address of this machine if need be."""
        return Caller(self.ports["mxservice"], self.state / "tls-cert.pem", token, source)

    def new_key(self, name: str = "tests") -> str:
        """An application's key that may do everything."""
        rights = ["send", "read", "inbound", "directory", "operate"]
        answer = self.operator("POST", "/v1/keys", {"name": name, "rights": rights, "rate": 1000})
        assert answer.status == 201, answer
        secret: str = answer.body["secret"]
        return secret
