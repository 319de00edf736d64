"""Lists: newest first, `limit` at a time, the next page in a `Link` header."""

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

from fastapi import Query, Request, Response

from deplite import base64url
from deplite.resources.resource import Resource
from deplite_apiserver.edge.prefixes import path_with_prefix
from deplite_apiserver.errors import ValidationFailedError

MAX_LIMIT = 200
DEFAULT_LIMIT = 50

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
Cursor = Annotated[str | None, Query(max_length=2048)]


Item = TypeVar("Item", bound=Resource)
Listed = TypeVar("Listed")
Order = tuple[float, str]
"""Sorts newest first when reversed."""


def order_of(resource: Resource) -> Order:
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
    shown, following = cut(items, order_of, limit=limit, cursor=cursor)
    if following is not None:
        link_next(request, response, {"limit": limit, "cursor": following})
    return shown


def cut(
    items: Iterable[Listed], order: Callable[[Listed], Order], *, limit: int, cursor: str | None
) -> tuple[list[Listed], str | None]:
    """Return one page, newest first, and the cursor of the next one; None: this is the last.

    Raises:
        ValidationFailedError: the cursor is none of ours.
    """
    before = None if cursor is None else _key(cursor)
    left = (item for item in items if before is None or order(item) < before)
    ordered = heapq.nlargest(limit + 1, left, key=order)
    if len(ordered) <= limit:
        return ordered, None
    moment, name = order(ordered[limit - 1])
    return ordered[:limit], encode_cursor(f"{moment} {name}")


def link_next(request: Request, response: Response, query: Mapping[str, Any]) -> None:
    """Name the next page in the answer's `Link` header; a sequence in the query is a name several times."""
    url = f"{path_with_prefix(request.scope)}?{urlencode(query, doseq=True)}"
    response.headers["Link"] = f'<{url}>; rel="next"'


def encode_cursor(position: str) -> str:
    """Return a cursor for where a list goes on."""
    return base64url.encode(position.encode())


def decode_cursor(cursor: str) -> str:
    """Return what `encode_cursor` was given.

    Raises:
        ValidationFailedError: the cursor is none of ours.
    """
    try:
        return base64url.decode(cursor).decode()
    except ValueError:
        raise bad_cursor() from None


def bad_cursor() -> ValidationFailedError:
    """Return the refusal of a cursor that is none of ours."""
    return ValidationFailedError("cursor: take it from the Link header of the page before.")


def _key(cursor: str) -> Order:
    moment, _, name = decode_cursor(cursor).partition(" ")
    try:
        return float(moment), name
    except ValueError:
        raise bad_cursor() from None
