"""Whatever Infobip or somebody else says, and whatever we are asked to send, OMNI keeps its head."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from datasms_daemon.channels._omni_reports import incoming_of, outcome_of, reports_of
from datasms_daemon.channels._omni_requests import message_id, problems_of, to_request
from datasms_daemon.config.channels import OmniChannel, OmniStep
from datasms_daemon.config.kinds import DAY, Duration
from datasms_daemon.model import (
    Accepted,
    AddressGone,
    Content,
    Device,
    DeviceId,
    Later,
    LineDown,
    MessageId,
    NotSent,
    PersonId,
    PushOrder,
    ReceiptState,
    Secret,
    Unknown,
)
from tests.fakes.omni_service import MessagesBody, OmniBody

NOW = 1_795_000_000_000
ID = "m1.d1"
MARK = "datasms:infobip"

words = st.sampled_from(
    [
        "results",
        "messages",
        "messageId",
        "status",
        "error",
        "groupId",
        "id",
        "permanent",
        "to",
        "from",
        "message",
        "text",
    ]
)
scalars = (
    st.none() | st.booleans() | st.integers(-1, 8000) | st.text(max_size=12) | st.sampled_from([ID, MARK, "VIBER"])
)
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner), max_leaves=12
)
statuses = st.fixed_dictionaries({"groupId": st.integers(0, 6), "id": st.integers(0, 110)})
results = st.fixed_dictionaries(
    {"messageId": st.just(ID)},
    optional={
        "status": statuses,
        "error": st.fixed_dictionaries({"id": st.sampled_from([0, 1, 352, 5492, 7002]), "permanent": st.booleans()}),
        "to": st.sampled_from(["420603555019", "x"]),
        "callbackData": st.sampled_from([MARK, "other"]),
        "channel": st.sampled_from(["VIBER", "SMS"]),
    },
)
bodies = st.binary(max_size=200) | json_values.map(msgspec.json.encode)
uuids = st.uuids().map(str)
steps = st.lists(
    st.builds(
        OmniStep,
        channel=st.sampled_from(["VIBER", "SMS", "WHATSAPP"]),
        sender=st.just("Acme"),
        wait=st.integers(36, 172_800).map(lambda seconds: Duration(seconds * 1000)),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda step: step.channel,
).map(tuple)


def options(api: Any, steps: tuple[OmniStep, ...]) -> OmniChannel:
    return OmniChannel(
        name="infobip", api=api, endpoint="https://x.api.infobip.com", api_key=Secret("k"), steps=steps, reports="pull"
    )


@given(st.integers(100, 599), st.text(max_size=40), bodies)
def test_any_answer_is_an_outcome_and_never_carries_its_text(status: int, retry_after: str, body: bytes) -> None:
    outcome = outcome_of(status, {"retry-after": retry_after}, body, NOW, ID)
    assert isinstance(outcome, Accepted | AddressGone | Later | LineDown | NotSent | Unknown)
    assert not isinstance(outcome, Accepted) or (200 <= status < 300 and outcome.provider_ids == (ID,))
    assert not isinstance(outcome, AddressGone) or 200 <= status < 300
    if isinstance(outcome, Later) and outcome.not_before is not None:
        assert NOW <= outcome.not_before <= NOW + 3_600_000


@given(bodies)
def test_any_body_at_a_hook_is_read_or_refused(body: bytes) -> None:
    for told in (reports_of(body, MARK), incoming_of(body)):
        assert told is None or told.passed_over >= 0


@given(st.lists(results, max_size=6))
def test_only_a_failure_retires_a_number_and_only_the_handset_makes_a_delivery(said: list[dict[str, Any]]) -> None:
    told = reports_of(msgspec.json.encode({"results": said}), MARK, ("VIBER",))
    assert told is not None
    assert told.results == len(said)
    for report in told.reports:
        assert report.dead is None or report.state is ReceiptState.FAILED
    handset = [
        one for one in said if one.get("status") == {"groupId": 3, "id": 5} and one.get("callbackData") != "other"
    ]
    assert len(handset) == sum(report.state is ReceiptState.DELIVERED for report in told.reports)


@given(steps, st.integers(-1000, 20 * DAY), st.text(min_size=1), st.none() | st.text(), uuids, uuids)
def test_every_request_is_one_that_infobip_takes(
    steps: tuple[OmniStep, ...], ttl_ms: int, text: str, title: str | None, message: str, device: str
) -> None:
    target = Device(DeviceId(device), PersonId("p"), "infobip", {"phone": "+420603555019"})
    order = PushOrder(MessageId(message), target, False, ttl_ms, Content(text, title))
    assert len(message_id(order)) <= 200
    omni, messages = options("omni", steps), options("messages", steps)
    assert problems_of(omni, None) == problems_of(messages, None) == []
    body = to_request(order, omni, None, message_id(order))
    assert body is not None
    msgspec.json.decode(body, type=OmniBody)
    body = to_request(order, messages, None, message_id(order))
    assert body is not None
    (sent,) = msgspec.json.decode(body, type=MessagesBody).messages
    periods = [sent.options.validity_period, *(step.validity_period for step in sent.failover)]
    seconds = [period.validity_s for period in periods if period is not None]
    assert all(10 <= one <= 172_800 for one in seconds)
    assert sum(seconds[:-1]) <= max(ttl_ms, 0) / 1000


@given(uuids, uuids, uuids, uuids)
def test_two_pushes_have_one_id_only_if_they_are_the_same(m1: str, d1: str, m2: str, d2: str) -> None:
    def id_(message: str, device: str) -> str:
        target = Device(DeviceId(device), PersonId("p"), "infobip", {})
        return message_id(PushOrder(MessageId(message), target, False, 0))

    assert (id_(m1, d1) == id_(m2, d2)) == ((m1, d1) == (m2, d2))
    assert "," not in id_(m1, d1)
