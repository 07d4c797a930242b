"""We refuse the wrong peers, and notice at start if a library makes us stop doing so (reliability.md § 0, trap 1)."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from OpenSSL import crypto
from twisted.internet import ssl
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator

from datasms_daemon.crypto import tls, tls_check
from datasms_daemon.crypto.certificates import Authority
from datasms_daemon.crypto.tls import Authorities, authorities
from datasms_daemon.crypto.tls_check import five_certificate_check
from datasms_daemon.errors import ConfigError

NOW = 1_795_000_000_000


def test_one_good_certificate_is_taken_and_four_bad_ones_refused_in_under_a_second() -> None:
    started = time.perf_counter()
    five_certificate_check(int(time.time() * 1000))
    assert time.perf_counter() - started < 1


def _of_twisted(host: str, trusted: Authorities) -> IOpenSSLClientConnectionCreator:
    assert trusted is not None
    roots = [ssl.Certificate(crypto.X509.from_cryptography(authority)) for authority in trusted]
    creator: IOpenSSLClientConnectionCreator = ssl.optionsForClientTLS(host, ssl.trustRootFromCertificates(roots))
    return creator


def test_the_check_notices_that_twisted_alone_takes_a_certificate_without_a_name(
    monkeypatch: pytest.MonkeyPatch, logged_failures: list[dict[str, Any]]
) -> None:
    monkeypatch.setattr(tls_check, "VerifiedPeer", _of_twisted)
    with pytest.raises(ConfigError, match="without subjectAltName is accepted"):
        five_certificate_check(int(time.time() * 1000))
    logged_failures.clear()


def test_any_exception_while_the_name_is_verified_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(tls, "verify_certificate_hostname", broken)
    with pytest.raises(ConfigError, match="a good certificate is refused") as raised:
        five_certificate_check(int(time.time() * 1000))
    assert len(raised.value.problems) == 1


def test_a_ca_file_may_hold_several_authorities(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(Authority(1, NOW).certificate_pem + Authority(1, NOW).certificate_pem)
    trusted = authorities(path)
    assert trusted is not None
    assert len(trusted) == 2


@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n"])
def test_a_ca_file_without_a_certificate_is_a_configuration_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"ca\.pem: no CA certificate can be read"):
        authorities(path)
