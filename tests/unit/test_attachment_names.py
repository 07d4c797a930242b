"""What a file is taken for, and what it may be called (reliability.md § 3b, hostile attachment)."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasms_daemon.rules.attachments import MOST_NAME_BYTES, safe_name, type_of

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"GIF87a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\0\0\0\0WAVEfmt ", "application/octet-stream"),
        (b"%PDF-1.7", "application/pdf"),
        (b"\0\0\0\x18ftypmp42", "video/mp4"),
        (b"<!DOCTYPE html>", "application/octet-stream"),
        (b"<svg xmlns=", "application/octet-stream"),
        (b"<?xml version=", "application/octet-stream"),
        (b"PK\x03\x04", "application/octet-stream"),
        (b"MZ", "application/octet-stream"),
        (b" \x89PNG\r\n\x1a\n", "application/octet-stream"),
        (b"", "application/octet-stream"),
    ],
)
def test_the_type_is_what_the_content_begins_like_from_a_short_list(head: bytes, expected: str) -> None:
    assert type_of(head) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("plan.pdf", "plan.pdf"),
        ("Příloha č. 1.pdf", "Příloha č. 1.pdf"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("C:\\Users\\x\\photo.png", "photo.png"),
        ("x\0.png", "x.png"),
        ("a\r\nSet-Cookie: b.txt", "aSet-Cookie_ b.txt"),
        ("gpj.\u202eexe", "gpj.exe"),
        ("a\u2066b\u2069.txt", "ab.txt"),
        ("a\u2028b.txt", "a b.txt"),
        ("CON", "_CON"),
        ("con.txt", "_con.txt"),
        ("lpt1.tar.gz", "_lpt1.tar.gz"),
        ("console.txt", "console.txt"),
        (".htaccess", "htaccess"),
        ("name. . .", "name"),
        ('a<b>c:"d|e?f*', "a_b_c__d_e_f_"),
        ("", "attachment.png"),
        ("..", "attachment.png"),
        ("///", "attachment.png"),
        ("\ud800", "attachment.png"),
    ],
)
def test_a_name_is_made_safe_to_show_and_to_save(given: str, expected: str) -> None:
    assert safe_name(given, "image/png") == expected


def test_a_long_name_keeps_its_extension() -> None:
    assert safe_name("x" * 300 + ".png", "image/png") == "x" * 196 + ".png"
    assert safe_name("ž" * 300, "image/png") == "ž" * 100
    assert safe_name("x" * 300 + "." + "y" * 300, "image/png") == "x" * 200


@given(st.text(max_size=400))
def test_no_name_is_dangerous_and_a_safe_one_stays_as_it_is(name: str) -> None:
    safe = safe_name(name, "image/png")
    assert 0 < len(safe.encode()) <= MOST_NAME_BYTES
    assert not set(safe) & set('/\\<>:"|?*')
    assert all(unicodedata.category(letter)[0] != "C" for letter in safe)
    assert safe[0] not in ". "
    assert safe[-1] not in ". "
    assert safe_name(safe, "image/png") == safe
