"""``datasms``: the operator's command line.

Exit codes: 0 done, 1 failed, 2 usage, 3 not delivered in time, 4 not allowed, 5 no connection.
"""

from __future__ import annotations

import os
from pathlib import Path

import click
from click.core import ParameterSource

from datasms_daemon.cli import (
    archive,
    audit,
    channels,
    configuration,
    directory,
    explain,
    inbound,
    keys,
    messages,
    operations,
    queue,
    reports,
    rules,
    senders,
    webhooks,
)
from datasms_daemon.cli.session import Root, Session
from datasms_daemon.cli.tail import tail
from datasms_daemon.config.files import config_path


@click.group(cls=Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-c", "--config", metavar="FILE", help="The daemon's configuration file; also $DATASMS_CONFIG.")
@click.option("--url", envvar="DATASMS_URL", help="A daemon elsewhere, https://HOST:PORT; also $DATASMS_URL.")
@click.option("--key", envvar="DATASMS_KEY", help="The key for --url; better in $DATASMS_KEY, where nobody sees it.")
@click.option(
    "--ca",
    envvar="DATASMS_CA",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Trust these certificate authorities (PEM) for --url; also $DATASMS_CA.",
)
@click.option("--json", "as_json", is_flag=True, help="Show results as JSON; every command takes it too.")
@click.pass_context
def cli(
    ctx: click.Context, config: str | None, url: str | None, key: str | None, ca: Path | None, as_json: bool
) -> None:
    """Messages to people, over the internet first.

    Talks to the daemon of this machine through the socket in its state directory, or to another one with --url and
    --key. Exit codes: 0 done, 1 failed, 2 usage, 3 not delivered in time, 4 not allowed, 5 no connection.
    """
    said = [name for name in ("key", "ca") if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    if url is None and said:
        raise click.UsageError(f"--{said[0]} is for a daemon elsewhere: --url is missing")
    session = Session(config_path(config, os.environ), url, key, ca)
    session.as_json = as_json
    ctx.obj = session


@click.command(cls=click.Command)
def demo() -> None:
    """Show in a quarter of a minute what this is: a real daemon, with stand-ins for the rest of the world."""
    from datasms_daemon.demo.show import main as run_demo

    run_demo()


for _command in (
    messages.send,
    messages.status,
    explain.explain,
    tail,
    messages.cancel,
    queue.queue,
    messages.dead,
    directory.person,
    directory.group,
    directory.device,
    directory.number,
    operations.line,
    inbound.app,
    webhooks.webhook,
    channels.channel,
    channels.register,
    keys.key,
    senders.sender,
    archive.archive,
    audit.audit,
    configuration.config,
    configuration.reload,
    rules.rules,
    reports.report,
    operations.backup,
    operations.restore,
    operations.check_config,
    demo,
    operations.version,
):
    cli.add_command(_command)


def main() -> None:
    """The entry point of the ``datasms`` command."""
    cli(prog_name="datasms")
