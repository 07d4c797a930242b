"""Channels: what a push costs through each against FCM, what one that hangs does to another, tokens for many pushes.

One process on core 0 holds the channels, governed as in the daemon; all five services are one minimal far end.
"""

from __future__ import annotations

import subprocess
import sys

import msgspec

from bench.measure import MICRO, Figure, Settings, ratios
from bench.processes import ROOT, SERVER_CORE, StandIn, pin
from bench.pusher import RATE, WAITING, Measured

TARGETS = {"WNS": "≥ 0.90", "Web Push": "≥ 0.75", "Viber": "≥ 0.90", "OMNI": "≥ 0.90"}


def run(settings: Settings) -> list[Figure]:
    """Each round measures every channel in turns, then hand-overs without and with a channel that hangs, then
    tokens."""
    measured = measure(settings)
    fcm = measured.costs["FCM"]
    figures = [Figure("channels: a push by FCM", "", "pushes/s a core", [MICRO / cost for cost in fcm])]
    for name, target in TARGETS.items():
        costs = measured.costs[name]
        figures += [
            Figure(f"channels: a push by {name}", "", "pushes/s a core", [MICRO / cost for cost in costs]),
            Figure(f"channels: {name}'s rate against FCM's", target, "", ratios(fcm, costs)),
        ]
    hangs = f"channels: hand-over p99 at {RATE}/s"
    figures += [
        Figure(f"{hangs}, no other channel used", "", "ms", measured.alone_ms),
        Figure(f"{hangs}, beside {RATE}/s to one that hangs", "", "ms", measured.beside_ms),
        Figure(f"{hangs}, the second against the first", "≤ 1.2", "", ratios(measured.beside_ms, measured.alone_ms)),
    ]
    for name, fetched in measured.fetched.items():
        renewed = measured.renewed[name]
        figures += [
            Figure(f"channels: {WAITING} pushes at once to {name} without a token", "1", "token requests", fetched),
            Figure(f"channels: {WAITING} pushes at once to {name}, token refused", "1", "token requests", renewed),
        ]
    return figures


def measure(settings: Settings) -> Measured:
    """What the pushing process tells."""
    with StandIn("far_ends", settings.directory) as far_ends:
        quiet = ["-W", "ignore::DeprecationWarning"]
        arguments = [settings.directory, far_ends.ready["endpoint"], settings.rounds, settings.seconds]
        pusher = subprocess.run(
            [sys.executable, *quiet, "-m", "bench.pusher", *map(str, arguments)],
            stdout=subprocess.PIPE,
            check=True,
            cwd=ROOT,
            preexec_fn=lambda: pin(SERVER_CORE),
        )
    return msgspec.json.decode(pusher.stdout, type=Measured)
