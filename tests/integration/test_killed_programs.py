"""The registration as a program that is killed again and again: no text is lost, nothing is completed twice."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.fakes.live import ROOT, eventually
from tests.fakes.stage import Stage

PROGRAM = "datasms_daemon.apps.registration_program"
RUN = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import runpy; runpy.run_module({PROGRAM!r}, run_name='__main__')"
APPLICATION = f"""
[[application]]
name = "registration"
command = ["{sys.executable}", "-c", "{RUN}"]
timeout = "20s"
"""
PHONES = 30


class Killer(threading.Thread):
    """Kills the daemon's program with SIGKILL at random moments, until it is told to stop."""

    def __init__(self, daemon: int, random: Random) -> None:
        super().__init__(daemon=True)
        self._daemon_pid = daemon
        self._random = random
        self._ended = threading.Event()
        self.kills = 0

    def run(self) -> None:
        while not self._ended.wait(self._random.uniform(0.1, 3.0)):
            for child in _programs(self._daemon_pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
                self.kills += 1

    def stop(self) -> None:
        self._ended.set()
        self.join()


def _programs(daemon: int) -> list[int]:
    found = []
    with contextlib.suppress(FileNotFoundError):
        for child in Path(f"/proc/{daemon}/task/{daemon}/children").read_text().split():
            if PROGRAM.encode() in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(int(child))
    return found


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_registration_program_that_is_killed_at_random_loses_and_repeats_nothing(tmp_path: Path) -> None:
    seed = int(os.environ.get("DATASMS_KILL_SEED", time.time_ns() % 1_000_000))
    sys.stdout.write(f"DATASMS_KILL_SEED={seed}\n")
    with Stage(tmp_path) as stage:
        with stage.daemon.config_file.open("a") as file:
            file.write(APPLICATION)
        run(stage, Random(seed))


def run(stage: Stage, random: Random) -> None:
    stage.start()
    eventually(lambda: bool(_programs(stage.daemon.pid)), "the program runs")
    killer = Killer(stage.daemon.pid, random)
    killer.start()
    try:
        asked = register(stage)
        # Where the machine is quick, all of them are through before the first one is killed.
        eventually(lambda: application(stage)["restarts"] > 0, "a killed program is started again", 60)
    finally:
        killer.stop()
    for one in asked[PHONES // 2 :]:
        assert active(stage, one), f"lost after {killer.kills} kills"
    persons = stage.daemon.operator("GET", "/v1/persons?limit=500").body["items"]
    devices = [stage.daemon.operator("GET", f"/v1/persons/{one['id']}/devices").body["items"] for one in persons]
    assert [len(one) for one in devices] == [1] * PHONES
    eventually(lambda: application(stage)["waiting"] == 0, "all texts are acknowledged", 120)
    assert killer.kills > 0


def application(stage: Stage) -> dict[str, Any]:
    """As operators see it."""
    (view,) = stage.daemon.operator("GET", "/v1/applications").body["items"]
    found: dict[str, Any] = view
    return found


def register(stage: Stage) -> list[dict[str, Any]]:
    """All phones register; half of them have done so when this returns."""
    asked: list[dict[str, Any]] = []
    for n in range(PHONES):
        request = {"channel": "fcm", "address": {"token": f"t{n}"}, "keys": None, "name": f"Phone {n}"}
        # Not so many come from one address.
        clients = stage.daemon.clients(source=f"127.0.1.{n + 1}")
        answer = clients("POST", "/mx/v1/registrations", request)
        assert answer.status == 201, answer
        asked.append(answer.body)
        sms = answer.body["sms"]
        stage.smsc.tell("text", sender=f"42060310{n:04}", to=sms["to"].removeprefix("+"), text=sms["text"])
    stage.acknowledgements(PHONES)
    for one in asked[: PHONES // 2]:
        assert active(stage, one), "lost while killing"
    return asked


def active(stage: Stage, one: dict[str, Any]) -> bool:
    """Whether the registration gets active, in a minute at most."""
    path = f"/mx/v1/registrations/{one['id']}?wait=10"
    for _ in range(10):
        shown = stage.daemon.clients()("GET", path, headers={"Registration-Secret": one["secret"]})
        if shown.status == 200 and shown.body["state"] == "active":
            return True
    return False
