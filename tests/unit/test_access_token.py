"""One access token for all pushes (protocols/fcm.md § 2)."""

from __future__ import annotations

import base64
from collections.abc import Awaitable
from pathlib import Path

import msgspec
import pytest
import pytest_twisted
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from datasms_daemon.channels._google import read_service_account
from datasms_daemon.channels._oauth import AccessToken
from datasms_daemon.errors import ConfigError
from datasms_daemon.https.client import Answer, Failed
from datasms_daemon.model import Later, LineDown, Secret

NOW = 1_795_000_000_000
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
Reply = Answer | Failed


def _pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem.decode("ascii")


def _key_file(path: Path, **changed: object) -> Path:
    fields: dict[str, object] = {
        "type": "service_account",
        "project_id": "acme-1",
        "private_key_id": "k1",
        "private_key": _pem(KEY),
        "client_email": "datasms@acme-1.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
        "universe_domain": "googleapis.com",
    }
    path.write_bytes(msgspec.json.encode(fields | changed))
    return path


def _granted(token: str, expires_in: int = 3600) -> Answer:
    return Answer(200, {}, msgspec.json.encode({"access_token": token, "expires_in": expires_in}))


class _Endpoint:
    """A token endpoint whose answers the test gives when it likes."""

    def __init__(self) -> None:
        self.forms: list[bytes] = []
        self._pending: list[Deferred[Reply]] = []

    def post(self, url: str, headers: dict[str, str], body: bytes) -> Awaitable[Reply]:
        assert url == "https://oauth2.googleapis.com/token"
        assert headers == {"Content-Type": "application/x-www-form-urlencoded"}
        self.forms.append(body)
        reply: Deferred[Reply] = Deferred()
        self._pending.append(reply)
        return reply

    def answer(self, reply: Reply) -> None:
        self._pending.pop(0).callback(reply)


