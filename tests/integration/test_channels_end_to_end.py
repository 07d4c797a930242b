"""The whole daemon with all internet channels at once: each reaches its devices, proves its key, may come and go."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import http_ece
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.fakes.channels_process import SUBSCRIPTION, VIBER_TOKEN
from tests.fakes.cli import Cli
from tests.fakes.live import StandIn, eventually, free_port
from tests.fakes.omni_service import API_KEY
from tests.fakes.stage import Stage
from tests.fakes.wns_service import CLIENT_ID, CLIENT_SECRET, TENANT

HOOK_SECRET = "hook-secret-of-the-tests"
DELIVERED = {"groupId": 3, "groupName": "DELIVERED", "id": 5, "name": "DELIVERED_TO_HANDSET"}
WNS = """
[[channel]]
name = "{name}"
driver = "wns"
tenant = "{tenant}"
client_id = "{client}"
client_secret = "{secret}"
hosts = ["{host}"]
endpoint = "https://{host}"
ca_file = "wns/service-ca.pem"
allow_private = true
"""
OTHERS = """
[[channel]]
name = "webpush"
driver = "webpush"
contact = "mailto:it@acme.example"
hosts = ["{webpush}"]
ca_file = "webpush/service-ca.pem"
allow_private = true

[[channel]]
name = "viber"
driver = "viber"
token = "{viber_token}"
sender = "Acme"
endpoint = "https://{viber}"
ca_file = "viber/service-ca.pem"
allow_private = true

[[channel]]
name = "infobip"
driver = "omni"
api = "messages"
endpoint = "https://{infobip}"
api_key = "{api_key}"
steps = [ {{ channel = "VIBER_BM", sender = "Acme", wait = "10s" }} ]
hook_secret = "{hook_secret}"
ca_file = "infobip/service-ca.pem"
allow_private = true
"""
IN_USE = "the new configuration is in use"
NAMES = ["direct", "fcm", "infobip", "viber", "webpush", "wns"]


class World:
    """A stage with every channel there is, and the operator's command line."""

    def __init__(self, directory: Path, wait: str = "2m") -> None:
        # The usual deadline is so far away that an SMS within a test cannot be its.
        self.stage = Stage(directory, wait=wait, ttl="5m")
        self.services = StandIn("channels_process.py", str(directory))
        self.url = f"https://localhost:{free_port()}"
        self.datasms = Cli(self.stage.daemon.config_file)
        endpoints: dict[str, str] = self.services.said("ready")[0]["endpoints"]
        self.hosts = {name: endpoint.removeprefix("https://") for name, endpoint in endpoints.items()}
        others = OTHERS.format(**self.hosts, viber_token=VIBER_TOKEN, api_key=API_KEY, hook_secret=HOOK_SECRET)
        config = self.stage.daemon.config_file
        port = self.url.rpartition(":")[2]
        listen = f'mxservice = {{ listen = "127.0.0.1:{port}", public_url = "{self.url}",'
        text = config.read_text("utf-8").replace('mxservice = { listen = "127.0.0.1:0",', listen)
        assert listen in text
        config.write_text(text + others + self.wns("wns"), "utf-8")

    def __enter__(self) -> Self:
        self.stage.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stage.__exit__(kind, error, tb)
        self.services.close()

    def wns(self, name: str) -> str:
        """A channel to the local WNS."""
        fields = {"tenant": TENANT, "client": CLIENT_ID, "secret": CLIENT_SECRET, "host": self.hosts["wns"]}
        return WNS.format(name=name, **fields)

    def pushed(self, channel: str, count: int = 1) -> list[dict[str, Any]]:
        """What a service took so far, once it is ``count`` pushes."""
        eventually(lambda: len(self._pushes(channel)) >= count, f"{count} pushes by {channel}")
        return self._pushes(channel)

    def _pushes(self, channel: str) -> list[dict[str, Any]]:
        return [push for push in self.services.said("push") if push["channel"] == channel]

    def refuse(self, service: str) -> None:
        """From now on the service does not take our key."""
        self.services.tell("refuse", service=service)
        eventually(lambda: service in [one["service"] for one in self.services.said("refusing")], f"{service} refuses")

    def reload(self, config: str) -> None:
        """Another configuration file, and the signal for it."""
        daemon = self.stage.daemon
        before = daemon.log.count(IN_USE)
        daemon.config_file.write_text(config, "utf-8")
        os.kill(daemon.pid, signal.SIGHUP)
        eventually(lambda: daemon.log.count(IN_USE) > before, "the new configuration is in use")


