"""What can be wrong with a message on the wire."""

from deplite.errors import DepliteError


class ProtocolError(DepliteError):
    """A message is not what the protocol says.

    Attributes:
        code: the wire code (`snake_case`, never reworded after a release).
    """

    code = "protocol_error"


class InvalidRefError(ProtocolError):
    """A git ref breaks the grammar of `git check-ref-format`."""

    code = "invalid_ref"


class InvalidKeyError(ProtocolError):
    """A public key is not an Ed25519 SubjectPublicKeyInfo PEM."""

    code = "invalid_public_key"


class WeakKeyError(InvalidKeyError):
    """A public key is a point of small order: anybody can sign for it."""

    code = "weak_key"


class BadSignatureError(ProtocolError):
    """A signature does not verify, or is not a canonical Ed25519 signature."""

    code = "bad_signature"


class UnsignableError(ProtocolError):
    """A value has no agreed spelling in canonical JSON (a fraction, or an integer beyond ±(2^53-1))."""

    code = "unsignable"
