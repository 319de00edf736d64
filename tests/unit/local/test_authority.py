"""The certificate of a private authority: which names it serves, and that the authority vouches for it."""

import ipaddress
from pathlib import Path

from cryptography import x509

from deplite.local.authority import make_pair


def served(folder: Path) -> x509.SubjectAlternativeName:
    certificate = x509.load_pem_x509_certificate((folder / "node.crt").read_bytes())
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate((folder / "authority.crt").read_bytes()))
    return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value


def test_it_serves_the_loopback(tmp_path: Path) -> None:
    make_pair(tmp_path, "store")
    names = served(tmp_path)
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("127.0.0.1")]


def test_it_serves_what_it_is_asked_to(tmp_path: Path) -> None:
    make_pair(tmp_path, "store", hosts=("store", "store.example"), addresses=("10.0.0.1", "::1"))
    names = served(tmp_path)
    assert names.get_values_for_type(x509.DNSName) == ["store", "store.example"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.1", "::1"]
