"""Params of a run: bounds, and the check and coercion against what the workflow declares, at both ends. Pure."""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any

from pydantic import StringConstraints, TypeAdapter, ValidationError
from pydantic_core import SchemaError

from deplite.protocol.canonical import MAX_SAFE_INTEGER

ParamValue = str | int | float | bool

MAX_PARAMS = 100
MAX_NAME_CHARACTERS = 64
MAX_VALUE_BYTES = 4096
MAX_TOTAL_BYTES = 8192

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?")
_FORBIDDEN_IN_NAME = re.compile(r"[\x00-\x1f\x7f-\x9f=\ud800-\udfff]")
_TRUE, _FALSE = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})


class ParamError(ValueError):
    """A param is wrong; the text is one sentence that names it."""


def check_bounds(params: Any) -> dict[str, ParamValue]:
    """Return params that are an object of at most 100 scalars, 4 KiB each and 8 KiB together.

    Raises:
        ParamError: they are not.
    """
    if not isinstance(params, Mapping):
        raise ParamError("params must be an object of names and values.")
    if len(params) > MAX_PARAMS:
        raise ParamError(f"params may have at most {MAX_PARAMS} entries.")
    total = 0
    for name, value in params.items():
        _check_name(name)
        size = _size(name, value)
        if size > MAX_VALUE_BYTES:
            raise ParamError(f"params.{name} may have at most {MAX_VALUE_BYTES} bytes.")
        total += size + len(name.encode())
    if total > MAX_TOTAL_BYTES:
        raise ParamError(f"params may have at most {MAX_TOTAL_BYTES} bytes together.")
    return dict(params)


def resolve(params: Mapping[str, ParamValue], schema: Sequence[Mapping[str, Any]] | None) -> dict[str, ParamValue]:
    """Return the params of a run, checked and coerced against the reported schema, with its defaults filled in.

    Args:
        params: what `check_bounds` returned.
        schema: the workflow's `params`; None where the agent reported none: then all pass through.

    Raises:
        ParamError: one is unknown, missing, or of a wrong type or value.
    """
    if schema is None:
        return {name: storable(value) for name, value in params.items()}
    declared = {str(entry.get("name")): entry for entry in schema}
    for name in params:
        if name not in declared:
            raise ParamError(f"params.{name} is not a param of the workflow.")
    resolved: dict[str, ParamValue] = {}
    for name, entry in declared.items():
        value = params.get(name, entry.get("default"))
        if value is not None:
            resolved[name] = storable(_coerce(name, value, entry))
        elif entry.get("required"):
            raise ParamError(f"params.{name} is required.")
    return resolved


def storable(value: ParamValue) -> ParamValue:
    """Return the value in a spelling that survives Kubernetes and every JSON parser: big integers become text."""
    if isinstance(value, bool) or not isinstance(value, int):
        return value
    return value if abs(value) <= MAX_SAFE_INTEGER else str(value)


def signable(value: ParamValue) -> ParamValue:
    """Return the value in a spelling that may be signed: fractions and big integers become text."""
    if isinstance(value, float):
        return repr(value) if not value.is_integer() or abs(value) > MAX_SAFE_INTEGER else int(value)
    return storable(value)


def _check_name(name: Any) -> None:
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME_CHARACTERS or _FORBIDDEN_IN_NAME.search(name):
        shown = json.dumps(str(name)[:MAX_NAME_CHARACTERS])
        raise ParamError(
            f"params has the name {shown}; a name is 1 to {MAX_NAME_CHARACTERS} characters without controls and =."
        )


def _size(name: str, value: Any) -> int:
    match value:
        case bool():
            return 5
        case str():
            return _text_size(name, value)
        case int():
            return value.bit_length() // 3 + 2
        case float() if math.isfinite(value):
            return len(repr(value))
    raise ParamError(f"params.{name} must be a string, a number or a boolean.")


def _text_size(name: str, value: str) -> int:
    if "\0" in value:
        raise ParamError(f"params.{name} must not hold a NUL character.")
    try:
        return len(value.encode())
    except UnicodeEncodeError:
        raise ParamError(f"params.{name} must be well-formed text.") from None


