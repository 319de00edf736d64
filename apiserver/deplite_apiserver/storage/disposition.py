"""The header that makes a browser save a file instead of showing it (RFC 6266)."""

import re
from urllib.parse import quote

_PLAIN = re.compile(r"[^A-Za-z0-9._ -]")
_UNRESERVED = "!#$&+^`|~"
"""What RFC 8187 leaves as it is, besides letters, digits, `-`, `.` and `_`."""


def attachment(filename: str | None) -> str:
    """Return `Content-Disposition` for a name: whole in UTF-8, and in plain ASCII for clients that know only that."""
    if not filename:
        return "attachment"
    whole = quote(filename, safe=_UNRESERVED, errors="replace")
    return f"attachment; filename=\"{_PLAIN.sub('_', filename)}\"; filename*=UTF-8''{whole}"
