"""Canonical JSON: the one spelling of a payload that both ends sign and verify.

Keys sorted by UTF-16 code unit, no spaces, UTF-8 kept raw, `& < > U+2028 U+2029` escaped, integers only.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from deplite.protocol.errors import UnsignableError

MAX_SAFE_INTEGER = 2**53 - 1

_SHORT = {"\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}
_ESCAPES = str.maketrans(
    {chr(code): f"\\u{code:04x}" for code in (*range(0x20), 0x26, 0x3C, 0x3E, 0x2028, 0x2029)} | _SHORT
)


def canonical_json(value: Any) -> bytes:
    """Return the canonical bytes of a JSON value.

    Raises:
        UnsignableError: for a fraction, an integer beyond ±(2^53-1), a lone surrogate, a type JSON does not have, or
            nesting deeper than Python's stack.
    """
    try:
        return _encode(value).encode()
    except UnicodeEncodeError as error:
        raise UnsignableError("A lone surrogate has no UTF-8 form; send well-formed text.") from error
    except RecursionError:
        raise UnsignableError("The value is nested too deeply.") from None


def _encode(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return _integer(value)
        case float():
            if not value.is_integer():
                raise UnsignableError(f"{value!r} has no agreed spelling in a signed payload; send it as a string.")
            return _integer(int(value))
        case str():
            return f'"{value.translate(_ESCAPES)}"'
        case Mapping():
            items = sorted(value.items(), key=_code_units)
            return "{" + ",".join(f"{_encode(key)}:{_encode(item)}" for key, item in items) + "}"
        case Sequence() if not isinstance(value, bytes | bytearray | memoryview):
            return "[" + ",".join(map(_encode, value)) + "]"
    raise UnsignableError(f"{type(value).__name__} is not a JSON type.")


def _code_units(item: tuple[Any, Any]) -> bytes:
    if not isinstance(item[0], str):
        raise UnsignableError(f"{item[0]!r} is no key of a JSON object.")
    return item[0].encode("utf-16-be", "surrogatepass")


def _integer(value: int) -> str:
    if abs(value) > MAX_SAFE_INTEGER:
        raise UnsignableError(f"{value} is beyond ±(2^53-1); send it as a string.")
    return str(value)
