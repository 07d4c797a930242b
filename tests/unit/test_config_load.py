"""The configuration file: each check with all other options set, and what is told about it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from datasms_daemon.config.channels import FcmChannel
from datasms_daemon.config.files import config_path
from datasms_daemon.config.load import changes_needing_restart, load, load_with_warnings
from datasms_daemon.config.records import ClassOptions, Config, SmppLine
from datasms_daemon.errors import ConfigError
from datasms_daemon.model import OnUnknown, Secret, Success

FULL = r"""
[daemon]
state_dir = "state"
country = "CZ"
[store]
url = "sqlite:main.sqlite3"
min_free = "300M"
check_after_start = "5m"
check_at = "02:30"
[gateway.http]
listen = "127.0.0.1:9443"
certificate_file = "gateway.pem"
key_file = "gateway.key"
max_connections = 500
max_connections_per_address = 20
[mxservice]
listen = "[::]:9444"
certificate_file = "clients.pem"
key_file = "clients.key"
max_connections = 2000
max_connections_per_address = 10
public_url = "https://mx.example.org:9444"
registration_number = "603 123 456"
registration_ttl = "2d"
[attachments]
max_size = "5M"
max_per_message = 4
quota = "200M"
quota_files = 1000
unused = "6h"
keep = "2d"
[priority.high]
wait = { datasms = "45s", sms-o2 = "5m", default = "10m" }
ttl = "2h"
ndr_after = "15m"
retry = { first = "5s", cap = "1m" }
rank = 1
urgent = true
calendar = "ignore"
on_unknown = "next"
[priority.news]
wait = { default = "1d" }
ttl = "9d"
[text]
replace = { "„" = "\"", "“" = "\"" }
[[line]]
name = "datasms"
driver = "datasms"
diacritics = "keep"
enabled = true
rate = 100
day_limit = 100000
concurrency = 40
[[line]]
name = "sms-o2"
driver = "smpp"
enabled = true
rate = 12.5
calendar = "office"
day_limit = 1000
host = "smsc.example.net"
port = 3550
tls = true
ca_file = "smsc-ca.pem"
system_id = "acme"
password_file = "smsc-password"
system_type = "vma"
header = "ACME $title: "
substitute = [{ pattern = "(\\d+) degrees", with = "$1 C" }]
diacritics = "when-shorter"
outside = "replace"
max_parts = 3
when_over = "refuse"
backup = "datasms"
bind = "pair"
source = "+420603123456"
inbound_number = "90211"
suffixes = true
window = 5
alphabet = "latin-1"
concatenation = "sar"
id_format = "hex-to-decimal"
validity = "absolute"
acceptd_is_final = true
response_timeout = "30s"
enquire_link = "20s"
enquire_timeout = "5s"
bind_timeout = "15s"
bad_credentials_pause = "10m"
[[channel]]
name = "direct"
driver = "direct"
enabled = true
concurrency = 10
[[channel]]
name = "fcm"
driver = "fcm"
enabled = true
concurrency = 20
credentials_file = "firebase.json"
endpoint = "https://fcm.example.org"
ca_file = "fcm-ca.pem"
allow_private = true
timeout = "10s"
[alias]
o2 = ["^\\+42060[12]", "^\\+42072"]
[number_list.vip]
file = "vip.txt"
[portability]
file = "ported.csv"
[operator.o2]
prefixes = ["+420601", "+42072"]
rules = "o2"
[operator.vodafone]
prefixes = ["+420608"]
[rule_set.o2]
then = "more"
[sender.monitoring]
lines = ["!sms-o2"]
calendar = "office"
suffix = "17"
[sender.plc]
suffix = "18"
[sender_group.machines]
members = ["monitoring", "plc"]
parent = "technical"
numbers = ["!^\\+4206011", "$o2"]
[sender_group.technical]
priorities = ["high", "normal"]
[sender_defaults]
priorities = ["!high"]
reply_window = "2d"
[archive]
keep_text = "36h"
[archive.class.otp]
keep_text = "0s"

