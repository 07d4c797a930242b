"""API keys, device tokens and the slow hash of registration numbers (reliability 5c).

A token is its prefix, 32 random bytes in base 62 and a checksum, so that a scanner can tell one from other texts and a
mistyped one is refused without a look-up. With 256 random bits a plain SHA-256 is enough to keep it by.
"""

from __future__ import annotations

import hashlib
import hmac
import string
import zlib
from collections.abc import Callable

from datasms_daemon.model import Secret

RandomBytes = Callable[[int], bytes]
"""So many bytes from the system's generator."""

KEY_PREFIX = "dsk_"
DEVICE_PREFIX = "dst_"

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM_BYTES = 32
_BODY = 43  # 62^43 > 2^256
_CHECKSUM = 6  # 62^6 > 2^32

_SALT_BYTES = 16
_SCRYPT_N = 2**15
_SCRYPT_R = 8
_SCRYPT_P = 1
# Needs 128 * N * r = 32 MiB and a little; OpenSSL's own limit is just below that.
_SCRYPT_MEMORY = 64 << 20


def new_token(prefix: str, random_bytes: RandomBytes) -> str:
    """A new API key or device token; show it once and keep only its hash."""
    body = prefix + _base62(int.from_bytes(random_bytes(_RANDOM_BYTES)), _BODY)
    return body + _checksum(body)


def well_formed(text: str, prefix: str) -> bool:
    """Whether the text could be a token with this prefix: length, alphabet and checksum are right."""
    if len(text) != len(prefix) + _BODY + _CHECKSUM or not text.startswith(prefix):
        return False
    random_part = text[len(prefix) :]
    return random_part.isascii() and random_part.isalnum() and text[-_CHECKSUM:] == _checksum(text[:-_CHECKSUM])


def hash_token(text: str) -> str:
    """What is kept of a token and looked up by: SHA-256 in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def hash_number(secret: Secret, pepper: bytes, random_bytes: RandomBytes) -> str:
    """What is kept of a registration number's secret. Takes some 80 ms and 32 MiB: call it in a thread.

    ``pepper`` is a key kept outside the database.
    """
    salt = random_bytes(_SALT_BYTES)
    return f"scrypt${salt.hex()}${_scrypt(secret, pepper, salt).hex()}"


def verify_number(secret: Secret, pepper: bytes, kept: str) -> bool:
    """Whether the secret is the one that ``kept`` was made of. As slow as ``hash_number``.

    Fails closed: what is not such a hash matches nothing.
    """
    scheme, _, rest = kept.partition("$")
    salt, _, expected = rest.partition("$")
    try:
        salt_bytes, expected_bytes = bytes.fromhex(salt), bytes.fromhex(expected)
    except ValueError:
        return False
    return scheme == "scrypt" and hmac.compare_digest(_scrypt(secret, pepper, salt_bytes), expected_bytes)


def _scrypt(secret: Secret, pepper: bytes, salt: bytes) -> bytes:
    peppered = hmac.digest(pepper, secret.reveal().encode(), "sha256")
    return hashlib.scrypt(peppered, salt=salt, n=_SCRYPT_N, r=_SCRYPT_R, p=_SCRYPT_P, maxmem=_SCRYPT_MEMORY, dklen=32)


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), _CHECKSUM)


def _base62(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
