"""Webhooks, and texts from outside that could not be handed on, for operators."""

from __future__ import annotations

from datasms_daemon.gateway.inbound_records import DeadTextQuery, DeadTextView
from datasms_daemon.gateway.ports import Core
from datasms_daemon.gateway.records import Items, Page
from datasms_daemon.gateway.rights import OPERATE, GatewayApi
from datasms_daemon.gateway.shapes import SeqCursor, Word
from datasms_daemon.gateway.views import dead_text_view, page
from datasms_daemon.model import Key, Verdict, WebhookView
from datasms_daemon.web.problems import HttpProblem
from datasms_daemon.web.routes import Call

_NAME = {"name": Word}


class TargetCalls:
    """The calls on what texts are handed on to; ``add_to`` declares them."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def add_to(self, api: GatewayApi) -> None:
        """Declares the calls."""
        self._add_webhooks(api)
        api.route(
            "GET",
            "/v1/inbound/dead",
            permission=OPERATE,
            summary="Texts from outside that could not be handed on and are not tried any more",
            query=DeadTextQuery,
            answer=Page[DeadTextView],
        )(self.dead)
        api.route(
            "POST",
            "/v1/inbound/dead/<id>/resend",
            permission=OPERATE,
            summary="Try to hand such a text on again, under the id that it had",
            status=204,
            problems=("conflict",),
            parameters={"id": SeqCursor},
        )(self.resend)

    def _add_webhooks(self, api: GatewayApi) -> None:
        api.route(
            "GET", "/v1/webhooks", permission=OPERATE, summary="All webhooks", answer=Items[WebhookView]
        )(self.webhooks)  # fmt: skip
        api.route(
            "POST",
            "/v1/webhooks/<name>/test",
            permission=OPERATE,
            summary="Call a webhook with an event that hands nothing on",
            answer=Verdict,
            parameters=_NAME,
        )(self.test)
        api.route(
            "POST",
            "/v1/webhooks/<name>/resume",
            permission=OPERATE,
            summary="Call a webhook again that answered 410",
            answer=WebhookView,
            parameters=_NAME,
        )(self.resume)

    async def webhooks(self, call: Call[Key, None, None]) -> Items[WebhookView]:
        """All of them."""
        return Items(await self._core.targets.webhooks())

    async def test(self, call: Call[Key, None, None]) -> Verdict:
        """A bad verdict is a good answer."""
        found = await self._core.targets.test(call.path["name"])
        if found is None:
            raise HttpProblem("not_found")
        return found

    async def resume(self, call: Call[Key, None, None]) -> WebhookView:
        """The webhook as it is then."""
        found = await self._core.targets.resume(call.path["name"], call.caller.name)
        if found is None:
            raise HttpProblem("not_found")
        return found

    async def dead(self, call: Call[Key, None, DeadTextQuery]) -> Page[DeadTextView]:
        """A page, newest first; without the texts."""
        asked = call.query
        found = await self._core.targets.dead(None if asked.after is None else int(asked.after), asked.limit + 1)
        return page([(str(one.seq), dead_text_view(one)) for one in found], asked.limit)

    async def resend(self, call: Call[Key, None, None]) -> None:
        """It is due at once."""
        done = await self._core.targets.resend(int(call.path["id"]), call.caller.name)
        if done is None:
            raise HttpProblem("not_found")
        if not done:
            raise HttpProblem("conflict", "Its target is not in the configuration any more")
