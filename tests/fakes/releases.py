"""Other releases of the program, as far as the database knows them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from datasms_daemon.store import opening


def declare(patched: pytest.MonkeyPatch, *declared: Callable[[Database], None]) -> None:
    """The program knows these migrations."""
    migrations = Migrations("datasms")
    for migration in declared:
        migrations()(migration)
    patched.setattr(opening, "migrations", migrations)
    patched.setattr(opening, "MIGRATIONS", declared)
