"""The webhook is registered until Viber takes it, by one call at a time, and no timer is left behind."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from datasms_daemon.channels._viber_answers import described
from datasms_daemon.channels._viber_webhook import Webhook
from datasms_daemon.https.client import Answer, Failed
from datasms_daemon.model import Later, LineDown, Secret

URL = "https://mx.example.org/mx/v1/hooks/viber/viber"
REFUSED = Failed("nothing_sent", "ConnectionRefusedError")


def said(status: int) -> Answer:
    return Answer(200, {}, msgspec.json.encode({"status": status, "status_message": "demo"}))


class Far:
    """Answers set_webhook by hand."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.asked: list[tuple[bytes, Deferred[Answer | Failed]]] = []
        self.webhook = Webhook("viber", URL, Secret("token"), self._set_webhook, self.clock)

    def answer(self, answer: Answer | Failed) -> None:
        """To the oldest call that has none."""
        next(one for _, one in self.asked if not one.called).callback(answer)

    def _set_webhook(self, body: bytes) -> Deferred[Answer | Failed]:
        answer: Deferred[Answer | Failed] = Deferred()
        self.asked.append((body, answer))
        return answer


@pytest.fixture
def far() -> Iterator[Far]:
    far = Far()
    yield far
    far.webhook.stop()
    for _, answer in far.asked:
        if not answer.called:
            answer.callback(REFUSED)
    assert far.clock.getDelayedCalls() == []


def test_nothing_is_asked_before_the_reactor_has_turned(far: Far) -> None:
    far.webhook.start()
    assert far.asked == []
    far.clock.advance(0)
    ((body, _),) = far.asked
    assert msgspec.json.decode(body)["url"] == URL


@pytest.mark.parametrize("refusal", [REFUSED, said(1), said(2), Answer(502, {}, b"<html>")])
def test_it_tries_again_with_growing_pauses_until_viber_takes_it(far: Far, refusal: Answer | Failed) -> None:
    far.webhook.start()
    far.clock.advance(0)
    for pause_s in (5, 10, 20, 40, 80, 160, 320, 600, 600):
        far.answer(refusal)
        tries = len(far.asked)
        far.clock.advance(pause_s - 1)
        assert len(far.asked) == tries
        far.clock.advance(1)
        assert len(far.asked) == tries + 1
    far.answer(said(0))
    assert far.clock.getDelayedCalls() == []


def test_stopping_ends_the_tries_whatever_it_waits_for(far: Far) -> None:
    far.webhook.stop()
    far.webhook.start()
    far.clock.advance(0)
    far.answer(REFUSED)
    far.webhook.stop()
    far.webhook.stop()
    assert far.clock.getDelayedCalls() == []
    far.webhook.start()
    far.clock.advance(0)
    far.webhook.stop()
    far.answer(said(1))
    assert far.clock.getDelayedCalls() == []
    assert len(far.asked) == 2


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (said(0), None),
        (said(1), LineDown(f"set_webhook: {described(1)}")),
        (said(2), LineDown(f"set_webhook: {described(2)}")),
        (said(3), Later(f"set_webhook: {described(3)}")),
        (said(77), Later("set_webhook: 77 general error")),
        (Answer(502, {}, b"<html>"), Later("set_webhook: HTTP 502")),
        (REFUSED, Later("set_webhook: ConnectionRefusedError")),
        (Failed("nothing_sent", "PeerRefused", lasting=True), LineDown("set_webhook: PeerRefused")),
    ],
)
def test_all_who_ask_at_once_share_one_call_and_its_result(
    far: Far, answer: Answer | Failed, expected: Later | LineDown | None
) -> None:
    asking = [Deferred.fromCoroutine(far.webhook.register(10)) for _ in range(3)]
    assert len(far.asked) == 1
    far.answer(answer)
    results: list[Later | LineDown | None] = []
    for one in asking:
        one.addCallback(results.append)
    assert results == [expected] * 3
    assert far.clock.getDelayedCalls() == []


def test_who_cannot_wait_longer_is_told_later_and_the_call_goes_on(far: Far) -> None:
    results: list[Later | LineDown | None] = []
    Deferred.fromCoroutine(far.webhook.register(1)).addCallback(results.append)
    Deferred.fromCoroutine(far.webhook.register(9)).addCallback(results.append)
    far.clock.advance(1)
    far.answer(said(0))
    assert results == [Later("no answer to set_webhook in time"), None]


def test_the_next_one_who_asks_makes_a_new_call(far: Far) -> None:
    Deferred.fromCoroutine(far.webhook.register(10))
    far.answer(said(0))
    Deferred.fromCoroutine(far.webhook.register(10))
    far.answer(said(0))
    assert len(far.asked) == 2
