from __future__ import annotations

import pytest

from datasms_daemon.rules.registration import ALPHABET, allowed, make, parse, sms_text

NUMBER = make(bytes(range(8)))


def test_a_number_is_twelve_symbols_and_a_check_symbol_in_groups() -> None:
    assert [len(group) for group in NUMBER.split("-")] == [4, 4, 5]
    assert len(ALPHABET) == len(set(ALPHABET)) == 32
    assert not set("01OI") & set(ALPHABET)
    assert set(NUMBER) - {"-"} <= set(ALPHABET)


def test_it_needs_eight_random_bytes() -> None:
    with pytest.raises(ValueError, match="8 random bytes are needed"):
        make(b"1234567")


def test_the_sms_that_we_ask_for_is_read_back_in_its_two_parts() -> None:
    number = parse(sms_text(NUMBER))
    assert number is not None
    assert number.selector == NUMBER[:4]
    assert number.secret.reveal() == NUMBER.replace("-", "")[4:12]
    assert "secret" not in repr(number).replace("secret=Secret(***)", "")


@pytest.mark.parametrize(
    "written",
    [
        f"DATASMS {NUMBER}",
        f"datasms {NUMBER.lower()}",
        f"  DataSMS\t{NUMBER}\r\n",
        f"DATASMS {NUMBER.replace('-', '')}",
        f"DATASMS {NUMBER.replace('-', ' ')}",
        f"DATASMS {NUMBER.replace('-', chr(0x2013))}",
        f"DATASMS\u00a0{NUMBER.replace('-', chr(0x2011))}",
        f"DATASMS{NUMBER}",
        f"DATASMS {' '.join(NUMBER)}",
        f"data sms {NUMBER}",
    ],
)
def test_case_spaces_and_dashes_are_forgiven(written: str) -> None:
    assert parse(written) == parse(sms_text(NUMBER))


@pytest.mark.parametrize(
    "written",
    [
        "",
        "DATASMS",
        NUMBER,
        f"DATASMS {NUMBER}A",
        f"DATASMS {NUMBER[:-1]}",
        f"DATASMS {NUMBER} thanks",
        f"HELLO {NUMBER}",
        f"DATASMS DATASMS {NUMBER}",
        f"DATAſMS {NUMBER}",
        "DATASMS 0000-0000-00000",
        "DATASMS " + "A" * 100_000,
    ],
)
def test_anything_else_is_no_registration(written: str) -> None:
    assert parse(written) is None


def test_a_try_within_all_limits_is_allowed_at_once() -> None:
    verdict = allowed(4, 9, 999)
    assert verdict.allowed
    assert verdict.delay_ms == 0
    assert not verdict.alarm


@pytest.mark.parametrize(
    ("number", "sender", "reason"),
    [(5, 0, "this number was tried too often"), (0, 10, "this sender tried too often in an hour")],
)
def test_the_sixth_try_of_a_number_and_the_eleventh_of_a_sender_are_refused(
    number: int, sender: int, reason: str
) -> None:
    verdict = allowed(number, sender, 0)
    assert not verdict.allowed
    assert verdict.reason == reason


def test_a_thousand_wrong_ones_in_an_hour_raise_an_alarm_and_slow_down() -> None:
    verdict = allowed(0, 0, 1_000)
    assert verdict.allowed
    assert verdict.alarm
    assert verdict.delay_ms == 1_000
    assert allowed(5, 0, 1_000).alarm


def test_ten_thousand_wrong_ones_in_an_hour_pause_registration() -> None:
    assert allowed(0, 0, 9_999).allowed
    verdict = allowed(0, 0, 10_000)
    assert not verdict.allowed
    assert verdict.alarm
    assert verdict.reason == "registration is paused: too many wrong numbers in an hour"


@pytest.mark.parametrize("counts", [(None, 0, 0), (0, None, 0), (0, 0, None)])
def test_a_count_that_is_not_known_refuses(counts: tuple[int | None, int | None, int | None]) -> None:
    verdict = allowed(*counts)
    assert not verdict.allowed
    assert verdict.alarm
