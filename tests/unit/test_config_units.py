from __future__ import annotations

import pytest

from datasms_daemon.config.units import format_duration, format_size, parse_duration, parse_listen, parse_size


@pytest.mark.parametrize(
    ("text", "milliseconds"), [("90s", 90_000), ("5m", 300_000), ("2h", 7_200_000), ("3d", 259_200_000)]
)
def test_a_time_is_a_number_and_its_unit(text: str, milliseconds: int) -> None:
    assert parse_duration(text) == milliseconds


@pytest.mark.parametrize("text", ["", "5", "s", "0s", "-5s", "1.5h", "5 m", "5M", "5min", "1h30m", "05m", "5m\n", "٥m"])
def test_anything_else_is_no_time(text: str) -> None:
    assert parse_duration(text) is None


@pytest.mark.parametrize(("text", "size"), [("500K", 512_000), ("15M", 15_728_640), ("2G", 2_147_483_648)])
def test_a_size_counts_in_powers_of_1024(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "15", "15MB", "15m", "0M", "1.5G"])
def test_anything_else_is_no_size(text: str) -> None:
    assert parse_size(text) is None


@pytest.mark.parametrize("text", ["90s", "5m", "36h", "3d"])
def test_a_time_is_written_in_the_largest_unit_that_fits(text: str) -> None:
    milliseconds = parse_duration(text)
    assert milliseconds is not None
    assert format_duration(milliseconds) == text


def test_a_size_is_written_in_the_largest_unit_that_fits() -> None:
    assert [format_size(size) for size in (512_000, 268_435_456, 1 << 30)] == ["500K", "256M", "1G"]


@pytest.mark.parametrize(
    ("text", "listen"),
    [
        ("127.0.0.1:8443", ("127.0.0.1", 8443)),
        ("0.0.0.0:0", ("0.0.0.0", 0)),
        ("[::1]:65535", ("::1", 65535)),
        ("[::]:80", ("::", 80)),
    ],
)
def test_an_address_to_listen_at_is_a_literal_and_a_port(text: str, listen: tuple[str, int]) -> None:
    assert parse_listen(text) == listen


@pytest.mark.parametrize(
    "text",
    ["", ":8443", "8443", "localhost:80", "1.2.3:80", "1.2.3.4", "1.2.3.4:", "1.2.3.4:65536", "[1.2.3.4]:80", "::1:80"],
)
def test_anything_else_is_no_address_to_listen_at(text: str) -> None:
    assert parse_listen(text) is None
