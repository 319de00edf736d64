"""/openapi.json and /docs as they are served: to anybody, under every prefix."""

import httpx
import pytest

from deplite_apiserver.app import reference


@pytest.mark.parametrize("prefix", ["", "/api", "/v1"])
async def test_the_document_is_served_to_anybody(http: httpx.AsyncClient, prefix: str) -> None:
    answer = await http.get(f"{prefix}/openapi.json")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == reference()


@pytest.mark.parametrize("prefix", ["", "/api", "/v1"])
async def test_the_page_is_served_to_anybody_and_may_fetch_nothing(http: httpx.AsyncClient, prefix: str) -> None:
    answer = await http.get(f"{prefix}/docs")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers["content-security-policy"].startswith("default-src 'none';")
    assert "<code>/triggers/{trigger_id}/run</code>" in answer.text
