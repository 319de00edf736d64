"""Signed messages from server to agent: `{"payload": P, "signature": S}`, S over the canonical JSON of P."""

from typing import Any, TypedDict

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from deplite.protocol.canonical import canonical_json
from deplite.protocol.errors import BadSignatureError, UnsignableError
from deplite.protocol.keys import sign, verify


class Envelope(TypedDict):
    """A payload with the server's signature in standard base64."""

    payload: dict[str, Any]
    signature: str


def seal(key: Ed25519PrivateKey, payload: dict[str, Any]) -> Envelope:
    """Sign a payload with the server key.

    Raises:
        UnsignableError: the payload holds a value without an agreed spelling.
    """
    return {"payload": payload, "signature": sign(key, canonical_json(payload))}


def unseal(key: Ed25519PublicKey, envelope: Any) -> dict[str, Any]:
    """Return the payload of an envelope whose signature verifies.

    Raises:
        BadSignatureError: the envelope has another shape, holds what nobody can have signed, or its signature does
            not verify.
    """
    match envelope:
        case {"payload": dict(payload), "signature": str(signature)}:
            verify(key, _signed_bytes(payload), signature)
            return payload
    raise BadSignatureError("The event is not a signed envelope.")


def _signed_bytes(payload: dict[str, Any]) -> bytes:
    try:
        return canonical_json(payload)
    except UnsignableError as error:
        raise BadSignatureError(f"The payload cannot have been signed: {error}") from error
