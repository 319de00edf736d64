"""`GET /orgs/:orgId/jobs`, with jobs in the cluster and jobs that have left it, on the real object store."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio

from deplite.resources.resource import utc
from deplite_apiserver.jobs.row import JobRow
from deplite_apiserver.jobs.view import project
from deplite_apiserver.settings import Settings
from deplite_apiserver.storage.history import History
from deplite_apiserver.storage.s3 import S3Store
from tests.kube.edge.answers import refused
from tests.kube.edge.conftest import Organized

LONG_AGO = datetime(2025, 1, 1, tzinfo=UTC)
GONE = 7
RUNS = 5


def gone(home: Organized, number: int) -> JobRow:
    """Return the row of a job that left the cluster long ago."""
    meta = {
        "name": f"j-{'b' * 24}{number:02}",
        "namespace": home.namespace,
        "uid": f"{number:08x}-0",
        "creationTimestamp": utc(LONG_AGO + timedelta(seconds=number)),
    }
    spec = {"trigger": "gone", "agent": home.agent_name, "workflow": "deploy-prod", "ref": "main"}
    status = {"phase": "Succeeded", "exitCode": 0, "finishedAt": utc(LONG_AGO + timedelta(hours=1))}
    return JobRow.of(project({"metadata": meta, "spec": spec, "status": status}))


@pytest_asyncio.fixture(scope="module")
async def jobs(home: Organized, settings: Settings, http: httpx.AsyncClient) -> AsyncIterator[list[str]]:
    """The ids of jobs, newest first: some just accepted, some long gone."""
    store = S3Store(settings.s3)
    for number in range(GONE):
        await History(store).put(home.namespace, gone(home, number))
    headers = {"Authorization": f"Bearer {home.token}"}
    made = [await http.post(f"/triggers/{home.trigger_id}/run", json={}, headers=headers) for _ in range(RUNS)]
    seconds = [(await http.get(f"/jobs/{one.json()['jobId']}", headers=headers)).json() for one in made]
    new = sorted(((one["queuedAt"], one["id"]) for one in seconds), reverse=True)
    yield [name for _, name in new] + [f"j-{'b' * 24}{number:02}" for number in reversed(range(GONE))]
    await store.close()


async def pages(
    http: httpx.AsyncClient, path: str, headers: dict[str, str], **query: Any
) -> AsyncIterator[list[dict[str, Any]]]:
    answer = await http.get(path, params=query, headers=headers)
    while True:
        assert answer.status_code == 200, answer.text
        yield answer.json()
        if (link := answer.headers.get("link")) is None:
            return
        found = re.fullmatch(r'<(.*)>; rel="next"', link)
        assert found is not None
        answer = await http.get(found[1], headers=headers)


@pytest.mark.parametrize("limit", [1, 5, 6, 200])
@pytest.mark.parametrize("prefix", ["", "/api", "/v1"])
async def test_every_job_once_and_newest_first(
    http: httpx.AsyncClient, home: Organized, jobs: list[str], member: dict[str, str], limit: int, prefix: str
) -> None:
    found = [page async for page in pages(http, f"{prefix}/orgs/{home.namespace}/jobs", member, limit=limit)]
    assert all(len(page) <= limit for page in found)
    assert [job["id"] for page in found for job in page] == jobs


async def test_a_row_says_what_the_detail_says(
    http: httpx.AsyncClient, home: Organized, jobs: list[str], member: dict[str, str]
) -> None:
    [shown] = (await http.get(f"/orgs/{home.namespace}/jobs", params={"limit": 1}, headers=member)).json()
    whole = (await http.get(f"/jobs/{jobs[0]}", headers=member)).json()
    assert shown == {name: whole[name] for name in shown}
    assert set(shown) == {
        *("id", "agentId", "triggerId", "workflowName", "status", "ref", "exitCode", "reason"),
        *("queuedAt", "startedAt", "finishedAt"),
    }


@pytest.mark.parametrize("limit", [2, 200])
async def test_filters(
    http: httpx.AsyncClient, home: Organized, jobs: list[str], member: dict[str, str], limit: int
) -> None:
    async def ids(**query: Any) -> list[str]:
        path = f"/orgs/{home.namespace}/jobs"
        return [job["id"] async for page in pages(http, path, member, limit=limit, **query) for job in page]

    assert await ids(trigger=home.trigger_id) == jobs[:RUNS]
    assert await ids(agent=home.agent.agent_id) == jobs
    assert await ids(agent="ag-aaaaaaaaaaaaaaaa") == []
    assert await ids(status="success") == jobs[RUNS:]
    assert await ids(status=["queued", "running"]) == jobs[:RUNS]
    assert await ids(since="2026-01-01T00:00:00Z") == jobs[:RUNS]
    assert await ids(until=utc(LONG_AGO + timedelta(seconds=3))) == jobs[-3:]
    # The same moment in another zone.
    assert await ids(until="2025-01-01T09:00:03+09:00", since="2025-01-01T00:00:01Z") == jobs[-3:-1]


@pytest.mark.parametrize(
    "query",
    [
        *({"limit": 0}, {"limit": 201}, {"limit": "x"}, {"status": "done"}, {"trigger": "x"}),
        {"agent": "tr-aaaaaaaaaaaaaaaa"},
        *({"since": "yesterday"}, {"since": "2026-01-01T00:00:00"}, {"until": "10000-01-01T00:00:00Z"}, {"page": 2}),
        *({"until": "9999-12-31T23:59:59-01:00"}, {"since": "0001-01-01T00:00:00+01:00"}),
        *({"cursor": "!"}, {"cursor": "aGlzdG9yeTppZHgvb3JnLW90aGVyL3g"}, {"cursor": "x" * 3000}),
    ],
)
async def test_what_makes_no_sense_is_refused(
    http: httpx.AsyncClient, home: Organized, member: dict[str, str], query: dict[str, Any]
) -> None:
    refused(await http.get(f"/orgs/{home.namespace}/jobs", params=query, headers=member), 422, "validation_error")
