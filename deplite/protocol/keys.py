"""Ed25519 keys in the form they travel: SubjectPublicKeyInfo PEM, and strict verification."""

import base64
import binascii

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from deplite.protocol.errors import BadSignatureError, InvalidKeyError, WeakKeyError

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
# The y coordinates of the eight points of small order (RFC 7748, section 7, and their negatives mod p).
_ORDER_8_Y = 2707385501144840649318225287225658788936804267575313519463743609750303402022
_SMALL_ORDER_Y = frozenset({0, 1, _P - 1, _P, _P + 1, _ORDER_8_Y, _P - _ORDER_8_Y})
_MAX_PEM = 1024


def load_public_key(pem: str) -> Ed25519PublicKey:
    """Read an Ed25519 SubjectPublicKeyInfo PEM.

    Raises:
        InvalidKeyError: it is not one; a private key sent by mistake is refused without being echoed.
        WeakKeyError: the point has small order.
    """
    if len(pem) > _MAX_PEM or "PRIVATE" in pem:
        raise InvalidKeyError("Send the Ed25519 public key as SubjectPublicKeyInfo PEM (and never the private key).")
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except (ValueError, UnicodeEncodeError, UnsupportedAlgorithm):
        raise InvalidKeyError("publicKey is not a PEM public key; send SubjectPublicKeyInfo PEM.") from None
    if not isinstance(key, Ed25519PublicKey):
        raise InvalidKeyError("publicKey is not an Ed25519 key; make one with the Ed25519 algorithm.")
    y = int.from_bytes(key.public_bytes_raw(), "little") & ((1 << 255) - 1)
    if y in _SMALL_ORDER_Y or y >= _P:
        raise WeakKeyError("publicKey is a point of small order; make a new key pair.")
    return key


def public_pem(key: Ed25519PublicKey) -> str:
    """Return the key as SubjectPublicKeyInfo PEM, with its final newline."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def private_pem(key: Ed25519PrivateKey) -> bytes:
    """Return the private key as unencrypted PKCS #8 PEM, for a file of mode 0600 or a Secret."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def load_private_key(pem: bytes) -> Ed25519PrivateKey:
    """Read what `private_pem` wrote.

    Raises:
        InvalidKeyError: it is not an Ed25519 private key.
    """
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise InvalidKeyError("The private key is damaged.") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise InvalidKeyError("The private key is not an Ed25519 key.")
    return key


def sign(key: Ed25519PrivateKey, message: bytes) -> str:
    """Return the signature in standard base64."""
    return base64.b64encode(key.sign(message)).decode()


def verify(key: Ed25519PublicKey, message: bytes, signature: str) -> None:
    """Check a standard base64 Ed25519 signature.

    Raises:
        BadSignatureError: it is not 64 bytes of base64, its S is not below the group order, or it does not verify.
    """
    try:
        raw = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        raise BadSignatureError("The signature is not standard base64.") from None
    if len(raw) != 64 or int.from_bytes(raw[32:], "little") >= _L:
        raise BadSignatureError("The signature is not a canonical Ed25519 signature of 64 bytes.")
    try:
        key.verify(raw, message)
    except InvalidSignature:
        raise BadSignatureError("The signature does not verify.") from None
