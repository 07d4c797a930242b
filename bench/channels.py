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
    """Each round measures every channel in turns, then hand-overs beside nothing, beside a channel that
    answers and one that hangs, then tokens."""
    measured = measure(settings)
    fcm = measured.costs["FCM"]
    figures = [Figure("channels: a push by FCM", "", "pushes/s a core", [MICRO / cost for cost in fcm])]
    for name, target in TARGETS.items():
        costs = measured.costs[name]
        figures += [
            Figure(f"channels: a push by {name}", "", "pushes/s a core", [MICRO / cost for cost in costs]),
            Figure(f"channels: {name}'s rate against FCM's", target, "", ratios(fcm, costs)),
        ]
    p99, p99_ms = f"channels: hand-over p99 at {RATE}/s", measured.p99_ms
    figures += [
        Figure(f"{p99}, no other channel used", "", "ms", p99_ms["nothing"]),
        Figure(f"{p99}, beside {RATE}/s to one that answers", "", "ms", p99_ms["answers"]),
        Figure(f"{p99}, beside {RATE}/s to the same when it hangs", "", "ms", p99_ms["hangs"]),
        Figure(
            f"{p99}, when it hangs against when it answers", "≤ 1.2", "", ratios(p99_ms["hangs"], p99_ms["answers"])
        ),
        Figure(f"{p99}, when it hangs against none", "≤ 1.2", "", ratios(p99_ms["hangs"], p99_ms["nothing"])),
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
