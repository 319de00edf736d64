"""Query parameters that a route does not know are refused, and nothing happens."""

from typing import Any

import httpx
import pytest

from deplite.resources import DeployJob
from tests.kube.edge.answers import refused
from tests.kube.edge.conftest import Organized


@pytest.mark.parametrize(
    "query", [{"dryrun": "true"}, {"dry_run": "true"}, {"dryRun ": "true"}, {"x": ""}, {"\x1b[2J": "1"}]
)
async def test_a_misspelled_dry_run_starts_nothing(
    http: httpx.AsyncClient, home: Organized, member: dict[str, str], query: dict[str, Any]
) -> None:
    for path, headers in (("run", {"Authorization": f"Bearer {home.token}"}), ("run-manual", member)):
        answer = await http.post(f"/triggers/{home.trigger_id}/{path}", params=query, json={}, headers=headers)
        refused(answer, 422, "validation_error")
        assert "it takes dryRun" in answer.json()["message"]
    assert await home.kube.list(DeployJob, home.namespace) == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/orgs/{org}/triggers"),
        ("DELETE", "/triggers/{trigger}"),
        ("GET", "/orgs/{org}/jobs"),
        ("GET", "/orgs/{org}/files"),
        ("DELETE", "/orgs/{org}/files/f-x"),
        ("GET", "/jobs/j/logs"),
    ],
)
async def test_every_route_refuses_what_it_does_not_know(
    http: httpx.AsyncClient, home: Organized, owner: dict[str, str], method: str, path: str
) -> None:
    path = path.format(org=home.namespace, trigger=home.trigger_id)
    refused(await http.request(method, path, params={"Force": "true"}, headers=owner), 422, "validation_error")


async def test_who_is_not_let_in_learns_nothing_of_parameters(http: httpx.AsyncClient, home: Organized) -> None:
    refused(await http.get(f"/orgs/{home.namespace}/triggers", params={"x": 1}), 401, "unauthorized")
