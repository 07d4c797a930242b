"""The served OpenAPI document against the served API, with data made of its schemas, good and bad (T3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import pytest_twisted
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from twisted.internet.address import IPv4Address
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import IListeningPort, IReactorTime
from twisted.internet.threads import deferToThread

from datasms_daemon.gateway.http_api import make_site
from datasms_daemon.model import Group, GroupId, Person, PersonId
from tests.fakes.core import FakeCore
from tests.fakes.web import close

EXAMPLES = 8
# Good values, but nobody wants to wait for them.
WAITS = range(1, 56)
AUTHORISATION = {"Authorization": "Bearer dsk_all"}


def conversations(url: str, mode: GenerationMode) -> list[str]:
    """Asks every operation with data of this mode; what went wrong, by operation. Blocks: not for the reactor."""
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    # A good schema cannot say which persons, numbers and names exist: that is 422 or 404.
    schema.config.checks.positive_data_acceptance.expected_statuses = ["2xx", "404", "409", "422"]
    schema.config.checks.negative_data_rejection.expected_statuses = ["400", "401", "404", "413", "415", "422", "431"]
    wrong = []
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        try:
            conversation(operation.as_strategy(generation_mode=mode), url)()
        except Unsatisfiable:
            # Nothing of this operation can be said wrongly.
            assert mode is GenerationMode.NEGATIVE
        except (AssertionError, BaseExceptionGroup) as fault:
            wrong.append(f"{operation.label}: {fault}")
    return wrong


def conversation(cases: Any, url: str) -> Callable[[], None]:
    """Some requests to one operation."""

    @settings(
        max_examples=EXAMPLES,
        database=None,
        derandomize=True,
        deadline=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def ask(case: Any) -> None:
        if case.query.get("wait") in WAITS:
            case.query["wait"] = 0
        case.call_and_validate(base_url=url, headers=AUTHORISATION)

    return ask


@pytest.mark.slow
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["good", "bad"])
@pytest_twisted.ensureDeferred
async def test_every_answer_is_a_documented_one(reactor: Any, mode: GenerationMode) -> None:
    core = FakeCore()
    core.people[PersonId("novak")] = Person(PersonId("novak"))
    core.teams[GroupId("night-shift")] = Group(GroupId("night-shift"))
    site = make_site(core, IReactorTime(reactor), lambda: b"datasms_up 1\n")
    listening: IListeningPort = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(site)
    try:
        host = listening.getHost()
        assert isinstance(host, IPv4Address)
        wrong = await deferToThread(conversations, f"http://127.0.0.1:{host.port}", mode)
    finally:
        await close(reactor, listening, site)
    assert not wrong, "\n\n".join(wrong)