[calendar.office]
timezone = "Europe/Prague"
hours = { mon-fri = "08:00-17:00", sat = ["08:00-10:00", "22:00-06:00"] }
holidays = "CZ"
exceptions = { 2026-12-24 = "closed", 2026-12-31 = ["08:00-12:00", "13:00-14:00"] }
file = "closures.ics"
events = "closed"
[class.internal]
lines = ["datasms"]
notice = "A message waits for you in the app"
[class.advert]
[[rule]]
name = "night-shift alarms"
enabled = true
continue = true
calendar = "office"
when_closed = "skip"
[rule.when]
priority = ["high", "!low"]
sender = ["monitoring"]
sender_group = "!machines"
operator = ["o2", "!t-mobile"]
recipient = ["$o2", "!^\\+4216"]
recipient_group = ["night-shift"]
class = ["internal"]
calendar = ["!office"]
has_device = true
text = ["^alarm"]
[[rule.steps]]
line = "datasms"
wait = "45s"
success = "read"
on_unknown = "resend"
attempts = 3
[[rule.steps]]
line = "sms-o2"
[[rule]]
name = "more for o2"
set = "more"
steps = [{ line = "sms-o2", wait = "3h" }]
[[rule]]
name = "everybody else"
steps = [{ line = "datasms" }]
[[inbound]]
name = "registration"
when = { text = "^\\s*DATASMS\\b", line = ["sms-o2"], recipient = "$o2" }
to = "app:registration"
[[inbound]]
name = "rest"
when = { text = "^crm (.*)" }
to = "account:crm"
text = "for $1"
priority = "high"
continue = true
enabled = false
[[application]]
name = "info"
enabled = true
plugin = "keywords"
options = { hours = "8-17" }
priority = "normal"
idle = "30s"
timeout = "10s"
[inbound_routing]
default = "account:office"
reassembly_timeout = "3m"
"""

NAMED_FILES = ("gateway.pem", "gateway.key", "clients.pem", "clients.key", "smsc-ca.pem", "firebase.json", "fcm-ca.pem")

CLOSURES = (
    "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART;VALUE=DATE:20260701\r\nRRULE:FREQ=YEARLY\r\n"
    "END:VEVENT\r\nEND:VCALENDAR\r\n"
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    for name in NAMED_FILES:
        (tmp_path / name).write_text("{}")
    (tmp_path / "vip.txt").write_text("# important\n+420603123456\n603 123 457 # second\n")
    (tmp_path / "faulty.txt").write_text("+420603123456\n\n60312345\n")
    (tmp_path / "ported.csv").write_text("+420603123456,Vodafone\n")
    (tmp_path / "closures.ics").write_text(CLOSURES)
    (tmp_path / "empty.ics").write_text("BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n")
    (tmp_path / "fine.ics").write_text(CLOSURES.replace("YEARLY", "MINUTELY"))
    password = tmp_path / "smsc-password"
    password.write_text("s3cret\n")
    password.chmod(0o600)
    return tmp_path / "datasms.toml"


def problems_of(file: Path, text: str) -> list[str]:
    """What is told about a file with this text, without the file's name in front; its directory is DIR."""
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file, {})
    assert all(line.startswith(f"{file}: ") for line in caught.value.problems)
    return [line.removeprefix(f"{file}: ").replace(str(file.parent), "DIR") for line in caught.value.problems]


def changed(old: str, new: str) -> str:
    """The full configuration with one thing in it written otherwise."""
    assert FULL.count(old) == 1, old
    return FULL.replace(old, new)


