"""The audit log as administrators read it."""

from __future__ import annotations

from datasms_daemon.gateway.admin_records import AuditLogQuery, AuditView
from datasms_daemon.gateway.messages import time_of
from datasms_daemon.gateway.ports import Core
from datasms_daemon.gateway.records import Page
from datasms_daemon.gateway.rights import ADMIN, GatewayApi
from datasms_daemon.gateway.tables import MEDIA, as_accepted
from datasms_daemon.gateway.views import audit_view, page
from datasms_daemon.model import AuditQuery, Key, Problem
from datasms_daemon.web.problems import HttpProblem
from datasms_daemon.web.routes import Call, Reply


class Audit:
    """Reading the log; ``add_to`` declares it."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def add_to(self, api: GatewayApi) -> None:
        """Declares the call."""
        api.route(
            "GET",
            "/v1/audit",
            permission=ADMIN,
            summary="Who did what, newest first",
            query=AuditLogQuery,
            answer=Page[AuditView],
            media=MEDIA,
        )(self.find)

    async def find(self, call: Call[Key, None, AuditLogQuery]) -> Page[AuditView] | Reply:
        """A page as JSON, CSV or one JSON object a line; the cursor of those two is in the Link header."""
        asked, problems = call.query, list[Problem]()
        query = AuditQuery(
            who=asked.who,
            what=asked.what,
            object=asked.object,
            since=time_of("since", asked.since, problems),
            until=time_of("until", asked.until, problems),
            before=None if asked.after is None else int(asked.after),
            limit=asked.limit + 1,
        )
        if problems:
            raise HttpProblem("invalid", "A query parameter cannot be used", problems)
        entries = await self._core.audit(query)
        found = page([(str(entry.seq), audit_view(entry)) for entry in entries], asked.limit)
        return as_accepted(call, found, AuditView)
