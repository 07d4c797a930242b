"""The gateway's HTTP API put together."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

from datasms_daemon.gateway.archive import Archive
from datasms_daemon.gateway.attachments import Attachments
from datasms_daemon.gateway.audit import Audit
from datasms_daemon.gateway.configuration import Configuration
from datasms_daemon.gateway.directory import Directory
from datasms_daemon.gateway.inbound import InboundCalls
from datasms_daemon.gateway.messages import Messages
from datasms_daemon.gateway.operations import Operations
from datasms_daemon.gateway.ports import Core
from datasms_daemon.gateway.reports import Reports
from datasms_daemon.gateway.rights import Authorise, GatewayApi, KeyAuthority, local_operator
from datasms_daemon.gateway.search import Search
from datasms_daemon.gateway.senders import Senders
from datasms_daemon.gateway.submissions import Submissions
from datasms_daemon.gateway.targets import TargetCalls
from datasms_daemon.web.openapi import add_openapi
from datasms_daemon.web.site import Limits, Site

TITLE = "datasms gateway"


def make_api(
    core: Core, reactor: IReactorTime, metrics_render: Callable[[], bytes], authorise: Authorise
) -> GatewayApi:
    """Every call of the gateway; ``authorise`` tells who asks."""
    api = GatewayApi(TITLE, authorise)
    Submissions(core).add_to(api)
    Attachments(core).add_to(api)
    Messages(core, reactor).add_to(api)
    Search(core).add_to(api)
    InboundCalls(core).add_to(api)
    TargetCalls(core).add_to(api)
    Directory(core).add_to(api)
    Senders(core).add_to(api)
    Reports(core).add_to(api)
    Operations(core, metrics_render).add_to(api)
    Audit(core).add_to(api)
    Archive(core).add_to(api)
    Configuration(core).add_to(api)
    add_openapi(api)
    return api


def make_site(core: Core, reactor: IReactorTime, metrics_render: Callable[[], bytes]) -> Site:
    """The site for the network: callers have keys."""
    http = core.config.gateway.http
    limits = Limits(connections=http.max_connections, connections_per_address=http.max_connections_per_address)
    api = make_api(core, reactor, metrics_render, KeyAuthority(core, reactor).authorise)
    return Site(reactor, api, limits)


def make_local_site(core: Core, reactor: IReactorTime, metrics_render: Callable[[], bytes]) -> Site:
    """The site for the Unix socket: whoever may open it is the operator and has all rights."""
    return Site(reactor, make_api(core, reactor, metrics_render, local_operator), Limits())
