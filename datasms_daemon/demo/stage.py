"""The demo's stage: the daemon between a stand-in for Google's push service and one for an SMS centre."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from string import Template
from typing import TypeVar

from twisted.internet.address import IPv4Address
from twisted.internet.defer import maybeDeferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import (
    IListeningPort,
    IReactorCore,
    IReactorProcess,
    IReactorTCP,
    IReactorThreads,
    IReactorTime,
)
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThreadPool

from datasms_daemon.demo.fcm import DemoFcm
from datasms_daemon.demo.process import DaemonProcess, DemoFailed
from datasms_daemon.demo.smsc import Reply, Smsc
from datasms_daemon.lines.smpp_pdu import ShortMessage
from datasms_daemon.ops.clock import elapsed_ms, wall_ms
from datasms_daemon.web.client import Client, local_client, remote_client

PASSWORD = "demo"  # noqa: S105  for a stand-in that lives for seconds on this machine
INBOUND = "+420603000000"
RECEIPT_AFTER_S = 0.6
WAIT_S = 3
PATIENCE_S = 10.0
START_S = 20.0
LOOK_S = 0.05

CONFIG = Template("""\
daemon.state_dir = "state"
store.min_free = "1M"
gateway.http.listen = "127.0.0.1:0"
mxservice = { listen = "127.0.0.1:0", registration_number = "$inbound" }
priority.high = { wait = { datasms = "${wait}s", default = "30s" }, ttl = "10m", urgent = true }

[[line]]
name = "datasms"
driver = "datasms"

[[line]]
name = "sms"
driver = "smpp"
host = "127.0.0.1"
port = $port
system_id = "datasms"
password = "$password"

[[channel]]
name = "fcm"
driver = "fcm"
credentials_file = "firebase.json"
ca_file = "demo-ca.pem"
endpoint = "$endpoint"
allow_private = true

[[rule]]
name = "internet first, then SMS"
steps = [ { line = "datasms" }, { line = "sms" } ]
""")

T = TypeVar("T")


class Reactor(IReactorCore, IReactorTCP, IReactorTime, IReactorThreads, IReactorProcess):
    """What the demo needs of a reactor."""


class Stage:
    """Everything that plays, in ``directory``; ``on_submit`` is told of each SMS as the SMS centre takes it."""

    def __init__(self, reactor: Reactor, directory: Path, on_submit: Callable[[ShortMessage], None]) -> None:
        self.fcm = DemoFcm(reactor, wall_ms)
        self.smsc = Smsc(reactor, PASSWORD, on_submit=self._submitted, receipt_after=RECEIPT_AFTER_S)
        self.daemon = DaemonProcess()
        self._reactor = reactor
        self._directory = directory
        self._on_submit = on_submit
        self._port: IListeningPort | None = None

    async def open(self) -> tuple[Client, Client, Client]:
        """All of it runs: the operator's, the applications' and the clients' way to the daemon."""
        await self.fcm.listen(self._reactor)
        self.fcm.write_files(self._directory)
        self._port = await TCP4ServerEndpoint(self._reactor, 0, interface="127.0.0.1").listen(self.smsc)
        address = self._port.getHost()
        assert isinstance(address, IPv4Address)
        config_file = self._directory / "datasms.toml"
        config = CONFIG.substitute(
            inbound=INBOUND, wait=WAIT_S, port=address.port, password=PASSWORD, endpoint=self.fcm.endpoint
        )
        config_file.write_text(config, "utf-8")
        self.daemon.start(self._reactor, config_file)
        await self.until(lambda: self.daemon.ready.called, "the daemon was not ready", START_S)
        doors = await self.daemon.ready
        await self.until(lambda: any(one.can_receive for one in self.smsc.connections), "no bind at the SMS centre")
        state_dir = self._directory / "state"
        ca_file = state_dir / "tls-cert.pem"
        return (
            local_client(state_dir / "datasms.sock"),
            remote_client(doors["gateway"], ca_file),
            remote_client(doors["mxservice"], ca_file),
        )

    async def close(self) -> None:
        """The daemon first, so that it can take leave of the others."""
        await self.daemon.stop(self._reactor)
        await self.fcm.stop()
        self.smsc.stop()
        if self._port is not None:
            await maybeDeferred(self._port.stopListening)

    async def ask(self, work: Callable[[], T]) -> T:
        """The answer of a blocking call, made in a thread."""
        answer: T = await deferToThreadPool(self._reactor, self._reactor.getThreadPool(), work)
        return answer

    async def pause(self, seconds: float) -> None:
        """Returns later."""
        await deferLater(self._reactor, seconds)

    async def until(self, holds: Callable[[], bool], otherwise: str, seconds: float = PATIENCE_S) -> None:
        """Returns as soon as it holds. DemoFailed with ``otherwise``: it does not within ``seconds``."""
        end = elapsed_ms() + seconds * 1000
        while not holds():
            if elapsed_ms() > end:
                raise DemoFailed(f"{otherwise} within {seconds:g} s")
            await self.pause(LOOK_S)

    def _submitted(self, sms: ShortMessage) -> Reply:
        self._on_submit(sms)
        return Reply()
