"""Two spellings of a sha256: hex in our API, base64 in that of S3."""

import base64
import binascii

_LENGTH = 32


def to_base64(sha256_hex: str) -> str:
    """Return the spelling of S3."""
    return base64.b64encode(bytes.fromhex(sha256_hex)).decode()


def to_hex(checksum: str | None) -> str | None:
    """Return our spelling; None for what is no sha256 of a whole object (that of several parts ends in `-<parts>`)."""
    try:
        found = base64.b64decode(checksum or "", validate=True)
    except binascii.Error:
        return None
    return found.hex() if len(found) == _LENGTH else None
