"""What all commands share: which daemon is meant, how it is asked, and how results and faults are shown."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import IO

import click
import msgspec

from datasms_daemon.cli.output import json_text
from datasms_daemon.config.places import Places, places
from datasms_daemon.errors import ConfigError, DatasmsError
from datasms_daemon.model import Problem, Secret
from datasms_daemon.ops.printable import printable
from datasms_daemon.web.client import Client, NoConnection, NotAllowed, Refusal, local_client, remote_client

SOCKET = "datasms.sock"

FAILED = 1
NOT_IN_TIME = 3
NOT_ALLOWED = 4
NO_CONNECTION = 5


class Session:
    """One run of the command line."""

    def __init__(self, config_file: Path | None, url: str | None, key: str | None, ca_file: Path | None) -> None:
        self.config_file = config_file
        self.as_json = False
        self.is_local = url is None
        self._url = url
        self._key = key
        self._ca_file = ca_file

    @cached_property
    def places(self) -> Places:
        """Where the daemon of this machine keeps its things."""
        return places(self.config_file, os.environ)

    @cached_property
    def client(self) -> Client:
        """The daemon that is meant."""
        if self._url is None:
            return local_client(self.places.state_dir / SOCKET)
        try:
            return remote_client(self._url, self._ca_file, None if self._key is None else Secret(self._key))
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--url") from error

    def show(self, result: object, human: Callable[[], object]) -> None:
        """``result`` as JSON when that is wanted, else what ``human`` writes."""
        if self.as_json:
            click.echo(json_text(result))
        else:
            human()


class Failed(click.ClickException):
    """Ends the command: the lines go to standard error, ``exit_code`` to whoever called."""

    def __init__(self, exit_code: int, *lines: str) -> None:
        super().__init__("\n  ".join(printable(line) for line in lines))
        # Click declares it for the class and reads it from the instance.
        setattr(self, "exit_code", exit_code)  # noqa: B010

    def show(self, file: IO[str] | None = None) -> None:
        """Click: says why."""
        click.echo(f"datasms: {self.message}", err=True)


class Root(click.Group):
    """The top command: turns the exceptions of what it runs into exit codes."""

    def invoke(self, ctx: click.Context) -> object:
        """Click: runs the command that was asked for."""
        try:
            return super().invoke(ctx)
        except Refusal as refusal:
            code = NOT_ALLOWED if refusal.status in (401, 403) else FAILED
            raise Failed(code, str(refusal), *map(problem_line, refusal.errors)) from refusal
        except NotAllowed as error:
            raise Failed(NOT_ALLOWED, str(error), "only root and the service's own user may") from error
        except NoConnection as error:
            raise Failed(NO_CONNECTION, str(error), *self._where_else(ctx)) from error
        except ConfigError as error:
            raise Failed(FAILED, "the configuration cannot be used:", *error.problems) from error
        except DatasmsError as error:
            raise Failed(FAILED, str(error)) from error
        except BrokenPipeError:
            raise
        except OSError as error:
            code = NOT_ALLOWED if isinstance(error, PermissionError) else FAILED
            raise Failed(code, f"{error.filename}: {error.strerror}") from error

    def _where_else(self, ctx: click.Context) -> tuple[str, ...]:
        session = ctx.find_object(Session)
        if session is None or not session.is_local:
            return ()
        return ("does it run, and is that its state directory? See --config, $DATASMS_CONFIG, $DATASMS_STATE_DIR",)


class Command(click.Command):
    """A command that can show its result as JSON."""

    def __init__(self, *args: object, **more: object) -> None:
        super().__init__(*args, **more)  # type: ignore[arg-type]
        option = click.Option(
            ["--json"], is_flag=True, expose_value=False, callback=_wants_json, help="Show the result as JSON."
        )
        self.params.append(option)


class Group(click.Group):
    """Commands on one kind of thing."""

    command_class = Command


Root.command_class = Command
Root.group_class = Group


def _wants_json(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    session = ctx.find_object(Session)
    if session is not None and value:
        session.as_json = True


def problem_line(problem: Problem) -> str:
    """A fault of a request, with the field it is in."""
    return f"{problem.pointer.lstrip('/') or 'the request'}: {problem.detail}"


def with_values(refusal: Refusal, body: object) -> Refusal:
    """The same refusal, saying of each faulty field what ``body`` held there."""
    sent = msgspec.to_builtins(body)
    problems = tuple(Problem(_with_value(one.pointer, sent), one.detail) for one in refusal.errors)
    return Refusal(refusal.status, str(refusal), "", problems)


def _with_value(pointer: str, sent: object) -> str:
    value = sent
    for part in pointer.split("/")[1:]:
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list | tuple) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return pointer
    return f'{pointer} = "{value}"' if isinstance(value, str) and len(value) <= 80 else pointer
