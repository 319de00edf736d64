"""Public keys that no agent should have."""

import base64

from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

P = 2**255 - 19
ORDER_8 = 2707385501144840649318225287225658788936804267575313519463743609750303402022
PREFIX = bytes.fromhex("302a300506032b6570032100")
"""The DER of an Ed25519 SubjectPublicKeyInfo before its 32 bytes (RFC 8410)."""


def pem_of(raw: bytes) -> str:
    text = base64.b64encode(PREFIX + raw).decode()
    return f"-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n"


def good_pem() -> str:
    return pem_of(Ed25519PrivateKey.generate().public_key().public_bytes_raw())


def private_pem() -> str:
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _public(key: Ed448PrivateKey | X25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _rsa() -> str:
    key = generate_private_key(65537, 2048).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


UNUSABLE = {
    "RSA": _rsa,
    "Ed448": lambda: _public(Ed448PrivateKey.generate()),
    "X25519": lambda: _public(X25519PrivateKey.generate()),
    "private": private_pem,
    "private after public": lambda: good_pem() + private_pem(),
    "empty": lambda: "",
    "no PEM": lambda: "ssh-ed25519 AAAA me@host",
    "raw base64": lambda: base64.b64encode(Ed25519PrivateKey.generate().public_key().public_bytes_raw()).decode(),
    "31 bytes": lambda: pem_of(bytes(31)),
    "a certificate": lambda: good_pem().replace("PUBLIC KEY", "CERTIFICATE"),
    "no ASCII": lambda: good_pem().replace("MCow", "MCöw"),
    "4 kB": lambda: good_pem() + "x" * 3900,
}

WEAK = {
    f"y = {y % 1000}, sign {sign}": pem_of((y | sign << 255).to_bytes(32, "little"))
    for y in (0, 1, P - 1, P, P + 1, ORDER_8, P - ORDER_8)
    for sign in (0, 1)
}
