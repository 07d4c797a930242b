"""Persons, groups and devices."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import TypeVar

import msgspec
from msgspec import structs

from datasms_daemon.gateway.ports import Core
from datasms_daemon.gateway.records import (
    DeviceView,
    DirectoryAnswer,
    DirectoryRequest,
    GroupRequest,
    IssuedAnswer,
    Items,
    Page,
    PageQuery,
    PersonRequest,
)
from datasms_daemon.gateway.rights import DIRECTORY, GatewayApi
from datasms_daemon.gateway.shapes import (
    Cursor,
    Id,
)
from datasms_daemon.gateway.views import device_view, page
from datasms_daemon.model import DeviceId, Group, GroupId, Key, Person, PersonId, Problem
from datasms_daemon.web.bodies import Json, utf8
from datasms_daemon.web.problems import HttpProblem
from datasms_daemon.web.routes import Call
from datasms_daemon.web.strict import faults
from datasms_daemon.web.times import rfc3339

DIRECTORY_LIMIT = 1024 * 1024

_BY_ID = {"id": Id}
_LISTS = ("numbers", "groups")

T = TypeVar("T")


class Directory:
    """The calls on the directory; ``add_to`` declares them."""

    def __init__(self, core: Core) -> None:
        self._directory = core.directory
        self._normalise = core.normalise

    def add_to(self, api: GatewayApi) -> None:
        """Declares the calls."""
        self._add_persons(api)
        self._add_groups(api)
        api.route(
            "PUT",
            "/v1/directory",
            permission=DIRECTORY,
            summary="Create or replace many; CSV has a header row and holds persons, its lists separated by spaces",
            body=Json(DirectoryRequest, limit=DIRECTORY_LIMIT, also={"text/csv": _from_csv}),
            answer=DirectoryAnswer,
        )(self.put_directory)
        api.route(
            "POST",
            "/v1/persons/<id>/registrations",
            permission=DIRECTORY,
            summary="A registration number for a person, who writes DATASMS and the number in a channel (flow B)",
            answer=IssuedAnswer,
            status=201,
            problems=("disk_full",),
            parameters=_BY_ID,
        )(self.register)
        api.route(
            "GET",
            "/v1/persons/<id>/devices",
            permission=DIRECTORY,
            summary="The devices of a person",
            answer=Items[DeviceView],
            parameters=_BY_ID,
        )(self.devices)
        api.route(
            "DELETE",
            "/v1/devices/<id>",
            permission=DIRECTORY,
            summary="Revoke a device: its streams close and it gets nothing more",
            parameters={"id": Cursor},
        )(self.revoke)

    def _add_persons(self, api: GatewayApi) -> None:
        api.route("GET", "/v1/persons", permission=DIRECTORY, summary="Persons", query=PageQuery, answer=Page[Person])(
            self.persons
        )
        api.route(
            "GET",
            "/v1/persons/<id>",
            permission=DIRECTORY,
            summary="One person",
            answer=Person,
            parameters=_BY_ID,
        )(self.person)
        api.route(
            "PUT",
            "/v1/persons/<id>",
            permission=DIRECTORY,
            summary="Create or replace a person",
            body=Json(PersonRequest),
            answer=Person,
            parameters=_BY_ID,
        )(self.put_person)
        api.route("DELETE", "/v1/persons/<id>", permission=DIRECTORY, summary="Delete a person", parameters=_BY_ID)(
            self.delete_person
        )

    def _add_groups(self, api: GatewayApi) -> None:
        api.route("GET", "/v1/groups", permission=DIRECTORY, summary="Groups", query=PageQuery, answer=Page[Group])(
            self.groups
        )
        api.route("GET", "/v1/groups/<id>", permission=DIRECTORY, summary="One group", answer=Group, parameters=_BY_ID)(
            self.group
        )
        api.route(
            "PUT",
            "/v1/groups/<id>",
            permission=DIRECTORY,
            summary="Create or replace a group",
            body=Json(GroupRequest),
            answer=Group,
            parameters=_BY_ID,
        )(self.put_group)
        api.route("DELETE", "/v1/groups/<id>", permission=DIRECTORY, summary="Delete a group", parameters=_BY_ID)(
            self.delete_group
        )

    async def persons(self, call: Call[Key, None, PageQuery]) -> Page[Person]:
        """A page."""
        found = await self._directory.persons(call.query.after, call.query.limit + 1)
        return page([(person.id, person) for person in found], call.query.limit)

    async def person(self, call: Call[Key, None, None]) -> Person:
        """One."""
        return _found(await self._directory.person(PersonId(call.path["id"])))

    async def put_person(self, call: Call[Key, PersonRequest, None]) -> Person:
        """Creates or replaces it."""
        problems = _other_id(call.body.id, call.path["id"])
        person = self._person(call.body, call.path["id"], "", problems)
        _refuse(problems)
        _refuse(_inside(await self._directory.put_persons((person,), call.caller.name)))
        return person

    async def delete_person(self, call: Call[Key, None, None]) -> None:
        """404 when there was none."""
        _found(await self._directory.delete_person(PersonId(call.path["id"]), call.caller.name) or None)

    async def groups(self, call: Call[Key, None, PageQuery]) -> Page[Group]:
        """A page."""
        found = await self._directory.groups(call.query.after, call.query.limit + 1)
        return page([(group.id, group) for group in found], call.query.limit)

    async def group(self, call: Call[Key, None, None]) -> Group:
        """One."""
        return _found(await self._directory.group(GroupId(call.path["id"])))

    async def put_group(self, call: Call[Key, GroupRequest, None]) -> Group:
        """Creates or replaces it."""
        _refuse(_other_id(call.body.id, call.path["id"]))
        group = _group(call.body, call.path["id"])
        _refuse(_inside(await self._directory.put_groups((group,), call.caller.name)))
        return group

    async def delete_group(self, call: Call[Key, None, None]) -> None:
        """404 when there was none."""
        _found(await self._directory.delete_group(GroupId(call.path["id"]), call.caller.name) or None)

    async def put_directory(self, call: Call[Key, DirectoryRequest, None]) -> DirectoryAnswer:
        """All of it or nothing. A group has the members that either side names."""
        problems: list[Problem] = []
        persons = tuple(
            self._person(request, _required_id(request.id, f"/persons/{n}", problems), f"/persons/{n}", problems)
            for n, request in enumerate(call.body.persons)
        )
        groups = tuple(
            _joined(_group(request, _required_id(request.id, f"/groups/{n}", problems)), persons)
            for n, request in enumerate(call.body.groups)
        )
        _refuse(problems)
        _refuse(await self._directory.put_all(persons, groups, call.caller.name))
        return DirectoryAnswer(len(persons), len(groups))

    async def register(self, call: Call[Key, None, None]) -> IssuedAnswer:
        """The number is shown this once."""
        issued = _found(await self._directory.register(PersonId(call.path["id"]), call.caller.name))
        return IssuedAnswer(issued.number, issued.text, rfc3339(issued.expires_at), issued.links)

    async def devices(self, call: Call[Key, None, None]) -> Items[DeviceView]:
        """Also retired and revoked ones."""
        id_ = PersonId(call.path["id"])
        _found(await self._directory.person(id_))
        return Items(tuple(map(device_view, await self._directory.devices(id_))))

    async def revoke(self, call: Call[Key, None, None]) -> None:
        """404 when there was none."""
        _found(await self._directory.revoke(DeviceId(call.path["id"]), call.caller.name) or None)

    def _person(self, request: PersonRequest, id_: str, prefix: str, problems: list[Problem]) -> Person:
        numbers = []
        for index, written in enumerate(request.numbers):
            number = self._normalise(written)
            if number is None:
                problems.append(Problem(f"{prefix}/numbers/{index}", "this is not a valid phone number"))
            elif number not in numbers:
                numbers.append(number)
        return Person(
            id=PersonId(id_),
            name=request.name,
            numbers=tuple(numbers),
            email=request.email,
            groups=tuple(map(GroupId, dict.fromkeys(request.groups))),
            language=request.language,
            calendar=request.calendar,
        )


def _group(request: GroupRequest, id_: str) -> Group:
    parent = None if request.parent is None else GroupId(request.parent)
    members = tuple(map(PersonId, dict.fromkeys(request.members)))
    return Group(id=GroupId(id_), name=request.name, members=members, parent=parent, calendar=request.calendar)


def _joined(group: Group, persons: Iterable[Person]) -> Group:
    joining = (person.id for person in persons if group.id in person.groups)
    return structs.replace(group, members=tuple(dict.fromkeys((*group.members, *joining))))


def _other_id(said: str | None, path: str) -> list[Problem]:
    return [] if said in (None, path) else [Problem("/id", "is not the id in the path")]


def _required_id(id_: str | None, prefix: str, problems: list[Problem]) -> str:
    if id_ is None:
        problems.append(Problem(f"{prefix}/id", "is required"))
    return id_ or ""


def _refuse(problems: Iterable[Problem]) -> None:
    found = tuple(problems)
    if found:
        raise HttpProblem("invalid", "The request cannot be carried out", found)


def _inside(problems: Iterable[Problem]) -> list[Problem]:
    """The problems of the only one, with pointers into it."""
    return [Problem(problem.pointer.removeprefix("/0"), problem.detail) for problem in problems]


def _found(found: T | None) -> T:
    if found is None:
        raise HttpProblem("not_found")
    return found


def _from_csv(raw: bytes) -> DirectoryRequest:
    rows = csv.DictReader(io.StringIO(utf8(raw), newline=""), strict=True)
    try:
        if "id" not in (rows.fieldnames or ()):
            raise csv.Error("the header row must name the columns, with id among them")
        persons = [_row(row) for row in rows]
    except csv.Error as fault:
        raise HttpProblem("invalid", f"Line {rows.line_num} of the table: {fault}") from None
    content = {"persons": persons}
    try:
        return msgspec.convert(content, DirectoryRequest)
    except msgspec.ValidationError:
        problems = faults(content, DirectoryRequest)
        raise HttpProblem("invalid", "The table is not what is expected here", problems) from None


def _row(row: dict[str | None, str | list[str] | None]) -> dict[str, object]:
    if None in row or None in row.values():
        raise csv.Error("not as many fields as in the header row")
    filled = {str(name): str(value) for name, value in row.items() if value}
    return {name: value.split() if name in _LISTS else value for name, value in filled.items()}
