"""The files that come with messages (interfaces.md § 3), read from the core a piece at a time."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from datasms_daemon.model import CHUNK
from datasms_daemon.model import Download as Granted
from datasms_daemon.mxservice.admission import DEVICE, Client
from datasms_daemon.mxservice.records import Word
from datasms_daemon.mxservice.service import Service
from datasms_daemon.rules.attachments import TYPES
from datasms_daemon.web.download import Download
from datasms_daemon.web.problems import HttpProblem
from datasms_daemon.web.request import Request
from datasms_daemon.web.routes import PUBLIC, Api, Call

Range = Annotated[str, Meta(max_length=100, description="bytes=FROM-TO; of several parts all is sent")]
MediaTicket = Annotated[str, Meta(max_length=400, pattern=r"^[A-Za-z0-9_-]+(\.[a-z]{1,8})?(?!\n)$")]


def add_attachments(api: Api[Client], service: Service) -> None:
    """Declares the calls."""

    @api.route(
        "GET",
        "/mx/v1/attachments/<id_>",
        permission=DEVICE,
        answer=str,
        also=(206,),
        media=TYPES,
        parameters={"id_": Word},
        headers={"Range": Range},
        problems=("range_not_satisfiable",),
        summary="A file that came with a message in the inbox",
    )
    async def attachment(call: Call[Client, None, None]) -> Download:
        granted = await service.backend.attachment(call.caller.device.id, call.path["id_"])
        return _download(service, call.request, granted)

    @api.route(
        "GET",
        "/mx/v1/media/<ticket>",
        permission=PUBLIC,
        answer=str,
        also=(206,),
        media=TYPES,
        parameters={"ticket": MediaTicket},
        headers={"Range": Range},
        problems=("range_not_satisfiable",),
        summary="A file for a service that shows a message for us; the link is given to it with the message",
    )
    async def media(call: Call[Client, None, None]) -> Download:
        # What follows the dot is for the service, which judges by it.
        ticket = call.path["ticket"].partition(".")[0]
        return _download(service, call.request, await service.backend.media(ticket))


def _download(service: Service, request: Request, granted: Granted | None) -> Download:
    if granted is None:
        raise HttpProblem("not_found", "There is no such file")
    one, ticket = granted.attachment, granted.ticket

    async def read(offset: int, size: int) -> bytes:
        piece: bytes = await service.backend.read_attachment(ticket, offset, size)
        return piece

    return Download(request, one.name, one.type, one.size, one.sha256, read, CHUNK)
