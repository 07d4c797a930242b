"""Keys and certificates the daemon makes for itself: its own at the first start, and a small authority for the demo."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# A machine whose clock is a little behind ours must not find the certificate "not yet valid".
BACKDATED = timedelta(hours=1)


def generate(names: Sequence[str], days: int, now_ms: int) -> tuple[bytes, bytes]:
    """A new P-256 key and a self-signed server certificate for these host names and addresses, both as PEM.

    Good from an hour before ``now_ms`` (UTC) for ``days``. Clients trust it by having it as their CA file.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _leaf(names, days, now_ms, names[0], (ExtendedKeyUsageOID.SERVER_AUTH,)).public_key(key.public_key())
    certificate = builder.issuer_name(_name(names[0])).sign(key, hashes.SHA256())
    return _key_pem(key), certificate.public_bytes(serialization.Encoding.PEM)


class Authority:
    """A certificate authority in memory; its key is never written anywhere."""

    def __init__(self, days: int, now_ms: int, name: str = "datasms demo authority") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        usage = x509.KeyUsage(
            digital_signature=False,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        certificate = (
            _dated(days, now_ms)
            .subject_name(self._name)
            .issuer_name(self._name)
            .public_key(self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate_pem = certificate.public_bytes(serialization.Encoding.PEM)

    def issue(
        self,
        names: Sequence[str],
        days: int,
        now_ms: int,
        *,
        common_name: str = "",
        usages: Sequence[x509.ObjectIdentifier] = (ExtendedKeyUsageOID.SERVER_AUTH,),
    ) -> tuple[bytes, bytes]:
        """A new key and a certificate signed by this authority, both as PEM; without ``names`` it has no
        subjectAltName at all."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _leaf(names, days, now_ms, common_name or names[0], usages).public_key(key.public_key())
        certificate = (
            builder.issuer_name(self._name)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        return _key_pem(key), certificate.public_bytes(serialization.Encoding.PEM)


def write_private(path: Path, data: bytes) -> None:
    """``path`` holds ``data``, whole or not at all even after a crash, and only its owner can read it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # made with mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _leaf(
    names: Sequence[str], days: int, now_ms: int, common_name: str, usages: Sequence[x509.ObjectIdentifier]
) -> x509.CertificateBuilder:
    builder = (
        _dated(days, now_ms)
        .subject_name(_name(common_name))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False
        )
    return builder


def _dated(days: int, now_ms: int) -> x509.CertificateBuilder:
    now = datetime.fromtimestamp(now_ms // 1000, UTC)
    return (
        x509.CertificateBuilder()
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + timedelta(days=days))
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name.encode("idna").decode("ascii"))


def _name(common_name: str) -> x509.Name:
    # RFC 5280 allows 64 characters; the subjectAltName is what counts.
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
