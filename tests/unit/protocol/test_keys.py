"""Keys in the form they travel, weak ones, and the strictness of signatures."""

import base64

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from deplite.protocol.errors import BadSignatureError, InvalidKeyError, WeakKeyError
from deplite.protocol.keys import load_private_key, load_public_key, private_pem, public_pem, sign, verify
from tests.unit.protocol.edwards import L, P, encode, small_order

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PREFIX = bytes.fromhex("302a300506032b6570032100")
"""SubjectPublicKeyInfo of Ed25519, up to the 32 bytes of the key (RFC 8410)."""


def pem_of(raw: bytes) -> str:
    body = base64.b64encode(PREFIX + raw).decode()
    return f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n"


def pem(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed448.Ed448PublicKey | x25519.X25519PublicKey) -> str:
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.PEM, spki).decode()


def test_a_key_travels_as_subject_public_key_info() -> None:
    text = public_pem(KEY.public_key())
    assert text == pem_of(KEY.public_key().public_bytes_raw())
    assert load_public_key(text).public_bytes_raw() == KEY.public_key().public_bytes_raw()


@pytest.mark.parametrize("form", ["{}", "\n{}\n", "{}\n\n"])
def test_space_around_a_pem_does_no_harm(form: str) -> None:
    assert load_public_key(form.format(public_pem(KEY.public_key()))) == KEY.public_key()


def weak_encodings() -> list[bytes]:
    """Return each encoding of a point of small order, those of y at or above P included."""
    ys = {y for _, y in small_order()}
    forms = ys | {y + P for y in ys if y + P < 2**255}
    return [encode(y, sign) for y in sorted(forms) for sign in (0, 1)]


def test_there_are_eight_points_of_small_order() -> None:
    assert len(small_order()) == 8
    assert len(weak_encodings()) == 14


@pytest.mark.parametrize("raw", weak_encodings(), ids=bytes.hex)
def test_a_point_of_small_order_is_weak(raw: bytes) -> None:
    with pytest.raises(WeakKeyError) as caught:
        load_public_key(pem_of(raw))
    assert caught.value.code == "weak_key"


@pytest.mark.parametrize("y", [P + 2, 2**255 - 1])
def test_a_point_in_a_second_spelling_is_weak(y: int) -> None:
    with pytest.raises(WeakKeyError):
        load_public_key(pem_of(encode(y, 0)))


NOT_KEYS = {
    "empty": "",
    "text": "hello",
    "base64 alone": base64.b64encode(KEY.public_key().public_bytes_raw()).decode(),
    "damaged base64": pem_of(KEY.public_key().public_bytes_raw()).replace("MCow", "M*ow"),
    "31 bytes": pem_of(bytes(31)),
    "too long": public_pem(KEY.public_key()) + "\n" * 1024,
    "a lone surrogate": "-----BEGIN PUBLIC KEY-----\n\ud800",
    "NUL": "\0" * 100,
    "a certificate": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    "RSA": pem(rsa.generate_private_key(65537, 2048).public_key()),
    "P-256": pem(ec.generate_private_key(ec.SECP256R1()).public_key()),
    "Ed448": pem(ed448.Ed448PrivateKey.generate().public_key()),
    "X25519": pem(x25519.X25519PrivateKey.generate().public_key()),
    "an OpenSSH key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGh0dHBzOi8vZXhhbXBsZS5pbnZhbGlkLy4uLi4uLi4u",
}


@pytest.mark.parametrize("text", NOT_KEYS.values(), ids=NOT_KEYS.keys())
def test_what_is_no_ed25519_key_is_refused(text: str) -> None:
    with pytest.raises(InvalidKeyError) as caught:
        load_public_key(text)
    assert caught.value.code == "invalid_public_key"


def test_a_private_key_sent_by_mistake_is_refused_and_never_echoed() -> None:
    text = private_pem(KEY).decode()
    with pytest.raises(InvalidKeyError) as caught:
        load_public_key(text)
    assert text.splitlines()[1] not in f"{caught.value!r}{caught.value.__context__!r}"


def test_a_private_key_is_written_and_read() -> None:
    assert load_private_key(private_pem(KEY)).private_bytes_raw() == bytes(range(32))


@pytest.mark.parametrize("damage", [b"", b"junk", public_pem(KEY.public_key()).encode(), private_pem(KEY)[:60]])
def test_a_damaged_private_key_is_refused_without_its_bytes(damage: bytes) -> None:
    with pytest.raises(InvalidKeyError, match="damaged"):
        load_private_key(damage)


def test_a_private_key_of_another_kind_is_refused() -> None:
    other = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(InvalidKeyError, match="not an Ed25519"):
        load_private_key(other)


def test_the_first_vector_of_rfc_8032() -> None:
    key = Ed25519PrivateKey.from_private_bytes(
        bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    )
    signature = bytes.fromhex(
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )
    assert sign(key, b"") == base64.b64encode(signature).decode()
    verify(key.public_key(), b"", base64.b64encode(signature).decode())


def raw_signature(message: bytes = b"m") -> bytes:
    return base64.b64decode(sign(KEY, message))


def spelled(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def plus_l(raw: bytes) -> bytes:
    """Return the same signature with S + L: the second spelling that a lax verifier takes."""
    return raw[:32] + (int.from_bytes(raw[32:], "little") + L).to_bytes(32, "little")


BAD_SIGNATURES = {
    "empty": "",
    "63 bytes": spelled(raw_signature()[:63]),
    "65 bytes": spelled(raw_signature() + b"\0"),
    "S + L": spelled(plus_l(raw_signature())),
    "S = L": spelled(raw_signature()[:32] + L.to_bytes(32, "little")),
    "S of all ones": spelled(raw_signature()[:32] + b"\xff" * 32),
    "another message": spelled(raw_signature(b"other")),
    "R and S zero": spelled(bytes(64)),
    "a flipped bit in R": spelled(bytes([raw_signature()[0] ^ 1]) + raw_signature()[1:]),
    "hex": raw_signature().hex(),
    "no padding": spelled(raw_signature()).rstrip("="),
    "a line break": spelled(raw_signature())[:40] + "\n" + spelled(raw_signature())[40:],
    "spaces around": f" {spelled(raw_signature())} ",
    "not ASCII": "é" * 88,
}


@pytest.mark.parametrize("signature", BAD_SIGNATURES.values(), ids=BAD_SIGNATURES.keys())
def test_a_bad_signature_is_refused(signature: str) -> None:
    with pytest.raises(BadSignatureError) as caught:
        verify(KEY.public_key(), b"m", signature)
    assert caught.value.code == "bad_signature"


def test_the_url_alphabet_is_not_standard_base64() -> None:
    message = next(m for m in (str(n).encode() for n in range(100)) if set("+/") & set(sign(KEY, m)))
    verify(KEY.public_key(), message, sign(KEY, message))
    with pytest.raises(BadSignatureError):
        verify(KEY.public_key(), message, sign(KEY, message).replace("+", "-").replace("/", "_"))


def test_another_key_does_not_verify() -> None:
    other = Ed25519PublicKey.from_public_bytes(Ed25519PrivateKey.generate().public_key().public_bytes_raw())
    with pytest.raises(BadSignatureError):
        verify(other, b"m", sign(KEY, b"m"))
