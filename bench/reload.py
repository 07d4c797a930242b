"""A reload of 1,000 rules, 50 calendars and 10,000 numbers while the daemon answers: how long its reactor is held up.

The load asks for a sign of life all the time; how long the longest answer took is the longest turn.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

from bench.accept import number
from bench.measure import Figure, Settings
from bench.processes import Daemon, write_certificate

RULES = 1_000
CALENDARS = 50
NUMBERS = 10_000
RELOADS = 5
POLL_S = 0.001
LIST = """
[number_list.vip]
file = "vip.txt"
"""
CALENDAR = """
[calendar.office{n}]
timezone = "Europe/Prague"
hours = {{ mon-fri = "08:00-17:{n:02}", sat = ["08:00-10:00", "22:00-06:00"] }}
holidays = "CZ"
exceptions = {{ 2026-12-24 = "closed", 2026-12-31 = ["08:00-12:00", "13:00-14:00"] }}
"""
RULE = """
[[rule]]
name = "rule {n} of reload {reload}"
when = {{ sender = ["app{n}"], calendar = ["office{calendar}"], recipient = ["$vip", "^\\\\+4206{n:04}"] }}
steps = [{{ line = "datasms" }}]
"""


class Pulse:
    """Asks for a sign of life, one after the other, on one connection; ms that each answer took."""

    def __init__(self, daemon: Daemon) -> None:
        self.turns: list[float] = []
        self._path = daemon.state / "datasms.sock"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def stop(self) -> None:
        """No more."""
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        request = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self._path))
            while not self._stop.wait(POLL_S):
                asked = time.monotonic()
                connection.sendall(request)
                connection.recv(4096)
                self.turns.append((time.monotonic() - asked) * 1000)


def run(settings: Settings) -> list[Figure]:
    """Reloads one after the other, each with other rules."""
    write_certificate(settings.directory)
    vip = "".join(f"{number(index)}\n" for index in range(NUMBERS))
    (settings.directory / "vip.txt").write_text(vip, "ascii")
    daemon = Daemon(settings.directory, configuration(0), settings.profile)
    with daemon:
        daemon.start()
        quiet = longest(daemon, lambda: time.sleep(2))
        took, turns = [], []
        for reload in range(1, RELOADS + 1):
            daemon.configure(configuration(reload))
            began = time.monotonic()
            turns.append(longest(daemon, lambda: daemon.operator.send("POST", "/v1/reload")))
            took.append((time.monotonic() - began) * 1000)
    return [
        Figure("reload: 1,000 rules, 50 calendars, 10,000 numbers, from asked to in use", "", "ms", took),
        Figure("reload: longest turn of the reactor", "< 50", "ms", turns),
        Figure("reload: longest turn when nothing happens", "", "ms", [quiet]),
    ]


def longest(daemon: Daemon, work: Callable[[], object]) -> float:
    """ms of the longest answer meanwhile."""
    pulse = Pulse(daemon)
    try:
        work()
    finally:
        pulse.stop()
    return max(pulse.turns)


def configuration(reload: int) -> str:
    """The whole of it; the rules of each reload are others."""
    calendars = [CALENDAR.format(n=n) for n in range(CALENDARS)]
    rules = [RULE.format(n=n, reload=reload, calendar=n % CALENDARS) for n in range(RULES)]
    return "".join([LIST, *calendars, *rules])