def test_a_file_with_every_option_set_is_read_as_written(file: Path) -> None:
    file.write_text(FULL)
    config = load(file, {"DATASMS_STATE_DIR": "/elsewhere"})
    line, channel = config.line[1], config.channel[1]
    assert isinstance(line, SmppLine)
    assert isinstance(channel, FcmChannel)
    assert config.daemon.state_dir == file.parent / "state"
    assert config.store.min_free == 300 << 20
    assert config.mxservice.certificate_file == file.parent / "clients.pem"
    assert config.mxservice.registration_number == "+420603123456"
    assert config.mxservice.registration_ttl == 172_800_000
    assert line.password == Secret("s3cret")
    assert (line.rate, line.port, line.alphabet, line.bad_credentials_pause) == (12.5, 3550, "latin-1", 600_000)
    assert config.text.replace == {"„": '"', "“": '"'}
    assert [(each.pattern, each.with_) for each in line.substitute] == [(r"(\d+) degrees", "$1 C")]
    assert (line.header, line.diacritics, line.outside) == ("ACME $title: ", "when-shorter", "replace")
    assert (line.max_parts, line.when_over) == (3, "refuse")
    assert channel.credentials_file == file.parent / "firebase.json"
    assert config.alias == {"o2": (r"^\+42060[12]", r"^\+42072")}
    assert config.number_list["vip"].file == file.parent / "vip.txt"
    assert config.portability.file == file.parent / "ported.csv"
    assert (config.operator["o2"].prefixes, config.operator["o2"].rules) == (("+420601", "+42072"), "o2")
    assert (config.operator["vodafone"].rules, config.rule[0].set, config.rule[1].set) == ("default", "default", "more")
    assert config.rule_set["o2"].then == "more"
    assert config.archive.keep_text == 129_600_000
    assert config.archive.class_["otp"].keep_text == 0
    office = config.calendar["office"]
    assert office.hours == {"mon-fri": ("08:00-17:00",), "sat": ("08:00-10:00", "22:00-06:00")}
    assert office.exceptions["2026-12-24"] == ("closed",)
    assert office.file == file.parent / "closures.ics"
    assert config.class_ == {
        "internal": ClassOptions(lines=("datasms",), notice="A message waits for you in the app"),
        "advert": ClassOptions(),
    }
    first = config.rule[0]
    assert first.when.calendar == ("!office",)
    assert first.continue_
    assert first.when.operator == ("o2", "!t-mobile")
    assert first.when.class_ == ("internal",)
    assert first.when.sender_group == ("!machines",)
    assert config.sender["monitoring"].lines == ("!sms-o2",)
    assert config.sender_group["machines"].members == ("monitoring", "plc")
    assert config.sender_group["machines"].parent == "technical"
    assert config.sender_group["machines"].numbers == (r"!^\+4206011", "$o2")
    assert config.sender_group["technical"].priorities == ("high", "normal")
    assert config.sender_defaults.priorities == ("!high",)
    assert (first.steps[0].wait, first.steps[0].success, first.steps[0].on_unknown) == (
        45_000,
        Success.READ,
        OnUnknown.RESEND,
    )
    assert (first.steps[0].attempts, first.steps[1].attempts, line.backup) == (3, None, "datasms")
    assert (first.steps[1].wait, first.steps[1].success, first.steps[1].on_unknown) == (None, Success.DELIVERED, None)
    assert [rule.to for rule in config.inbound] == ["app:registration", "account:crm"]


def test_priorities_are_merged_field_by_field_and_lists_are_replaced(file: Path) -> None:
    file.write_text('[priority.low]\nttl = "4d"\n[[line]]\nname = "datasms"\ndriver = "datasms"\nrate = 3\n')
    config, defaults = load(file, {}), Config()
    assert config.priority["low"].ttl == 4 * 86_400_000
    assert config.priority["low"].wait == defaults.priority["low"].wait
    assert config.priority["high"] == defaults.priority["high"]
    assert [line.rate for line in config.line] == [3]
    assert config.channel == defaults.channel


class Mistake(NamedTuple):
    """One change to the full configuration and the one line that must be told about it."""

    old: str
    new: str
    told: str


def mistakes() -> Iterator[Mistake]:
    """The mistakes of config_mistakes.txt: ``-`` what is written, ``+`` what instead, ``!`` what is told."""
    blocks = Path(__file__).with_name("config_mistakes.txt").read_text().strip().split("\n\n")
    for block in blocks[1:]:
        marked = {mark: [line[2:] for line in block.split("\n") if line[0] == mark] for mark in "-+!"}
        yield Mistake("\n".join(marked["-"]) + "\n", "".join(line + "\n" for line in marked["+"]), *marked["!"])


@pytest.mark.parametrize("mistake", list(mistakes()), ids=lambda mistake: mistake.told[:60])
def test_one_mistake_among_all_other_options_is_the_only_one_told(file: Path, mistake: Mistake) -> None:
    """Written as whole lines or as a part of one."""
    old, new = mistake.old, mistake.new
    if old not in FULL:
        old, new = old.removesuffix("\n"), new.removesuffix("\n")
    assert problems_of(file, changed(old, new)) == [mistake.told]


