"""The configuration in use, and taking another."""

from __future__ import annotations

from datasms_daemon.gateway.admin_records import ConfigurationView, ReloadAnswer
from datasms_daemon.gateway.ports import Core
from datasms_daemon.gateway.rights import ADMIN, OPERATE, GatewayApi
from datasms_daemon.model import Key, Problem
from datasms_daemon.web.problems import HttpProblem
from datasms_daemon.web.routes import Call
from datasms_daemon.web.times import rfc3339


class Configuration:
    """The calls on the configuration; ``add_to`` declares them."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def add_to(self, api: GatewayApi) -> None:
        """Declares the calls."""
        api.route(
            "GET",
            "/v1/config",
            permission=OPERATE,
            summary="Which configuration is in use, since when, by whom, and what is in it",
            answer=ConfigurationView,
        )(self.running)
        api.route(
            "POST",
            "/v1/reload",
            permission=ADMIN,
            summary="Take the configuration file anew: all of it, or nothing and every problem",
            answer=ReloadAnswer,
            problems=("invalid",),
        )(self.reload)

    async def running(self, call: Call[Key, None, None]) -> ConfigurationView:
        """Names only, no values."""
        found = self._core.configuration.running()
        return ConfigurationView(found.file, found.hash, rfc3339(found.since), found.by, found.names)

    async def reload(self, call: Call[Key, None, None]) -> ReloadAnswer:
        """What is different now; 422 with every problem when the old one stays."""
        done = await self._core.configuration.reload(call.caller.name)
        if done.problems:
            faults = [Problem("", line) for line in done.problems]
            raise HttpProblem("invalid", "The new configuration is not used, the old one stays", faults)
        return ReloadAnswer(done.hash, done.changes, done.warnings)
