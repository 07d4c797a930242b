"""The command line against a running daemon, and what of it works without one."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from datasms_daemon import __version__
from datasms_daemon.config.load import load
from datasms_daemon.store import opening
from tests.fakes.cli import Cli
from tests.fakes.live import Daemon, eventually
from tests.fakes.stage import Stage

NUMBER = "+420603123456"
NEXT_YEAR = (datetime.now(UTC) + timedelta(days=365)).isoformat(timespec="seconds")
QUIET = """
store.min_free = "1M"
gateway.http.listen = "127.0.0.1:0"
mxservice.listen = "127.0.0.1:0"
"""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One daemon for all tests of this module, with an SMSC and a push service."""
    with Stage(tmp_path_factory.mktemp("cli")) as stage:
        yield stage.start()


@pytest.fixture
def datasms(stage: Stage) -> Cli:
    """The operator's command line."""
    return Cli(stage.daemon.config_file)


@pytest.fixture
def alone(tmp_path: Path) -> Cli:
    """The command line where no daemon runs."""
    return Cli(Daemon(tmp_path, QUIET).config_file)


# --- messages --------------------------------------------------------------------------------------------------------


def test_a_message_is_sent_and_its_way_shown(stage: Stage, datasms: Cli) -> None:
    sent = datasms.json("send", "603123456", "the first text", "--priority", "high", "--reference", "crm-1")
    id_ = sent["messages"][0]["id"]
    eventually(lambda: bool(stage.texts("the first text")), "the SMS")
    sms = stage.texts("the first text")[0]
    stage.smsc.tell("receipt", id=sms["id"], to=sms["to"], stat="DELIVRD")
    stage.reaches(id_, "delivered")
    shown = datasms("status", id_, "--trace")
    for fact in (NUMBER, "crm-1", "delivered", "accepted", "attempts", "trace"):
        assert fact in shown
    view = datasms.json("status", id_)
    assert (view["id"], view["status"], view["line"]) == (id_, "delivered", "sms")
    assert [attempt["line"] for attempt in view["attempts"]] == ["sms"]


def test_a_message_is_sent_with_files_which_its_status_names(stage: Stage, datasms: Cli, tmp_path: Path) -> None:
    names = ["plan.pdf", "photo.png"]
    for name in names:
        (tmp_path / name).write_bytes(b"%PDF-1.7")
    files = [word for name in names for word in ("--attach", str(tmp_path / name))]
    sent = datasms.json("send", NUMBER, "The plan", *files)
    assert "plan.pdf, photo.png" in datasms("status", sent["messages"][0]["id"])
    (tmp_path / "empty.txt").write_bytes(b"")
    datasms("send", NUMBER, "The plan", "--attach", str(tmp_path / "empty.txt"), code=1)
    assert "An empty file is no attachment" in datasms.errors
    datasms("send", NUMBER, "The plan", "--attach", str(tmp_path / "nowhere"), code=2)


def test_a_message_is_sent_with_buttons(datasms: Cli) -> None:
    buttons = ["Confirm=YES 4711", "Open=https://crm.example.org/?id=4711", "Old=http://a.example", "Later", "Never="]
    datasms("send", NUMBER, "The pump?", *(word for button in buttons for word in ("--button", button)))
    (found,) = datasms.json("archive", "search", "pump?")["items"]
    assert [(button["text"], button["reply"] or button["url"]) for button in found["buttons"]] == [
        ("Confirm", "YES 4711"),
        ("Open", "https://crm.example.org/?id=4711"),
        ("Old", "http://a.example"),
        ("Later", "Later"),
        ("Never", "Never"),
    ]
    assert [button["url"] is None for button in found["buttons"]] == [True, False, False, True, True]
    datasms("send", NUMBER, "x", "--button", "=YES", "--button", "Open=https://jan@a.example/", code=1)
    assert "buttons/0/text" in datasms.errors
    datasms("send", NUMBER, "x", "--button", "Open=https://jan@a.example/", code=1)
    assert 'buttons/0/url = "https://jan@a.example/": write an http or https address' in datasms.errors


def test_send_shows_where_each_message_goes(datasms: Cli) -> None:
    lines = datasms("send", "603123456", "+420603123457", "for two").splitlines()
    assert [line.split()[1] for line in lines] == ["TO", NUMBER, "+420603123457"]


