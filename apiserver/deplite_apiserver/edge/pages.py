"""Lists: newest first, `limit` at a time, the next page in a `Link` header."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

from fastapi import Query, Request, Response

from deplite.base64url import packed, unpacked
from deplite.resources.resource import Resource
from deplite_apiserver.edge.prefixes import path_with_prefix
from deplite_apiserver.errors import ValidationFailedError

MAX_LIMIT = 200
DEFAULT_LIMIT = 50

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
Cursor = Annotated[str | None, Query(max_length=2048)]


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
        after = _key(cursor)
        ordered = [item for item in ordered if order_of(item) < after]
    shown = ordered[:limit]
    if len(ordered) > limit:
        moment, name = order_of(shown[-1])
        link_next(request, response, {"limit": limit, "cursor": encode_cursor(f"{moment} {name}")})
    return shown


def link_next(request: Request, response: Response, query: Mapping[str, Any]) -> None:
    """Name the next page in the answer's `Link` header; a sequence in the query is a name several times."""
    url = f"{path_with_prefix(request.scope)}?{urlencode(query, doseq=True)}"
    response.headers["Link"] = f'<{url}>; rel="next"'


def encode_cursor(position: str) -> str:
    """Return a cursor for where a list goes on."""
    return packed(position.encode())


def decode_cursor(cursor: str) -> str:
    """Return what `encode_cursor` was given.

    Raises:
        ValidationFailedError: the cursor is none of ours.
    """
    try:
        return unpacked(cursor).decode()
    except ValueError:
        raise bad_cursor() from None


def bad_cursor() -> ValidationFailedError:
    """Return the refusal of a cursor that is none of ours."""
    return ValidationFailedError("cursor: take it from the Link header of the page before.")


def _key(cursor: str) -> tuple[float, str]:
    moment, _, name = decode_cursor(cursor).partition(" ")
    try:
        return float(moment), name
    except ValueError:
        raise bad_cursor() from None
