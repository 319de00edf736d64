"""Bodies: raw bytes within bounds, strict JSON whatever the content type says, then a closed model.

The framework's own body models answer form-typed JSON (the documented curl sends it) with 422, so they are not used.
"""

import asyncio
import json
import math
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from starlette.requests import ClientDisconnect

from deplite_apiserver.errors import (
    SlowRequestError,
    TooLargeError,
    UnsupportedEncodingError,
    ValidationFailedError,
)

MAX_BODY = 1024 * 1024
MAX_LOG_BODY = 4 * 1024 * 1024
MAX_SLACK_BODY = 256 * 1024
"""A press of a button brings the whole message along."""
MAX_DEPTH = 32
MAX_VALUES = 50_000
"""Members and items of a body: what no route of ours needs is not looked at one by one."""
_MAX_DIGITS = 400


class Closed(BaseModel):
    """Base of request bodies: camelCase names, and unknown members are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=False)


class Shape(BaseModel):
    """Base of answers: camelCase names."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, validate_by_name=True, serialize_by_alias=True)


def absent(description: str | None = None, **bounds: Any) -> Any:
    """Declare a member of an answer that is left out where it does not apply: neither demanded nor ever null."""
    return Field(default_factory=lambda: None, description=description, **bounds)


Model = TypeVar("Model", bound=BaseModel)


async def raw_body(request: Request) -> bytes:
    """Return the body's bytes, read once.

    Raises:
        UnsupportedEncodingError: it is compressed.
        TooLargeError: it is longer than 1 MiB (4 MiB for logs, 256 KiB from Slack); not read on.
        SlowRequestError: it did not arrive in the time of the settings.
    """
    if not hasattr(request.state, "raw_body"):
        if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise UnsupportedEncodingError
        limit = _limit_of(request.url.path)
        try:
            async with asyncio.timeout(request.app.state.context.settings.read_seconds):
                request.state.raw_body = await _read(request, limit)
        except TimeoutError:
            raise SlowRequestError(headers={"Connection": "close"}) from None
    body: bytes = request.state.raw_body
    return body


RawBody = Annotated[bytes, Depends(raw_body)]


def _limit_of(path: str) -> int:
    if path.startswith("/slack/"):
        return MAX_SLACK_BODY
    return MAX_LOG_BODY if path.endswith("/logs") else MAX_BODY


async def _read(request: Request, limit: int) -> bytes:
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared) > limit:
        raise TooLargeError(f"The body may have at most {limit} bytes.", headers={"Connection": "close"})
    chunks, size = [], 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit:
                raise TooLargeError(f"The body may have at most {limit} bytes.", headers={"Connection": "close"})
            chunks.append(chunk)
    except ClientDisconnect:
        raise ValidationFailedError("The body ended early.", code="invalid_json") from None
    return b"".join(chunks)


def json_value(raw: bytes) -> Any:
    """Return the JSON value of a body; a body without a single byte is `{}`.

    Raises:
        ValidationFailedError: `invalid_json`, `duplicate_key`, or a number or a depth that nobody could mean.
    """
    if not raw:
        return {}
    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique, parse_int=_integer)
    except ValidationFailedError:
        raise
    except (ValueError, RecursionError):
        raise ValidationFailedError("The body is not valid JSON in UTF-8.", code="invalid_json") from None
    _check(value, (), MAX_DEPTH)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValidationFailedError("A member of an object is there twice.", code="duplicate_key")
    return found


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MAX_DIGITS else math.inf


def _check(value: Any, where: tuple[str | int, ...], depth: int, left: list[int] | None = None) -> None:
    """Look at every value; `where` is spelled only for what is refused, and `left` counts down what there may be."""
    left = [MAX_VALUES] if left is None else left
    if isinstance(value, dict | list):
        if depth == 0:
            raise ValidationFailedError(f"The body is nested deeper than {MAX_DEPTH} levels.")
        left[0] -= len(value)
        if left[0] < 0:
            raise ValidationFailedError(f"The body has more than {MAX_VALUES} values.")
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(item, dict | list | float):
                _check(item, (*where, key), depth - 1, left)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValidationFailedError(f"{printable('.'.join(map(str, where)) or 'body')}: not a number that JSON has.")


def validated(model: type[Model], value: Any) -> Model:
    """Return the value as a model.

    Raises:
        ValidationFailedError: naming the first field that is wrong; what was sent is not repeated.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"])) or "body"
        raise ValidationFailedError(f"{printable(where)}: {first['msg']}.") from None


def printable(text: str) -> str:
    """Return text of a caller's that may stand in a message: short, and without control characters."""
    return "".join(character if character.isprintable() else "?" for character in text[:100])


class ReadBody(Generic[Model]):
    """A dependency that reads the body; the reference shows its model and media type."""

    media = "application/json"

    def __init__(self, model: type[Model]) -> None:
        self.model = model


class JsonBody(ReadBody[Model]):
    """A dependency that reads the body into a closed model."""

    async def __call__(self, raw: RawBody) -> Model:
        """Return the body as the model."""
        return validated(self.model, json_value(raw))


class LateBody(ReadBody[Model]):
    """A dependency that returns the body's bytes, for an endpoint that reads the model when other rules have passed."""

    async def __call__(self, raw: RawBody) -> bytes:
        """Return the bytes."""
        return raw


def json_body(model: type[Model]) -> JsonBody[Model]:
    """Return a dependency that reads the body into a closed model."""
    return JsonBody(model)
