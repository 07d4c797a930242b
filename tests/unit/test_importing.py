"""Rules of the product before us: what is read, what becomes of it, and what is told about the rest."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from datasms_daemon.cli import cli
from datasms_daemon.config.importing import imported
from datasms_daemon.config.load import load
from datasms_daemon.config.registry import decoded, parse
from datasms_daemon.rules.routing import Facts, Router

HEAD = "Windows Registry Editor Version 5.00\n"
ROOT = r"HKEY_LOCAL_MACHINE\SOFTWARE\Datasys\MobilChange"
SAMPLE = rf"""{HEAD}
; written by regedit
[{ROOT}]
[{ROOT}\sending]
[{ROOT}\sending\alias]
"tmobile"="^42060[35],^42073[0-9]{{7,8}}$"
"special"="^4206(01|02){{1,2}}"

[{ROOT}\sending\route]

[{ROOT}\sending\route\10]
"recipient"="$tmobile"
"priorities"="hnl"
"line"="tmobile"

[{ROOT}\sending\route\1]
"recipient"="$tmobile,$special"
"priorities"="h"
"line"="modem 1"

[{ROOT}\sending\route\2]
"recipient"=".*"
"priorities"="hnl"
"line"="tmobile"

[{ROOT}\line]
"active"="tmobile"
"DaySMSLimitDefault"=dword:000003e8
[{ROOT}\line\tmobile]
"bodylen"=dword:000001cb
"DaySMSLimit"=dword:00000064
"""


def toml_of(*routes: dict[str, str]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What these rules, numbered from 1, become, and what is told."""
    text = HEAD
    for number, values in enumerate(routes, start=1):
        text += f"[{ROOT}\\sending\\route\\{number}]\n"
        for name, value in values.items():
            quoted = value.replace("\\", "\\\\").replace('"', '\\"')
            text += f'"{name}"="{quoted}"\n'
    result = imported(parse(text))
    return tomllib.loads(result.toml), result.untranslated


def rule(recipient: str, priorities: str = "hnl", line: str = "tmobile") -> dict[str, str]:
    return {"recipient": recipient, "priorities": priorities, "line": line}


def recipients(recipient: str) -> object:
    """What a recipient becomes."""
    toml, _ = toml_of(rule(recipient))
    assert "enabled" not in toml["rule"][0]
    return toml["rule"][0].get("when", {}).get("recipient")


def test_rules_come_in_the_order_of_texts_with_their_lines_and_aliases() -> None:
    result = imported(parse(SAMPLE))
    made = tomllib.loads(result.toml)
    assert [each["name"] for each in made["rule"]] == ["route 1", "route 10", "route 2"]
    assert made["rule"][0]["when"] == {"recipient": ["$tmobile", "$special"], "priority": ["high"]}
    assert made["rule"][1]["when"] == {"recipient": ["$tmobile"]}
    assert "when" not in made["rule"][2]
    assert [each["steps"] for each in made["rule"]] == [
        [{"line": "modem-1"}], [{"line": "tmobile"}], [{"line": "tmobile"}]
    ]  # fmt: skip
    assert made["alias"] == {
        "tmobile": [r"^\+42060[35]", r"^\+42073[0-9]{7,8}$"],
        "special": [r"^\+4206(01|02){1,2}"],
    }
    modem, tmobile = made["line"]
    assert (modem["name"], modem["enabled"], modem["day_limit"]) == ("modem-1", False, 1000)
    assert (tmobile["name"], tmobile["day_limit"], tmobile["max_parts"]) == ("tmobile", 100, 3)
    assert "enabled" not in tmobile
    assert result.untranslated == ("line modem 1: is called modem-1 here",)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (".*", None),
        ("^42060", [r"^\+42060"]),
        ("^42060[34][0-9]+,^42177", [r"^\+42060[34][0-9]+", r"^\+42177"]),
        ("^42060,.*", None),
        (r"^\+42060", [r"^\+42060"]),
        ("123$", ["123$"]),
        ("^(420|421)60", [r"^\+(420|421)60"]),
        ("^420|^421", [r"^\+420|^\+421"]),
        ("^420[^6]", [r"^\+420[^6]"]),
        ("^420(6,7|8)", [r"^\+420(6,7|8)"]),
        ("^420[67]{1,2},^43", [r"^\+420[67]{1,2}", r"^\+43"]),
    ],
)
def test_patterns_are_for_numbers_with_a_plus(old: str, new: object) -> None:
    assert recipients(old) == new


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (rule("^4616$"), "rule 1: recipient '^4616$': short numbers cannot be written to"),
        (rule("$nobody"), "rule 1: recipient '$nobody': there is no such alias"),
        (rule("^(420"), "rule 1: recipient '^(420': missing ), unterminated subpattern at character 4"),
        (rule("^420(6*)*"), "rule 1: recipient '^420(6*)*': could take too long"),
        (rule(""), "rule 1: has no recipient"),
        (rule(".*", "hx"), "rule 1: there is no priority 'x'; it is switched off"),
        (rule(".*", ""), "rule 1: has no priorities; it is switched off"),
    ],
)
def test_a_rule_of_which_a_part_cannot_be_said_is_switched_off_and_told(values: dict[str, str], told: str) -> None:
    made, untold = toml_of(values, rule(".*"))
    assert [each.get("enabled", True) for each in made["rule"]] == [False, True]
    assert untold == (told,)


