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
from twisted.internet.interfaces import IReactorTCP, IReactorTime
from twisted.internet.threads import deferToThread

from datasms_daemon.gateway.http_api import make_site
from datasms_daemon.model import Group, GroupId, Person, PersonId
from tests.fakes.core import FakeCore

EXAMPLES = 8
# Good values, but nobody wants to wait for them.
WAITS = range(1, 56)
AUTHORISATION = {"Authorization": "Bearer dsk_all"}


def conversations(url: str, mode: GenerationMode) -> list[str]:
    """Asks every operation with data of this mode; what went wrong, by operation. Blocks: not for the reactor."""
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    # A good schema cannot say which persons, numbers and names exist: that is 422 or 404.
    schema.config.checks.positive_data_acceptance.expected_statuses = ["2xx", "404", "409", "422"]
    wrong = []
    for found in schema.get_all_operations():
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
    listening = listen(reactor, core)
    try:
        url = f"http://127.0.0.1:{listening.getHost().port}"
        wrong = await deferToThread(conversations, url, mode)
    finally:
        await listening.stopListening()
    assert not wrong, "\n\n".join(wrong)


def listen(reactor: IReactorTCP, core: FakeCore) -> Any:
    """The gateway on a free port."""
    clock = IReactorTime(reactor)
    return reactor.listenTCP(0, make_site(core, clock, lambda: b"datasms_up 1\n"), interface="127.0.0.1")
