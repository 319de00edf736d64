"""Base64 for URLs, keys and names of files, without padding (RFC 4648, section 5)."""

import base64


def encode(data: bytes) -> str:
    """Return bytes as text."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Return the bytes of a text; padding is allowed where it is due.

    Raises:
        ValueError: the text is none of this kind.
    """
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
