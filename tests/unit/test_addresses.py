"""Which URLs and addresses the safe client may use at all (reliability.md § 3b)."""

from __future__ import annotations

import pytest

from datasms_daemon.rules.addresses import is_allowed, netloc


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://push.example/v1/x:send?a=b&c=%20", "push.example"),
        ("https://push.example", "push.example"),
        ("https://push.example:443/", "push.example"),
        ("https://push.example:8443/", "push.example:8443"),
        ("https://[2001:db8::1]:8443/x", "[2001:db8::1]:8443"),
        ("https://192.0.2.1/", "192.0.2.1"),
    ],
)
def test_a_plain_https_url_has_a_host(url: str, expected: str) -> None:
    assert netloc(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "push.example",
        "http://push.example/",
        "HTTPS://push.example/",
        "ftp://push.example/",
        "file:///etc/passwd",
        "https:push.example",
        "https:/push.example",
        "https:///push.example",
        "https://",
        "https:///",
        "https://user@push.example/",
        "https://user:word@push.example/",
        "https://push.example@evil.example/",
        "https://push.example:443@evil.example/",
        "https://evil.example\\@push.example/",
        "https://push.example\\.evil.example/",
        "https://evil.example#.push.example/",
        "https://evil.example#@push.example/",
        "https://push.example/#fragment",
        "https://push.example./",
        "https://.push.example/",
        "https://push..example/",
        "https://Push.example/",
        "https://push.example:0/",
        "https://push.example:00443/",
        "https://push.example:65536/",
        "https://push.example:99999/",
        "https://push.example:-1/",
        "https://push.example:/",
        "https://push.example:443:443/",
        "https://push.example:4 43/",
        "https://pu sh.example/",
        "https://push.example/a b",
        "https://push.example/\r\nHost: evil.example",
        "https://push.example\r\n/",
        "https://push.example/\n",
        " https://push.example/",
        "https://push.example/ ",
        "https://push\x00.example/",
        "https://push。example/",
        "https://pушка.example/",
        "https://push.example/ř",
        "https://ⓟush.example/",
        "https://%70ush.example/",
        "https://push%2eexample/",
        "https://push.example%00.evil.example/",
        "https://[::1/",
        "https://::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[fe80::1%25eth0]/",
        "https://[fe80::1%eth0]/",
        "https://[]/",
        "https://[push.example]/",
    ],
)
def test_an_odd_url_has_no_host(url: str) -> None:
    assert netloc(url) is None


PUBLIC = ["8.8.8.8", "142.250.1.95", "172.15.255.255", "172.32.0.1", "2a00:1450:4014:80e::200a", "2606:4700::1111"]
PRIVATE = ["10.0.0.1", "127.0.0.1", "127.255.255.254", "172.16.0.1", "192.168.1.1", "100.64.0.1", "::1", "fd00::1"]
NEVER = [
    "0.0.0.0",
    "0.1.2.3",
    "169.254.169.254",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b::8.8.8.8",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:10::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::1",
    "3fff::1",
    "5f00::1",
    "fe80::1",
    "fe80::1%lo",
    "2606:4700::1111%eth0",
    "fec0::1",
    "ff02::1",
    "127.1",
    "127.0.0.1.",
    "0127.0.0.1",
    "2130706433",
    "0x7f000001",
    "0",
    "localhost",
    "",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address: str) -> None:
    assert is_allowed(address, private=False)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_allowed_only_where_configured(address: str) -> None:
    assert not is_allowed(address, private=False)
    assert is_allowed(address, private=True)


@pytest.mark.parametrize("address", NEVER)
def test_special_addresses_and_other_spellings_are_never_allowed(address: str) -> None:
    assert not is_allowed(address, private=False)
    assert not is_allowed(address, private=True)
