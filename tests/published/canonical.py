"""Canonical JSON, written from the protocol page alone: the tests' own second opinion on signed payloads."""

import json
from typing import Any

ESCAPED = {"&": "\\u0026", "<": "\\u003c", ">": "\\u003e", "\u2028": "\\u2028", "\u2029": "\\u2029"}

MAX_SAFE_INTEGER = 2**53 - 1


def canonical(value: Any) -> str:
    if isinstance(value, dict):
        members = sorted(value, key=lambda key: list(memoryview(key.encode("utf-16-be")).cast("B")))
        return "{" + ",".join(f"{canonical(key)}:{canonical(value[key])}" for key in members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(canonical(item) for item in value) + "]"
    if isinstance(value, float) or (isinstance(value, int) and abs(value) > MAX_SAFE_INTEGER):
        raise ValueError(f"{value!r} has no agreed spelling, so it must not be in a signed payload")
    text = json.dumps(value, ensure_ascii=False)
    if isinstance(value, str):
        for raw, escape in ESCAPED.items():
            text = text.replace(raw, escape)
    return text
