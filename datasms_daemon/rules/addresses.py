"""Which hosts and addresses the daemon may talk to (reliability.md § 3b). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

# Strict on purpose: what this takes, every URL parser reads alike. No userinfo, no fragment, no backslash, no
# upper case, ASCII only, no leading zero in the port.
_URL = re.compile(
    r"https://(?P<host>[a-z0-9-]+(?:\.[a-z0-9-]+)*|\[[0-9a-f:]+\])(?::(?P<port>[1-9][0-9]{0,4}))?(?:/[!$-;=?-Z_a-z~]*)?"
)

# IANA special-purpose registries (RFC 6890 and its updates), multicast and the reserved blocks.
_NEVER = (
    IPv4Network("0.0.0.0/8"),
    IPv4Network("169.254.0.0/16"),
    IPv4Network("192.0.0.0/24"),
    IPv4Network("192.0.2.0/24"),
    IPv4Network("192.31.196.0/24"),
    IPv4Network("192.52.193.0/24"),
    IPv4Network("192.88.99.0/24"),
    IPv4Network("192.175.48.0/24"),
    IPv4Network("198.18.0.0/15"),
    IPv4Network("198.51.100.0/24"),
    IPv4Network("203.0.113.0/24"),
    IPv4Network("224.0.0.0/4"),
    IPv4Network("240.0.0.0/4"),
    IPv6Network("2001::/23"),  # Teredo, ORCHID and other protocol assignments
    IPv6Network("2001:db8::/32"),
    IPv6Network("2002::/16"),  # 6to4
    IPv6Network("2620:4f:8000::/48"),
    IPv6Network("3fff::/20"),
)
_PRIVATE = (
    IPv4Network("10.0.0.0/8"),
    IPv4Network("100.64.0.0/10"),
    IPv4Network("127.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    IPv6Network("::1/128"),
    IPv6Network("fc00::/7"),
)
# All of IPv6 that is handed out for use. Outside are ::, IPv4-mapped, NAT64, link-local and multicast addresses.
_GLOBAL_UNICAST = IPv6Network("2000::/3")


# As inet_aton and the URL standard have it: 127.1, 2130706433 and 0x7f000001 are addresses.
_ENDS_IN_A_NUMBER = re.compile(r"(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)\.?$")


class Hosts:
    """Where requests may go.

    ``exact``: ``name`` (port 443) or ``name:port``. ``below``: these names and all below them, port 443; ``*`` is any
    name or address. All lower case.
    """

    def __init__(self, exact: Iterable[str] = (), below: Iterable[str] = ()) -> None:
        names = tuple(below)
        self._any = "*" in names
        self._exact = frozenset((*exact, *names))
        self._below = tuple(f".{name}" for name in names)

    def admit(self, place: str) -> bool:
        """Whether requests may go to ``place``, as ``netloc`` writes it."""
        return self._any or place in self._exact or place.endswith(self._below)


def is_allowed(address: str, *, private: bool) -> bool:
    """Whether we may connect to this IP address literal. ``private``: also loopback and private networks.

    Anything but a plain address is refused: names, zones, short or octal forms.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address) and parsed.scope_id is not None:
        return False
    if any(parsed in block for block in _PRIVATE):
        return private
    if isinstance(parsed, IPv6Address) and parsed not in _GLOBAL_UNICAST:
        return False
    return not any(parsed in block for block in _NEVER)


def may_be_resolved_elsewhere(host: str, *, private: bool) -> bool:
    """Whether a proxy may be asked to connect to ``host``: what a resolver could read as an address must be an allowed
    one; without ``private`` the name must not be the proxy's own machine (RFC 6761 § 6.3). More cannot be known here.
    """
    if ":" in host or _ENDS_IN_A_NUMBER.search(host):
        return is_allowed(host, private=private)
    return private or not (host == "localhost" or host.endswith(".localhost"))


@lru_cache(maxsize=256)  # policy, channel and client ask in turn about the same URL of a device
def netloc(url: str) -> str | None:
    """``host`` or ``host:port`` (port only when it is not 443) of an https URL; None for any other or odd one."""
    match = _URL.fullmatch(url)
    if match is None:
        return None
    port = int(match["port"] or 443)
    return host_and_port(match["host"], port) if port <= 65535 else None


def host_and_port(host: str, port: int) -> str:
    """As an allow-list has it: without the port when it is 443."""
    return host if port == 443 else f"{host}:{port}"