class _World:
    def __init__(self, tmp_path: Path) -> None:
        self.clock = Clock()
        self.endpoint = _Endpoint()
        account = read_service_account(_key_file(tmp_path / "firebase.json"))
        self.tokens = AccessToken(account.token_uri, lambda: account.form(NOW // 1000), self.endpoint.post, self.clock)

    def ask(self, timeout_s: float = 15) -> Deferred[Secret | Later | LineDown]:
        return Deferred.fromCoroutine(self.tokens.get(timeout_s))

    async def have(self, token: str) -> Secret:
        """The token after one fetch."""
        asked = self.ask()
        self.endpoint.answer(_granted(token))
        got = await asked
        assert isinstance(got, Secret)
        return got


@pytest.fixture
def world(tmp_path: Path) -> _World:
    return _World(tmp_path)


@pytest_twisted.ensureDeferred
async def test_a_thousand_waiters_share_one_refresh(world: _World) -> None:
    asked = [world.ask() for _ in range(1000)]
    assert len(world.endpoint.forms) == 1
    world.endpoint.answer(_granted("ya29.one"))
    assert [await one for one in asked] == [Secret("ya29.one")] * 1000
    assert len(world.endpoint.forms) == 1


@pytest_twisted.ensureDeferred
async def test_a_thousand_pushes_that_were_refused_share_one_new_token(world: _World) -> None:
    old = await world.have("ya29.old")
    asked = []
    for _ in range(1000):
        world.tokens.refuse(old)
        asked.append(world.ask())
    assert len(world.endpoint.forms) == 2
    world.endpoint.answer(_granted("ya29.new"))
    assert {await one for one in asked} == {Secret("ya29.new")}
    world.tokens.refuse(old)
    assert await world.ask() == Secret("ya29.new")
    assert len(world.endpoint.forms) == 2


@pytest_twisted.ensureDeferred
async def test_a_token_is_used_until_225_seconds_before_it_expires(world: _World) -> None:
    await world.have("ya29.one")
    world.clock.advance(3600 - 225 - 1)
    assert await world.ask() == Secret("ya29.one")
    world.clock.advance(1)
    asked = world.ask()
    assert len(world.endpoint.forms) == 2
    world.endpoint.answer(_granted("ya29.two"))
    assert await asked == Secret("ya29.two")


@pytest_twisted.ensureDeferred
async def test_the_old_token_serves_while_a_new_one_cannot_be_had(world: _World) -> None:
    await world.have("ya29.one")
    world.clock.advance(3600 - 200)
    asked = world.ask()
    world.endpoint.answer(Failed("maybe_sent", "TimeoutError"))
    assert await asked == Secret("ya29.one")
    assert await world.ask() == Secret("ya29.one")
    assert len(world.endpoint.forms) == 2
    world.clock.advance(200)
    asked = world.ask()
    world.endpoint.answer(Answer(503, {}, b""))
    assert await asked == Later("token endpoint: status 503")


@pytest_twisted.ensureDeferred
async def test_a_failed_refresh_is_not_repeated_for_ten_seconds(world: _World) -> None:
    asked = world.ask()
    world.endpoint.answer(Answer(500, {}, b""))
    assert await asked == Later("token endpoint: status 500")
    assert await world.ask() == Later("token endpoint: status 500")
    assert len(world.endpoint.forms) == 1
    world.clock.advance(10)
    await world.have("ya29.one")


@pytest_twisted.ensureDeferred
async def test_who_waits_too_long_goes_without_and_the_others_wait_on(world: _World) -> None:
    hurried, patient = world.ask(timeout_s=1), world.ask(timeout_s=5)
    world.clock.advance(1)
    assert await hurried == Later("no access token in time")
    world.endpoint.answer(_granted("ya29.one"))
    assert await patient == Secret("ya29.one")
    assert world.clock.getDelayedCalls() == []


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Answer(400, {}, b'{"error": "invalid_grant"}'), LineDown("token endpoint: status 400 invalid_grant")),
        (Answer(401, {}, b"<html>"), LineDown("token endpoint: status 401")),
        (Answer(403, {}, b'{"error": "<script>"}'), LineDown("token endpoint: status 403")),
        (Answer(302, {"location": "https://evil.example"}, b""), LineDown("token endpoint: status 302")),
        (Answer(429, {}, b""), Later("token endpoint: status 429")),
        (Answer(200, {}, b"<html>"), Later("token endpoint: not a token answer")),
        (Answer(200, {}, b"\xff"), Later("token endpoint: not a token answer")),
        (_granted("ya29\r\nX-Evil: 1"), Later("token endpoint: not a bearer token")),
        (_granted(""), Later("token endpoint: not a bearer token")),
        (Failed("nothing_sent", "TimeoutError"), Later("token endpoint: TimeoutError")),
        (Failed("nothing_sent", "PeerRefused", lasting=True), LineDown("token endpoint: PeerRefused")),
        # The message itself was not sent, so there is nothing ambiguous about it.
        (Failed("maybe_sent", "TimeoutError"), Later("token endpoint: TimeoutError")),
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_token_that_cannot_be_had_is_a_fault_of_the_line_or_a_matter_of_time(
    world: _World, reply: Reply, expected: Later | LineDown
) -> None:
    asked = world.ask()
    world.endpoint.answer(reply)
    assert await asked == expected


def test_the_assertion_is_signed_and_says_what_google_asks_for(tmp_path: Path) -> None:
    account = read_service_account(_key_file(tmp_path / "firebase.json"))
    header, claims, signature = account.assertion(NOW // 1000).split(".")
    KEY.public_key().verify(_decoded(signature), f"{header}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())
    assert msgspec.json.decode(_decoded(header)) == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
    assert msgspec.json.decode(_decoded(claims)) == {
        "iss": "datasms@acme-1.iam.gserviceaccount.com",
        "scope": "https://www.googleapis.com/auth/firebase.messaging",
        "aud": "https://oauth2.googleapis.com/token",
        "iat": NOW // 1000,
        "exp": NOW // 1000 + 3600,
    }


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"type": "authorized_user"}, r"not a service account's key file: .*\$\.type"),
        ({"client_email": None}, r"not a service account's key file: .*\$\.client_email"),
        ({"project_id": "../x"}, "project_id: must be letters"),
        ({"project_id": ""}, "project_id: must be letters"),
        ({"token_uri": "http://oauth2.googleapis.com/token"}, "token_uri: must be a plain https URL"),
        ({"private_key": "secret nonsense"}, "private_key: not an unencrypted PEM key"),
        ({"private_key": _pem(ec.generate_private_key(ec.SECP256R1()))}, "private_key: must be RSA"),
    ],
)
def test_a_bad_key_file_is_a_configuration_error_that_quotes_no_secret(
    tmp_path: Path, changed: dict[str, object], problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem) as raised:
        read_service_account(_key_file(tmp_path / "firebase.json", **changed))
    assert "secret nonsense" not in str(raised.value)
    assert "PRIVATE KEY" not in str(raised.value)


def test_all_problems_of_a_key_file_are_named_at_once(tmp_path: Path) -> None:
    path = _key_file(tmp_path / "firebase.json", token_uri="ftp://x", project_id="", private_key="nonsense")
    with pytest.raises(ConfigError) as raised:
        read_service_account(path)
    assert len(raised.value.problems) == 3


@pytest.mark.parametrize("content", [None, b"", b"{}", b"[]", b"not json", b"\xff"])
def test_a_file_that_is_no_key_file_is_a_configuration_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "firebase.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"firebase\.json: (cannot be read|not a service account's key file)"):
        read_service_account(path)
