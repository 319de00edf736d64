"""Query parameters that a route does not know are refused: `?dryrun=true` must not start a real run."""

from collections.abc import Mapping, Set
from typing import Any

from fastapi import Request

from deplite_apiserver.edge.body import printable
from deplite_apiserver.errors import ValidationFailedError

Names = Mapping[tuple[str, str], Set[str]]
"""By method and path template."""


def query_names(document: Mapping[str, Any]) -> Names:
    """Return the names of the query parameters of each route, as the OpenAPI document tells them."""
    return {
        (method.upper(), path): {one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"}
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }


def check_query(request: Request, method: str, path: str) -> None:
    """Refuse a query parameter that a route does not know.

    Args:
        request: the request.
        method: the route's method.
        path: the route's path template.

    Raises:
        ValidationFailedError: there is one; it is named.
    """
    if not request.scope["query_string"]:
        return
    known = request.app.state.query_names[method, path]
    for name in request.query_params:
        if name not in known:
            takes = f"it takes {', '.join(sorted(known))}" if known else "it takes none"
            raise ValidationFailedError(f"{printable(name[:64])}: this route has no such query parameter; {takes}.")
