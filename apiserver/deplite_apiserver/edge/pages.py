"""Lists: newest first, `limit` at a time, the next page in a `Link` header."""

import base64
import binascii
from collections.abc import Sequence
from typing import Annotated, TypeVar
from urllib.parse import urlencode

from fastapi import Query, Request, Response

from deplite.resources.resource import Resource
from deplite_apiserver.edge.prefixes import path_with_prefix
from deplite_apiserver.errors import ValidationFailedError

MAX_LIMIT = 200
DEFAULT_LIMIT = 50

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
Cursor = Annotated[str | None, Query(max_length=512)]


Item = TypeVar("Item", bound=Resource)


def order_of(resource: Resource) -> tuple[float, str]:
    """Return the key that sorts newest first when reversed."""
    created = resource.metadata.creation_timestamp
    return (created.timestamp() if created else 0.0, resource.name)


def page(
    items: Sequence[Item], request: Request, response: Response, *, limit: int = DEFAULT_LIMIT, cursor: str | None
) -> list[Item]:
    """Return one page of objects, newest first, and name the next one in the answer's `Link` header.

    Raises:
        ValidationFailedError: the cursor is none of ours.
    """
    ordered = sorted(items, key=order_of, reverse=True)
    if cursor is not None:
        after = _decode(cursor)
        ordered = [item for item in ordered if order_of(item) < after]
    shown = ordered[:limit]
    if len(ordered) > limit:
        query = urlencode({"limit": limit, "cursor": _encode(order_of(shown[-1]))})
        response.headers["Link"] = f'<{path_with_prefix(request.scope)}?{query}>; rel="next"'
    return shown


def _encode(key: tuple[float, str]) -> str:
    return base64.urlsafe_b64encode(f"{key[0]} {key[1]}".encode()).decode().rstrip("=")


def _decode(cursor: str) -> tuple[float, str]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        moment, name = text.split(" ", 1)
        return float(moment), name
    except (binascii.Error, UnicodeError, ValueError):
        raise ValidationFailedError("cursor: take it from the Link header of the page before.") from None
