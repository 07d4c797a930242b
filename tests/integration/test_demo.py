"""``datasms demo``: what a newcomer runs first."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasms_daemon.demo.board import Board, Entry, Timeline
from tests.fakes.live import environment

LIMIT_S = 40
LINE = re.compile(r" *(\d+\.\d\d) s  (Jana|Petr) +(.+)")


def run(place: Path, **env: str) -> tuple[int, str, str]:
    """Exit code, standard output and error of a whole demo."""
    done = subprocess.run(
        [sys.executable, "-m", "datasms_daemon", "demo"],
        cwd=place,
        env=environment() | {"TMPDIR": str(place)} | env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def place() -> Iterator[Path]:
    """With a short name: that of the demo's Unix socket below it may have 107 bytes."""
    with TemporaryDirectory() as made:
        yield Path(made)


def test_the_demo_shows_both_ways_and_leaves_nothing(place: Path) -> None:
    began = time.monotonic()
    # What the newcomer has configured for himself is not the demo's.
    code, out, errors = run(place, DATASMS_CONFIG="/nowhere.toml", DATASMS_STATE_DIR="/nowhere")
    assert (code, errors) == (0, ""), out
    told = [(float(at), name, what) for at, name, what in LINE.findall(out)]
    assert [what for _, name, what in told if name == "Jana"] == [
        "accepted and stored",
        "push sent, without the text",
        "the phone woke and fetched it",
        "DELIVERED, no SMS needed",
    ]
    assert [what for _, name, what in told if name == "Petr"] == [
        "accepted and stored",
        "push sent, without the text",
        "no confirmation in time",
        "SMS handed to the SMS centre",
        "DELIVERED by SMS, receipt came",
    ]
    assert [at for at, _, _ in told] == sorted(at for at, _, _ in told)
    deadline = next(at for at, _, what in told if what == "no confirmation in time")
    assert 3.0 <= deadline < 4.0
    assert "Jana: delivered over the internet." in out
    assert "Petr: delivered by SMS" in out
    assert "not a word of the text" in out
    assert "datasms check-config --sample" in out
    assert "\x1b" not in out
    assert list(place.iterdir()) == []
    assert time.monotonic() - began < 30


def test_a_demo_that_cannot_start_says_why(place: Path) -> None:
    broken = place / "sitecustomize.py"
    broken.write_text("import sys\nif '--nodaemon' in sys.argv:\n    sys.exit('no daemon today')\n")
    python_path = os.pathsep.join(filter(None, [str(place), environment().get("PYTHONPATH")]))
    code, out, _ = run(place, PYTHONPATH=python_path)
    assert code == 1
    assert "The demo failed: the daemon ended at its start:" in out
    assert "no daemon today" in out
    assert list(place.glob("datasms-demo-*")) == []


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def screen(written: str) -> list[str]:
    """What a terminal shows in the end of what the board writes."""
    lines: list[str] = []
    for part in re.split(r"(\x1b\[\d+F\x1b\[J)", re.sub(r"\x1b\[\d*m", "", written)):
        up = re.fullmatch(r"\x1b\[(\d+)F\x1b\[J", part)
        if up:
            del lines[len(lines) - int(up[1]) :]
        else:
            lines += part.splitlines()
    return [line.rstrip() for line in lines]


def test_on_a_terminal_the_timelines_grow_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    now = [1_000]
    terminal = Terminal()
    board = Board(terminal, lambda: now[0])
    left, right = Timeline("Jana", "Jana's phone"), Timeline("Petr", "Petr's phone")
    right.waiting = lambda at: f"waiting since {at - 1_000} ms"
    board.say("above")
    board.follow([left, right], 1_000)
    left.add(Entry(1_000, "accepted"))
    board.refresh()
    now[0] = 1_500
    left.add(Entry(1_250, "a text that is much too long for its column \x1b[2J"))
    board.refresh()
    rule = "─" * 28
    assert screen(terminal.getvalue()) == [
        "above",
        "Jana's phone                   Petr's phone",
        f"{rule}   {rule}",
        "  0.00 s  accepted               0.50 s  waiting since 500…",
        "  0.25 s  a text that is mu…",
    ]
    right.add(Entry(1_400, "over", is_end=True))
    right.add(Entry(1_400, "over", is_end=True))
    board.refresh()
    assert screen(terminal.getvalue())[-2:] == [
        "  0.00 s  accepted               0.40 s  over",
        "  0.25 s  a text that is mu…",
    ]


@given(st.lists(st.tuples(st.integers(0, 2_000), st.sampled_from(["a", "b"])), max_size=12))
def test_away_from_a_terminal_every_entry_is_told_once_and_in_order(entries: list[tuple[int, str]]) -> None:
    now = [0]
    stream = io.StringIO()
    board = Board(stream, lambda: now[0])
    timeline = Timeline("Jana", "")
    board.follow([timeline], 0)
    for at, what in sorted(entries):
        now[0] = at
        timeline.add(Entry(at, what))
        timeline.add(Entry(at, what))
        board.refresh()
    board.refresh(is_last=True)
    assert stream.getvalue().splitlines() == [f"{at / 1000:6.2f} s  Jana  {what}" for at, what in sorted(set(entries))]
