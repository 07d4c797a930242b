"""Channels under test, each with its stand-in; a new one joins with one line in RIGS."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from datasms_daemon.https.connect import Reactor
from tests.contract.rigs.base import Rig
from tests.contract.rigs.direct import DirectRig
from tests.contract.rigs.fcm import FcmRig
from tests.contract.rigs.governed import GovernedRig
from tests.contract.rigs.omni import MessagesRig, OmniRig
from tests.contract.rigs.viber import ViberRig
from tests.contract.rigs.webpush import WebPushRig
from tests.contract.rigs.wns import WnsRig

RIGS: dict[str, Callable[[Reactor, Path], Rig]] = {
    "direct": DirectRig,
    "fcm": FcmRig,
    "governed": GovernedRig,
    "wns": WnsRig,
    "webpush": WebPushRig,
    "viber": ViberRig,
    "omni": OmniRig,
    "omni-messages": MessagesRig,
}
WITH_FAR_END = [name for name in RIGS if name != "direct"]
