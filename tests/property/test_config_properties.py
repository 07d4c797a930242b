"""Whatever a file says, the loader answers with a configuration or with problems."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from datasms_daemon.config.kinds import Options
from datasms_daemon.config.load import load
from datasms_daemon.config.options import drivers_of, element_of, is_table, options_of, value_of
from datasms_daemon.config.records import Config
from datasms_daemon.errors import ConfigError
from datasms_daemon.rules.inbound import InboundRouter
from datasms_daemon.rules.routing import Router

leaves: st.SearchStrategy[object] = st.one_of(
    st.booleans(),
    st.integers(-5, 100_000),
    st.floats(),
    st.sampled_from(["", "datasms", "smpp", "high", "5m", "$o2", "!a", "(", "CZ", "app:registration", "127.0.0.1:0"]),
    st.text(max_size=5),
)
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner))


def tables_of(kind: object) -> st.SearchStrategy[object]:
    """What a file may have for an option of this kind, mostly in the right shape."""
    element, named, drivers = element_of(kind), value_of(kind), drivers_of(kind)
    if is_table(kind):
        return table_of(kind)
    if drivers:
        return st.one_of([table_of(table) for table in drivers.values()])
    if element is not None and not isinstance(element, type(str)):
        return st.lists(tables_of(element), max_size=3)
    if element is not None and is_table(element):
        return st.lists(table_of(element), max_size=3)
    if is_table(named):
        return st.dictionaries(st.sampled_from(["high", "mine", "a b"]), table_of(named), max_size=2)
    return values


def table_of(table: type[Options]) -> st.SearchStrategy[object]:
    options = {option.name: tables_of(option.kind) for option in options_of(table)}
    return st.one_of(st.fixed_dictionaries({}, optional=options), values)


def toml(value: object) -> str:
    """The value in TOML's inline form."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value).replace("\x7f", "")


@given(st.fixed_dictionaries({}, optional={option.name: tables_of(option.kind) for option in options_of(Config)}))
def test_any_file_gives_a_configuration_that_can_be_compiled_or_readable_problems(tables: dict[str, object]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "datasms.toml"
        path.write_text("".join(f"{name} = {toml(value)}\n" for name, value in tables.items()))
        config, problems = loaded(path)
        assert (config is None) == bool(problems)
        assert all(line.startswith(f"{path}: ") and line.isprintable() for line in problems)
        if config is not None:
            Router(config)
            InboundRouter(config, config.daemon.country, (), lambda sender: 0, None)


def loaded(path: Path) -> tuple[Config | None, list[str]]:
    try:
        return load(path, {}), []
    except ConfigError as error:
        return None, error.problems
