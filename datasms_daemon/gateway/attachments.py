"""Attachments of messages to come: taken in, and looked at by who sent them."""

from __future__ import annotations

from datasms_daemon.gateway.ports import Core
from datasms_daemon.gateway.records import (
    AttachmentQuery,
    StoredAttachmentView,
)
from datasms_daemon.gateway.rights import SEND, GatewayApi
from datasms_daemon.gateway.shapes import (
    AttachmentId,
)
from datasms_daemon.gateway.views import stored_attachment_view
from datasms_daemon.model import Key, QuotaReached
from datasms_daemon.web.bodies import Streamed
from datasms_daemon.web.problems import HttpProblem
from datasms_daemon.web.routes import Call, Reply
from datasms_daemon.web.streams import BodyStream


class Attachments:
    """The calls on attachments; ``add_to`` declares them."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def add_to(self, api: GatewayApi) -> None:
        """Declares the calls."""
        api.route(
            "POST",
            "/v1/attachments",
            permission=SEND,
            summary="Take a file in, to be named by messages",
            body=Streamed(lambda: self._core.config.attachments.max_size),
            query=AttachmentQuery,
            answer=StoredAttachmentView,
            status=201,
            problems=("quota", "disk_full"),
        )(self.take)
        api.route(
            "GET",
            "/v1/attachments/<id>",
            permission=SEND,
            summary="A file that was taken in and may still be named",
            answer=StoredAttachmentView,
            parameters={"id": AttachmentId},
        )(self.get)

    async def take(self, call: Call[Key, BodyStream, AttachmentQuery]) -> Reply:
        """Answered when it is on the disk."""
        taken = await self._core.attachments.take(call.caller.name, call.query.name, call.body, call.body.length)
        if isinstance(taken, QuotaReached):
            raise HttpProblem("quota", taken.detail)
        if taken is None:
            raise HttpProblem("invalid", "An empty file is no attachment")
        location = b"/v1/attachments/" + taken.attachment.id.encode("ascii")
        return Reply(stored_attachment_view(taken), headers=((b"Location", location),))

    async def get(self, call: Call[Key, None, None]) -> StoredAttachmentView:
        """One of the sender's own."""
        found = await self._core.attachments.of_sender(call.caller.name, call.path["id"])
        if found is None:
            raise HttpProblem("not_found", "There is no such attachment")
        return stored_attachment_view(found)
