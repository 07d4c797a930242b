"""An alarm while 100,000 bulk messages wait for an SMPP line of 10 messages a second: from its POST till it leaves."""

from __future__ import annotations

import json
import os
import select
import ssl
import time

from bench.accept import number
from bench.load import Connection, Loop, client_context, connect, post
from bench.measure import Figure, Settings
from bench.people import count_messages, done, open_store
from bench.processes import Daemon, StandIn, write_certificate
from bench.smsc import PASSWORD
from datasms_daemon.crypto import binding
from datasms_daemon.model import LineName, Message, MessageId, Step
from datasms_daemon.ops.clock import wall_ms
from datasms_daemon.ops.ids import IdSource
from datasms_daemon.rules import lifecycle
from datasms_daemon.rules.openings import ALWAYS_OPEN
from datasms_daemon.store import messages
from datasms_daemon.store.rows import NewMessage, Sealed
from datasms_daemon.store.store import Db

WAITING = 100_000
UNIT = 10_000
ALARMS = 30
RATE = 10
# No divisor of the line's interval, so that alarms come at any moment of it.
PAUSE_S = 0.637
LIMIT_S = 60.0
DAY_MS = 86_400_000
LINES = """
[[line]]
name = "sms"
driver = "smpp"
host = "127.0.0.1"
port = {port}
system_id = "bench"
password = "{password}"
rate = {rate}
[[rule]]
name = "by SMS"
steps = [ {{ line = "sms" }} ]
"""


class Far:
    """What reached the SMSC, and when; ``time.monotonic`` is the same clock in both processes."""

    def __init__(self, smsc: StandIn) -> None:
        self._output = smsc.output.fileno()
        self._rest = b""
        self.came: dict[str, float] = {}

    def wait(self, seconds: float) -> None:
        """Reads what it writes for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self._output], [], [], left)[0]:
                *lines, self._rest = (self._rest + os.read(self._output, 1 << 16)).split(b"\n")
                for line in lines:
                    at, _, text = line.decode().partition(" ")
                    self.came.setdefault(text, float(at))


def run(settings: Settings) -> list[Figure]:
    """One daemon, ALARMS alarms."""
    certificate, _ = write_certificate(settings.directory)
    context = client_context(str(certificate))
    with StandIn("smsc", "--print") as smsc:
        lines = LINES.format(port=smsc.ready["port"], password=PASSWORD, rate=RATE)
        daemon = Daemon(settings.directory, lines, settings.profile)
        # Its keys and its database come with a first life.
        with daemon:
            daemon.start()
        fill(daemon)
        far = Far(smsc)
        with daemon:
            daemon.start()
            took, bulk_s = send_alarms(daemon, context, far)
    assert count_messages(daemon.database, "ready = 'sms'") > WAITING * 9 // 10, "bulk waited all the while"
    return [
        Figure("alarm: from its POST to the SMSC, 100,000 waiting at 10 messages/s", "< 200", "ms", took),
        Figure("alarm: bulk messages meanwhile", "", "messages/s", [bulk_s]),
    ]


def fill(daemon: Daemon) -> None:
    """Messages of low priority that are ready for the line, written by the store's own verbs."""
    new_id = IdSource(wall_ms, os.urandom)
    mac_key = (daemon.state / "mac.key").read_bytes()
    store = open_store(daemon.database)
    for start in range(0, WAITING, UNIT):
        made = [_bulk(MessageId(new_id()), index, mac_key) for index in range(start, start + UNIT)]
        done(store.write(lambda db, made=made: _insert(db, made)))  # type: ignore[misc]
    store.stop()


def _insert(db: Db, made: list[NewMessage]) -> None:
    messages.insert(db, made)


def _bulk(id_: MessageId, index: int, mac_key: bytes) -> NewMessage:
    now, to, text = wall_ms(), number(index), f"Offer {index}"
    plan = (Step(LineName("sms"), DAY_MS),)
    message = Message(id_, id_, "bench", to, None, "low", None, None, text, None, now, None, now + DAY_MS)
    mac = binding.bind(mac_key, id_, to, None, text, None, {})
    return NewMessage(
        Sealed(message, mac), 20, lifecycle.begin(id_, plan, now, None, now + DAY_MS, ALWAYS_OPEN).progress, ()
    )


def send_alarms(daemon: Daemon, context: ssl.SSLContext, far: Far) -> tuple[list[float], float]:
    """Milliseconds of each alarm, and the rate of bulk messages meanwhile."""
    key = daemon.new_key()
    loop = Loop()
    answers: list[int] = []
    (connection,) = connect(loop, daemon.ports["gateway"], 1, context, lambda c, status, body: answers.append(status))
    far.wait(PAUSE_S)
    began, before = time.monotonic(), len(far.came)
    asked = {f"Alarm {n}": _send(connection, loop, far, f"Alarm {n}", key, answers) for n in range(ALARMS)}
    end = time.monotonic() + LIMIT_S
    while not asked.keys() <= far.came.keys():
        if time.monotonic() > end:
            raise RuntimeError("an alarm does not arrive")
        far.wait(PAUSE_S)
    bulk = len(far.came) - before - ALARMS
    connection.close()
    return [(far.came[text] - at) * 1000 for text, at in asked.items()], bulk / (time.monotonic() - began)


def _send(connection: Connection, loop: Loop, far: Far, text: str, key: str, answers: list[int]) -> float:
    """Asks for one alarm; the moment before the request was written."""
    body = json.dumps({"to": [number(0)], "text": text, "priority": "high"}).encode()
    at, known = time.monotonic(), len(answers)
    connection.ask(post("/v1/messages", body, key))
    loop.run(LIMIT_S, lambda: len(answers) > known)
    assert answers[-1] == 202, answers
    far.wait(PAUSE_S)
    return at