def _coerce(name: str, value: ParamValue, entry: Mapping[str, Any]) -> ParamValue:
    kind = str(entry.get("type", "string"))
    return _COERCIONS.get(kind, _string)(name, value, entry)


def _string(name: str, value: ParamValue, entry: Mapping[str, Any]) -> ParamValue:
    text = _text(value)
    pattern = entry.get("pattern")
    if pattern is not None and not _matches(str(pattern), text):
        raise ParamError(f"params.{name} does not match the pattern of the workflow.")
    _check_options(name, text, entry)
    _check_length(name, text, entry)
    return text


def _number(name: str, value: ParamValue, entry: Mapping[str, Any]) -> ParamValue:
    number = _parse_number(name, value)
    least, most = _bound(entry, "min"), _bound(entry, "max")
    if least is not None and number < least:
        raise ParamError(f"params.{name} must be at least {entry['min']}.")
    if most is not None and number > most:
        raise ParamError(f"params.{name} must be at most {entry['max']}.")
    options = entry.get("options")
    if options and all(_text(number) != _text(option) for option in options):
        raise ParamError(f"params.{name} must be one of the options of the workflow.")
    return number


def _boolean(name: str, value: ParamValue, entry: Mapping[str, Any]) -> ParamValue:
    text = _text(value).lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ParamError(f"params.{name} must be true or false.")


def _enum(name: str, value: ParamValue, entry: Mapping[str, Any]) -> ParamValue:
    text = _text(value)
    _check_options(name, text, entry)
    return text


_COERCIONS: Mapping[str, Callable[[str, ParamValue, Mapping[str, Any]], ParamValue]] = {
    "string": _string,
    "number": _number,
    "boolean": _boolean,
    "enum": _enum,
}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) <= MAX_SAFE_INTEGER:
        return str(int(value))
    return str(value)


def _parse_number(name: str, value: ParamValue) -> int | float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    text = value.strip() if isinstance(value, str) else ""
    if not _NUMBER.fullmatch(text):
        raise ParamError(f"params.{name} must be a number.")
    if text.lstrip("+-").isdecimal() and len(text) <= MAX_NAME_CHARACTERS:
        return int(text)
    number = float(text)
    if not math.isfinite(number):
        raise ParamError(f"params.{name} must be a finite number.")
    return int(number) if number.is_integer() and abs(number) <= MAX_SAFE_INTEGER else number


def _bound(entry: Mapping[str, Any], key: str) -> int | float | None:
    bound = entry.get(key)
    return bound if isinstance(bound, int | float) and not isinstance(bound, bool) else None


def _check_options(name: str, text: str, entry: Mapping[str, Any]) -> None:
    options = entry.get("options")
    if options is not None and text not in {_text(option) for option in options}:
        raise ParamError(f"params.{name} must be one of the options of the workflow.")


def _check_length(name: str, text: str, entry: Mapping[str, Any]) -> None:
    """`min` and `max` of a string count its characters."""
    least, most = _bound(entry, "min"), _bound(entry, "max")
    if least is not None and len(text) < least:
        raise ParamError(f"params.{name} must have at least {entry['min']} characters.")
    if most is not None and len(text) > most:
        raise ParamError(f"params.{name} must have at most {entry['max']} characters.")


def is_pattern(pattern: str) -> bool:
    """Whether a pattern of a param can be checked here; one that cannot be matches everything."""
    return _checker(pattern) is not None


def _matches(pattern: str, text: str) -> bool:
    checker = _checker(pattern)
    if checker is None:
        return True
    try:
        checker.validate_python(text)
    except ValidationError:
        return False
    return True


@lru_cache(maxsize=1024)
def _checker(pattern: str) -> TypeAdapter[str] | None:
    """Return a check by pydantic's own engine, which is linear in time: the pattern is somebody else's program.

    None for what that engine does not know (look-around): such a pattern of a published client matches everything
    here. Our agent offers no workflow that has one.
    """
    try:
        return TypeAdapter(Annotated[str, StringConstraints(pattern=pattern)])
    except SchemaError:
        return None
