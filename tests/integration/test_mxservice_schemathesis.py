"""The served OpenAPI document against the served API, with data made of its schemas, good and bad (T3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
import pytest_twisted
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from twisted.internet.interfaces import IReactorTime
from twisted.internet.threads import deferToThread

from datasms_daemon.config.channels import DirectChannel
from datasms_daemon.model import DeviceId
from datasms_daemon.mxservice.admission import Admission
from datasms_daemon.mxservice.client_api import make_api
from datasms_daemon.mxservice.service import Service
from datasms_daemon.web.site import Limits, Site
from tests.fakes.backend import NOW, FakeBackend
from tests.fakes.web import close

EXAMPLES = 15
# They do not end, or do not begin without a handshake; they have tests of their own.
STREAMS = ("/mx/v1/inbox/events", "/mx/v1/inbox/stream")
WAITS = range(1, 56)
TOKEN = "dst_one"
REFUSED = ["400", "401", "403", "404", "413", "415", "422", "431"]


class _Faithful(FakeBackend):
    """The device stays when it unregisters, so that the other calls still find it."""

    async def unregister(self, device: DeviceId) -> None:
        assert device in self.inboxes


def conversations(url: str, mode: GenerationMode) -> Iterator[str]:
    """Asks every operation with data of this mode; what went wrong, by operation. Blocks: not for the reactor."""
    schema: Any = schemathesis.openapi.from_url(f"{url}/openapi.json")
    # A good schema cannot say which channels and registrations exist: that is 422 or 404.
    schema.config.checks.positive_data_acceptance.expected_statuses = ["2xx", "403", "404", "422"]
    schema.config.checks.negative_data_rejection.expected_statuses = [
        "400",
        "401",
        "403",
        "404",
        "413",
        "415",
        "422",
        "431",
    ]
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path in STREAMS:
            continue
        try:
            conversation(operation.as_strategy(generation_mode=mode), url)()
        except Unsatisfiable:
            # Without parameters and body there is nothing bad to send.
            continue
        except (AssertionError, BaseExceptionGroup) as fault:
            yield f"{operation.label}: {fault}"


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
        # Good values, but nobody wants to wait for them.
        if case.query.get("wait") in WAITS:
            case.query["wait"] = 0
        case.call_and_validate(base_url=url, headers={"Authorization": f"Bearer {TOKEN}"})

    return ask


@pytest.mark.slow
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["good", "bad"])
@pytest_twisted.ensureDeferred
async def test_every_answer_is_a_documented_one(reactor: Any, mode: GenerationMode) -> None:
    backend = _Faithful()
    assert backend.add_device("one") == TOKEN
    backend.put(TOKEN, "text", backend.file(b"content"))
    served = site(reactor, backend)
    listening = reactor.listenTCP(0, served, interface="127.0.0.1")
    try:
        url = f"http://127.0.0.1:{listening.getHost().port}"
        wrong = await deferToThread(lambda: list(conversations(url, mode)))
    finally:
        await close(reactor, listening, served)
    assert not wrong, "\n\n".join(wrong)
    assert len(backend.asked_tokens) > EXAMPLES


def site(reactor: IReactorTime, backend: FakeBackend) -> Site:
    """MxService for which a minute passes between two requests, so that its limits do not come in between."""
    minutes = count(step=60)
    service = Service(
        backend=backend,
        reactor=reactor,
        now=lambda: NOW,
        configured=lambda: (DirectChannel(name="direct"),),
        is_ready=lambda: True,
        admission=Admission(backend, lambda: next(minutes)),
    )
    return Site(reactor, make_api(service), Limits(), lambda: "reference")
