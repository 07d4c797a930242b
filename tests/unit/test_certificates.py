"""Certificates the daemon makes for itself."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from datasms_daemon.crypto.certificates import Authority, generate, write_private

NOW = 1_795_000_000_000


def test_a_generated_certificate_names_its_hosts_and_addresses_and_fits_its_key() -> None:
    key_pem, certificate_pem = generate(["mx.example.org", "192.0.2.1", "::1"], 90, NOW)
    certificate = x509.load_pem_x509_certificate(certificate_pem)
    key = load_pem_private_key(key_pem, None)
    assert isinstance(key, EllipticCurvePrivateKey)
    assert isinstance(key.curve, SECP256R1)
    assert certificate.public_key() == key.public_key()
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["mx.example.org"]
    assert names.get_values_for_type(x509.IPAddress) == [ip_address("192.0.2.1"), ip_address("::1")]


def test_a_generated_certificate_is_good_from_an_hour_ago_for_the_days_asked_for() -> None:
    certificate = x509.load_pem_x509_certificate(generate(["localhost"], 90, NOW)[1])
    now = datetime.fromtimestamp(NOW // 1000, UTC)
    assert certificate.not_valid_before_utc == now - timedelta(hours=1)
    assert certificate.not_valid_after_utc == now + timedelta(days=90)


def test_a_host_name_longer_than_a_common_name_may_be_is_no_problem() -> None:
    name = f"{'a' * 60}.{'b' * 60}.example"
    certificate = x509.load_pem_x509_certificate(generate([name], 1, NOW)[1])
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [name]


def test_an_issued_certificate_is_signed_by_its_authority() -> None:
    authority = Authority(30, NOW)
    issuer = x509.load_pem_x509_certificate(authority.certificate_pem)
    _, pem = authority.issue(["localhost"], 1, NOW)
    x509.load_pem_x509_certificate(pem).verify_directly_issued_by(issuer)


def test_a_private_file_is_replaced_whole_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    write_private(path, b"old")
    path.chmod(0o644)
    write_private(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["key.pem"]


def test_nothing_is_left_behind_when_a_private_file_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "directory"
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        write_private(path, b"key")
    assert [entry.name for entry in tmp_path.iterdir()] == ["directory"]