def test_twelve_mistakes_are_twelve_problems(file: Path) -> None:
    text = FULL
    for old, new in (
        ('country = "CZ"', 'country = "Czechia"'),
        ('"300M"', '"300"'),
        ('"127.0.0.1:9443"', '"127.0.0.1"'),
        ("max_connections = 2000", "max_conections = 2000"),
        ('ttl = "2h"', 'ttl = "soon"'),
        ("port = 3550", "port = 0"),
        ('bind = "pair"', 'bind = "none"'),
        ('credentials_file = "firebase.json"\n', ""),
        ('["high", "!low"]', '["hi"]'),
        ('["$o2", "!^', '["$tmobile", "!^'),
        ('[[rule.steps]]\nline = "sms-o2"', '[[rule.steps]]\nline = "sms"'),
        ('"app:registration"', '"registration"'),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    assert [problem.split("]")[0] for problem in problems_of(file, text)] == [
        "[store.min_free",
        "[mxservice.max_conections",
        "[priority.high.ttl",
        "[line.sms-o2.port",
        "[line.sms-o2.bind",
        "[channel.fcm.credentials_file",
        "[daemon.country",
        "[gateway.http.listen",
        '[rule."night-shift alarms".when.priority.1',
        '[rule."night-shift alarms".when.recipient.1',
        '[rule."night-shift alarms".steps.2.line',
        "[inbound.registration.to",
    ]


def test_a_line_with_a_driver_to_come_is_told_once_and_not_where_rules_name_it(file: Path) -> None:
    text = FULL.replace('driver = "smpp"', 'driver = "http"')
    assert problems_of(file, text) == ['[line.sms-o2.driver] = "http": not supported yet; one of: datasms, smpp']


def test_without_a_rule_of_its_own_a_file_without_the_default_line_is_told_to_write_one(file: Path) -> None:
    text = '[[line]]\nname = "apps"\ndriver = "datasms"\n'
    assert problems_of(file, text) == [
        '[rule.everybody.steps.1.line] = "datasms": there is no such line; there is no [[rule]]: write one'
    ]


@pytest.mark.parametrize("name", ["default", "smpp"])
def test_a_line_may_not_have_a_name_that_means_another_thing_in_a_wait(file: Path, name: str) -> None:
    text = f'[[line]]\nname = "datasms"\ndriver = "datasms"\n[[line]]\nname = "{name}"\ndriver = "datasms"\n'
    assert problems_of(file, text) == [
        f'[line.{name}.name] = "{name}": means something else in a priority\'s wait; another name'
    ]


def test_a_table_where_a_list_of_tables_belongs_is_told(file: Path) -> None:
    text = '[line]\nname = "datasms"\n[daemon.country]\na = 1\n'
    assert problems_of(file, text) == [
        '[daemon.country] = {"a": 1}: is not right; a text in quotes',
        '[line] = {"name": "datasms"}: is no list; a list of tables',
    ]


def test_a_file_that_is_no_toml_is_told_with_the_line(file: Path) -> None:
    assert problems_of(file, '[daemon]\ncountry = "CZ\n') == [
        "is no TOML: Illegal character '\\n' (at line 2, column 14)"
    ]


def test_a_file_that_is_no_text_is_told(file: Path) -> None:
    file.write_bytes(b'[daemon]\ncountry = "\xff"')
    with pytest.raises(ConfigError) as caught:
        load(file, {})
    assert caught.value.problems == [f"{file}: is no UTF-8 text at byte 21; a TOML file would be right"]


def test_a_file_of_more_than_a_mebibyte_is_told(file: Path) -> None:
    assert problems_of(file, "#" * ((1 << 20) + 1)) == ["is larger than 1 MiB; a configuration file would be right"]


def test_a_named_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read: No such file or directory"):
        load(tmp_path / "none.toml", {})


def test_a_secret_is_never_shown_in_a_problem(file: Path) -> None:
    mistyped = changed('password_file = "smsc-password"', 'pasword = "canary"\nsystem_typ = "canary"')
    both = changed('password_file = "smsc-password"', 'password_file = "smsc-password"\npassword = "canary"')
    url = changed('"sqlite:main.sqlite3"', '"postgresql://datasms:canary@db/datasms"')
    for text in (mistyped, both, url):
        assert "canary" not in " ".join(problems_of(file, text))


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", b"x" * 70_000])
def test_a_secret_file_without_one_line_of_text_is_told(file: Path, content: bytes) -> None:
    (file.parent / "smsc-password").write_bytes(content)
    assert problems_of(file, FULL) == [
        '[line.sms-o2.password_file] = "smsc-password": holds no secret that can be read; a file with one line of text'
    ]


def test_a_file_whose_name_the_system_refuses_is_told_as_not_there(file: Path) -> None:
    (told,) = problems_of(file, changed('"firebase.json"', f'"{"x" * 300}"'))
    assert "there is no file" in told


def test_a_secret_is_taken_from_systemds_credentials_when_its_file_is_not_there(file: Path, tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (tmp_path / "smsc-password").rename(credentials / "smsc-password")
    file.write_text(FULL)
    line = load(file, {"CREDENTIALS_DIRECTORY": str(credentials)}).line[1]
    assert isinstance(line, SmppLine)
    assert line.password == Secret("s3cret")


def test_a_secret_that_everybody_may_read_is_a_warning(file: Path) -> None:
    file.write_text(FULL)
    assert load_with_warnings(file, {}).warnings == ()
    password = file.parent / "smsc-password"
    password.chmod(0o644)
    assert load_with_warnings(file, {}).warnings == (
        f"{password} holds a secret and may be read by everybody; chmod o-r would be right",
    )


def test_a_secret_in_the_file_itself_is_a_warning_when_everybody_may_read_it(file: Path) -> None:
    file.write_text(changed('password_file = "smsc-password"', 'password = "x"'))
    file.chmod(0o600)
    assert load_with_warnings(file, {}).warnings == ()
    file.chmod(0o604)
    assert load_with_warnings(file, {}).warnings == (
        f"{file} holds a secret and may be read by everybody; chmod o-r would be right",
    )


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"DATASMS_STATE_DIR": "/a", "STATE_DIRECTORY": "/b", "HOME": "/c"}, "/a"),
        ({"STATE_DIRECTORY": "/b:/b2", "HOME": "/c"}, "/b"),
        ({"STATE_DIRECTORY": "", "HOME": "/c"}, "/c/.local/state/datasms"),
        ({}, str(Path.home() / ".local/state/datasms")),
        ({"DATASMS_STATE_DIR": "here"}, str(Path.cwd() / "here")),
    ],
)
def test_the_state_directory_without_a_file_is_the_environments(env: dict[str, str], expected: str) -> None:
    assert load(None, env).daemon.state_dir == Path(expected)


