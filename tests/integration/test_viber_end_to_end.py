"""A Viber bot with the whole daemon: its webhook, a person who joins by writing, messages that arrive and are read."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.fakes.live import ROOT, StandIn, environment, eventually, free_port
from tests.fakes.stage import Stage

NUMBER = "+420603123456"
TOKEN = "445da6az1s345z78-dazcczb2542zv51a-e0vc5fva17480im9"
USER = "01234567890A="
CHANNEL = """
[[channel]]
name = "viber"
driver = "viber"
token = "{token}"
sender = "Acme"
bot_uri = "acme-alerts"
endpoint = "{endpoint}"
ca_file = "service-ca.pem"
allow_private = true
"""


class Bot:
    """The stage with a bot beside FCM."""

    def __init__(self, stage: Stage, tmp_path: Path) -> None:
        port = free_port()
        self.url = f"https://localhost:{port}/mx/v1/hooks/viber/viber"
        self.stage = stage
        self.viber = StandIn(
            "viber_process.py", str(tmp_path), TOKEN, self.url, str(stage.daemon.state / "tls-cert.pem")
        )
        config = stage.daemon.config_file
        listen = f'listen = "127.0.0.1:{port}", public_url = "https://localhost:{port}",'
        text = config.read_text("utf-8").replace('mxservice = { listen = "127.0.0.1:0",', f"mxservice = {{ {listen}")
        assert listen in text
        channel = CHANNEL.format(token=TOKEN, endpoint=self.viber.said("ready")[0]["endpoint"])
        config.write_text(text + channel, "utf-8")

    def ask(self, do: str, **fields: object) -> int:
        """The status of the bot's answer to a callback."""
        before = len(self.viber.said("answered"))
        self.viber.tell(do, **fields)
        eventually(lambda: len(self.viber.said("answered")) > before, "the bot answers")
        status: int = self.viber.said("answered")[before]["status"]
        return status

    @property
    def sent(self) -> dict[str, object]:
        """What Viber took so far, and whom it calls."""
        before = len(self.viber.said("sent"))
        self.viber.tell("sent")
        eventually(lambda: len(self.viber.said("sent")) > before, "the stand-in says what it took")
        said: dict[str, object] = self.viber.said("sent")[before]
        return said

    def join(self) -> str:
        """A person is given a number and writes it to the bot; the number."""
        gateway = self.stage.gateway
        assert gateway("PUT", "/v1/persons/novak", {"name": "Jan", "numbers": [NUMBER]}).status == 200
        issued = gateway("POST", "/v1/persons/novak/registrations")
        assert issued.status == 201, issued
        assert issued.body["links"]["viber"].startswith("viber://pa?chatURI=acme-alerts&context=")
        assert self.ask("write", user=USER, text=issued.body["text"].lower()) == 200
        number: str = issued.body["number"]
        return number


@pytest.fixture
def bot(tmp_path: Path) -> Iterator[Bot]:
    with Stage(tmp_path, wait="40s", ttl="5m") as stage:
        bot = Bot(stage, tmp_path)
        try:
            stage.start()
            eventually(lambda: bot.sent["webhook"] == bot.url, "the daemon registers its webhook")
            yield bot
        finally:
            bot.viber.close()


def test_a_person_joins_by_writing_and_reads_his_messages_there(bot: Bot) -> None:
    number = bot.join()
    id_ = bot.stage.submit(NUMBER, "Pump 3 stopped")
    eventually(lambda: bot.sent["texts"] == ["Pump 3 stopped"], "the text arrives")
    assert bot.stage.reaches(id_, "waiting")["attempts"][0]["pushes"][0]["channel"] == "viber"
    # The callbacks so far took tokens of their own: the probe, the number, then the message.
    assert bot.ask("about", what="delivered", user=USER, number=3) == 200
    bot.stage.reaches(id_, "delivered")
    assert bot.ask("about", what="seen", user=USER, number=99) == 200
    bot.stage.reaches(id_, "read")
    assert bot.stage.texts("Pump 3 stopped") == []
    stored = b"".join(file.read_bytes() for file in bot.stage.daemon.state.glob("datasms.sqlite3*"))
    assert number.encode() not in stored
    assert number.replace("-", "").encode() not in stored
    assert b"Pump 3 stopped" in stored


