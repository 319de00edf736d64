"""A private certificate authority that exists for one certificate: whoever shows that one is one of us."""

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from deplite.local.layout import write_private

_LIFETIME = timedelta(days=3650)
_RENEW_BEFORE = timedelta(days=30)


def make_pair(
    folder: Path,
    name: str,
    now: datetime | None = None,
    *,
    hosts: Sequence[str] = ("localhost",),
    addresses: Sequence[str] = ("127.0.0.1",),
) -> None:
    """Make `authority.crt`, `node.crt` and `node.key` in a folder, unless they are there and good for a month.

    The certificate serves both ends of mutual TLS. The authority's own key is never stored: nobody can ever make a
    second certificate that it vouches for.

    Args:
        folder: where they go.
        name: of whom the certificate is for.
        now: in place of the clock.
        hosts: names under which it serves.
        addresses: IP addresses under which it serves.
    """
    moment = now or datetime.now(UTC)
    if not _ends_soon(folder, moment):
        return
    authority_key = ec.generate_private_key(ec.SECP256R1())
    node_key = ec.generate_private_key(ec.SECP256R1())
    authority = _authority(authority_key, name, moment)
    served = [*map(x509.DNSName, hosts), *(x509.IPAddress(ipaddress.ip_address(address)) for address in addresses)]
    node = _node(node_key, authority_key, authority, name, moment, served)
    write_private(folder / "node.key", _pem_of_key(node_key))
    write_private(folder / "authority.crt", _pem(authority))
    write_private(folder / "node.crt", _pem(node))  # last: it is what says that all are there


def _ends_soon(folder: Path, now: datetime) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate((folder / "node.crt").read_bytes())
    except (OSError, ValueError):
        return True
    return certificate.not_valid_after_utc - now < _RENEW_BEFORE


def _authority(key: ec.EllipticCurvePrivateKey, name: str, now: datetime) -> x509.Certificate:
    subject = _subject(f"{name} authority")
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        _builder(subject, subject, key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _node(
    key: ec.EllipticCurvePrivateKey,
    authority_key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
    name: str,
    now: datetime,
    served: list[x509.GeneralName],
) -> x509.Certificate:
    ends = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    return (
        _builder(_subject(name), authority.subject, key.public_key(), now)
        .add_extension(x509.SubjectAlternativeName(served), critical=False)
        .add_extension(x509.ExtendedKeyUsage(ends), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))  # a clock that is set back a little must not lock us out
        .not_valid_after(now + _LIFETIME)
    )


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _pem_of_key(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