def test_relative_paths_are_relative_to_the_file_and_not_to_the_working_directory(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(FULL)
    monkeypatch.chdir(tmp_path.parent)
    config = load(Path(tmp_path.name) / "datasms.toml", {})
    assert config.daemon.state_dir == tmp_path / "state"
    assert config.gateway.http.key_file == tmp_path / "gateway.key"


def test_the_command_line_names_the_file_before_the_environment_does() -> None:
    assert config_path("a.toml", {"DATASMS_CONFIG": "b.toml"}) == Path("a.toml")
    assert config_path(None, {"DATASMS_CONFIG": "b.toml"}) == Path("b.toml")
    assert config_path(None, {}) is None


def test_a_reload_may_change_all_but_the_state_the_store_and_the_addresses(file: Path) -> None:
    file.write_text(FULL)
    old = load(file, {})
    for before, after, told in (
        ('state_dir = "state"', 'state_dir = "other"', ["daemon.state_dir"]),
        ('"sqlite:main.sqlite3"', '"sqlite:other.sqlite3"', ["store.url"]),
        ('"127.0.0.1:9443"', '"127.0.0.1:9445"', ["gateway.http.listen"]),
        ('"[::]:9444"', '"0.0.0.0:9444"', ["mxservice.listen"]),
        ("rate = 12.5", "rate = 50", []),
        ('steps = [{ line = "datasms" }]', 'steps = [{ line = "sms-o2" }]', []),
    ):
        file.write_text(changed(before, after))
        assert changes_needing_restart(old, load(file, {})) == told