def test_viber_fetches_pictures_and_files_by_links_that_nobody_can_make(bot: Bot) -> None:
    bot.join()
    stage = bot.stage
    picture, file = b"\x89PNG\r\n\x1a\n" + bytes(200_000), b"%PDF-1.7 the plan"
    ids = [stage.attach(picture, "photo.png"), stage.attach(file, "plan.pdf")]
    id_ = stage.submit(NUMBER, "Pump 3 stopped", attachments=ids)
    eventually(lambda: len(bot.sent["texts"]) == 2, "picture and file arrive")  # type: ignore[arg-type]
    assert bot.sent["texts"] == ["Pump 3 stopped", None]
    media: list[str] = bot.sent["media"]  # type: ignore[assignment]
    assert media[0].endswith(".png")
    clients = stage.daemon.clients()
    for url, content, name in zip(media, (picture, file), ("photo.png", "plan.pdf"), strict=True):
        status, headers, body = clients.fetch(urlsplit(url).path)
        assert (status, body) == (200, content)
        assert headers["Content-Disposition"].startswith(f'attachment; filename="{name}"')
        assert clients.fetch(urlsplit(url).path, {"Range": "bytes=1-3"})[::2] == (206, content[1:4])
    forged = urlsplit(media[1]).path[:-2] + "AA"
    assert clients.fetch(forged)[0] == 404
    # What counts is the first of the two; the callbacks so far were the probe and the number.
    assert bot.ask("about", what="delivered", user=USER, number=3) == 200
    stage.reaches(id_, "delivered")
    assert stage.texts("Pump 3 stopped") == []


def test_what_is_pressed_comes_back_to_the_application_whose_message_it_answers(bot: Bot) -> None:
    bot.join()
    stage = bot.stage
    buttons = [{"text": "Confirm", "reply": "YES 4711"}, {"text": "Open", "url": "https://crm.example.org/4711"}]
    plan = stage.attach(b"%PDF-1.7 the plan", "plan.pdf")
    id_ = stage.submit(NUMBER, "Pump 3 stopped", buttons=buttons, attachments=[plan])
    stage.reaches(id_, "waiting")
    eventually(lambda: bot.sent["texts"] == ["Pump 3 stopped", None], "text and file arrive")
    assert bot.sent["about"] == [id_, id_]
    # What he is shown is the keyboard of the newest message, the file.
    assert bot.ask("press", user=USER, text="Confirm") == 200
    (pressed,) = stage.gateway("GET", "/v1/inbound?after=0&wait=10").body["items"]
    assert (pressed["text"], pressed["person"], pressed["line"]) == ("YES 4711", "novak", "viber")
    assert bot.ask("press", user=USER, text="Open") == 200
    (opened,) = stage.gateway("GET", f"/v1/inbound?after={pressed['id']}&wait=10").body["items"]
    assert opened["text"] == "https://crm.example.org/4711"
    assert stage.texts("Pump 3 stopped") == []


def test_an_sms_in_place_of_a_message_with_buttons_is_the_text_alone(bot: Bot) -> None:
    id_ = bot.stage.submit(NUMBER, "Answer YES 4711", buttons=[{"text": "Confirm", "reply": "canary"}])
    eventually(lambda: bool(bot.stage.texts("Answer YES 4711")), "the SMS, for who has no device")
    assert bot.stage.message(id_)["attempts"][-1]["line"] == "sms"


def test_what_viber_did_not_sign_changes_nothing(bot: Bot) -> None:
    issued = bot.stage.gateway("PUT", "/v1/persons/novak", {"name": "Jan", "numbers": [NUMBER]})
    assert issued.status == 200
    text = bot.stage.gateway("POST", "/v1/persons/novak/registrations").body["text"]
    assert bot.ask("forge", user=USER, text=text) == 403
    assert bot.stage.gateway("GET", "/v1/persons/novak/devices").body["items"] == []


def test_an_operator_has_the_channels_tested(bot: Bot) -> None:
    def channel(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from datasms_daemon.cli import main; main()", "--config"]
        config = str(bot.stage.daemon.config_file)
        return subprocess.run(
            [*command, config, "channel", *words],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=environment(),
            check=False,
        )

    good = channel("test", "viber")
    assert (good.returncode, good.stdout.splitlines()[0]) == (0, "good"), good
    assert channel("test", "fcm").returncode == 0
    unknown = channel("test", "vibre")
    assert unknown.returncode == 1
    assert "there are: direct, fcm, viber" in unknown.stderr
    listed = channel("list").stdout
    assert [line.split()[:3] for line in listed.splitlines()[1:]] == [
        ["direct", "direct", "up"],
        ["fcm", "fcm", "up"],
        ["viber", "viber", "up"],
    ]
