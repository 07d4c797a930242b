"""The kinds of values that the configuration file knows beside those of TOML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NewType

import msgspec
from msgspec import Meta

Duration = NewType("Duration", int)
"""Milliseconds; written ``90s 5m 2h 3d``."""
Size = NewType("Size", int)
"""Bytes; written ``15M``."""

Price = NewType("Price", int)
"""Millionths of the currency's unit; written ``0.9``."""

CaFile = Annotated[Path | None, Meta(description="PEM of the CA to trust instead of the system's", examples=["ca.pem"])]
Proxy = Annotated[
    str | None, Meta(description="HTTP proxy to go through (CONNECT)", examples=["http://proxy.example.org:3128"])
]

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all tables of the file; an unknown key is a problem."""
