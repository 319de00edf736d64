"""Runs that wait for their end: the answer is the job's end, or that it goes on."""

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio

from deplite.kube.client import KubeClient
from deplite_apiserver.settings import Settings
from tests.kube.edge.people import People
from tests.kube.jobs.conftest import Bench, benched
from tests.kube.serving import Replica, served
from tests.organizations import create_organization, delete_namespace


@pytest_asyncio.fixture(scope="module")
async def hasty_replica(settings: Settings) -> AsyncIterator[Replica]:
    """One whose callers do not wait for long."""
    async with served(settings.model_copy(update={"sync_seconds": 1.0})) as running:
        yield running


@pytest_asyncio.fixture
async def hasty(kube: KubeClient, organization: str, hasty_replica: Replica, people: People) -> AsyncIterator[Bench]:
    """A bench of that one."""
    async with benched(kube, organization, hasty_replica, people) as made:
        yield made


@pytest_asyncio.fixture
async def sync(bench: Bench) -> str:
    """A trigger that waits; the token of the bench may run it, too."""
    return await bench.declare("wait", responseMode="sync")


@pytest_asyncio.fixture
async def token(bench: Bench) -> str:
    return await bench.grant("w", {"type": "trigger", "triggers": ["wait"]})


async def test_success_is_200_with_its_output(bench: Bench, sync: str, token: str) -> None:
    async with bench.agent.stream() as stream:
        call = asyncio.create_task(bench.run({}, token=token, trigger=sync, key="k"))
        job_id = (await bench.agent.next_deploy(stream))["job_id"]
        assert (await bench.report(job_id, "running")).status_code == 204
        assert (await bench.report(job_id, "success", exitCode=0, output={"url": "https://x"})).status_code == 204
        answer = await call
    expected = {
        "jobId": job_id,
        "status": "success",
        "idempotent": False,
        "timedOut": False,
        "exitCode": 0,
        "output": {"url": "https://x"},
        "statusUrl": f"/api/jobs/{job_id}",
    }
    assert (answer.status_code, answer.json()) == (200, expected)
    replay = await bench.run({}, token=token, trigger=sync, key="k")
    assert (replay.status_code, replay.json()) == (200, expected | {"idempotent": True})


async def test_what_takes_too_long_is_202_and_goes_on(hasty: Bench) -> None:
    trigger = await hasty.declare("wait", responseMode="sync")
    token = await hasty.grant("w", {"type": "trigger", "triggers": ["wait"]})
    answer = await hasty.run({}, token=token, trigger=trigger)
    assert answer.status_code == 202, answer.text
    job_id = answer.json()["jobId"]
    assert (answer.json()["timedOut"], answer.json()["status"]) == (True, "queued")
    assert (await hasty.report(job_id, "success", exitCode=0)).status_code == 204
    assert (await hasty.shown_by(job_id, token))["status"] == "success"


async def test_a_replay_waits_like_the_first_and_both_hear_the_end(bench: Bench, sync: str, token: str) -> None:
    async with bench.agent.stream() as stream:
        first = asyncio.create_task(bench.run({}, token=token, trigger=sync, key="both"))
        job_id = (await bench.agent.next_deploy(stream))["job_id"]
        second = asyncio.create_task(bench.run({}, token=token, trigger=sync, key="both"))
        await asyncio.sleep(0.2)
        assert not second.done()
        assert (await bench.report(job_id, "failed", exitCode=4)).status_code == 204
        answers = [await first, await second]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert [answer.json()["exitCode"] for answer in answers] == [4, 4]
    assert [answer.json()["idempotent"] for answer in answers] == [False, True]


async def test_the_end_is_heard_by_callers_of_another_process(
    bench: Bench, sync: str, token: str, settings: Settings
) -> None:
    async with served(settings) as second, second.client() as http:
        headers = {"Authorization": f"Bearer {token}"}
        call = asyncio.create_task(http.post(f"/triggers/{sync}/run", json={}, headers=headers))
        async with bench.agent.stream() as stream:
            job_id = (await bench.agent.next_deploy(stream))["job_id"]
            assert (await bench.report(job_id, "success")).status_code == 204
        answer = await call
    assert (answer.status_code, answer.json()["status"]) == (200, "success")


async def test_by_hand_it_waits_as_well(hasty: Bench) -> None:
    trigger = await hasty.declare("wait", responseMode="sync")
    headers = {"Authorization": f"Bearer {hasty.owner}"}
    answer = await hasty.http.post(f"/triggers/{trigger}/run-manual", json={}, headers=headers)
    assert (answer.status_code, answer.json()["timedOut"]) == (202, True)


async def test_a_process_that_ends_lets_its_callers_go(kube: KubeClient, settings: Settings, people: People) -> None:
    namespace = "org-sync-ends"
    await create_organization(kube, namespace)
    async with served(settings) as ending, benched(kube, namespace, ending, people) as bench:
        trigger = await bench.declare("wait", responseMode="sync")
        headers = {"Authorization": f"Bearer {bench.owner}"}
        call = asyncio.create_task(bench.http.post(f"/triggers/{trigger}/run-manual", json={}, headers=headers))
        async with bench.agent.stream() as stream:
            await bench.agent.next_deploy(stream)
        ending.context.desk.stop()
        answer = await call
        assert (answer.status_code, answer.json()["timedOut"]) == (202, True)
    await delete_namespace(kube, namespace)
