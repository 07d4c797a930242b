from __future__ import annotations

import hashlib
import hmac
import re
import string
import zlib

import pytest

from datasms_daemon.crypto.tokens import (
    DEVICE_PREFIX,
    KEY_PREFIX,
    hash_number,
    hash_token,
    new_token,
    verify_number,
    well_formed,
)
from datasms_daemon.model import Secret


def counting(length: int) -> bytes:
    return bytes(range(length))


TOKEN = new_token(KEY_PREFIX, counting)


@pytest.mark.parametrize("byte", [0, 127, 255])
@pytest.mark.parametrize("prefix", [KEY_PREFIX, DEVICE_PREFIX])
def test_a_token_is_its_prefix_and_49_letters_and_digits(prefix: str, byte: int) -> None:
    token = new_token(prefix, lambda length: bytes([byte]) * length)
    assert re.fullmatch(prefix + "[0-9A-Za-z]{49}", token)
    assert well_formed(token, prefix)


def test_32_bytes_are_asked_for_and_all_of_them_matter() -> None:
    asked: list[int] = []

    def random_bytes(length: int) -> bytes:
        asked.append(length)
        return counting(length)

    new_token(KEY_PREFIX, random_bytes)
    assert asked == [32]
    one_bit = [(1 << place).to_bytes(32) for place in range(256)]
    assert len({new_token(KEY_PREFIX, {32: fixed}.__getitem__) for fixed in one_bit}) == 256


@pytest.mark.parametrize(
    "text",
    [
        "",
        TOKEN[:-1],
        TOKEN + "0",
        TOKEN.replace("dsk_", "dst_"),
        TOKEN.swapcase(),
        TOKEN[:10] + ("0" if TOKEN[10] != "0" else "1") + TOKEN[11:],
        TOKEN[:-1] + ("0" if TOKEN[-1] != "0" else "1"),
        TOKEN[:-1] + "é",
        TOKEN[:-1] + " ",
    ],
)
def test_a_mistyped_token_is_not_well_formed(text: str) -> None:
    assert not well_formed(text, KEY_PREFIX)


def test_a_right_checksum_over_other_symbols_does_not_make_a_token() -> None:
    body = "dsk_" + "-" * 43
    number, checksum = zlib.crc32(body.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        checksum = (string.digits + string.ascii_uppercase + string.ascii_lowercase)[digit] + checksum
    assert not well_formed(body + checksum, KEY_PREFIX)


def test_a_token_is_kept_as_its_sha_256() -> None:
    assert hash_token(TOKEN) == hashlib.sha256(TOKEN.encode()).hexdigest()


def test_a_registration_number_is_verified_with_its_secret_and_pepper_only() -> None:
    kept = hash_number(Secret("ABCDEFGH"), b"pepper", counting)
    assert "ABCDEFGH" not in kept
    assert verify_number(Secret("ABCDEFGH"), b"pepper", kept)
    assert not verify_number(Secret("ABCDEFGJ"), b"pepper", kept)
    assert not verify_number(Secret("ABCDEFGH"), b"salt", kept)
    assert not verify_number(Secret("ABCDEFGH"), b"pepper", kept.replace("scrypt", "plain"))


def test_the_slow_hash_is_scrypt_with_the_parameters_of_the_sheet() -> None:
    kept = hash_number(Secret("ABCDEFGH"), b"pepper", counting)
    peppered = hmac.digest(b"pepper", b"ABCDEFGH", "sha256")
    digest = hashlib.scrypt(peppered, salt=counting(16), n=32768, r=8, p=1, maxmem=1 << 26, dklen=32)
    assert kept == f"scrypt${counting(16).hex()}${digest.hex()}"


@pytest.mark.parametrize("kept", ["", "scrypt", "scrypt$00", "scrypt$$", "scrypt$zz$00", "sha256$00$00", "$$$"])
def test_what_is_no_such_hash_matches_nothing(kept: str) -> None:
    assert not verify_number(Secret("ABCDEFGH"), b"pepper", kept)
