"""What another configuration's rules would change, on messages that were accepted before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from datasms_daemon.cli import cli
from datasms_daemon.config.records import ClassOptions, Config, Rule, Sender, StepOptions, When
from datasms_daemon.delivery.comparison import Comparison, Difference, Rules, compare
from datasms_daemon.model import LineName, MessageId, MessageQuery, Plan, Step
from datasms_daemon.store import search
from datasms_daemon.store.store import Db
from tests.fakes.daemon import NUMBER, FakeDaemon, FakeTime, add_person, configuration, done, draft

OTHER = "+420603000001"
PUSH, SMS_A, SMS_B = (
    Step(LineName("datasms"), 600_000),
    Step(LineName("sms-a"), 7_200_000),
    Step(LineName("sms-b"), 7_200_000),
)
ALARMS = Rule(name="alarms", when=When(text=("^alarm",)), steps=(StepOptions(line=LineName("sms-b")),))


class World:
    """A daemon that took some messages; nothing of it runs while rules are compared."""

    def __init__(self, tmp_path: Path) -> None:
        self.config = configuration(tmp_path)
        self.daemon = FakeDaemon(self.config, {}, FakeTime())
        add_person(self.daemon, "phone")
        self.ids = [
            MessageId(self.daemon.submit(draft(text, number=number, class_=class_), sender)[0])
            for text, number, class_, sender in (
                ("alarm 1", NUMBER, None, "crm"),
                ("alarm 2", NUMBER, "internal", "crm"),
                ("hello", OTHER, "internal", "erp"),
                ("hello", OTHER, None, "erp"),
            )
        ]

    def compared(self, after: Config) -> Comparison:
        """What these rules would change."""

        def unit(db: Db) -> Comparison:
            found = reversed(list(search.newest(db, MessageQuery(limit=100))))
            return compare(db, [dossier.message for dossier in found], Rules(self.config), Rules(after))

        return done(self.daemon.store.read(unit))


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Push and SMS for everybody."""
    return World(tmp_path)


def ways(comparison: Comparison) -> list[tuple[Plan | str, Plan | str, int]]:
    return [(each.before, each.after, each.messages) for each in comparison.differences]


def test_the_same_rules_change_nothing(world: World) -> None:
    assert world.compared(world.config) == Comparison(4, 0, 0, ())


def test_messages_are_grouped_by_how_they_went_and_would_go(world: World) -> None:
    after = replace(world.config, rule=(ALARMS, *world.config.rule))
    assert world.compared(after).differences == (Difference((PUSH, SMS_A), (SMS_B,), 2, (world.ids[0], world.ids[1])),)


def test_the_larger_difference_comes_first_and_a_refusal_is_one(world: World) -> None:
    after = replace(
        world.config,
        rule=(ALARMS, *world.config.rule),
        class_={"advert": ClassOptions()},
        sender={"erp": Sender(numbers=(f"^\\{NUMBER}",))},
    )
    assert ways(world.compared(after)) == [
        ((PUSH, SMS_A), (SMS_B,), 1),
        ((PUSH, SMS_A), "unknown class; there are advert", 1),
        ((SMS_A,), "unknown class; there are advert; this sender may not write to this number", 1),
        ((SMS_A,), "this sender may not write to this number", 1),
    ]
    after = replace(world.config, rule=(), sender={"erp": Sender(lines=("datasms",))})
    assert ways(world.compared(after)) == [((PUSH, SMS_A), (), 2), ((SMS_A,), (), 2)]


def test_a_priority_that_is_gone_is_told(world: World) -> None:
    after = replace(world.config, priority={"high": world.config.priority["high"]})
    assert {after for _, after, _ in ways(world.compared(after))} == {"there is no priority normal"}


def test_a_text_that_is_forgotten_meets_no_text_condition_and_a_recipient_no_rule(world: World) -> None:
    def unit(db: Db) -> None:
        db.execute("UPDATE messages SET text = '' WHERE id = :id", {"id": world.ids[0]})
        db.execute("UPDATE messages SET recipient = NULL, person = NULL WHERE id = :id", {"id": world.ids[3]})

    done(world.daemon.store.write(unit))
    found = world.compared(replace(world.config, rule=(ALARMS, *world.config.rule)))
    assert (found.routed, found.without_text, found.without_recipient) == (3, 1, 1)
    assert [each.examples for each in found.differences] == [(world.ids[1],)]


def test_nothing_is_stored(world: World) -> None:
    before = done(world.daemon.store.read(lambda db: list(db.iterdump())))
    world.compared(replace(world.config, rule=(ALARMS,)))
    assert done(world.daemon.store.read(lambda db: list(db.iterdump()))) == before


OLD = """
[daemon]
state_dir = "state"
[[line]]
name = "datasms"
driver = "datasms"
[[line]]
name = "sms-a"
driver = "smpp"
host = "smsc"
system_id = "a"
[[rule]]
name = "all"
steps = [{ line = "datasms" }, { line = "sms-a" }]
"""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, prog_name="datasms")


def test_the_command_reads_the_database_while_the_daemon_has_it_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").mkdir()
    world = World(tmp_path / "state")
    monkeypatch.setattr("datasms_daemon.cli.rules.wall_ms", world.daemon.time.wall_ms)
    old, new, bad = (tmp_path / f"{name}.toml" for name in ("old", "new", "bad"))
    old.write_text(OLD)
    new.write_text(OLD.replace('"datasms" }, { line', '"datasms", wait = "1m", success = "read" }, { line'))
    bad.write_text(OLD.replace("steps", "stepz"))
    result = run("--config", str(old), "rules", "diff", str(new))
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == "4 messages of the last 1d; 2 would go another way"
    assert "datasms 10m, sms-a 2h" in result.stdout
    assert "datasms 1m until read, sms-a 2h" in result.stdout
    shown = json.loads(run("--config", str(old), "rules", "diff", str(new), "--json").stdout)
    assert shown["differences"][0]["examples"] == [world.ids[1], world.ids[0]]
    assert run("--config", str(old), "rules", "diff", str(old)).stdout == (
        "4 messages of the last 1d; 0 would go another way\n"
    )
    refused = run("--config", str(old), "rules", "diff", str(bad))
    assert refused.exit_code == 1
    assert 'did you mean "steps"?' in refused.stderr
    world.daemon.time.step_ms = 90_000_000
    assert run("--config", str(old), "rules", "diff", str(new)).stdout.startswith("0 messages")


def test_without_a_database_the_command_says_so_and_makes_none(tmp_path: Path) -> None:
    file = tmp_path / "old.toml"
    file.write_text(OLD)
    result = run("--config", str(file), "rules", "diff", str(file))
    assert result.exit_code == 1
    assert "there is no database at" in result.stderr
    assert not (tmp_path / "state").exists()
