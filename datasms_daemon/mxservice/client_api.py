"""The calls of clients (interfaces.md § 3): registrations, inbox, the device's own record, state of the service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from msgspec import Meta

from datasms_daemon import __version__
from datasms_daemon.model import Device, InboxItem, NewRegistration, Problem, Reach, RegistrationState, Secret
from datasms_daemon.mxservice.admission import DEVICE, Client, bearer, source
from datasms_daemon.mxservice.attachments import add_attachments
from datasms_daemon.mxservice.events import MEDIA, InboxEvents
from datasms_daemon.mxservice.hooks import add_hooks
from datasms_daemon.mxservice.records import (
    ADDRESSES,
    ChannelItem,
    ChannelsAnswer,
    DeviceAnswer,
    DeviceUpdate,
    Health,
    InboxPage,
    InboxQuery,
    Item,
    OtherChannel,
    ReceiptsAnswer,
    ReceiptsRequest,
    RegistrationAnswer,
    RegistrationRequest,
    RegistrationStateAnswer,
    StreamQuery,
    Version,
    WaitQuery,
    Word,
    address_faults,
    device_answer,
    device_receipts,
    page_answer,
    receipts_answer,
    registration_answer,
    registration_state_answer,
)
from datasms_daemon.mxservice.service import Service
from datasms_daemon.mxservice.stream import InboxSocketResource, handshake_fault
from datasms_daemon.web.bodies import Json
from datasms_daemon.web.openapi import add_openapi
from datasms_daemon.web.problems import HttpProblem
from datasms_daemon.web.request import Request
from datasms_daemon.web.routes import PUBLIC, Api, Call
from datasms_daemon.web.waiting import Signal

SMALL_BODY = 16 * 1024
PAUSED_RETRY_S = 60
REVOKED = "The device was revoked"

Header = Annotated[str, Meta(min_length=1, max_length=200)]
Stream = InboxSocketResource | InboxEvents


def make_api(service: Service) -> Api[Client]:
    """All routes of MxService."""
    api: Api[Client] = Api("datasms MxService", service.admission.authorise)
    _add_registrations(api, service)
    _add_registration_state(api, service)
    _add_inbox(api, service)
    _add_streams(api, service)
    add_attachments(api, service)
    _add_device(api, service)
    _add_state(api, service)
    add_hooks(api, service)
    add_openapi(api)
    return api


def _add_registrations(api: Api[Client], service: Service) -> None:
    @api.route(
        "POST",
        "/mx/v1/registrations",
        permission=PUBLIC,
        body=Json(RegistrationRequest, limit=SMALL_BODY),
        answer=RegistrationAnswer,
        status=201,
        problems=("too_many_requests",),
        summary="Ask for a registration number to be sent by SMS",
    )
    async def register(call: Call[Client, RegistrationRequest, None]) -> RegistrationAnswer:
        service.admission.before_registration(call.request)
        asked = call.body
        keys = asked.keys.as_dict() if asked.keys else {}
        others = _reaches(asked.others)
        _check_addresses(service, (Reach(asked.channel, asked.address), *others), keys)
        new = NewRegistration(
            channel=asked.channel,
            address=asked.address,
            keys=keys,
            name=asked.name,
            platform=asked.platform,
            app=asked.app,
            remote=source(call.request.getClientAddress()),
            others=others,
        )
        registration = await service.backend.register(new)
        if registration is None:
            raise HttpProblem("unavailable", "Registration is not possible now", retry_after=PAUSED_RETRY_S)
        return registration_answer(registration)


def _add_registration_state(api: Api[Client], service: Service) -> None:
    @api.route(
        "GET",
        "/mx/v1/channels",
        permission=PUBLIC,
        answer=ChannelsAnswer,
        summary="The channels that a client may register with",
    )
    async def channels(call: Call[Client, None, None]) -> ChannelsAnswer:
        server_keys = await service.backend.server_keys()
        items = [
            ChannelItem(name=name, driver=driver, application_server_key=server_keys.get(name))
            for name, driver in service.channels.items()
            if driver in ADDRESSES
        ]
        return ChannelsAnswer(items=tuple(items))

    @api.route(
        "GET",
        "/mx/v1/registrations/<id_>",
        permission=PUBLIC,
        query=WaitQuery,
        answer=RegistrationStateAnswer,
        parameters={"id_": Word},
        headers={"Registration-Secret": Header},
        problems=("unauthorised", "too_many_requests"),
        summary="How a registration stands; its secret as bearer token or in Registration-Secret",
    )
    async def registration(call: Call[Client, None, WaitQuery]) -> RegistrationStateAnswer:
        state = await _registration(service, call.request, call.path["id_"], call.query.wait)
        return registration_state_answer(state)


async def _registration(service: Service, request: Request, id_: str, seconds: int) -> RegistrationState:
    given = request.header("registration-secret")
    secret = Secret(given) if given else bearer(request)
    if secret is None:
        raise HttpProblem("unauthorised", headers=[(b"WWW-Authenticate", b'Bearer realm="datasms"')])
    service.admission.before_guess(request)

    def watch(changed: Callable[[], None]) -> Callable[[], None]:
        return service.backend.watch_registration(id_, changed)

    with Signal(service.reactor, request, seconds, watch) as signal:
        state = await service.backend.registration(id_, secret.reveal())
        if state is not None:
            service.admission.charge(id_)
        while state is not None and state.state == "pending" and await signal.wait():
            state = await service.backend.registration(id_, secret.reveal())
    if state is None:
        service.admission.wrong_guess(request)
        raise HttpProblem("not_found")
    return state


def _add_inbox(api: Api[Client], service: Service) -> None:
    @api.route(
        "GET",
        "/mx/v1/inbox",
        permission=DEVICE,
        query=InboxQuery,
        answer=InboxPage,
        summary="Messages after a cursor, oldest first; waits when there is none yet",
    )
    async def inbox(call: Call[Client, None, InboxQuery]) -> InboxPage:
        return page_answer(await _page(service, call), call.query.limit)

    @api.route(
        "POST",
        "/mx/v1/inbox/receipts",
        permission=DEVICE,
        body=Json(ReceiptsRequest),
        answer=ReceiptsAnswer,
        summary="Confirm messages as received or read",
    )
    async def receipts(call: Call[Client, ReceiptsRequest, None]) -> ReceiptsAnswer:
        given = device_receipts(call.body.receipts, service.now())
        return receipts_answer(given, await service.backend.receipts(call.caller.device.id, given))


async def _page(service: Service, call: Call[Client, None, InboxQuery]) -> tuple[InboxItem, ...]:
    device, after, limit = call.caller.device.id, int(call.query.after), call.query.limit
    if not call.query.wait:
        return await service.backend.inbox(device, after, limit)
    is_revoked = False

    def watch(changed: Callable[[], None]) -> Callable[[], None]:
        def told(is_active: bool) -> None:
            nonlocal is_revoked
            is_revoked = is_revoked or not is_active
            changed()

        return service.backend.watch_inbox(device, told)

    with Signal(service.reactor, call.request, call.query.wait, watch) as signal:
        # It may have been revoked before the watch began.
        is_revoked = not await service.admission.is_active(call.caller) or is_revoked
        items: tuple[InboxItem, ...] = ()
        while not is_revoked:
            items = await service.backend.inbox(device, after, limit)
            if items or not await signal.wait():
                return items
    raise HttpProblem("unauthorised", REVOKED)


def _add_streams(api: Api[Client], service: Service) -> None:
    @api.route(
        "GET",
        "/mx/v1/inbox/stream",
        permission=DEVICE,
        query=StreamQuery,
        answer=Item,
        status=101,
        summary="WebSocket: backlog, then live, each text frame one item; receipts may be sent as frames",
    )
    async def stream(call: Call[Client, None, StreamQuery]) -> Stream:
        fault = handshake_fault(call.request)
        if fault is not None:
            raise fault
        return InboxSocketResource(service, call.caller, int(call.query.after))

    @api.route(
        "GET",
        "/mx/v1/inbox/events",
        permission=DEVICE,
        query=StreamQuery,
        answer=Item,
        media=(MEDIA,),
        headers={"Last-Event-ID": Header},
        summary="The same as Server-Sent Events; Last-Event-ID goes before the parameter after",
    )
    async def events(call: Call[Client, None, StreamQuery]) -> Stream:
        last = call.request.header("last-event-id") or call.query.after
        if not (last.isascii() and last.isdigit() and len(last) <= 18):
            raise HttpProblem("malformed", "Last-Event-ID is no cursor")
        return InboxEvents(service, call.caller, int(last))


def _add_device(api: Api[Client], service: Service) -> None:
    @api.route("GET", "/mx/v1/device", permission=DEVICE, answer=DeviceAnswer, summary="The device's own record")
    async def device(call: Call[Client, None, None]) -> DeviceAnswer:
        return _device_answer(service, call.caller.device)

    @api.route(
        "PUT",
        "/mx/v1/device",
        permission=DEVICE,
        body=Json(DeviceUpdate, limit=SMALL_BODY),
        answer=DeviceAnswer,
        summary="New push addresses, keys or name",
    )
    async def update(call: Call[Client, DeviceUpdate, None]) -> DeviceAnswer:
        own, given = call.caller.device, call.body
        keys = own.keys if given.keys is None else given.keys.as_dict()
        preferred = Reach(given.channel or own.channel, given.address)
        others = None if given.others is None else _reaches(given.others)
        _check_addresses(service, (preferred, *(others or ())), keys)
        name = own.name if given.name is None else given.name
        try:
            updated = await service.backend.update_device(own.id, preferred, others, keys, name)
            return _device_answer(service, updated)
        except LookupError:
            raise HttpProblem("unauthorised", REVOKED) from None
        except ValueError:
            raise HttpProblem("invalid", "A phone can only be one that this person has proved") from None

    @api.route(
        "DELETE",
        "/mx/v1/device",
        permission=DEVICE,
        summary="Unregister: the token works no more",
    )
    async def unregister(call: Call[Client, None, None]) -> None:
        await service.backend.unregister(call.caller.device.id)


def _add_state(api: Api[Client], service: Service) -> None:
    @api.route("GET", "/health/live", permission=PUBLIC, answer=Health, summary="The process answers")
    async def live(call: Call[Client, None, None]) -> Health:
        return Health()

    @api.route(
        "GET",
        "/health/ready",
        permission=PUBLIC,
        answer=Health,
        summary="The service does its work",
    )
    async def ready(call: Call[Client, None, None]) -> Health:
        if not service.is_ready():
            raise HttpProblem("unavailable")
        return Health()

    @api.route("GET", "/version", permission=PUBLIC, answer=Version, summary="The version of the daemon")
    async def version(call: Call[Client, None, None]) -> Version:
        return Version(version=__version__)


def _reaches(others: tuple[OtherChannel, ...]) -> tuple[Reach, ...]:
    return tuple(Reach(other.channel, other.address) for other in others)


def _device_answer(service: Service, device: Device) -> DeviceAnswer:
    return device_answer(device, service.channels.get(device.channel))


def _check_addresses(service: Service, reaches: tuple[Reach, ...], keys: dict[str, str]) -> None:
    faults: dict[Problem, None] = {}
    for index, reach in enumerate(reaches):
        at = f"/others/{index - 1}" if index else ""
        driver = service.channels.get(reach.channel)
        if driver is None:
            names = ", ".join(sorted(service.channels)) or "none"
            faults[Problem(f"{at}/channel", f"is not configured here; these are: {names}")] = None
        else:
            faults |= dict.fromkeys(address_faults(driver, reach.address, keys, at))
        if reach in reaches[:index]:
            faults[Problem(at, "is there twice")] = None
    if faults:
        raise HttpProblem("invalid", errors=faults)
