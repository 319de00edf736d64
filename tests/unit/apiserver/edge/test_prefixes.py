"""Prefixes come off once; links keep them."""

from typing import Any

import pytest

from deplite_apiserver.edge.prefixes import PrefixMiddleware, path_with_prefix


@pytest.mark.parametrize(
    ("path", "inner"),
    [
        ("/triggers", "/triggers"),
        ("/api/triggers", "/triggers"),
        ("/v1/triggers", "/triggers"),
        ("/api/api/triggers", "/api/triggers"),
        ("/v1/api/triggers", "/api/triggers"),
        ("/api", "/api"),
        ("/api/", "/"),
        ("/apix/triggers", "/apix/triggers"),
        ("/", "/"),
    ],
)
async def test_one_prefix_is_taken_off(path: str, inner: str) -> None:
    seen: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    scope: dict[str, Any] = {"type": "http", "path": path, "raw_path": path.encode()}
    await PrefixMiddleware(app)(scope, None, None)  # type: ignore[arg-type]
    assert seen[0]["path"] == inner
    assert path_with_prefix(seen[0]) == path
