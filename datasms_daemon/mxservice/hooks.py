"""The calls of services that push or show messages for us (interfaces.md § 3): handed to the core as they are.

Who may call is proved by what the call carries, a signature or a secret, and only the core knows those.
"""

from __future__ import annotations

from datasms_daemon.model import HookCall
from datasms_daemon.mxservice.admission import Client
from datasms_daemon.mxservice.records import Word
from datasms_daemon.mxservice.service import Service
from datasms_daemon.web.bodies import Raw
from datasms_daemon.web.problems import HttpProblem
from datasms_daemon.web.routes import PUBLIC, Api, Call, Reply

REFUSED = {400: "malformed", 403: "forbidden"}
VIBER = "/mx/v1/hooks/viber/<channel>"
OMNI = "/mx/v1/hooks/omni/<channel>/<kind>/<secret>"


def add_hooks(api: Api[Client], service: Service) -> None:
    """One route for each kind of service that calls."""

    @api.route(
        "POST",
        VIBER,
        permission=PUBLIC,
        body=Raw(),
        answer=dict,
        parameters={"channel": Word},
        problems=("forbidden",),
        summary="What Viber tells a bot; its signature is checked on the raw bytes",
    )
    async def viber(call: Call[Client, bytes, None]) -> Reply:
        return await _hook(service, call, "")

    @api.route(
        "POST",
        OMNI,
        permission=PUBLIC,
        body=Raw(),
        answer=dict,
        parameters={"channel": Word, "kind": Word, "secret": Word},
        problems=("forbidden",),
        summary="What Infobip tells: reports, seen or inbound; the last part is the channel's hook_secret",
    )
    async def omni(call: Call[Client, bytes, None]) -> Reply:
        return await _hook(service, call, f"{call.path['kind']}/{call.path['secret']}")


async def _hook(service: Service, call: Call[Client, bytes, None], path: str) -> Reply:
    headers = {
        name.decode("latin-1").lower(): b", ".join(values).decode("latin-1")
        for name, values in call.request.requestHeaders.getAllRawHeaders()
    }
    answer = await service.backend.hook(HookCall(call.path["channel"], path, headers, call.body))
    if answer is None:
        raise HttpProblem("not_found")
    if answer.status in REFUSED:
        raise HttpProblem(REFUSED[answer.status], "The call does not prove where it comes from, or cannot be read")
    return Reply(answer.body, answer.status)
