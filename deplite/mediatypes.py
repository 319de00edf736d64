"""The media type of a file, told by its name alone."""

import mimetypes

UNKNOWN = "application/octet-stream"
_PACKED = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}
"""What is packed is that, whatever is in it: `a.tar.gz` is no tar."""


def media_type(name: str) -> str:
    """Return e.g. `text/html` for `report.html`; what nobody knows is bytes."""
    found, packed = mimetypes.guess_type(name)
    return (_PACKED.get(packed, UNKNOWN) if packed else found) or UNKNOWN
