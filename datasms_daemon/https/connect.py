"""How the safe client connects: to allowed hosts and addresses, over verified TLS, within limits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.interfaces import (
    IConnector,
    IDelayedCall,
    IHostnameResolver,
    IReactorPluggableNameResolver,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import ClientFactory
from twisted.web.client import URI
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from datasms_daemon.crypto.tls import VerifiedEndpoint, VerifiedPeer, authorities
from datasms_daemon.errors import DatasmsError
from datasms_daemon.https.proxy import ProxyReactor, Tunnel, read_proxy
from datasms_daemon.rules.addresses import Hosts, host_and_port, is_allowed, may_be_resolved_elsewhere

CONNECT_TIMEOUT_S = 5.0  # TCP, a proxy's answer and TLS together
MOST_ENDPOINTS = 1000


class Reactor(ProxyReactor):
    """What the client needs of a reactor."""


class AddressRefused(DatasmsError):
    """The host, or an address it resolved to, is none that we may connect to."""


@implementer(IAgentEndpointFactory)
class Endpoints:
    """One endpoint and one TLS context a host: making them anew costs as much as the rest of a request. MOST_ENDPOINTS
    are kept, those made last.

    Every address that a name resolves to is judged when connecting. With a ``proxy``, which may be in a private
    network, it is the proxy that resolves names: then only the list of hosts and addresses that are written out are
    judged here, and what a name may mean is for the proxy's rules. TLS is with the host itself, as strict as without.
    Raises ConfigError when ``ca_file`` or ``proxy`` cannot be used.
    """

    def __init__(
        self, reactor: Reactor, *, hosts: Hosts, allow_private: bool, ca_file: Path | None, proxy: str | None = None
    ) -> None:
        self._reactor = reactor
        self._allow_private = allow_private
        self._hosts = hosts
        self._trusted = authorities(ca_file)
        self._proxy = None if proxy is None else read_proxy(proxy)
        self._endpoints: dict[tuple[bytes, int], IStreamClientEndpoint] = {}

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """Where to connect for ``uri``, as the agent has parsed it; AddressRefused if that is not allowed."""
        known = self._endpoints.get((uri.host, uri.port))
        if known is not None and uri.scheme == b"https":
            return known
        host = uri.host.decode("ascii")
        written = f"[{host}]" if ":" in host else host
        if uri.scheme != b"https" or not self._hosts.admit(host_and_port(written, uri.port)):
            raise AddressRefused("host not allowed")
        peer = VerifiedPeer(host, self._trusted)
        endpoint = VerifiedEndpoint(peer, self._plain(host, uri.port), self._reactor, CONNECT_TIMEOUT_S)
        if len(self._endpoints) >= MOST_ENDPOINTS:
            del self._endpoints[next(iter(self._endpoints))]
        self._endpoints[uri.host, uri.port] = endpoint
        return endpoint

    def _plain(self, host: str, port: int) -> IStreamClientEndpoint:
        if self._proxy is None:
            guarded = GuardedReactor(self._reactor, self._allow_private)
            return HostnameEndpoint(guarded, host, port, timeout=CONNECT_TIMEOUT_S)
        if not may_be_resolved_elsewhere(host, private=self._allow_private):
            raise AddressRefused("address not allowed")
        return Tunnel(self._reactor, self._proxy, host, port, CONNECT_TIMEOUT_S)


@implementer(IReactorPluggableNameResolver)
class GuardedReactor:
    """A reactor that connects to allowed addresses only.

    Every address passes ``connectTCP``, whether a name resolved to it (rebinding included) or it was written out.
    """

    def __init__(self, reactor: Reactor, allow_private: bool) -> None:
        self._reactor = reactor
        self._allow_private = allow_private

    @property
    def nameResolver(self) -> IHostnameResolver:
        return self._reactor.nameResolver

    def installNameResolver(self, resolver: IHostnameResolver) -> IHostnameResolver:
        return self._reactor.installNameResolver(resolver)

    def connectTCP(
        self,
        host: str,
        port: int,
        factory: ClientFactory,
        timeout: float = 30.0,
        bindAddress: tuple[str, int] | None = None,  # noqa: N803 (Twisted names it when it calls)
    ) -> IConnector:
        if not is_allowed(host, private=self._allow_private):
            raise AddressRefused("address not allowed")
        return self._reactor.connectTCP(host, port, factory, timeout, bindAddress)

    def seconds(self) -> float:
        return self._reactor.seconds()

    def callLater(self, delay: float, call: Callable[..., object], *args: object, **kwargs: object) -> IDelayedCall:
        return self._reactor.callLater(delay, call, *args, **kwargs)

    def getDelayedCalls(self) -> Sequence[IDelayedCall]:
        return self._reactor.getDelayedCalls()
