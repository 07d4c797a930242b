"""What every call of MxService works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTime

from datasms_daemon.config.channels import ChannelOptions
from datasms_daemon.interfaces import IBackend
from datasms_daemon.mxservice.admission import Admission


@dataclass(frozen=True, slots=True)
class Service:
    """``now`` is UTC in ms; ``configured`` are the channels as of now, which a reload may change; ``is_ready`` is asked
    by health checks."""

    backend: IBackend
    reactor: IReactorTime
    now: Callable[[], int]
    configured: Callable[[], tuple[ChannelOptions, ...]]
    is_ready: Callable[[], bool]
    admission: Admission

    @property
    def channels(self) -> dict[str, str]:
        """The drivers of the channels that devices may name, by their names."""
        return {channel.name: channel.driver for channel in self.configured() if channel.enabled}
