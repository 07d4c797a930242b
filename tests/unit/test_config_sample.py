"""The generated sample: valid, complete, the same as no file, and true in what it has commented out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from datasms_daemon.config.kinds import Options
from datasms_daemon.config.load import load
from datasms_daemon.config.options import Option, drivers_of, element_of, is_table, options_of, value_of
from datasms_daemon.config.records import Config
from datasms_daemon.config.sample import sample

ETC = Path(__file__).parents[2] / "etc"


def test_the_file_in_etc_is_the_generated_sample() -> None:
    assert (ETC / "datasms.toml").read_text() == sample()


def test_the_sample_as_it_stands_means_the_same_as_no_file(tmp_path: Path) -> None:
    path = tmp_path / "datasms.toml"
    path.write_text(sample())
    assert load(path, {"HOME": "/home"}) == load(None, {"HOME": "/home"})


SECRETS = ("password", "client_secret", "token", "api_key", "hook_secret")


def test_every_option_in_the_sample_can_be_set_as_it_stands_there(tmp_path: Path) -> None:
    for name in ("certificate.pem", "key.pem", "ca.pem", "firebase.json", "vapid.pem", *SECRETS):
        (tmp_path / name).write_text("x")
    (tmp_path / "crm-webhook-secret").write_text(f"whsec_{'A' * 32}")
    (tmp_path / "vip.txt").write_text("+420603123456\n")
    (tmp_path / "ported.csv").write_text("+420603123456,vodafone\n")
    (tmp_path / "closures.ics").write_text(
        "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART;VALUE=DATE:20260701\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    path = tmp_path / "datasms.toml"
    path.write_text(re.sub(r"^#(?=[^ ])", "", sample(), flags=re.MULTILINE))
    config = load(path, {})
    assert [line.driver for line in config.line] == ["datasms", "smpp"]
    assert [channel.driver for channel in config.channel] == ["direct", "fcm", "wns", "webpush", "viber", "omni"]
    assert [rule.name for rule in config.rule] == ["night-shift alarms", "everybody"]
    assert config.mxservice.registration_number == "+420603123456"


def tables_of(table: type[Options]) -> list[type[Options]]:
    """The table and all tables within it."""
    found = [table]
    for option in options_of(table):
        kinds = [option.kind, element_of(option.kind), value_of(option.kind)]
        kinds += drivers_of(element_of(option.kind)).values()
        found += [inner for kind in kinds if is_table(kind) for inner in tables_of(kind)]
    return found


OPTIONS = [option for table in tables_of(Config) for option in options_of(table)]


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_each_option_is_described_and_stands_in_the_sample(option: Option) -> None:
    text = sample()
    assert option.meta.description or is_table(option.kind)
    assert re.search(rf"(^#?\[*|^#\s+|\. ?|, ){option.name}(_file)?\b", text, re.MULTILINE)
