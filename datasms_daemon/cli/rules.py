"""Commands on rules: taking over those of the product before us."""

from __future__ import annotations

from pathlib import Path

import click

from datasms_daemon.cli.session import FAILED, Command, Failed, Group
from datasms_daemon.config.importing import imported
from datasms_daemon.config.registry import decoded, parse
from datasms_daemon.ops.printable import printable

MOST = 16 << 20

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
