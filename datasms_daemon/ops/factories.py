"""Factories of protocols whose coming and going is not worth a line in the log."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IProtocolFactory
from twisted.internet.protocol import Factory, Protocol


def quiet(protocol: Callable[[], Protocol]) -> IProtocolFactory:
    """A factory of what ``protocol`` makes."""
    factory: Factory[Protocol] = Factory.forProtocol(protocol)
    factory.noisy = False
    return factory
