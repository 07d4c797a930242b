"""Commands on the daemon itself: line, backup, restore, check-config, version."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

import click

from datasms_daemon import __version__
from datasms_daemon.cli.output import table
from datasms_daemon.cli.session import FAILED, Command, Failed, Group, Session
from datasms_daemon.gateway.records import Items, VersionAnswer
from datasms_daemon.model import LineView
from datasms_daemon.ops.clock import wall_ms
from datasms_daemon.ops.printable import printable
from datasms_daemon.web.client import NoConnection, NotAllowed, Refusal

line = Group("line", help="The ways out.")


@line.command("list")
@click.pass_obj
def line_list(session: Session) -> None:
    """Show all lines: state, what was sent today, what waits."""
    _show_lines(session, session.client.call(Items[LineView], "GET", "/v1/lines").items)


@line.command("pause")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.pass_obj
def line_pause(session: Session, names: tuple[str, ...]) -> None:
    """Hand nothing more over to a line until it is resumed, also after a restart."""
    _show_lines(session, tuple(_hold(session, name, "pause") for name in names))


@line.command("resume")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.pass_obj
def line_resume(session: Session, names: tuple[str, ...]) -> None:
    """End a pause, or let a line go on that reached its day limit."""
    _show_lines(session, tuple(_hold(session, name, "resume") for name in names))


def _hold(session: Session, name: str, what: str) -> LineView:
    try:
        return session.client.call(LineView, "POST", f"/v1/lines/{quote(name, safe='')}/{what}")
    except Refusal as refusal:
        if refusal.status != 404:
            raise
        known = ", ".join(one.name for one in session.client.call(Items[LineView], "GET", "/v1/lines").items)
        raise Failed(FAILED, f"there is no line {name}; there are: {known}") from refusal


def _show_lines(session: Session, lines: tuple[LineView, ...]) -> None:
    rows = [(one.name, one.driver, one.state, one.sent_today, one.day_limit, one.waiting, one.reason) for one in lines]
    session.show(lines, lambda: table(("NAME", "DRIVER", "STATE", "SENT TODAY", "LIMIT", "WAITING", "REASON"), rows))


@click.command(cls=Command)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_obj
def backup(session: Session, file: Path) -> None:
    """Write a complete copy of the database to FILE, while the daemon runs or not.

    The daemon's own keys are not in it: keep mac.key and pepper.key of the state directory with it.
    """
    from datasms_daemon.store.copies import save

    save(session.places.database, file)
    result = {"file": str(file), "bytes": file.stat().st_size}
    session.show(result, lambda: click.echo(f"{file}: {result['bytes']} bytes"))


@click.command(cls=Command)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_obj
def restore(session: Session, file: Path) -> None:
    """Put the copy in FILE in the place of the database; the former one is kept beside it. The daemon must not run."""
    from datasms_daemon.store.copies import restore as put_back

    places = session.places
    places.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = put_back(file, places.database, wall_ms())
    result = {"database": str(places.database), "former": None if kept is None else str(kept)}

    def human() -> None:
        click.echo(f"{places.database} is now {file}; the daemon will send nothing of it until: datasms queue release")
        if kept is not None:
            click.echo(f"the former one is kept as {kept}")

    session.show(result, human)


@click.command("check-config", cls=Command)
@click.option("--sample", is_flag=True, help="Write a sample with every option instead; it is valid as it stands.")
@click.pass_obj
def check_config(session: Session, sample: bool) -> None:
    """Check the configuration file and tell every problem at once."""
    if sample:
        from datasms_daemon.config.sample import sample as sample_text

        click.echo(sample_text(), nl=False)
        return
    from datasms_daemon.config.load import load_with_warnings

    loaded = load_with_warnings(session.config_file, os.environ)
    config = loaded.config
    for warning in loaded.warnings:
        click.echo(f"warning: {printable(warning)}", err=True)
    parts = {
        "lines": [str(one.name) for one in config.line],
        "channels": [one.name for one in config.channel],
        "rules": [one.name for one in config.rule],
    }
    named = None if session.config_file is None else str(session.config_file)

    def human() -> None:
        click.echo(f"{named or 'the defaults'}: good")
        for what, names in parts.items():
            click.echo(printable(f"  {what}: {', '.join(names)}"))

    session.show({"file": named, **parts, "warnings": loaded.warnings}, human)


@click.command(cls=Command)
@click.pass_obj
def version(session: Session) -> None:
    """Show the version of this program, and of the daemon if one answers."""
    try:
        running = session.client.call(VersionAnswer, "GET", "/version").version
    except (NoConnection, NotAllowed, Refusal):
        running = None
    result = {"datasms": __version__, "daemon": running}
    session.show(result, lambda: click.echo(f"datasms {__version__}, daemon: {running or 'none answers'}"))
