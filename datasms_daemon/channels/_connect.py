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
    IReactorTCP,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import ClientFactory
from twisted.web.client import URI
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from datasms_daemon.channels._addresses import Hosts, host_and_port, is_allowed
from datasms_daemon.crypto.tls import VerifiedEndpoint, VerifiedPeer, authorities
from datasms_daemon.errors import DatasmsError

CONNECT_TIMEOUT_S = 5.0  # TCP and TLS together


class Reactor(IReactorTCP, IReactorTime, IReactorPluggableNameResolver):
    """What the client needs of a reactor."""


class AddressRefused(DatasmsError):
    """The host, or an address it resolved to, is none that we may connect to."""


@implementer(IAgentEndpointFactory)
class Endpoints:
    """One endpoint and one TLS context a host: making them anew costs as much as the rest of a request.

    Raises ConfigError when ``ca_file`` cannot be used.
    """

    def __init__(self, reactor: Reactor, *, hosts: Hosts, allow_private: bool, ca_file: Path | None) -> None:
        self._reactor = _GuardedReactor(reactor, allow_private)
        self._clock = reactor
        self._hosts = hosts
        self._trusted = authorities(ca_file)
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
        plain = HostnameEndpoint(self._reactor, host, uri.port, timeout=CONNECT_TIMEOUT_S)
        peer = VerifiedPeer(host, self._trusted)
        endpoint = VerifiedEndpoint(peer, plain, self._clock, CONNECT_TIMEOUT_S)
        self._endpoints[uri.host, uri.port] = endpoint
        return endpoint


@implementer(IReactorPluggableNameResolver)
class _GuardedReactor:
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