class Browser:
    """A subscription of a browser."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._auth = os.urandom(16)

    @property
    def keys(self) -> dict[str, str]:
        """As a browser gives them to the page."""
        point = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return {"p256dh": _base64url(point), "auth": _base64url(self._auth)}

    def read(self, body: str) -> Any:
        """What its service worker gets of a push."""
        encrypted = base64.b64decode(body)
        return json.loads(http_ece.decrypt(encrypted, private_key=self._key, auth_secret=self._auth))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One daemon for the tests that leave it as it is."""
    with World(tmp_path_factory.mktemp("channels")) as world:
        yield world


@pytest.fixture
def own(tmp_path: Path) -> Iterator[World]:
    """A daemon for a test that changes it."""
    with World(tmp_path) as world:
        yield world


def test_a_browser_is_woken_by_a_push_that_only_it_can_read(world: World) -> None:
    browser, number = Browser(), "+420603000001"
    endpoint = f"https://{world.hosts['webpush']}/push/{SUBSCRIPTION}"
    device = world.stage.register(number, "webpush", {"endpoint": endpoint}, browser.keys)
    id_ = world.stage.submit(number, "Pump 1 stopped")
    (push,) = world.pushed("webpush")
    assert browser.read(push["body"]) == {"datasms": "1", "id": id_}
    offered = world.stage.daemon.clients()("GET", "/mx/v1/channels").body["items"]
    (key,) = [one["application_server_key"] for one in offered if one["name"] == "webpush"]
    assert re.search(r"\bk=([A-Za-z0-9_-]+)", push["proof"])[1] == key  # type: ignore[index]
    assert world.stage.confirm(device, id_).body["confirmed"] == [id_]
    _delivered_without_sms(world, id_, "Pump 1 stopped")


def test_a_windows_client_is_woken_with_the_id_alone(world: World) -> None:
    number = "+420603000002"
    uri = f"https://{world.hosts['wns']}/?token=client-2"
    device = world.stage.register(number, "wns", {"channel_uri": uri})
    id_ = world.stage.submit(number, "Pump 2 stopped")
    (push,) = world.pushed("wns")
    assert (push["to"], json.loads(push["body"])) == ("token=client-2", {"datasms": "1", "id": id_})
    assert world.stage.confirm(device, id_).body["confirmed"] == [id_]
    _delivered_without_sms(world, id_, "Pump 2 stopped")


def test_infobip_shows_the_text_and_its_report_is_the_receipt(world: World) -> None:
    number = "+420603000003"
    world.stage.register(number, "infobip", {"phone": number})
    id_ = world.stage.submit(number, "Pump 3 stopped")
    (push,) = world.pushed("infobip")
    assert (push["to"], push["text"]) == (number.removeprefix("+"), "Pump 3 stopped")
    report = {"results": [{"messageId": push["id"], "callbackData": "datasms:infobip", "status": DELIVERED}]}
    hooks = world.stage.daemon.clients()
    assert hooks("POST", "/mx/v1/hooks/omni/infobip/reports/hook-secret-of-a-thief", report).status == 403
    assert world.stage.message(id_)["status"] == "waiting", "what does not know the secret changes nothing"
    world.services.tell("report", id=push["id"], status=DELIVERED)
    eventually(lambda: bool(world.services.said("reported")), "the daemon takes the report")
    assert world.services.said("reported")[0]["status"] == 200
    _delivered_without_sms(world, id_, "Pump 3 stopped")


