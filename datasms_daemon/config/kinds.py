"""The kinds of values that the configuration file knows beside those of TOML."""

from __future__ import annotations

from typing import NewType

import msgspec

Duration = NewType("Duration", int)
"""Milliseconds; written ``90s 5m 2h 3d``."""
Size = NewType("Size", int)
"""Bytes; written ``15M``."""

Price = NewType("Price", int)
"""Millionths of the currency's unit; written ``0.9``."""

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all tables of the file; an unknown key is a problem."""
