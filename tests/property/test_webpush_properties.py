"""Web Push for all inputs: what is encrypted is read, what is answered is an outcome."""

from __future__ import annotations

import msgspec
from cryptography.exceptions import InvalidTag
from http_ece import ECEException
from hypothesis import given
from hypothesis import strategies as st

from datasms_daemon.channels.webpush import STEP, outcome_of, to_request
from datasms_daemon.crypto.webpush import (
    KEY_SEED_BYTES,
    MAX_BODY,
    MAX_PLAINTEXT,
    ClientKeys,
    client_keys,
    encrypt,
    private_key,
)
from datasms_daemon.model import Accepted, AddressGone, Device, DeviceId, MessageId, PersonId, PushOrder
from tests.contract.rigs.base import KEYS
from tests.fakes.webpush_service import decrypt

NOW = 1_795_000_000_000
seeds = st.binary(min_size=KEY_SEED_BYTES, max_size=KEY_SEED_BYTES)
salts = st.binary(min_size=16, max_size=16)


def _client() -> ClientKeys:
    keys = client_keys(KEYS)
    assert keys is not None
    return keys


@given(st.binary(max_size=MAX_PLAINTEXT), seeds, salts, st.integers(1, 4096))
def test_what_was_encrypted_is_read_and_never_too_long(plaintext: bytes, seed: bytes, salt: bytes, step: int) -> None:
    body = encrypt(plaintext, _client(), private_key(seed), salt, step=step)
    assert decrypt(body) == plaintext
    assert len(body) <= MAX_BODY
    padded = len(body) - 86 - 16
    assert padded % step == 0 or len(body) == MAX_BODY


@given(st.binary(max_size=200), seeds, salts, st.data())
def test_a_body_with_one_wrong_bit_is_not_read(plaintext: bytes, seed: bytes, salt: bytes, data: st.DataObject) -> None:
    body = bytearray(encrypt(plaintext, _client(), private_key(seed), salt))
    # Record size and length of the key id only say where the parts are.
    position = data.draw(st.integers(0, len(body) - 1).filter(lambda at: not 16 <= at <= 20))
    body[position] ^= 1 << data.draw(st.integers(0, 7))
    try:
        decrypt(bytes(body))
    except (ECEException, InvalidTag, ValueError):
        return
    raise AssertionError("a damaged body was read")


@given(st.dictionaries(st.sampled_from(["p256dh", "auth", "x"]), st.text(max_size=120)))
def test_any_keys_are_read_or_none(keys: dict[str, str]) -> None:
    found = client_keys(keys)
    assert found is None or (len(found.p256dh), len(found.auth)) == (65, 16)


@given(st.uuids(), st.uuids(), st.booleans(), st.booleans(), st.integers(-10, 10**12))
def test_every_push_has_the_same_length_whatever_it_says(
    one: object, other: object, urgent: bool, withdraws: bool, ttl_ms: int
) -> None:
    def body(message: object, *, withdraws: bool) -> bytes:
        device = Device(DeviceId("d"), PersonId("p"), "webpush", {}, KEYS)
        order = PushOrder(MessageId(str(message)), device, urgent, ttl_ms)
        request = to_request(order, "push.example", _client(), private_key(b"s" * 40), b"s" * 16, withdraws=withdraws)
        assert request is not None
        assert 0 <= int(request.headers["TTL"]) <= 2_419_200
        return request.body

    assert len(body(one, withdraws=withdraws)) == len(body(other, withdraws=False)) == 86 + STEP + 16


@given(
    st.integers(200, 599),
    st.dictionaries(st.sampled_from(["retry-after", "location"]), st.text(max_size=30)),
    st.one_of(
        st.binary(max_size=200),
        st.builds(
            lambda errno, reason: msgspec.json.encode({"errno": errno, "reason": reason}),
            st.one_of(st.none(), st.integers(-5, 10**6), st.text(max_size=5)),
            st.one_of(st.none(), st.text(max_size=50)),
        ),
    ),
)
def test_any_answer_is_an_outcome_with_a_short_plain_reason(status: int, headers: dict[str, str], body: bytes) -> None:
    outcome = outcome_of(status, headers, body, NOW)
    assert isinstance(outcome, Accepted) == (status < 300)
    assert isinstance(outcome, AddressGone) == (status in (404, 410))
    if not isinstance(outcome, Accepted):
        assert len(outcome.reason) < 60
        assert outcome.reason.isascii()
        assert outcome.reason.isprintable()