def test_what_is_not_known_is_told_and_left_out() -> None:
    more = rf"""[{ROOT}\sending\route\3]
"recipient"=".*"
"priorities"="hnl"
[{ROOT}\sending\route\4]
"recipient"=".*"
"priorities"="n"
"line"="tmobile"
"backup"="o2"
[{ROOT}\line\unused]
"bodylen"=dword:000000a0
[{ROOT}\line\tmobile\nets]
"o2"="1.20"
[{ROOT}\receiving\report\tmobile\1]
"body"="^Delivered to (.*)"
[-{ROOT}\old]
"x"="y"
"z"=hex:01,02
nonsense
"""
    result = imported(parse(SAMPLE + more))
    assert len(tomllib.loads(result.toml)["rule"]) == 4
    assert result.untranslated == (
        "line 48 cannot be read",
        "line 49 cannot be read",
        "line 50 cannot be read",
        "line modem 1: is called modem-1 here",
        "rule 3: names no line and is left out",
        "rule 4: backup = 'o2' is not known",
        "line unused: no rule names it; it is left out",
        rf"{ROOT}\line\tmobile\nets: is not translated (o2 = '1.20')",
        rf"{ROOT}\receiving\report\tmobile\1: is not translated (body = '^Delivered to (.*)')",
    )


def test_values_of_every_kind_are_read() -> None:
    multi = ",".join(f"{octet:02x}" for octet in "a\0b\0\0".encode("utf-16-le"))
    half = len(multi) // 3 // 2 * 3
    export = parse(
        'REGEDIT4\n\n[K]\n@="default"\n"a\\\\b"="c\\"d\\\\"\n"n"=dword:0000000A\n'
        f'"m"=hex(7):{multi[:half]}\\\n  {multi[half:]}\n'
        '"long"="two\nlines"\n"bin"=hex:01\n'
    )
    (key,) = export.keys
    assert key.values == {"@": "default", "a\\b": 'c"d\\', "n": "10", "m": "a,b", "long": "two\nlines"}
    assert export.problems == ("line 11: this kind of value cannot be read",)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8", "utf-8-sig", "cp1250"])
def test_files_are_read_in_every_encoding_that_windows_writes(encoding: str) -> None:
    text = HEAD + '[K]\n"popis"="Žluťoučký kůň"\n'
    (key,) = parse(decoded(text.replace("\n", "\r\n").encode(encoding))).keys
    assert key.values == {"popis": "Žluťoučký kůň"}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, prog_name="datasms")


def test_what_the_command_writes_is_a_good_configuration_that_routes_as_before(tmp_path: Path) -> None:
    """The round trip."""
    old, new = tmp_path / "old.reg", tmp_path / "new.toml"
    old.write_bytes(SAMPLE.replace("modem 1", "modem1").replace("\n", "\r\n").encode("utf-16"))
    result = run("rules", "import", str(old))
    assert (result.exit_code, result.stderr) == (0, "")
    new.write_text(result.stdout)
    assert run("--config", str(new), "check-config").exit_code == 0
    router = Router(load(new, {"HOME": str(tmp_path)}))
    for to, priority, rules in (
        ("+420603123456", "high", ("route 1",)),
        ("+420603123456", "low", ("route 10",)),
        ("+420601123456", "normal", ("route 2",)),
        ("+421905123456", "high", ("route 2",)),
    ):
        assert router.plan(Facts(priority=priority, sender="crm", to=to, now=0)).rules == rules


def test_what_was_not_translated_is_told_beside_and_the_command_says_so(tmp_path: Path) -> None:
    old = tmp_path / "old.reg"
    old.write_text(SAMPLE)
    result = run("rules", "import", str(old))
    assert result.exit_code == 1
    assert tomllib.loads(result.stdout)["rule"]
    assert result.stderr.splitlines() == [
        "not translated: line modem 1: is called modem-1 here", "datasms: 1 were not translated"
    ]  # fmt: skip


def test_a_file_that_is_no_export_is_refused(tmp_path: Path) -> None:
    old = tmp_path / "old.reg"
    old.write_text("[daemon]\n")
    result = run("rules", "import", str(old))
    assert result.exit_code == 1
    assert "is no exported registry" in result.stderr
    assert result.stdout == ""
