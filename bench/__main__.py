"""``python -m bench [NAME …]``: measures the daemon against the figures it was built for.

Both sides of a ratio run in the same rounds, A B A B; what counts is CPU time a unit of work, so that other work on the
machine disturbs little. The process under test has core 0 to itself, load and stand-ins share core 1.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import accept, alarm, channels, million, path, reload, routing, smpp
from bench.measure import Figure, Settings, table
from bench.processes import pin

LOAD_CORE = 1

NAMES: dict[str, Callable[[Settings], list[Figure]]] = {
    "accept": accept.run,
    "path": path.run,
    "million": million.run,
    "smpp": smpp.run,
    "channels": channels.run,
    "routing": routing.run,
    "alarm": alarm.run,
    "reload": reload.run,
}


def main() -> None:
    """Runs what was asked for and prints a table."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(NAMES)}; none: all of them")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each side in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--messages", type=int, default=1_000_000, help="that wait, for million")
    parser.add_argument("--directory", type=Path, help="for databases, on the disk to be measured; default: temporary")
    parser.add_argument("--profile", type=Path, help="cProfile of the daemon's last life goes here")
    asked = parser.parse_args()
    unknown = [name for name in asked.names if name not in NAMES]
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(NAMES)}")
    pin(LOAD_CORE)
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="datasms-bench-", dir=asked.directory) as made:
        for name in asked.names or NAMES:
            directory = Path(made) / name
            directory.mkdir()
            profile = None if asked.profile is None else asked.profile.absolute()
            settings = Settings(directory, asked.seconds, asked.rounds, asked.messages, profile)
            figures += NAMES[name](settings)
    print(table(figures))


if __name__ == "__main__":
    main()
