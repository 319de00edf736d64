"""Ids that are none: one and the same 404, whatever is wrong with them."""

import httpx
import pytest

from tests.kube.edge.answers import refused
from tests.kube.edge.conftest import Organized
from tests.kube.edge.rawhttp import exchange

SPELLINGS = {
    "absent": "{prefix}-aaaaaaaaaaaaaaaa",
    "upper case": "{upper}",
    "cut": "{cut}",
    "longer": "{good}a",
    "with a space": "{good}%20",
    "with a line end": "{good}%0a",
    "parent": "%2e%2e",
    "parent, encoded twice": "%252e%252e",
    "parent of the id": "{good}%2f%2e%2e",
    "NUL": "%00",
    "the id and NUL": "{good}%00",
    "no UTF-8": "%ff%fe",
    "10 kB": "a" * 10_240,
    "another kind": "f-aaaaaaaaaaaaaaaa",
    "an object's name": "deploy",
    "digits outside ASCII": "{prefix}-%d9%a0aaaaaaaaaaaaaaa",
    "semicolon": "{good};x=1",
}

ROUTES = [
    ("GET", "/triggers/ID", "tr"),
    ("PATCH", "/triggers/ID", "tr"),
    ("DELETE", "/triggers/ID", "tr"),
    ("POST", "/triggers/ID/run-manual", "tr"),
    ("GET", "/agents/ID", "ag"),
    ("PATCH", "/agents/ID", "ag"),
    ("DELETE", "/agents/ID", "ag"),
    ("GET", "/agents/ID/workflows", "ag"),
    ("PATCH", "/agents/ID/workflows/deploy-prod/rate-limit", "ag"),
    ("POST", "/agents/ID/workflows/refresh", "ag"),
    ("POST", "/orgs/ORG/api-tokens/ID/rotate", "tok"),
    ("DELETE", "/orgs/ORG/api-tokens/ID", "tok"),
    ("DELETE", "/orgs/ORG/agents/enroll-tokens/ID", "enr"),
    ("POST", "/orgs/ORG/files/ID/complete", "f"),
    ("GET", "/orgs/ORG/files/ID/download-url", "f"),
    ("GET", "/orgs/ORG/files/ID", "f"),
    ("DELETE", "/orgs/ORG/files/ID", "f"),
    ("GET", "/jobs/ID", "j"),
    ("GET", "/jobs/ID/logs", "j"),
]


def good_id(home: Organized, prefix: str) -> str:
    known = {"tr": home.trigger_id, "ag": home.agent.agent_id, "tok": home.token_id, "enr": home.code_id}
    return (known | {"f": home.file_id}).get(prefix, "j-" + "a" * 26)


def spelled(home: Organized, prefix: str, what: str) -> str:
    good = good_id(home, prefix)
    return SPELLINGS[what].format(prefix=prefix, good=good, upper=good.upper(), cut=good[:-1])


@pytest.mark.parametrize("what", SPELLINGS)
@pytest.mark.parametrize(("method", "path", "prefix"), ROUTES)
async def test_an_id_that_is_none_is_404(
    http: httpx.AsyncClient, home: Organized, owner: dict[str, str], method: str, path: str, prefix: str, what: str
) -> None:
    filled = path.replace("ORG", home.namespace).replace("ID", spelled(home, prefix, what))
    request = f"{method} {filled} HTTP/1.1\r\nHost: h\r\nAuthorization: {owner['Authorization']}\r\n\r\n"
    answer = await exchange(str(http.base_url), request.encode(), keep_open=True)
    body = answer.json()
    expected = {"statusCode": 404, "code": "not_found", "message": "There is no such thing here."}
    assert (answer.status, body) == (404, expected)


TOKENS_ROUTES = [
    ("POST", "/triggers/ID/run", "tr"),
    ("POST", "/storage/files/ID/complete", "f"),
    ("GET", "/storage/files/ID/download-url", "f"),
    ("GET", "/storage/files/ID", "f"),
    ("DELETE", "/storage/files/ID", "f"),
]


@pytest.mark.parametrize("what", [one for one in SPELLINGS if one not in ("absent",)])
@pytest.mark.parametrize(("method", "path", "prefix"), TOKENS_ROUTES)
async def test_a_token_gets_the_same_404(
    http: httpx.AsyncClient, home: Organized, method: str, path: str, prefix: str, what: str
) -> None:
    filled = path.replace("ID", spelled(home, prefix, what))
    request = f"{method} {filled} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {home.token}\r\n\r\n"
    answer = await exchange(str(http.base_url), request.encode(), keep_open=True)
    assert (answer.status, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("org", ["org-absent", "ORG-X", "%2e%2e", "%00", "default", "deplite-system", "o" * 10_240])
@pytest.mark.parametrize("path", ["triggers", "agents", "api-tokens", "agents/enroll-tokens", "files"])
async def test_an_organization_that_is_none_is_404(
    http: httpx.AsyncClient, owner: dict[str, str], org: str, path: str
) -> None:
    for method in ("GET", "POST"):
        request = f"{method} /orgs/{org}/{path} HTTP/1.1\r\nHost: h\r\nAuthorization: {owner['Authorization']}\r\n\r\n"
        answer = await exchange(str(http.base_url), request.encode(), keep_open=True)
        wanted = (
            (405, "method_not_allowed")
            if (method, path) in (("POST", "agents"), ("POST", "files"))
            else (404, "not_found")
        )
        assert (answer.status, answer.json()["code"]) == wanted


@pytest.mark.parametrize("path", ["/triggers/../triggers", "/triggers/./x/../../livez", "/agents/../livez"])
async def test_dots_in_a_path_lead_nowhere(http: httpx.AsyncClient, path: str) -> None:
    answer = await exchange(str(http.base_url), f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode(), keep_open=True)
    assert (answer.status, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("name", ["absent", "%2e%2e", "%00", "a" * 10_240, "DEPLOY-PROD", "deploy-prod%20"])
async def test_a_workflow_that_is_none_is_404(
    http: httpx.AsyncClient, home: Organized, owner: dict[str, str], name: str
) -> None:
    url = f"/agents/{home.agent.agent_id}/workflows/{name}/rate-limit"
    refused(await http.patch(url, json={"perMinute": 3}, headers=owner), 404, "not_found")


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=1e9", "limit=-1", "limit=x", "cursor=x", "cursor=%00"]
)
@pytest.mark.parametrize("path", ["triggers", "agents", "api-tokens", "agents/enroll-tokens", "files"])
async def test_a_wrong_page_is_422(
    http: httpx.AsyncClient, home: Organized, owner: dict[str, str], path: str, query: str
) -> None:
    answer = await http.get(f"/orgs/{home.namespace}/{path}?{query}", headers=owner)
    body = refused(answer, 422, "validation_error")
    assert query.partition("=")[0] in body["message"]
