"""Commands on rules: what others would change, and taking over those of the product before us."""

from __future__ import annotations

import os
from pathlib import Path

import click

from datasms_daemon.cli.messages import Duration
from datasms_daemon.cli.output import table
from datasms_daemon.cli.session import FAILED, Command, Failed, Group, Session
from datasms_daemon.config.importing import imported
from datasms_daemon.config.kinds import DAY
from datasms_daemon.config.load import load
from datasms_daemon.config.registry import decoded, parse
from datasms_daemon.config.units import format_duration
from datasms_daemon.delivery.comparison import Comparison, Rules, Way, compare
from datasms_daemon.model import MessageQuery, OnUnknown, Step, Success
from datasms_daemon.ops.clock import wall_ms
from datasms_daemon.ops.printable import printable
from datasms_daemon.store.copies import reading
from datasms_daemon.store.search import newest

MOST = 16 << 20
MOST_MESSAGES = 10_000

rules = Group("rules", help="Rules of outgoing messages.")


@rules.command("import", cls=Command)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def rules_import(file: Path) -> None:
    """Write the outgoing rules of FILE, an exported registry (.reg), as our configuration.

    What could not be translated is told on standard error; rules of which a part is missing are switched off, and the
    exit code is 1.
    """
    if file.stat().st_size > MOST:
        raise Failed(FAILED, f"{file} is larger than 16 MiB; export the key MobilChange alone")
    try:
        result = imported(parse(decoded(file.read_bytes())))
    except ValueError as error:
        raise Failed(FAILED, f"{file} {error}") from error
    click.echo(result.toml, nl=False)
    for sentence in result.untranslated:
        click.echo(printable(f"not translated: {sentence}"), err=True)
    if result.untranslated:
        raise Failed(FAILED, f"{len(result.untranslated)} were not translated")


@rules.command("diff", cls=Command)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--within", type=Duration(), default=DAY, help="Messages of so long back; without: 1d.")
@click.pass_obj
def rules_diff(session: Session, file: Path, within: int) -> None:
    """Show which messages of the last day would go another way by the rules of the configuration FILE.

    At most the newest 10,000, routed as of the time they were accepted, with the directory of now. Reads the database
    of this machine, whether the daemon runs or not; nothing is sent or changed.
    """
    before, after = (Rules(load(path, os.environ)) for path in (session.config_file, file))
    with reading(session.places.database) as db:
        found = newest(db, MessageQuery(since=wall_ms() - within, limit=MOST_MESSAGES))
        result = compare(db, (dossier.message for dossier in found), before, after)
    session.show(_plain(result), lambda: _show(result, within))


def _plain(result: Comparison) -> dict[str, object]:
    differences = [
        {"messages": each.messages, "now": _way(each.before), "then": _way(each.after), "examples": each.examples}
        for each in result.differences
    ]
    plain = {
        "routed": result.routed,
        "without_text": result.without_text,
        "without_recipient": result.without_recipient,
    }
    return {**plain, "differences": differences}


def _show(result: Comparison, within: int) -> None:
    count = sum(difference.messages for difference in result.differences)
    click.echo(f"{result.routed} messages of the last {format_duration(within)}; {count} would go another way")
    if result.without_text:
        click.echo(f"{result.without_text} of them without their text, which is forgotten: no text condition holds")
    if result.without_recipient:
        click.echo(f"and {result.without_recipient} whose recipient is forgotten")
    rows = [(each.messages, _way(each.before), _way(each.after), each.examples[0]) for each in result.differences]
    if rows:
        table(("MESSAGES", "NOW", "THEN", "FOR EXAMPLE"), rows)


def _way(way: Way) -> str:
    if isinstance(way, str):
        return f"refused: {way}"
    return ", ".join(map(_step, way)) or "no route"


def _step(step: Step) -> str:
    more = [f"until {step.success}"] if step.success is not Success.DELIVERED else []
    more += [f"unknown: {step.on_unknown}"] if step.on_unknown is not OnUnknown.WAIT else []
    more += [f"{name} ({step.when_closed})" for name in step.calendars]
    return " ".join((step.line, format_duration(step.wait_ms), *more))
