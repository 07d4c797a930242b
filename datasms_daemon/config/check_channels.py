"""What must be true of channels as a whole: addresses, time limits, and waits that have room for theirs."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from datasms_daemon.config.channels import DirectChannel, OmniChannel, ViberChannel, own_wait_ms
from datasms_daemon.config.kinds import SECOND
from datasms_daemon.config.problems import Problems, below
from datasms_daemon.config.records import Config
from datasms_daemon.config.units import format_duration

MOST_TIMEOUT = 25 * SECOND
"""Twice this and the grace of a connected client must end within the lease of a hand-over, a minute."""
MOST_GRACE = 5 * SECOND


def check_channels(config: Config, problems: Problems) -> None:
    """Adds every problem between channels, rules and the address clients reach us at."""
    for channel in config.channel:
        place = below("channel", channel.name)
        endpoint = getattr(channel, "endpoint", None)
        if endpoint is not None and not is_base_url(endpoint):
            problems.add(below(place, "endpoint"), "is no such address", "https://HOST or https://HOST:PORT", endpoint)
        timeout = getattr(channel, "timeout", SECOND)
        if not SECOND <= timeout <= MOST_TIMEOUT:
            problems.add(below(place, "timeout"), "is too short or too long", "1s to 25s", format_duration(timeout))
        if isinstance(channel, DirectChannel) and channel.grace > MOST_GRACE:
            problems.add(below(place, "grace"), "is too long", "at most 5s", format_duration(channel.grace))
        if isinstance(channel, OmniChannel):
            _omni(place, channel, config, problems)
        if isinstance(channel, ViberChannel) and channel.webhook and config.mxservice.public_url is None:
            right = "the address that Viber calls, or webhook = false for the channel"
            problems.add("mxservice.public_url", "missing", right)


def _omni(place: str, channel: OmniChannel, config: Config, problems: Problems) -> None:
    if channel.reports == "push" and config.mxservice.public_url is None:
        right = 'the address that Infobip calls, or reports = "pull" for the channel'
        problems.add("mxservice.public_url", "missing", right)
    own = own_wait_ms(channel)
    lines = {line.name for line in config.line if line.driver == "datasms"}
    waits: dict[str, int | None] = {}
    for rule in config.rule:
        waits |= {f"rule.{rule.name}": step.wait for step in rule.steps if step.line in lines and step.wait is not None}
    for name, priority in config.priority.items():
        waits |= {f"priority.{name}": priority.wait.get(line, priority.wait.get("datasms")) for line in lines}
    for where, wait in waits.items():
        if wait is not None and wait <= own:
            right = f"longer than {format_duration(own)}, in which Infobip goes through its own steps"
            problems.add(f"{where}.wait", f"is over before channel {channel.name}", right, format_duration(wait))


def is_base_url(text: str) -> bool:
    """Whether it is https://HOST or https://HOST:PORT and nothing more."""
    try:
        url = urlsplit(text)
        has_port = url.port is None or url.port > 0
    except ValueError:
        return False
    is_plain = url.path in ("", "/") and not url.query and not url.fragment and "@" not in url.netloc
    return url.scheme == "https" and bool(url.hostname) and has_port and is_plain and not re.search(r"\s", text)
