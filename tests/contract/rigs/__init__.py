"""Channels under test, each with its stand-in; a new one joins with one line in RIGS."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from datasms_daemon.channels._connect import Reactor
from tests.contract.rigs.base import Rig
from tests.contract.rigs.direct import DirectRig
from tests.contract.rigs.fcm import FcmRig

RIGS: dict[str, Callable[[Reactor, Path], Rig]] = {
    "direct": DirectRig,
    "fcm": FcmRig,
}
WITH_FAR_END = [name for name in RIGS if name != "direct"]
