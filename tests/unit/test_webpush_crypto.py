"""Encryption against the vector of RFC 8291 appendix A, and the VAPID proof of RFC 8292."""

from __future__ import annotations

import base64

import http_ece
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from py_vapid import Vapid02

from datasms_daemon.crypto.webpush import (
    MAX_BODY,
    MAX_PLAINTEXT,
    ClientKeys,
    application_server_key,
    base64url,
    client_keys,
    content_keys,
    encrypt,
    input_keying_material,
    is_signed_by,
    private_key,
    public_point,
    read_vapid_key,
    vapid_key_pem,
    vapid_token,
)

PLAINTEXT = b"When I grow up, I want to be a watermelon"
AUTH = "BTBZMqHH6r4Tts7J_aSIgg"
UA_PRIVATE = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
UA_PUBLIC = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
AS_PRIVATE = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
AS_PUBLIC = "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8"
SALT = "DGv6ra1nlYgDCS1FRnbzlw"
IKM = "S4lYMb_L0FxCeq0WhDx813KgSYqU26kOyzWUdsXYyrg"
CEK = "oIhVW04MRdy2XN9CiKLxTg"
NONCE = "4h_95klXJ5E_qnoN"
BODY = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl"
    "7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)
KEYS = {"p256dh": UA_PUBLIC, "auth": AUTH}


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _scalar(text: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(_bytes(text)), ec.SECP256R1())


CLIENT = ClientKeys(
    _bytes(UA_PUBLIC), _bytes(AUTH), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _bytes(UA_PUBLIC))
)
SENDER = _scalar(AS_PRIVATE)


def test_a_body_is_that_of_the_rfc() -> None:
    assert base64url(encrypt(PLAINTEXT, CLIENT, SENDER, _bytes(SALT))) == BODY


def test_each_value_on_the_way_is_that_of_the_rfc() -> None:
    assert base64url(public_point(SENDER)) == AS_PUBLIC
    ikm = input_keying_material(CLIENT, SENDER, public_point(SENDER))
    assert base64url(ikm) == IKM
    cek, nonce = content_keys(ikm, _bytes(SALT))
    assert (base64url(cek), base64url(nonce)) == (CEK, NONCE)


@pytest.mark.parametrize("length", [0, 1, 126, 127, 128, MAX_PLAINTEXT])
def test_another_implementation_reads_what_was_encrypted(length: int) -> None:
    body = encrypt(b"x" * length, CLIENT, SENDER, _bytes(SALT), step=128)
    plaintext = http_ece.decrypt(body, private_key=_scalar(UA_PRIVATE), auth_secret=_bytes(AUTH), version="aes128gcm")
    assert plaintext == b"x" * length


def test_lengths_within_a_step_look_alike() -> None:
    lengths = {len(encrypt(b"x" * n, CLIENT, SENDER, _bytes(SALT), step=128)) for n in range(128)}
    assert lengths == {86 + 128 + 16}
    assert len(encrypt(b"x" * 128, CLIENT, SENDER, _bytes(SALT), step=128)) == 86 + 256 + 16


def test_the_longest_plaintext_fills_what_every_service_takes_and_a_longer_one_is_refused() -> None:
    assert MAX_PLAINTEXT == 3993
    for step in (1, 128):
        assert len(encrypt(b"x" * MAX_PLAINTEXT, CLIENT, SENDER, _bytes(SALT), step=step)) == MAX_BODY
    with pytest.raises(ValueError, match="too long"):
        encrypt(b"x" * (MAX_PLAINTEXT + 1), CLIENT, SENDER, _bytes(SALT))


@pytest.mark.parametrize(
    "keys",
    [
        KEYS,
        {"p256dh": UA_PUBLIC + "=", "auth": AUTH + "=="},
        {"p256dh": base64.b64encode(CLIENT.p256dh).decode(), "auth": base64.b64encode(CLIENT.auth).decode()},
        {**KEYS, "other": "x"},
    ],
)
def test_keys_are_read_in_every_form_of_base64(keys: dict[str, str]) -> None:
    assert client_keys(keys) == CLIENT


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"p256dh": UA_PUBLIC},
        {"auth": AUTH},
        {"p256dh": "", "auth": ""},
        {**KEYS, "auth": AUTH[:-2]},
        {**KEYS, "auth": AUTH + "AA"},
        {**KEYS, "auth": "not base64! at all.."},
        {**KEYS, "auth": "ěščřžýáíéěščřžýáíéěšč"},
        {**KEYS, "p256dh": UA_PUBLIC[:-4]},
        {**KEYS, "p256dh": base64url(b"\x04" + b"\x01" * 64)},  # on no curve
        {**KEYS, "p256dh": base64url(b"\x04" + b"\x00" * 64)},
        {**KEYS, "p256dh": base64url(b"\x06" + CLIENT.p256dh[1:])},  # hybrid form
        {**KEYS, "p256dh": base64url(b"\x02" + CLIENT.p256dh[1:33])},  # compressed
        {**KEYS, "p256dh": "A" * 100_000},
    ],
)
def test_keys_that_cannot_be_used_are_none(keys: dict[str, str]) -> None:
    assert client_keys(keys) is None


def test_a_private_key_is_made_of_any_random_bytes() -> None:
    for seed in (bytes(40), b"\xff" * 40):
        assert len(public_point(private_key(seed))) == 65
    assert public_point(private_key(b"a" * 40)) != public_point(private_key(b"b" * 40))


def test_a_proof_is_what_another_implementation_verifies() -> None:
    token = vapid_token(SENDER, "https://push.example.net", "mailto:push@example.com", 1_453_523_768)
    assert Vapid02.verify(f"vapid t={token},k={application_server_key(SENDER)}")
    header, claims, _ = token.split(".")
    assert msgspec.json.decode(_bytes(header)) == {"typ": "JWT", "alg": "ES256"}
    assert msgspec.json.decode(_bytes(claims)) == {
        "aud": "https://push.example.net",
        "exp": 1_453_523_768,
        "sub": "mailto:push@example.com",
    }


def test_a_proof_that_was_touched_or_is_of_another_key_does_not_verify() -> None:
    token = vapid_token(SENDER, "https://push.example.net", "mailto:push@example.com", 1_453_523_768)
    signed, _, signature = token.rpartition(".")
    key = SENDER.public_key()
    assert is_signed_by(key, token)
    assert not is_signed_by(_scalar(UA_PRIVATE).public_key(), token)
    for touched in (
        f"{signed}x.{signature}",
        f"{signed}.{signature[:-4]}",
        f"{signed}.{'A' * 86}",
        f"{signed}.!",
        "",
        "é",
    ):
        assert not is_signed_by(key, touched)


def test_the_public_key_has_87_characters() -> None:
    assert application_server_key(SENDER) == AS_PUBLIC
    assert len(AS_PUBLIC) == 87


def test_a_key_survives_its_file() -> None:
    assert application_server_key(read_vapid_key(vapid_key_pem(SENDER))) == AS_PUBLIC
    sec1 = SENDER.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    assert application_server_key(read_vapid_key(sec1)) == AS_PUBLIC


@pytest.mark.parametrize(
    ("pem", "reason"),
    [
        (b"", "is no PEM private key"),
        (b"\xff\xfe", "is no PEM private key"),
        (SENDER.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")), "without a password"),
        (vapid_key_pem(ec.generate_private_key(ec.SECP384R1())), "is no P-256 key"),
        (
            rsa.generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            "is no P-256 key",
        ),
    ],
    ids=["empty", "binary", "password", "P-384", "RSA"],
)
def test_a_file_with_another_key_says_so(pem: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_vapid_key(pem)
