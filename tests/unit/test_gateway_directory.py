"""The directory's calls (interfaces.md § 2)."""

from __future__ import annotations

import pytest

from datasms_daemon.gateway.http_api import make_site
from datasms_daemon.model import Group, GroupId, Person, PersonId
from tests.fakes.core import FakeCore
from tests.fakes.web import Client, clock

NOVAK = {"id": "novak", "name": "Jan Novák", "numbers": ["+420603123456"], "email": "jan@example.org",
         "groups": ["night-shift"], "language": "cs", "calendar": "office"}  # fmt: skip


@pytest.fixture
def core() -> FakeCore:
    """What stands behind the gateway."""
    return FakeCore()


@pytest.fixture
def client(core: FakeCore) -> Client:
    """Who may keep the directory."""
    return Client(make_site(core, clock(), bytes), core.key("directory"))


def test_a_person_is_put_read_and_deleted(client: Client) -> None:
    assert client.ask("PUT", "/v1/persons/novak", NOVAK).json == NOVAK
    assert client.ask("GET", "/v1/persons/novak").json == NOVAK
    assert client.ask("GET", "/v1/persons").json == {"items": [NOVAK], "next": None}
    assert [client.ask("DELETE", "/v1/persons/novak").status for _ in range(2)] == [204, 404]
    assert client.ask("GET", "/v1/persons/novak").status == 404


def test_a_group_is_put_read_and_deleted(client: Client) -> None:
    group = {"id": "night-shift", "name": "Night shift", "members": ["novak"], "parent": None, "calendar": None}
    assert client.ask("PUT", "/v1/groups/night-shift", {**group, "id": "night-shift"}).json == group
    assert client.ask("GET", "/v1/groups/night-shift").json == group
    assert client.ask("GET", "/v1/groups").json["items"] == [group]
    assert [client.ask("DELETE", "/v1/groups/night-shift").status for _ in range(2)] == [204, 404]
    assert client.ask("GET", "/v1/groups/night-shift").status == 404


def test_i44_numbers_are_normalised_once_and_bad_ones_named(client: Client, core: FakeCore) -> None:
    client.ask("PUT", "/v1/persons/novak", {"numbers": ["603 123 456", "+420 603 123 456", "777123456"]})
    assert core.people[PersonId("novak")].numbers == ("+420603123456", "+420777123456")
    response = client.ask("PUT", "/v1/persons/novak", {"numbers": ["777123456", "12"], "id": "other"})
    assert response.faults.keys() == {"/numbers/1", "/id"}


def test_a_number_of_another_person_is_named(client: Client) -> None:
    client.ask("PUT", "/v1/persons/novak", NOVAK)
    response = client.ask("PUT", "/v1/persons/svoboda", {"numbers": ["777123456", "+420603123456"]})
    assert (response.status, response.faults) == (422, {"/numbers/1": "belongs to novak"})


@pytest.mark.parametrize("id_", ["a%20b", ".hidden", "a%0A", "x" * 65, "%C5%99"])
def test_an_id_that_cannot_be_one_is_not_found(client: Client, core: FakeCore, id_: str) -> None:
    assert client.ask("PUT", f"/v1/persons/{id_}", {}).status == 404
    assert client.ask("PUT", f"/v1/groups/{id_}", {}).status == 404
    assert not core.people


@pytest.mark.parametrize("kind", ["persons", "groups"])
def test_lists_are_read_part_by_part(client: Client, kind: str) -> None:
    for name in "abcde":
        client.ask("PUT", f"/v1/{kind}/{name}", {})
    first = client.ask("GET", f"/v1/{kind}?limit=3").json
    second = client.ask("GET", f"/v1/{kind}?limit=3&after={first['next']}").json
    assert [item["id"] for item in first["items"] + second["items"]] == list("abcde")
    assert second["next"] is None


def test_many_are_put_as_json(client: Client, core: FakeCore) -> None:
    body = {
        "persons": [NOVAK, {"id": "svoboda"}],
        "groups": [{"id": "night-shift", "name": "Night shift", "members": ["svoboda"]}],
    }
    assert client.ask("PUT", "/v1/directory", body).json == {"persons": 2, "groups": 1}
    assert set(core.people) == {"novak", "svoboda"}
    assert core.teams[GroupId("night-shift")] == Group(
        GroupId("night-shift"), "Night shift", (PersonId("svoboda"), PersonId("novak"))
    )


def test_faults_among_many_are_named_by_their_place_and_nothing_is_put(client: Client, core: FakeCore) -> None:
    body = {"persons": [NOVAK, {"numbers": ["1"]}], "groups": [{"name": "x"}]}
    response = client.ask("PUT", "/v1/directory", body)
    assert response.faults.keys() == {"/persons/1/id", "/persons/1/numbers/0", "/groups/0/id"}
    taken = {"persons": [NOVAK, {"id": "svoboda", "numbers": NOVAK["numbers"]}]}
    assert client.ask("PUT", "/v1/directory", taken).faults == {"/persons/1/numbers/0": "belongs to novak"}
    assert not core.people


def test_many_persons_are_put_as_a_table(client: Client, core: FakeCore) -> None:
    table = (
        "id,name,numbers,email,groups,language\r\n"
        'novak,"Novák, Jan",+420603123456 777123456,jan@example.org,night-shift day,cs\r\n'
        "svoboda,,,,,\r\n"
    )
    response = client.ask("PUT", "/v1/directory", table.encode(), Content_Type="text/csv; charset=utf-8")
    assert response.json == {"persons": 2, "groups": 0}
    assert core.people[PersonId("novak")] == Person(
        PersonId("novak"), "Novák, Jan", ("+420603123456", "+420777123456"), "jan@example.org",
        (GroupId("night-shift"), GroupId("day")), "cs",
    )  # fmt: skip
    assert core.people[PersonId("svoboda")] == Person(PersonId("svoboda"))


@pytest.mark.parametrize(
    "table",
    ["id,name\na", "id\na,b", 'id\n"a', "id,shoe\na,43", "id,numbers\na,x", "name\nx", "", "null"],
)
def test_a_table_that_cannot_be_used_is_refused(client: Client, core: FakeCore, table: str) -> None:
    response = client.ask("PUT", "/v1/directory", table.encode(), Content_Type="text/csv")
    assert (response.status, response.json["code"]) == (422, "invalid")
    assert not core.people
