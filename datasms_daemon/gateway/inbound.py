"""Where texts from outside go, and the applications that get them, for operators."""

from __future__ import annotations

from datasms_daemon.gateway.inbound_records import (
    DestinationView,
    InboundExplainRequest,
    InboundExplanationView,
    LookView,
)
from datasms_daemon.gateway.ports import Core
from datasms_daemon.gateway.records import Items
from datasms_daemon.gateway.rights import OPERATE, GatewayApi
from datasms_daemon.model import ApplicationView, InboundText, Key, LineName, Problem
from datasms_daemon.web.bodies import Json
from datasms_daemon.web.problems import HttpProblem
from datasms_daemon.web.routes import Call


class InboundCalls:
    """The calls on inbound routing; ``add_to`` declares them."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def add_to(self, api: GatewayApi) -> None:
        """Declares the calls."""
        api.route(
            "POST",
            "/v1/explain/inbound",
            permission=OPERATE,
            summary="Where a text from outside would go, and why; stores nothing",
            body=Json(InboundExplainRequest),
            answer=InboundExplanationView,
        )(self.explain)
        api.route(
            "GET",
            "/v1/applications",
            permission=OPERATE,
            summary="All applications: whether they run, and what waits for them",
            answer=Items[ApplicationView],
        )(self.applications)

    async def applications(self, call: Call[Key, None, None]) -> Items[ApplicationView]:
        """All of them."""
        return Items(await self._core.applications.all())

    async def explain(self, call: Call[Key, InboundExplainRequest, None]) -> InboundExplanationView:
        """Every step and rule that was looked at, in their order."""
        asked = call.body
        known = [line.name for line in self._core.config.line] + [one.name for one in self._core.config.channel]
        if asked.line not in known:
            problem = Problem("/line", f"there is no such line or channel; known: {', '.join(known)}")
            raise HttpProblem("invalid", "The request cannot be carried out", (problem,))
        # A text may also come from a short code or a name, which is no number.
        from_ = self._core.normalise(asked.from_) or asked.from_
        line, now = LineName(asked.line), self._core.now()
        found = await self._core.inbound_texts.explain(InboundText(line, from_, asked.to, asked.text, now, ""))
        return InboundExplanationView(
            person=found.person,
            destinations=tuple(DestinationView(one.target, one.text, one.why) for one in found.destinations),
            steps=tuple(LookView(one.step, one.verdict) for one in found.steps),
        )
