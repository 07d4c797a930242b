"""What the command line says of ways that messages and texts from outside would go, on a running daemon."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.fakes.cli import Cli
from tests.fakes.live import Daemon, free_port

NUMBER, OTHER = "+420603123456", "+420603123457"
CONFIG = """
store.min_free = "1M"
gateway.http.listen = "127.0.0.1:0"
mxservice.listen = "127.0.0.1:0"
flood.per_recipient = 3

[[line]]
name = "sms"
driver = "smpp"
host = "127.0.0.1"
port = {port}
system_id = "datasms"
day_limit = 1000

[[rule]]
name = "everybody"
steps = [{{ line = "sms" }}]

[sender.crm]
day_quota = 100
[sender_group.offices]
members = ["crm"]
lines = ["sms"]

[[application]]
name = "info"
plugin = "keywords"
options = {{ hours = "Mon-Fri 8-17" }}
[[application]]
name = "later"
plugin = "keywords"
enabled = false
options = {{ hours = "?" }}

[[inbound]]
name = "opening times"
when = {{ text = ["^hours"] }}
to = "app:info"
[[inbound]]
name = "alarms"
when = {{ text = ["^alarm (.*)"] }}
to = "account:crm"
text = "A: $1"
"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One for all tests of this module; nobody listens where its SMSC should be."""
    with Daemon(tmp_path_factory.mktemp("explain"), CONFIG.format(port=free_port())) as daemon:
        yield daemon.run()


@pytest.fixture
def datasms(daemon: Daemon) -> Cli:
    """The operator's command line."""
    return Cli(daemon.config_file)


def test_limits_are_shown_with_what_is_used_of_them_and_who_sets_them(datasms: Cli) -> None:
    told = datasms("explain", OTHER, "text", "--sender", "crm")
    for fact in ("0 of 100 used, until", "(sender.crm)", "sms  (sender_group.offices)", "0 of 3 in 10m", "0/1000"):
        assert fact in told
    assert "quota" not in datasms("explain", OTHER, "text")


def test_a_held_line_and_what_would_be_refused_are_told(datasms: Cli) -> None:
    datasms("line", "pause", "sms")
    for _ in range(3):
        datasms("send", NUMBER, "text")
    told = datasms("explain", NUMBER, "text")
    assert "sms lets nothing through: paused by an operator" in told
    assert "Some recipient would get too many messages at once" in told
    assert "/to/0: has had 3 messages lately" in told
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat(timespec="seconds")
    (plan,) = datasms.json("explain", NUMBER, "text", "--at", tomorrow)["items"]
    assert (plan["limits"]["refused"], plan["limits"]["flood"]["had"]) == (None, 0)


def test_where_a_text_from_outside_would_go_is_shown_step_by_step(datasms: Cli) -> None:
    asked = ("explain", "--inbound", "--from", NUMBER, "--line", "sms")
    told = datasms(*asked, "Alarm pump 3")
    assert told.splitlines()[0].split() == ["from", NUMBER]
    assert "goes to account:crm by rule alarms: A: pump 3" in told
    assert "opening times" in told
    found = datasms.json(*asked, "hours")
    assert [one["target"] for one in found["destinations"]] == ["app:info"]
    assert "goes to nobody" in datasms(*asked, "hello")


def test_a_text_from_outside_needs_who_writes_and_one_line(datasms: Cli) -> None:
    for words in (("--from", NUMBER), ("--line", "sms"), ("--from", NUMBER, "--line", "sms", "--line", "other")):
        datasms("explain", "--inbound", *words, "hello", code=2)
        assert "--inbound needs --from, who writes, and one --line" in datasms.errors
    datasms("explain", "--from", NUMBER, NUMBER, "hello", code=2)
    datasms("explain", "--inbound", "--from", NUMBER, "--line", "nowhere", "hello", code=1)
    assert 'line = "nowhere"' in datasms.errors


def test_applications_are_listed_with_their_state(datasms: Cli) -> None:
    found = datasms.json("app", "list")
    assert [(one["name"], one["kind"], one["waiting"]) for one in found] == [("info", "plugin", 0)]
    told = datasms("app", "list").splitlines()
    assert told[0].split()[:3] == ["NAME", "KIND", "STATE"]
    assert told[1].split()[0] == "info"
