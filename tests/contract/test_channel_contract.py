"""What IChannel promises, kept by every channel against its stand-in, however the far end behaves.

The channels are in ``rigs``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorCore
from twisted.internet.protocol import Protocol as Connection
from twisted.internet.protocol import ServerFactory
from zope.interface.verify import verifyObject

from datasms_daemon.demo import answers
from datasms_daemon.demo.answers import ScriptedAnswer
from datasms_daemon.demo.fcm import error
from datasms_daemon.https.connect import Reactor
from datasms_daemon.interfaces import IChannel
from datasms_daemon.model import (
    Accepted,
    AddressGone,
    Later,
    LineDown,
    NotSent,
    Outcome,
    Unknown,
)
from tests.contract.rigs import RIGS, WITH_FAR_END
from tests.contract.rigs.base import BUTTONS, Rig, order, timed


@pytest_twisted.async_yield_fixture
async def rig(request: pytest.FixtureRequest, reactor: IReactorCore, tmp_path: Path) -> AsyncIterator[Rig]:
    rig = RIGS[request.param](cast(Reactor, reactor), tmp_path)
    await rig.start()
    yield rig
    await rig.stop()


each_channel = pytest.mark.parametrize("rig", RIGS, indirect=True)
each_far_end = pytest.mark.parametrize("rig", WITH_FAR_END, indirect=True)


@each_channel
@pytest_twisted.ensureDeferred
async def test_it_provides_the_interface(rig: Rig) -> None:
    assert verifyObject(IChannel, rig.channel)


@each_channel
@pytest_twisted.ensureDeferred
async def test_a_good_push_is_accepted_and_nothing_more(rig: Rig) -> None:
    """I25: a provider's success is never delivery."""
    assert isinstance(await rig.channel.push(order(rig)), Accepted)


@each_channel
@pytest_twisted.ensureDeferred
async def test_a_push_with_buttons_is_accepted_whether_they_can_be_shown_or_not(rig: Rig) -> None:
    assert isinstance(await rig.channel.push(order(rig, buttons=BUTTONS)), Accepted)


@each_channel
@pytest_twisted.ensureDeferred
async def test_an_address_of_another_kind_is_an_outcome(rig: Rig) -> None:
    outcome = await rig.channel.push(order(rig, {"strange": "x"}))
    assert isinstance(outcome, Accepted | NotSent)


@each_channel
@pytest_twisted.ensureDeferred
async def test_withdrawing_never_raises(rig: Rig) -> None:
    await rig.channel.push(order(rig))
    await rig.channel.withdraw(order(rig))


@each_channel
@pytest_twisted.ensureDeferred
async def test_its_check_is_good_when_everything_is(rig: Rig) -> None:
    verdict = await rig.channel.check()
    assert verdict.good, verdict
    assert verdict.findings


@each_channel
@pytest_twisted.ensureDeferred
async def test_stopping_twice_and_pushing_after_it_is_harmless(rig: Rig) -> None:
    await rig.channel.stop()
    await rig.channel.stop()
    assert isinstance(await rig.channel.push(order(rig)), Accepted | Later | NotSent)


HOSTILE: dict[str, tuple[Callable[[Reactor], ScriptedAnswer], tuple[type[Outcome], ...]]] = {
    "silence": (lambda _: answers.silence, (Unknown,)),
    "reset": (lambda _: answers.reset, (Unknown,)),
    "cut": (answers.cut, (Unknown,)),
    "drip": (lambda reactor: answers.drip(reactor, 0.05), (Unknown,)),
    "giant": (lambda _: answers.giant, (Unknown,)),
    "endless head": (lambda _: answers.endless_head, (Unknown,)),
    "gzip bomb": (lambda _: answers.gzip_bomb, (Unknown,)),
    "wrong type": (lambda _: answers.answer(200, b"<html>OK</html>", content_type="text/html"), (Unknown,)),
    "bottomless": (lambda _: answers.answer(200, b'{"x":' + b"[" * 60_000), (Unknown,)),
    "bottomless refusal": (lambda _: answers.answer(404, b'{"x":' + b"[" * 60_000), (AddressGone, LineDown, NotSent)),
    "empty success": (lambda _: answers.answer(200), (Unknown,)),
    "success with an error inside": (lambda _: answers.answer(200, error(404, "UNREGISTERED")), (Unknown,)),
    "bad gateway": (lambda _: answers.answer(502, b"<html>"), (Unknown,)),
    "overload": (lambda _: answers.answer(503, b"<html>", {"Retry-After": "x"}), (Later,)),
    "strange status": (lambda _: answers.answer(299), (Unknown,)),
    "teapot": (lambda _: answers.answer(418), (NotSent,)),
}


@each_far_end
@pytest.mark.parametrize("mode", HOSTILE)
@pytest_twisted.ensureDeferred
async def test_a_hostile_answer_is_an_outcome_in_time_and_leaks_nothing(rig: Rig, mode: str, said: list[str]) -> None:
    hostile, expected = HOSTILE[mode]
    assert isinstance(await rig.channel.push(order(rig)), Accepted)
    rig.script(hostile(rig.reactor))
    assert isinstance(await timed(rig), rig.expected.get(mode, expected))
    assert isinstance(await rig.channel.push(order(rig)), Accepted)
    for secret in rig.secrets:
        assert not [line for line in said if secret in line]


@each_far_end
@pytest_twisted.ensureDeferred
async def test_a_redirect_is_the_lines_fault_and_leads_nowhere(rig: Rig) -> None:
    class Canary(ServerFactory):
        protocol = Connection
        noisy = False
        visits = 0

        def buildProtocol(self, addr: object) -> None:
            self.visits += 1

    canary = Canary()
    listening = rig.reactor.listenTCP(0, canary, interface="127.0.0.1")
    rig.script(answers.redirect_to(f"http://127.0.0.1:{cast(Any, listening.getHost()).port}/"))
    assert isinstance(await timed(rig), LineDown)
    assert canary.visits == 0
    await cast("Deferred[None]", listening.stopListening())
