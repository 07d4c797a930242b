"""Web Push: encryption for one client (RFC 8291 over RFC 8188) and the sender's proof of identity (VAPID, RFC 8292).

Pure: keys, salt and times are arguments. The names of intermediate values are those of RFC 8291.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from functools import lru_cache

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from datasms_daemon.model import Record

POINT_BYTES = 65
AUTH_BYTES = 16
SALT_BYTES = 16
TAG_BYTES = 16
HEADER_BYTES = SALT_BYTES + 4 + 1 + POINT_BYTES
RECORD_SIZE = 4096
MAX_BODY = 4096  # what every push service must take (RFC 8030 § 7.2)
MAX_PADDED = MAX_BODY - HEADER_BYTES - TAG_BYTES
MAX_PLAINTEXT = MAX_PADDED - 1
LAST_RECORD = b"\x02"
KEY_SEED_BYTES = 40
MOST_REMEMBERED = 4096
"""Clients whose keys are not read anew at each push, about 1 kB each."""
_SIZES = RECORD_SIZE.to_bytes(4) + POINT_BYTES.to_bytes()
_CURVE = ec.SECP256R1()
_ECDH = ec.ECDH()
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_HALF = 32  # bytes of r, and of s
_LONGEST_KEY = 100


class ClientKeys(Record, frozen=True):
    """A subscription's public key, an uncompressed point and the same as it is computed with, and its authentication
    secret."""

    p256dh: bytes
    auth: bytes
    point: ec.EllipticCurvePublicKey


def client_keys(keys: Mapping[str, str]) -> ClientKeys | None:
    """The keys ``p256dh`` and ``auth`` of a subscription; None if they cannot be used.

    Both alphabets of base64 are taken, with padding or without.
    """
    p256dh, auth = keys.get("p256dh", ""), keys.get("auth", "")
    return None if len(p256dh) > _LONGEST_KEY or len(auth) > _LONGEST_KEY else _client_keys(p256dh, auth)


@lru_cache(maxsize=MOST_REMEMBERED)
def _client_keys(p256dh_text: str, auth_text: str) -> ClientKeys | None:
    p256dh, auth = _unbase64(p256dh_text), _unbase64(auth_text)
    if p256dh is None or auth is None or len(p256dh) != POINT_BYTES or len(auth) != AUTH_BYTES:
        return None
    try:
        point = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, p256dh)
    except ValueError:
        return None
    return ClientKeys(p256dh, auth, point)


def private_key(seed: bytes) -> ec.EllipticCurvePrivateKey:
    """The P-256 key of KEY_SEED_BYTES random bytes (FIPS 186-5 A.2.1: 64 bits more than needed, so without bias)."""
    return ec.derive_private_key(int.from_bytes(seed) % (_ORDER - 1) + 1, _CURVE)


def new_key() -> ec.EllipticCurvePrivateKey:
    """A P-256 key of OpenSSL's own randomness, in half the time that ``private_key`` takes."""
    return ec.generate_private_key(_CURVE)


def public_point(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The public half as an uncompressed point, 65 bytes."""
    return key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def encrypt(
    plaintext: bytes, client: ClientKeys, sender: ec.EllipticCurvePrivateKey, salt: bytes, *, step: int = 1
) -> bytes:
    """The body of a push (``Content-Encoding: aes128gcm``): header and one record, padded to a multiple of ``step``.

    ``sender`` and ``salt`` must be new for each body. No body is longer than MAX_BODY. ValueError: the plaintext is
    longer than MAX_PLAINTEXT.
    """
    if len(plaintext) > MAX_PLAINTEXT:
        raise ValueError("too long for one push")
    sender_point = public_point(sender)
    cek, nonce = content_keys(input_keying_material(client, sender, sender_point), salt)
    padded = plaintext + LAST_RECORD
    padded = padded.ljust(min(-(-len(padded) // step) * step, MAX_PADDED), b"\0")
    return salt + _SIZES + sender_point + AESGCM(cek).encrypt(nonce, padded, None)


def content_keys(ikm: bytes, salt: bytes) -> tuple[bytes, bytes]:
    """Key and nonce of the only record (RFC 8291 § 3.4)."""
    prk = hmac.digest(salt, ikm, "sha256")
    cek = hmac.digest(prk, b"Content-Encoding: aes128gcm\0\x01", "sha256")[:16]
    nonce = hmac.digest(prk, b"Content-Encoding: nonce\0\x01", "sha256")[:12]
    return cek, nonce


def input_keying_material(client: ClientKeys, sender: ec.EllipticCurvePrivateKey, sender_point: bytes) -> bytes:
    """What both sides alone can compute, 32 bytes (RFC 8291 § 3.3). ``sender_point`` is the sender's public half."""
    prk_key = hmac.digest(client.auth, sender.exchange(_ECDH, client.point), "sha256")
    return hmac.digest(prk_key, b"WebPush: info\0" + client.p256dh + sender_point + b"\x01", "sha256")


class _Header(msgspec.Struct, frozen=True):
    typ: str = "JWT"
    alg: str = "ES256"


class _Claims(msgspec.Struct, frozen=True):
    aud: str
    exp: int
    sub: str


def read_vapid_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    """The key in a PEM file. ValueError, with a reason to be shown: it is no P-256 key without a password."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as problem:
        raise ValueError("is no PEM private key without a password") from problem
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("is no P-256 key")
    return key


def vapid_key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """As ``read_vapid_key`` takes it."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def application_server_key(key: ec.EllipticCurvePrivateKey) -> str:
    """What a client subscribes with: the public half in 87 characters (RFC 8292 § 3.2)."""
    return base64url(public_point(key))


def vapid_token(key: ec.EllipticCurvePrivateKey, audience: str, contact: str, expires_at_s: int) -> str:
    """The signed token for the push service at the origin ``audience``, good until ``expires_at_s`` (UTC, at most a
    day ahead). The same arguments make the same token (RFC 6979)."""
    header = base64url(msgspec.json.encode(_Header()))
    claims = base64url(msgspec.json.encode(_Claims(audience, expires_at_s, contact)))
    signed = f"{header}.{claims}"
    der = key.sign(signed.encode("ascii"), ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    r, s = decode_dss_signature(der)
    return f"{signed}.{base64url(r.to_bytes(_HALF) + s.to_bytes(_HALF))}"


def is_signed_by(key: ec.EllipticCurvePublicKey, token: str) -> bool:
    """Whether this key signed the token; its claims are the caller's business."""
    signed, _, signature = token.rpartition(".")
    raw = _unbase64(signature)
    if raw is None or len(raw) != 2 * _HALF:
        return False
    der = encode_dss_signature(int.from_bytes(raw[:_HALF]), int.from_bytes(raw[_HALF:]))
    try:
        key.verify(der, signed.encode(), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def base64url(data: bytes) -> str:
    """RFC 4648 § 5, without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _unbase64(text: str) -> bytes | None:
    """The bytes of base64 in either alphabet, with padding or without; None if it is none."""
    plain = text.rstrip("=").replace("+", "-").replace("/", "_")
    if len(text) > _LONGEST_KEY:
        return None
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
