"""MxService as a Site to listen with."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

from datasms_daemon.config.channels import ChannelOptions
from datasms_daemon.config.records import Mxservice
from datasms_daemon.interfaces import IBackend
from datasms_daemon.mxservice.admission import Admission
from datasms_daemon.mxservice.client_api import make_api
from datasms_daemon.mxservice.service import Service
from datasms_daemon.web.site import Limits, Site


def make_site(
    backend: IBackend,
    reactor: IReactorTime,
    options: Mxservice,
    channels: Callable[[], tuple[ChannelOptions, ...]],
    now: Callable[[], int],
    is_ready: Callable[[], bool],
    reference: Callable[[], str],
) -> Site:
    """The site of clients; listen with ``web.listen``.

    ``channels`` gives the configured ones, of which devices may name the enabled; ``now`` is UTC in ms; ``is_ready`` is
    what health checks are told; ``reference`` makes random ids for errors.
    """
    service = Service(
        backend=backend,
        reactor=reactor,
        now=now,
        configured=channels,
        is_ready=is_ready,
        admission=Admission(backend, reactor.seconds),
    )
    limits = Limits(connections=options.max_connections, connections_per_address=options.max_connections_per_address)
    return Site(reactor, make_api(service), limits, reference)
