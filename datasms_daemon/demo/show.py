"""``datasms demo``. Runs the reactor of this process: nothing else may."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from twisted.internet.task import react

from datasms_daemon.demo.board import Board
from datasms_daemon.demo.stage import Reactor, Stage
from datasms_daemon.demo.story import Phone, Story
from datasms_daemon.errors import DatasmsError
from datasms_daemon.ops.clock import elapsed_ms, wall_ms

INTRODUCTION = (
    "A real datasms daemon on this machine, between stand-ins for Google's push service and an SMS centre.",
    "A text goes over the internet first; whose phone does not confirm it in time gets it by SMS.",
    "",
)
NEXT = (
    "  datasms check-config --sample > datasms.toml        every option with its default; good as it stands",
    "  twistd -n datasms -c datasms.toml                   the daemon, in the foreground",
    "  datasms -c datasms.toml key add crm --rights send,read      a key for your first application",
)


class Demo:
    """One showing; ``exit_code`` stays 1 until all of it was seen."""

    def __init__(self) -> None:
        self.exit_code = 1
        self._stage: Stage | None = None

    async def run(self, reactor: Reactor, directory: Path) -> None:
        """Plays the story; leaves nothing running."""
        board = Board(sys.stdout, wall_ms)
        began = elapsed_ms()
        phones = (Phone("Jana", "+420603111111", is_on=True), Phone("Petr", "+420603222222", is_on=False))
        stage = self._stage = Stage(reactor, directory, lambda sms: story.submitted(sms))
        story = Story(stage, board, phones)
        board.say(*INTRODUCTION)
        try:
            doors = await stage.open()
            board.say("The daemon runs, and the SMS centre has accepted it.")
            await story.play(*doors)
            board.heading("Your own, in three commands:")
            board.say(*NEXT)
            self.exit_code = 0
            board.say("", f"That was the demo, in {(elapsed_ms() - began) / 1000:.0f} s. Nothing of it is left.")
        except DatasmsError as error:
            board.say("", *f"The demo failed: {error}".splitlines())
        finally:
            await stage.close()

    def kill(self) -> None:
        """The daemon ends at once, if it still runs."""
        if self._stage is not None:
            self._stage.daemon.kill()


def main() -> None:
    """Shows it on standard output and exits: 0 when everything was seen, else 1."""
    demo = Demo()
    with TemporaryDirectory(prefix="datasms-demo-") as directory:
        try:
            react(demo.run, (Path(directory),))
        except SystemExit as end:
            # The reactor also ends with 0 when somebody interrupts it.
            sys.exit(end.code or demo.exit_code)
        finally:
            demo.kill()
