"""``datasms archive`` against a running daemon: looked through, taken out, and who may."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.cli import Cli
from tests.fakes.live import eventually
from tests.fakes.stage import Stage

NUMBER, OTHER = "+420603123456", "+420603123457"
TEXTS = ["Čerpadlo 3 stojí", "=1+1", "100% of node_1", "line one\nline \u2028two \x1b[31m"]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A daemon with a few messages of an application, one of an operator, and a text from outside."""
    with Stage(tmp_path_factory.mktemp("archive"), ttl="1h", sms_wait="30m") as stage:
        stage.start()
        stage.key = Cli(stage.daemon.config_file)("key", "add", "crm", "--rights", "send,read").strip()
        for text in TEXTS:
            stage.submit(NUMBER, text, title="Station", **{"class": "alarm", "cost_centre": "210"})
        Cli(stage.daemon.config_file)("send", OTHER, "of the operator", "--reference", "r-1")
        stage.smsc.tell("text", sender=OTHER[1:], to="420603000000", text="Ano, prijdu")
        eventually(lambda: len(stage.acknowledgements(1)) == 1, "the text from outside")
        yield stage


@pytest.fixture
def datasms(stage: Stage) -> Cli:
    """The operator's command line."""
    return Cli(stage.daemon.config_file)


def found(datasms: Cli, *arguments: str) -> list[str]:
    """The texts that a search shows."""
    return [item["text"] for item in datasms.json("archive", "search", *arguments)["items"]]


def test_messages_are_found_by_words_and_filters(datasms: Cli) -> None:
    assert found(datasms, "cerpadlo", "STATION") == TEXTS[:1]
    assert found(datasms, "100%") == found(datasms, "e_1") == TEXTS[2:3]
    assert found(datasms, "--class", "alarm", "--cost-centre", "210", "--line", "sms") == TEXTS[::-1]
    assert found(datasms, "--to", "603123457", "--status", "waiting", "--status", "sending") == ["of the operator"]
    assert found(datasms, "--reference", "r-1", "--sender", "local") == ["of the operator"]
    assert found(datasms, "--until", "2020-01-01T00:00:00Z") == []


def test_a_table_tells_when_to_whom_and_what_and_moves_no_cursor(datasms: Cli) -> None:
    shown = datasms("archive", "search", "line")
    assert all(fact in shown for fact in ("TEXT", NUMBER, "Station: line one\\nline \\u2028two \\x1b[31m"))
    assert "\x1b" not in shown
    assert "and perhaps more" in datasms("archive", "search", "--limit", "2")
    assert datasms("archive", "search", "nothing like that") == "(none)\n"


def test_texts_from_outside_are_found_by_operators(datasms: Cli) -> None:
    assert found(datasms, "PŘIJDU", "--inbound", "--from", OTHER, "--line", "sms") == ["Ano, prijdu"]
    shown = datasms("archive", "search", "--inbound")
    assert all(fact in shown for fact in ("TARGET", OTHER, "Ano, prijdu"))


def test_a_filter_that_cannot_be_used_is_named(datasms: Cli) -> None:
    datasms("archive", "search", "--since", "yesterday", code=1)
    assert "since: write a time" in datasms.errors
    datasms("archive", "search", "--inbound", "--reference", "r-1", code=1)
    assert "reference: is unknown here" in datasms.errors
    datasms("archive", "search", "\u0301", code=1)
    assert "q: holds nothing to look for" in datasms.errors


def test_an_export_of_lines_or_as_a_whole_is_exact(datasms: Cli, tmp_path: Path) -> None:
    everything = datasms.json("archive", "search", "--limit", "500")["items"]
    lines = datasms("archive", "export")
    assert [json.loads(line) for line in lines.splitlines()] == everything
    file = tmp_path / "archive.json"
    assert datasms("archive", "export", "--format", "json", "--output", str(file)) == "exported: 5\n"
    assert json.loads(file.read_bytes()) == everything
    assert json.loads(datasms("archive", "export", "nothing like that", "--format", "json")) == []
    assert datasms("archive", "export", "--inbound").count("\n") == 1


def test_a_table_for_spreadsheets_holds_no_formula(datasms: Cli) -> None:
    rows = list(csv.DictReader(io.StringIO(datasms("archive", "export", "--format", "csv", "--sender", "nobody"))))
    assert rows == []
    rows = list(csv.DictReader(io.StringIO(datasms("archive", "export", "--format", "csv", "--class", "alarm"))))
    assert [row["text"] for row in rows] == [TEXTS[3], TEXTS[2], "'=1+1", TEXTS[0]]
    assert {row["to"] for row in rows} == {NUMBER}


def test_the_file_is_its_owner_s_alone_and_there_only_when_it_is_whole(datasms: Cli, tmp_path: Path) -> None:
    file = tmp_path / "archive.ndjson"
    file.write_text("of yesterday")
    file.chmod(0o644)
    datasms("archive", "export", "--since", "yesterday", "--output", str(file), code=1)
    assert file.read_text() == "of yesterday"
    assert datasms.json("archive", "export", "--output", str(file)) == {"exported": 5}
    assert (stat.S_IMODE(file.stat().st_mode), len(file.read_bytes().splitlines())) == (0o600, 5)
    assert list(tmp_path.iterdir()) == [file]
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    datasms("archive", "export", "--output", str(pipe), code=1)
    assert f"{pipe} is no file" in datasms.errors


def test_an_application_s_key_takes_out_its_own_and_none_without_the_right(stage: Stage, datasms: Cli) -> None:
    url, ca = f"https://localhost:{stage.daemon.ports['gateway']}", stage.daemon.state / "tls-cert.pem"
    where = ["--url", url, "--ca", str(ca)]
    reader = datasms("key", "add", "another", "--rights", "send,read").strip()
    sender = datasms("key", "add", "writer", "--rights", "send,inbound").strip()
    for secret, sees in ((stage.key, 4), (reader, 0)):
        exported = datasms(*where, "--key", secret, "archive", "export")
        assert [json.loads(line)["text"] for line in exported.splitlines()] == TEXTS[::-1][:sees]
    datasms(*where, "--key", reader, "archive", "export", "--inbound", code=4)
    for command in ("search", "export"):
        datasms(*where, "--key", sender, "archive", command, code=4)
        assert "needs the right read" in datasms.errors


def test_the_audit_log_tells_who_read_what_without_words_and_numbers(datasms: Cli) -> None:
    datasms("archive", "search", "cerpadlo", "--to", NUMBER, "--class", "alarm")
    act = datasms.json("audit", "list", "--who", "local", "--what", "texts read", "--limit", "1")["items"][0]
    assert act["object"].startswith("1 to=#")
    assert " class=alarm q=#" in act["object"]
    log = datasms("audit", "export")
    assert all(word not in log for word in ("cerpadlo", "Čerpadlo", NUMBER, "603123457"))
    assert "good" in datasms("audit", "verify")
