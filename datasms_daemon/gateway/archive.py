"""What is kept, what is forgotten, erasing a person, and releasing what a restored database holds."""

from __future__ import annotations

from datasms_daemon.gateway.admin_records import PurgeAnswer, QueueAnswer
from datasms_daemon.gateway.ports import Core
from datasms_daemon.gateway.records import Items
from datasms_daemon.gateway.rights import ADMIN, OPERATE, GatewayApi
from datasms_daemon.gateway.shapes import Id, Number
from datasms_daemon.model import Due, Erased, Key, PersonId, Problem
from datasms_daemon.web.problems import HttpProblem
from datasms_daemon.web.routes import Call


class Archive:
    """The calls on what is over; ``add_to`` declares them."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def add_to(self, api: GatewayApi) -> None:
        """Declares the calls."""
        api.route(
            "GET",
            "/v1/archive/due",
            permission=OPERATE,
            summary="What a purge would forget now",
            answer=Items[Due],
        )(self.due)
        api.route(
            "POST",
            "/v1/archive/purge",
            permission=ADMIN,
            summary="Forget now what was kept long enough, without waiting for the daemon to do it by itself",
            answer=PurgeAnswer,
        )(self.purge)
        api.route("GET", "/v1/queue", permission=OPERATE, summary="Whether messages go out", answer=QueueAnswer)(
            self.queue
        )
        api.route(
            "POST",
            "/v1/queue/release",
            permission=OPERATE,
            summary="Let a database that was restored or in doubt send what is still valid",
            answer=QueueAnswer,
        )(self.release)
        self._add_erasure_to(api)

    def _add_erasure_to(self, api: GatewayApi) -> None:
        api.route(
            "POST",
            "/v1/persons/<id>/erase",
            permission=ADMIN,
            summary="Erase a person: cancel what is under way, then forget all that tells of him",
            answer=Erased,
            parameters={"id": Id},
        )(self.erase)
        api.route(
            "POST",
            "/v1/numbers/<number>/erase",
            permission=ADMIN,
            summary="Erase a number that is nobody's: cancel what is under way, then forget all that tells of it",
            answer=Erased,
            problems=("conflict", "invalid"),
            parameters={"number": Number},
        )(self.erase_number)

    async def due(self, call: Call[Key, None, None]) -> Items[Due]:
        """By kind; nothing is forgotten."""
        return Items(await self._core.archive.due())

    async def purge(self, call: Call[Key, None, None]) -> PurgeAnswer:
        """How many rows were forgotten."""
        return PurgeAnswer(await self._core.archive.purge_all(call.caller.name))

    async def queue(self, call: Call[Key, None, None]) -> QueueAnswer:
        """Why nothing does, where it is so."""
        return self._queue()

    async def release(self, call: Call[Key, None, None]) -> QueueAnswer:
        """Nothing is held any more."""
        await self._core.hold.release(call.caller.name)
        return self._queue()

    def _queue(self) -> QueueAnswer:
        return QueueAnswer(self._core.hold.reason, self._core.hold.is_damaged)

    async def erase(self, call: Call[Key, None, None]) -> Erased:
        """What there was; 404 when there was no such person."""
        found = await self._core.archive.erase(PersonId(call.path["id"]), call.caller.name)
        if found is None:
            raise HttpProblem("not_found", "There is no such person")
        return found

    async def erase_number(self, call: Call[Key, None, None]) -> Erased:
        """What there was; 409 when it is a person's."""
        number = self._core.normalise(call.path["number"])
        if number is None:
            problem = Problem("/number", "this is not a valid phone number")
            raise HttpProblem("invalid", "The request cannot be carried out", (problem,))
        found = await self._core.archive.erase_number(number, call.caller.name)
        if not isinstance(found, Erased):
            raise HttpProblem("conflict", f"It is a number of person {found}: erase the person")
        return found
