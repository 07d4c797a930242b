"""How spans, sizes and addresses are written in the configuration file."""

from __future__ import annotations

import ipaddress
import re
from datetime import UTC, time, tzinfo
from decimal import Decimal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from datasms_daemon.config.kinds import DAY, HOUR, MINUTE, SECOND

MOST_MONEY = 1_000_000
_DURATIONS = {"d": DAY, "h": HOUR, "m": MINUTE, "s": SECOND}
_SIZES = {"G": 1 << 30, "M": 1 << 20, "K": 1 << 10}
_WRITTEN = re.compile(r"([1-9][0-9]{0,8})([a-zA-Z])")
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_LISTEN = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<v4>[0-9.]+)):(?P<port>[0-9]{1,5})")


def parse_duration(text: str) -> int | None:
    """Milliseconds of ``90s``, ``5m``, ``2h`` or ``3d``; None for anything else."""
    return _parse(text, _DURATIONS)


def format_duration(milliseconds: int) -> str:
    """As ``parse_duration`` reads it, in the largest unit that leaves nothing over. Whole seconds only."""
    return _format(milliseconds, _DURATIONS)


def parse_size(text: str) -> int | None:
    """Bytes of ``500K``, ``15M`` or ``2G`` (powers of 1024); None for anything else."""
    return _parse(text, _SIZES)


def format_size(size: int) -> str:
    """As ``parse_size`` reads it. Whole kilobytes only."""
    return _format(size, _SIZES)


def parse_price(number: object) -> int | None:
    """Millionths of ``0.9``, a number of TOML; None when it is no price: negative, too large, or finer than that."""
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= MOST_MONEY:
        return None
    # The shortest decimals that mean this float are those that were written.
    millionths = Decimal(repr(number)) * 1_000_000
    return int(millionths) if millionths == int(millionths) else None


def format_price(millionths: int) -> str:
    """As ``parse_price`` reads it."""
    return format((Decimal(millionths) / 1_000_000).normalize(), "f")


def parse_listen(text: str) -> tuple[str, int] | None:
    """Address and port of ``127.0.0.1:8443`` or ``[::1]:8443``; None for anything else. Names are not looked up."""
    match = _LISTEN.fullmatch(text)
    if match is None:
        return None
    address, port = match["v6"] or match["v4"], int(match["port"])
    try:
        version = ipaddress.ip_address(address).version
    except ValueError:
        return None
    return (address, port) if port <= 65535 and (version == 6) == (match["v6"] is not None) else None


def parse_clock(text: str) -> time | None:
    """The time of day ``03:00``; None for anything else."""
    match = _CLOCK.fullmatch(text)
    return None if match is None else time(int(match[1]), int(match[2]))


def parse_zone(name: str) -> tzinfo | None:
    """The time zone of an IANA name such as ``Europe/Prague``; None when there is no such zone."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _parse(text: str, units: dict[str, int]) -> int | None:
    match = _WRITTEN.fullmatch(text)
    if match is None or match[2] not in units:
        return None
    return int(match[1]) * units[match[2]]


def _format(number: int, units: dict[str, int]) -> str:
    return next(f"{number // unit}{name}" for name, unit in units.items() if number % unit == 0)
