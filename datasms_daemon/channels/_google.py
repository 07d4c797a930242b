"""Google's service accounts: who asks for an access token, and with which signed assertion (protocols/fcm.md § 2)."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Literal

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from datasms_daemon.errors import ConfigError
from datasms_daemon.model import Record
from datasms_daemon.rules.addresses import netloc

# Google's libraries put this into ``aud`` whatever the key file's token_uri says.
AUDIENCE = "https://oauth2.googleapis.com/token"
SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
ASSERTION_S = 3600

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class _KeyFile(msgspec.Struct, frozen=True):
    type: Literal["service_account"]
    project_id: str
    private_key_id: str
    private_key: str
    client_email: str
    token_uri: str


class ServiceAccount(Record, frozen=True):
    """A service account's key file, checked. Its repr holds no secret."""

    project_id: str
    key_id: str
    email: str
    token_uri: str
    key: RSAPrivateKey

    def assertion(self, now_s: int) -> str:
        """A JWT (RS256) that asks for a token to send with, good for an hour from ``now_s`` (seconds UTC)."""
        header = {"alg": "RS256", "typ": "JWT", "kid": self.key_id}
        claims = {"iss": self.email, "scope": SCOPE, "aud": AUDIENCE, "iat": now_s, "exp": now_s + ASSERTION_S}
        signed = f"{_base64url(msgspec.json.encode(header))}.{_base64url(msgspec.json.encode(claims))}"
        signature = self.key.sign(signed.encode("ascii"), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_base64url(signature)}"

    def form(self, now_s: int) -> dict[str, str]:
        """What the token endpoint is asked (RFC 7523 § 2.1)."""
        return {"grant_type": GRANT, "assertion": self.assertion(now_s)}


def read_service_account(path: Path) -> ServiceAccount:
    """The account of a key file as the Firebase console gives it. Raises ConfigError naming what is wrong."""
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_KeyFile)
    except OSError as problem:
        raise ConfigError([f"{path}: cannot be read: {problem.strerror}"]) from problem
    except msgspec.DecodeError as problem:
        raise ConfigError([f"{path}: not a service account's key file: {problem}"]) from problem
    problems = []
    if netloc(file.token_uri) is None:
        problems.append(f"{path}: token_uri: must be a plain https URL")
    if not file.project_id or not file.project_id.replace("-", "").isalnum():
        problems.append(f"{path}: project_id: must be letters, digits and hyphens")
    try:
        key = load_pem_private_key(file.private_key.encode(), password=None)
    except (ValueError, TypeError):
        # Without the cause: its text may quote the key.
        raise ConfigError([*problems, f"{path}: private_key: not an unencrypted PEM key"]) from None
    if not isinstance(key, RSAPrivateKey) or key.key_size < 2048:
        problems.append(f"{path}: private_key: must be RSA with 2048 bits or more")
    if problems or not isinstance(key, RSAPrivateKey):
        raise ConfigError(problems)
    return ServiceAccount(file.project_id, file.private_key_id, file.client_email, file.token_uri, key)


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
