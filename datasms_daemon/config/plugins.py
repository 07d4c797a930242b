"""The plugins that make applications: our own, entry points of ``datasms.applications``, Twisted plugins."""

from __future__ import annotations

from importlib.metadata import entry_points
from pkgutil import resolve_name

from twisted.plugin import getPlugins

from datasms_daemon.interfaces import IApplicationPlugin

GROUP = "datasms.applications"
OUR_OWN = {"keywords": "datasms_daemon.apps.keywords:PLUGIN"}


def names() -> list[str]:
    """The names of all plugins."""
    found = {*OUR_OWN, *entry_points(group=GROUP).names, *(one.name for one in getPlugins(IApplicationPlugin))}
    return sorted(found)


def plugin(name: str) -> IApplicationPlugin | None:
    """The plugin of that name; None: there is none. ValueError: it cannot be loaded."""
    try:
        if name in OUR_OWN:
            return _checked(resolve_name(OUR_OWN[name]), name)
        for point in entry_points(group=GROUP, name=name):
            return _checked(point.load(), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"plugin {name} cannot be loaded: {error}") from error
    return next((one for one in getPlugins(IApplicationPlugin) if one.name == name), None)


def _checked(found: object, name: str) -> IApplicationPlugin:
    if not IApplicationPlugin.providedBy(found):
        raise ValueError(f"plugin {name} does not provide IApplicationPlugin")
    loaded: IApplicationPlugin = IApplicationPlugin(found)
    return loaded
