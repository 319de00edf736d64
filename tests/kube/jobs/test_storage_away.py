"""Without the object store runs go on, and nothing is promised that is not stored."""

from collections.abc import AsyncIterator

import pytest_asyncio

from deplite.kube.client import KubeClient
from deplite_apiserver.settings import Settings
from tests.kube.edge.answers import refused
from tests.kube.edge.people import People
from tests.kube.jobs.conftest import Bench, benched
from tests.kube.serving import served

LINES = [{"seq": seq, "stream": "raw", "content": f"line {seq}"} for seq in range(3)]
NOWHERE = "http://127.0.0.1:9"
"""The discard port: nobody listens."""


@pytest_asyncio.fixture
async def away(settings: Settings, kube: KubeClient, organization: str, people: People) -> AsyncIterator[Bench]:
    """A bench of a replica whose object store refuses connections."""
    elsewhere = settings.s3.model_copy(update={"endpoint": NOWHERE})
    async with (
        served(settings.model_copy(update={"s3": elsewhere})) as replica,
        benched(kube, organization, replica, people) as made,
    ):
        yield made


async def test_a_run_goes_from_its_webhook_to_its_result(away: Bench) -> None:
    async with away.agent.stream() as stream:
        job_id = await away.made(key="k")
        assert (await away.agent.next_deploy(stream))["job_id"] == job_id
        assert (await away.report(job_id, "running")).status_code == 204
        assert (await away.report(job_id, "success", exitCode=0)).status_code == 204
    assert await away.status(job_id) == ("success", None)
    assert (await away.run(key="k")).json()["status"] == "success"


async def test_lines_are_not_taken_and_a_log_is_not_empty_but_unknown(away: Bench, settings: Settings) -> None:
    job_id = await away.made()
    body = refused(await away.ship(job_id, LINES), 503, "storage_unavailable")
    assert body["retryAfter"] >= 1
    refused(await away.get(f"/jobs/{job_id}/logs"), 503, "storage_unavailable")
    async with served(settings) as healed:
        away.agent.base, old = healed.base, away.agent.base
        answer = await away.ship(job_id, LINES)
        away.agent.base = old
    assert (answer.status_code, answer.json()["accepted"]) == (200, 3)


async def test_a_job_that_is_nowhere_else_is_unknown_not_absent(away: Bench) -> None:
    refused(await away.get("/jobs/j-" + "a" * 26), 503, "storage_unavailable")
