"""Idempotency keys: their shape, and the fingerprint that tells one request from another. Pure."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from deplite.protocol.canonical import MAX_SAFE_INTEGER, canonical_json

MAX_KEY_CHARACTERS = 255


def usable_key(values: Sequence[str]) -> bool:
    """Whether the `Idempotency-Key` headers of a request are one key of 1 to 255 visible ASCII characters or spaces."""
    if len(values) != 1:
        return False
    key = values[0]
    return (
        1 <= len(key) <= MAX_KEY_CHARACTERS and all(" " <= character <= "~" for character in key) and bool(key.strip())
    )


def fingerprint_of(body: Mapping[str, Any]) -> str:
    """Return the sha256 of a request body's canonical JSON: spacing and the order of keys do not matter.

    Raises:
        UnsignableError: the body holds a lone surrogate.
    """
    return hashlib.sha256(canonical_json(_spelled(body))).hexdigest()


def _spelled(value: Any) -> Any:
    """Give fractions and big integers one spelling; in brackets, so that none equals a string of a request."""
    match value:
        case float() if not value.is_integer() or abs(value) > MAX_SAFE_INTEGER:
            return {"number": repr(value)}
        case int() if abs(value) > MAX_SAFE_INTEGER:
            return {"number": str(value)}
        case Mapping():
            return {key: _spelled(item) for key, item in value.items()}
        case list() | tuple():
            return [_spelled(item) for item in value]
    return value
