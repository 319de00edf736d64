"""What an answer that is no success says about another try: whether one may help, and when. Pure.

For all our HTTP clients, and for the object store as well as for our own server.
"""

import re

MOST_SECONDS = 300.0
"""Whoever asks for more is asked sooner: it may be over by then, and nobody should wait for a wrong number."""
_TEMPORARY = frozenset({408, 425, 429})
_STORE_CODE = re.compile(rb"<Code>([A-Za-z0-9_.]{1,64})</Code>")


def temporary(status: int) -> bool:
    """Whether the same request may succeed later, as far as the status alone tells."""
    return status >= 500 or status in _TEMPORARY


def retry_after(value: str | None) -> float:
    """Return the seconds that a `Retry-After` header asks to wait, at most 300; 0 where it says none, or a date."""
    return min(float(value), MOST_SECONDS) if value and re.fullmatch(r"[0-9]{1,9}", value) else 0.0


def store_temporary(status: int) -> bool:
    """As `temporary`, for an object store: there 409 says that another upload to the same place is not over."""
    return temporary(status) or status == 409


def store_code(body: bytes) -> str:
    """Return the code of an object store's error by the beginning of its XML, or `storage_refused`."""
    found = _STORE_CODE.search(body)
    return found[1].decode() if found else "storage_refused"