def test_send_takes_the_text_from_standard_input(stage: Stage, datasms: Cli) -> None:
    datasms("send", NUMBER, "-", stdin="from a pipe\n")
    eventually(lambda: bool(stage.texts("from a pipe")), "the SMS, without the line's end")


def test_send_names_the_faulty_fields_and_what_they_held(datasms: Cli) -> None:
    datasms("send", "abc", NUMBER, "text", "--priority", "hihg", code=1)
    assert 'to/0 = "abc": ' in datasms.errors
    assert 'priority = "hihg": unknown priority; there are high, low, normal' in datasms.errors


def test_send_fails_when_no_way_leads_to_anybody(datasms: Cli) -> None:
    datasms("send", NUMBER, "text", "--line", "datasms", code=1)
    assert "datasms explain says why" in datasms.errors
    explained = datasms("explain", NUMBER, "text", "--line", "datasms")
    assert "skipped datasms: " in explained


def test_waiting_ends_well_when_the_receipt_comes(stage: Stage, datasms: Cli) -> None:
    with datasms.start("send", NUMBER, "wait for me", "--wait") as waiting:
        eventually(lambda: bool(stage.texts("wait for me")), "the SMS")
        assert waiting.poll() is None
        sms = stage.texts("wait for me")[0]
        stage.smsc.tell("receipt", id=sms["id"], to=sms["to"], stat="DELIVRD")
        out, errors = waiting.communicate(timeout=30)
    assert (waiting.returncode, errors) == (0, "")
    assert "delivered" in out


def test_waiting_exits_3_when_the_time_is_over_or_the_message_failed(datasms: Cli) -> None:
    out = datasms("send", NUMBER, "nobody confirms", "--wait", "--timeout", "1s", code=3)
    assert "waiting" in out
    assert "not delivered: 1 of 1" in datasms.errors
    out = datasms("send", NUMBER, "no way", "--line", "datasms", "--wait", code=3)
    assert "no_route" in out


def test_explain_shows_the_plan_and_sends_nothing(stage: Stage, datasms: Cli) -> None:
    plan = datasms.json("explain", NUMBER, "x" * 200)["items"][0]
    assert [(step["line"], step["parts"]) for step in plan["steps"]] == [("sms", 2)]
    assert [skipped["line"] for skipped in plan["skipped"]] == ["datasms"]
    assert "push, then SMS" in datasms("explain", NUMBER, "x" * 200)
    assert stage.texts("x" * 200) == []


def test_what_is_cancelled_once_cannot_be_cancelled_again(datasms: Cli) -> None:
    sent = datasms.json("send", NUMBER, "later", "--send-at", NEXT_YEAR)
    id_ = sent["messages"][0]["id"]
    queued = {(one["line"], one["status"]): one["messages"] for one in datasms.json("queue")["queue"]}
    assert queued[None, "scheduled"] == 1
    assert "scheduled" in datasms("queue")
    assert {status for _, status in queued} <= {"scheduled", "queued", "sending", "waiting"}
    assert "cancelled" in datasms("cancel", id_)
    datasms("cancel", id_, code=1)
    assert "it is final already" in datasms.errors
    datasms("cancel", "unknown-id", code=1)
    assert "no such message" in datasms.errors


def test_the_dead_are_listed_and_resent(datasms: Cli) -> None:
    datasms("send", NUMBER, "dead end", "--line", "datasms", code=1)
    assert "failed" not in {one["status"] for one in datasms.json("queue")["queue"]}
    dead = datasms.json("dead", "list", "--limit", "1")["items"]
    assert [one["code"] for one in dead] == ["no_route"]
    assert "no_route" in datasms("dead", "list")
    new = datasms.json("dead", "resend", dead[0]["id"])[0]["id"]
    assert datasms.json("status", new)["to"] == NUMBER
    datasms("dead", "resend", "unknown-id", code=1)


def test_tail_follows_messages_until_it_is_interrupted(datasms: Cli) -> None:
    id_ = datasms.json("send", NUMBER, "watch me", "--send-at", NEXT_YEAR)["messages"][0]["id"]
    with datasms.start("tail", "-n", "1", "--json") as tail:
        assert tail.stdout is not None
        assert json.loads(tail.stdout.readline())["id"] == id_
        datasms("cancel", id_)
        changed: dict[str, Any] = {}
        while changed.get("id") != id_:
            changed = json.loads(tail.stdout.readline())
        assert changed["status"] == "cancelled"
        tail.send_signal(signal.SIGINT)
        _, errors = tail.communicate(timeout=20)
    assert (tail.returncode, errors) == (0, "")