def _delivered_without_sms(world: World, id_: str, text: str) -> None:
    found = world.stage.reaches(id_, "delivered")
    assert [attempt["line"] for attempt in found["attempts"]] == ["datasms"]
    assert world.stage.texts(text) == []


def test_every_channel_proves_its_key(world: World) -> None:
    listed = [line.split()[:3] for line in world.datasms("channel", "list").splitlines()[1:]]
    assert sorted((name, state) for name, _, state in listed) == [(name, "up") for name in NAMES]
    for name in NAMES:
        assert world.datasms("channel", "test", name).splitlines()[0] == "good", name


def test_a_channel_whose_key_is_refused_says_what_to_do(own: World) -> None:
    for service in ("wns", "viber", "infobip"):
        own.refuse(service)
    own.stage.fcm.tell("refuse")
    eventually(lambda: bool(own.stage.fcm.said("refusing")), "Google refuses")
    # No push service can be asked without a subscription, so here it is the key's own file.
    (own.stage.daemon.state / "vapid.pem").chmod(0o644)
    for name, advice in {
        "fcm": "invalid_grant",
        "wns": "the client id or secret is not accepted",
        "webpush": "chmod 600",
        "viber": "invalidAuthToken",
        "infobip": "the API key is not accepted",
    }.items():
        shown = own.datasms("channel", "test", name, code=1)
        assert shown.splitlines()[0] == "NOT GOOD", name
        assert advice in shown
        assert not [secret for secret in (CLIENT_SECRET, VIBER_TOKEN, API_KEY) if secret in shown]


def test_channels_come_and_go_by_a_reload_and_no_message_is_lost(tmp_path: Path) -> None:
    phone, windows = "+420603000004", "+420603000005"
    # Longer than Infobip's own step, as it must be, but not by much: then SMS makes up for the channel that is gone.
    with World(tmp_path, wait="11s") as world:
        stage = world.stage
        stage.register(phone, "fcm", {"token": "token-4"})
        stage.register(windows, "wns", {"channel_uri": f"https://{world.hosts['wns']}/?token=client-5"})
        config = stage.daemon.config_file.read_text("utf-8")
        exchanged = config.replace(world.wns("wns"), world.wns("windows"))
        assert exchanged != config
        sent: dict[str, str] = {}
        for number in range(20):
            if number == 10:
                world.reload(exchanged)
            for to in (phone, windows):
                text = f"{to} {number}"
                sent[stage.submit(to, text)] = text
        eventually(lambda: not any(_is_lost(world, id_, text) for id_, text in sent.items()), "no message is lost")
        assert all(stage.pushes(id_) for id_, text in sent.items() if text.startswith(phone))
        listed = [line.split()[0] for line in world.datasms("channel", "list").splitlines()[1:]]
        assert sorted(listed) == ["direct", "fcm", "infobip", "viber", "webpush", "windows"]
        assert world.datasms("channel", "test", "windows").splitlines()[0] == "good"
        offered = stage.daemon.clients()("GET", "/mx/v1/channels").body["items"]
        assert [one["name"] for one in offered if one["driver"] == "wns"] == ["windows"]
        stage.register(windows, "windows", {"channel_uri": f"https://{world.hosts['wns']}/?token=client-6"})
        id_ = stage.submit(windows, "Pump 6 stopped")
        eventually(lambda: "token=client-6" in [push["to"] for push in world.pushed("wns")], "the new channel pushes")
        assert not _is_lost(world, id_, "Pump 6 stopped")


def _is_lost(world: World, id_: str, text: str) -> bool:
    by_windows = any(json.loads(push["body"]).get("id") == id_ for push in world.services.said("push"))
    return not (by_windows or world.stage.pushes(id_) or world.stage.texts(text))
