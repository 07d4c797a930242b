"""The command line as tests call it: in this process, or as one of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from datasms_daemon.cli import cli
from tests.fakes.live import environment


class Cli:
    """``datasms`` with a configuration file; each call gives its standard output."""

    def __init__(self, config_file: Path) -> None:
        self.env: dict[str, str | None] = {"DATASMS_CONFIG": str(config_file)}
        self.errors = ""

    def __call__(self, *arguments: str, code: int = 0, stdin: str = "") -> str:
        result = CliRunner().invoke(cli, arguments, input=stdin, env=self.env, prog_name="datasms")
        self.errors = result.stderr
        assert result.exit_code == code, (result.exit_code, result.stdout, result.stderr, result.exception)
        return result.stdout

    def json(self, *arguments: str, code: int = 0) -> Any:
        """The result as a program reads it."""
        return json.loads(self(*arguments, "--json", code=code))

    @contextmanager
    def start(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """A command as a process of its own; killed at the end if it still runs."""
        env = environment() | {name: value for name, value in self.env.items() if value is not None}
        command = [sys.executable, "-m", "datasms_daemon", *arguments]
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                yield process
            finally:
                process.kill()
