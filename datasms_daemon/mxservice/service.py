"""What every call of MxService works with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTime

from datasms_daemon.interfaces import IBackend
from datasms_daemon.mxservice.admission import Admission


@dataclass(frozen=True, slots=True)
class Service:
    """``now`` is UTC in ms; ``channels`` maps the names of the configured channels to their drivers; ``is_ready`` is
    asked by health checks."""

    backend: IBackend
    reactor: IReactorTime
    now: Callable[[], int]
    channels: Mapping[str, str]
    is_ready: Callable[[], bool]
    admission: Admission