# --- directory -------------------------------------------------------------------------------------------------------


def test_persons_are_written_shown_and_deleted(datasms: Cli) -> None:
    shown = datasms("person", "put", "novakova", "--name", "Jana Nováková", "--number", "603 111 222")
    assert "+420603111222" in shown
    assert datasms.json("person", "show", "novakova")["name"] == "Jana Nováková"
    assert "Jana Nováková" in datasms("person", "list")
    assert datasms("person", "delete", "novakova") == "deleted: novakova\n"
    datasms("person", "show", "novakova", code=1)
    datasms("person", "put", "nobody", "--number", "12", code=1)
    assert 'numbers/0 = "12": ' in datasms.errors


def test_groups_are_written_shown_and_deleted(datasms: Cli) -> None:
    datasms("person", "put", "operator-1")
    assert "operator-1" in datasms("group", "put", "night", "--name", "Night shift", "--member", "operator-1")
    assert datasms.json("group", "show", "night")["members"] == ["operator-1"]
    assert "Night shift" in datasms("group", "list")
    datasms("group", "put", "night", "--member", "nobody-at-all", code=1)
    assert "members" in datasms.errors
    assert datasms.json("group", "delete", "night") == {"deleted": ["night"]}
    datasms("person", "delete", "operator-1")


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_a_whole_directory_is_imported(datasms: Cli, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"people{suffix}"
    if suffix == ".csv":
        file.write_text("id,name,numbers\nimport-1,Eva,603222333 603222334\nimport-2,Ivo,\n")
    else:
        file.write_text(json.dumps({"persons": [{"id": "import-1", "numbers": ["603222333"]}, {"id": "import-2"}]}))
    assert datasms.json("person", "import", str(file)) == {"persons": 2, "groups": 0}
    assert datasms.json("person", "show", "import-1")["numbers"][0] == "+420603222333"
    datasms("person", "delete", "import-1", "import-2")
    file.write_text("id,name\nimport-1\n" if suffix == ".csv" else '{"people": []}')
    datasms("person", "import", str(file), code=1)
    other = tmp_path / "people.xls"
    other.touch()
    datasms("person", "import", str(other), code=2)


def test_a_revoked_device_is_out(stage: Stage, datasms: Cli) -> None:
    device = stage.register("+420603999888", "fcm", {"token": "token-revoked"})
    person = stage.daemon.clients(device.token)("GET", "/mx/v1/device").body["person"]
    assert device.id in datasms("device", "list", person)
    assert datasms("device", "revoke", device.id) == f"revoked: {device.id}\n"
    assert stage.daemon.clients(device.token)("GET", "/mx/v1/device").status == 401
    assert [one["state"] for one in datasms.json("device", "list", person)] == ["revoked"]
    datasms("device", "revoke", "unknown-device", code=1)


# --- keys ------------------------------------------------------------------------------------------------------------


def test_a_key_is_printed_alone_and_works_until_it_is_deleted(stage: Stage, datasms: Cli) -> None:
    secret = datasms("key", "add", "shop", "--rights", "send,read", "--rate", "20", "--lines", "sms").strip()
    gateway = stage.daemon.gateway(secret)
    assert gateway("GET", "/v1/messages").status == 200
    listed = datasms("key", "list")
    assert "shop" in listed
    assert secret not in listed
    datasms("key", "delete", "shop")
    assert gateway("GET", "/v1/messages").status == 401
    datasms("key", "delete", "shop", code=1)


def test_a_key_of_unknown_words_is_refused_by_name(datasms: Cli) -> None:
    datasms("key", "add", "bad", "--rights", "sned", code=1)
    assert "rights" in datasms.errors
    datasms("key", "add", "bad", "--rights", "send", "--lines", "smss", code=1)
    assert 'lines/0 = "smss": there is no such line' in datasms.errors


def test_a_key_made_without_a_daemon_works_once_it_runs(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, QUIET)
    datasms = Cli(daemon.config_file)
    secret = datasms("key", "add", "early", "--rights", "send,read").strip()
    doomed = datasms.json("key", "add", "doomed", "--rights", "read")
    assert datasms("key", "delete", doomed["id"]) == f"deleted: {doomed['id']}\n"
    assert [one["name"] for one in datasms.json("key", "list")] == ["early"]
    with daemon:
        daemon.run()
        assert daemon.gateway(secret)("GET", "/v1/messages").status == 200
        assert daemon.gateway(doomed["secret"])("GET", "/v1/messages").status == 401
        assert [one["name"] for one in datasms.json("key", "list")] == ["early"]


def test_without_a_daemon_a_key_of_unknown_words_is_refused_too(alone: Cli) -> None:
    alone("key", "add", "bad", "--rights", "sned", code=1)
    assert "rights" in alone.errors
    alone("key", "add", "bad", "--rights", "send", "--lines", "smss", "--top-priority", "hihg", code=1)
    assert "there is no line smss" in alone.errors
    assert "unknown priority; there are high, low, normal" in alone.errors
    assert alone("key", "list") == "(none)\n"


def test_a_state_directory_that_cannot_be_made_is_named(alone: Cli, tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    alone("key", "add", "crm", "--rights", "send", code=1)
    assert alone.errors == f"datasms: {tmp_path / 'state'}: File exists\n"


def test_a_database_that_cannot_be_opened_is_named(alone: Cli, tmp_path: Path) -> None:
    (tmp_path / "state" / "datasms.sqlite3").mkdir(parents=True)
    alone("key", "list", code=1)
    assert "datasms.sqlite3 is no usable database: unable to open database file" in alone.errors


def test_a_store_that_another_process_holds_is_left_alone(alone: Cli, tmp_path: Path) -> None:
    """I30: one process a file."""
    alone("key", "list")
    lock = opening.Lock(tmp_path / "state" / "datasms.sqlite3")
    alone("key", "add", "crm", "--rights", "send", code=1)
    lock.release()
    assert f"is in use by process {os.getpid()}" in alone.errors


# --- the daemon itself -----------------------------------------------------------------------------------------------


def test_lines_are_shown_paused_and_resumed(datasms: Cli) -> None:
    states = {one["name"]: one["state"] for one in datasms.json("line", "list")}
    assert states == {"datasms": "up", "sms": "up"}
    assert "paused" in datasms("line", "pause", "datasms")
    assert {one["name"]: one["state"] for one in datasms.json("line", "list")}["datasms"] == "paused"
    assert datasms.json("line", "resume", "datasms")[0]["state"] == "up"
    datasms("line", "pause", "datsms", code=1)
    assert "there is no line datsms; there are: datasms, sms" in datasms.errors


def test_what_holds_for_a_sender_is_shown_and_an_unknown_one_is_told(datasms: Cli) -> None:
    datasms("key", "add", "crm", "--rights", "send")
    assert datasms.json("sender", "show", "crm")["options"]["lines"] == {"value": None, "from": None}
    assert "numbers" in datasms("sender", "show", "crm")
    datasms("sender", "show", "nobody", code=1)
    assert "neither the configuration nor a key names a sender nobody" in datasms.errors


def test_a_report_sums_up_by_what_was_asked(datasms: Cli) -> None:
    datasms("send", "603123456", "a text to be counted")
    items = datasms.json("report", "--by", "sender,day")["items"]
    assert sum(item["messages"] for item in items) >= 1
    assert {item["sender"] for item in items} >= {"local"}
    head, *rows = datasms("report", "--by", "sender", "--csv").splitlines()
    assert head == "sender,messages,delivered,failed,parts,cost,avoided,avoided_parts,saved"
    assert any(row.startswith("local,") for row in rows)
    assert "money" not in datasms("report").splitlines()[0]


def test_a_backup_of_a_running_daemon_is_whole_and_opens(stage: Stage, datasms: Cli, tmp_path: Path) -> None:
    id_ = datasms.json("send", NUMBER, "in the backup", "--send-at", NEXT_YEAR)["messages"][0]["id"]
    copy = tmp_path / "copy.sqlite3"
    assert str(copy) in datasms("backup", str(copy))
    opening.prepare(copy)
    with closing(sqlite3.connect(copy)) as db:
        assert db.execute("SELECT count(*) FROM messages WHERE id = ?", (id_,)).fetchone() == (1,)
    assert copy.stat().st_mode & 0o077 == 0
    datasms("cancel", id_)
    datasms("restore", str(copy), code=1)
    assert f"is in use by process {stage.daemon.pid}" in datasms.errors


def test_a_backup_is_restored_where_no_daemon_runs(datasms: Cli, alone: Cli, tmp_path: Path) -> None:
    alone("backup", str(tmp_path / "copy"), code=1)
    assert "there is no database" in alone.errors
    alone("key", "add", "kept", "--rights", "read")
    alone("backup", str(tmp_path / "copy"))
    alone("key", "add", "new", "--rights", "read")
    restored = alone("restore", str(tmp_path / "copy"))
    assert "the former one is kept as" in restored
    assert "datasms queue release" in restored
    assert [one["name"] for one in alone.json("key", "list")] == ["kept"]


def test_the_audit_log_tells_who_did_what_and_proves_that_it_was_not_changed(datasms: Cli, tmp_path: Path) -> None:
    datasms("line", "pause", "sms")
    datasms("line", "resume", "sms")
    acts = datasms.json("audit", "list", "--who", "local", "--object", "sms")["items"]
    assert [act["what"] for act in acts[:2]] == ["line resumed", "line paused"]
    lines = datasms("audit", "export", "--object", "sms").splitlines()
    assert lines[0] == "seq,at,who,what,object,seal"
    assert len(lines) == len(acts) + 1
    assert json.loads(datasms("audit", "export", "--format", "ndjson").splitlines()[-1])["seq"] == 1
    head = datasms.json("audit", "verify")["head"]
    assert "good, up to entry" in datasms("audit", "verify", "--noted", head)
    datasms("backup", str(tmp_path / "copy"))
    with closing(sqlite3.connect(tmp_path / "copy")) as db:
        db.execute("UPDATE audit SET who = 'mallory' WHERE seq = 1")
        db.commit()
    datasms("audit", "verify", str(tmp_path / "copy"), code=1)
    assert "entry 1 was changed" in datasms.errors


def test_a_reload_takes_all_of_the_file_or_nothing_and_is_in_the_audit_log(stage: Stage, datasms: Cli) -> None:
    file = stage.daemon.config_file
    former = file.read_text()
    first = datasms.json("config")
    assert (first["by"], first["names"]["rule"]) == ("daemon", ["push, then SMS"])
    try:
        file.write_text(former + '\n[[rule]]\nname = "more"\nsteps = [ { line = "sms" } ]\n')
        answer = datasms.json("reload")
        assert [(one["section"], one["added"]) for one in answer["changes"]] == [("rule", ["more"])]
        assert answer["hash"] == hashlib.sha256(file.read_bytes()).hexdigest()
        assert "nothing is different" in datasms("reload")
        file.write_text(former + '\n[[rule]]\nname = "more"\nmistyped = 1\nsteps = [ { line = "smms" } ]\n')
        datasms("reload", code=1)
        assert "mistyped" in datasms.errors
        assert "smms" in datasms.errors
        now = datasms.json("config")
        assert (now["by"], now["hash"], now["names"]["rule"]) == ("local", answer["hash"], ["push, then SMS", "more"])
    finally:
        file.write_text(former)
        os.kill(stage.daemon.pid, signal.SIGHUP)
    eventually(lambda: datasms.json("config")["by"] == "signal", "the first configuration again")
    eventually(lambda: len(_acts(datasms, "signal")) == 1, "the reload in the log")
    assert _acts(datasms, "signal") == [("configuration loaded", first["hash"])]
    acts = _acts(datasms, "local")
    assert ("configuration refused", str(file)) in acts
    assert ("configuration loaded", answer["hash"]) in acts
    assert _acts(datasms, "daemon")[-1] == ("started", first["hash"])


def _acts(datasms: Cli, who: str) -> list[tuple[str, str]]:
    return [(act["what"], act["object"]) for act in datasms.json("audit", "list", "--who", who)["items"]]


def test_a_person_is_erased_and_what_is_over_is_forgotten_on_demand(datasms: Cli, tmp_path: Path) -> None:
    file = tmp_path / "persons.csv"
    file.write_text("id,name,numbers\ncanary-person,Canary,+420603777888\n")
    datasms("person", "import", str(file))
    datasms("send", "person:canary-person", "canary text", "--send-at", NEXT_YEAR)
    assert datasms.json("person", "erase", "canary-person", "--yes") == {"messages": 1, "cancelled": 1, "devices": 0}
    datasms("person", "erase", "canary-person", "--yes", code=1)
    assert "no such person" in datasms.errors
    assert datasms.json("archive", "purge", "--dry-run") == []
    assert datasms.json("archive", "purge") == {"purged": 0}
    assert "good" in datasms("audit", "verify")


def test_check_config_tells_all_problems_at_once(alone: Cli, tmp_path: Path) -> None:
    assert "lines: datasms" in alone("check-config")
    file = tmp_path / "bad.toml"
    file.write_text('[daemon]\ncuontry = "CZ"\n[store]\nmin_free = "much"\n')
    alone("--config", str(file), "check-config", code=1)
    assert "cuontry" in alone.errors
    assert "min_free" in alone.errors
    alone("--config", str(tmp_path / "missing.toml"), "check-config", code=1)
    assert "cannot be read" in alone.errors


def test_the_sample_configuration_is_one_that_can_be_used(alone: Cli, tmp_path: Path) -> None:
    file = tmp_path / "sample.toml"
    file.write_text(alone("check-config", "--sample"))
    load(file, {"HOME": str(tmp_path)})


def test_operators_reach_the_daemon_although_its_file_is_faulty_now(stage: Stage, tmp_path: Path) -> None:
    file = tmp_path / "faulty.toml"
    file.write_text(f'daemon.state_dir = "{stage.daemon.state}"\nmistyped = true\n')
    assert "datasms" in Cli(file)("line", "list")


def test_the_version_names_the_running_daemon_s(datasms: Cli, alone: Cli) -> None:
    assert datasms.json("version") == {"datasms": __version__, "daemon": __version__}
    assert alone("version") == f"datasms {__version__}, daemon: none answers\n"


# --- who may, and who answers ----------------------------------------------------------------------------------------


def test_a_daemon_elsewhere_is_asked_with_a_key_over_verified_tls(stage: Stage) -> None:
    remote = Cli(stage.daemon.config_file)
    remote.env |= {
        "DATASMS_URL": f"https://localhost:{stage.daemon.ports['gateway']}",
        "DATASMS_CA": str(stage.daemon.state / "tls-cert.pem"),
        "DATASMS_KEY": stage.key,
    }
    assert NUMBER in remote("send", NUMBER, "from elsewhere")
    remote("key", "list", code=4)
    assert "needs the right admin" in remote.errors
    remote.env["DATASMS_KEY"] = "dsk_wrong"
    remote("status", "some-id", code=4)
    assert "Valid credentials are needed" in remote.errors
    remote.env["DATASMS_CA"] = None
    remote("line", "list", code=5)
    assert "its certificate is not good" in remote.errors


def test_usage_errors_exit_2_and_say_what_was_meant(alone: Cli) -> None:
    alone("statsu", "1", code=2)
    assert "Did you mean 'status'?" in alone.errors
    alone("line", "puase", "x", code=2)
    assert "Did you mean 'pause'?" in alone.errors
    alone("send", NUMBER, "text", "--prioriy", "high", code=2)
    assert "--priority" in alone.errors
    alone("send", NUMBER, "text", "--wait", "--timeout", "soon", code=2)
    alone("send", NUMBER, "text", "--timeout", "5s", code=2)
    alone("--key", "dsk_x", "line", "list", code=2)
    alone("--url", "http://localhost:1", "line", "list", code=2)
    assert "write https://HOST:PORT" in alone.errors


def test_without_a_daemon_commands_exit_5_and_say_where_they_looked(alone: Cli, tmp_path: Path) -> None:
    alone("line", "list", code=5)
    assert str(tmp_path / "state" / "datasms.sock") in alone.errors
    assert "$DATASMS_STATE_DIR" in alone.errors
    (tmp_path / "state").mkdir()
    with closing(socket.socket(socket.AF_UNIX)) as left_behind:
        left_behind.bind(str(tmp_path / "state" / "datasms.sock"))
        alone("line", "list", code=5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
    alone("--url", f"https://127.0.0.1:{port}", "line", "list", code=5)


def test_the_installed_entry_point_runs(alone: Cli) -> None:
    with alone.start("version", "--json") as process:
        out, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
    assert json.loads(out) == {"datasms": __version__, "daemon": None}
