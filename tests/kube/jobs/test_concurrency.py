"""Concurrency of triggers: the jobs of a group one at a time, whatever agents they are for."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from deplite.resources import DeployJob, Trigger
from deplite.resources.identifiers import object_id
from deplite_apiserver.settings import Settings
from tests.kube.jobs.conftest import Bench, agent_name, enroll, make_token
from tests.kube.serving import served, until
from tests.published.agent import PublishedAgent

Events = AsyncIterator[tuple[str, Any]]


async def group(bench: Bench, **concurrency: str) -> None:
    """Set what the trigger says of concurrency."""
    changed = await bench.kube.patch(Trigger, bench.namespace, "deploy", {"spec": {"concurrency": concurrency}})
    bench.replica.context.caches.triggers.note(changed)


async def run(bench: Bench) -> str:
    answer = await bench.run()
    assert answer.status_code == 202, answer.text
    return str(answer.json()["jobId"])


async def report(agent: PublishedAgent, job_id: str, status: str, **more: Any) -> None:
    answer = await agent.call("POST", f"/agent/jobs/{job_id}/result", {"status": status, **more})
    assert answer.status_code == 204, answer.text


async def sent(agent: PublishedAgent, stream: Events) -> str:
    async with asyncio.timeout(60):
        return str((await agent.next_deploy(stream))["job_id"])


async def nothing_sent(agent: PublishedAgent, stream: Events) -> None:
    """Wait a moment in which nothing comes; the stream cannot be read on after it."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await agent.next_deploy(stream)


async def shows(bench: Bench, job_id: str, member: str, wanted: object) -> None:
    async def shown() -> object:
        return (await bench.get(f"/jobs/{job_id}")).json()[member]

    await until(shown, wanted)


async def test_a_queue_runs_one_at_a_time_in_the_order_of_creation(bench: Bench) -> None:
    await group(bench, policy="queue")
    async with bench.agent.stream() as stream:
        jobs = [await run(bench) for _ in range(5)]
        for number, job_id in enumerate(jobs):
            assert await sent(bench.agent, stream) == job_id
            for waiting in jobs[number + 1 :]:
                await shows(bench, waiting, "waitingFor", "concurrency_group")
            if number % 2:  # published clients may claim by nothing but their result
                await report(bench.agent, job_id, "running")
                await shows(bench, job_id, "waitingFor", None)
            else:
                await shows(bench, job_id, "waitingFor", "agent_claim")
            await report(bench.agent, job_id, "success", exitCode=0)
    for job_id in jobs:
        await shows(bench, job_id, "status", "success")


async def test_without_a_policy_runs_go_side_by_side_and_say_what_they_wait_for(bench: Bench) -> None:
    await group(bench, policy="allow", group="prod")
    jobs = [await run(bench) for _ in range(2)]
    await shows(bench, jobs[0], "waitingFor", "agent_offline")
    async with bench.agent.stream() as stream:
        assert {await sent(bench.agent, stream) for _ in jobs} == set(jobs)
    assert (await bench.kube.get(DeployJob, bench.namespace, jobs[0])).spec.concurrency_group is None


async def test_a_group_spans_triggers_and_agents(bench: Bench) -> None:
    await group(bench, policy="queue", group="prod")
    other = await enroll(bench.kube, bench.namespace, bench.replica.base)
    spec = {
        "agent": await agent_name(bench.kube, bench.namespace, other.agent_id),
        "workflow": "deploy-prod",
        "concurrency": {"policy": "queue", "group": "prod"},
    }
    body = {"metadata": {"name": "other", "namespace": bench.namespace}, "spec": spec}
    await bench.kube.create(Trigger.model_validate(body))
    token = await make_token(bench.kube, bench.namespace, "all", grants=[{"type": "trigger", "triggers": ["other"]}])
    async with other.stream() as theirs:
        first = await run(bench)
        path = f"/triggers/{object_id('tr', bench.namespace, 'other')}/run"
        answer = await bench.http.post(path, headers={"Authorization": f"Bearer {token}"})
        second = answer.json()["jobId"]
        async with bench.agent.stream() as ours:
            assert await sent(bench.agent, ours) == first
        early = await other.call("POST", f"/agent/jobs/{second}/result", {"status": "running"})
        assert (early.status_code, early.json()["code"]) == (409, "job_waiting")
        early = await other.call("POST", f"/agent/jobs/{second}/logs", {"items": []})
        assert (early.status_code, early.json()["code"]) == (409, "job_waiting")
        await report(bench.agent, first, "running")
        await report(bench.agent, first, "failed", exitCode=1)
        assert await sent(other, theirs) == second
        await report(other, second, "success", exitCode=0)
    await other.close()


async def test_cancelling_the_one_that_waits_or_runs_lets_the_next_go(bench: Bench) -> None:
    await group(bench, policy="queue")
    async with bench.agent.stream() as stream:
        first, second, third = [await run(bench) for _ in range(3)]
        assert await sent(bench.agent, stream) == first
        for job_id in (second, first):
            headers = {"Authorization": f"Bearer {bench.token}"}
            assert (await bench.http.post(f"/jobs/{job_id}/cancel", headers=headers)).status_code == 202
            await shows(bench, job_id, "reason", "cancelled")
        assert await sent(bench.agent, stream) == third


async def test_a_newer_run_takes_the_place_of_all_older_ones(bench: Bench) -> None:
    await group(bench, policy="queue", group="prod")
    async with bench.agent.stream() as stream:
        running, queued = await run(bench), await run(bench)
        assert await sent(bench.agent, stream) == running
        await report(bench.agent, running, "running")
        await group(bench, policy="replace", group="prod")
        newest = await run(bench)
        async with asyncio.timeout(60):
            while (event := await anext(stream))[0] != "cancel":
                assert event[0] != "deploy"
        told = event[1]
        assert (told["job_id"], told["reason"], told["superseded"], told["actor"]) == (
            running,
            "superseded",
            True,
            newest,
        )
        await shows(bench, queued, "reason", "superseded")
        await shows(bench, newest, "waitingFor", "concurrency_group")
        await report(bench.agent, running, "failed", exitCode=143)
        await shows(bench, running, "reason", "superseded")
        assert await sent(bench.agent, stream) == newest
        await report(bench.agent, newest, "success", exitCode=0)


async def test_many_replacing_runs_at_once_leave_the_newest(bench: Bench) -> None:
    await group(bench, policy="replace")
    answers = await asyncio.gather(*(bench.run() for _ in range(8)))
    jobs = {answer.json()["jobId"] for answer in answers}

    async def unfinished() -> int:
        return sum(not job.status.phase.finished for job in await bench.kube.list(DeployJob, bench.namespace))

    await until(unfinished, 1)
    found = await bench.kube.list(DeployJob, bench.namespace)
    left = next(job for job in found if not job.status.phase.finished)
    assert left == max(found, key=lambda job: (job.metadata.creation_timestamp, job.spec.concurrency_place))
    assert {job.status.reason for job in found if job.name != left.name} == {"superseded"}
    async with bench.agent.stream() as stream:
        assert await sent(bench.agent, stream) == left.name
    assert jobs == {job.name for job in found}


async def test_jobs_of_kubectl_have_groups_too(bench: Bench) -> None:
    spec = {"agent": bench.agent_name, "workflow": "deploy-prod", "concurrencyGroup": "prod"}
    for name in ("j-a", "j-b"):
        body = {"metadata": {"name": name, "namespace": bench.namespace}, "spec": spec}
        await bench.kube.create(DeployJob.model_validate(body))
    async with bench.agent.stream() as stream:
        first = await sent(bench.agent, stream)
        await nothing_sent(bench.agent, stream)
    await report(bench.agent, first, "success", exitCode=0)
    async with bench.agent.stream() as stream:
        assert await sent(bench.agent, stream) == ({"j-a", "j-b"} - {first}).pop()


async def test_a_turn_outlives_the_replica_that_gave_it(settings: Settings, bench: Bench) -> None:
    await group(bench, policy="queue")
    first = await run(bench)
    async with bench.agent.stream() as stream:
        assert await sent(bench.agent, stream) == first
    second = await run(bench)
    before = await bench.kube.get(DeployJob, bench.namespace, first)
    async with served(settings) as another:
        elsewhere = PublishedAgent(another.base)
        elsewhere.key, elsewhere.agent_id = bench.agent.key, bench.agent.agent_id
        elsewhere.server_key = bench.agent.server_key
        async with elsewhere.stream() as stream:
            assert await sent(elsewhere, stream) == first  # the one that has its turn, and it alone
            await nothing_sent(elsewhere, stream)
        async with elsewhere.stream() as stream:
            assert await sent(elsewhere, stream) == first
            await report(elsewhere, first, "success", exitCode=0)
            assert await sent(elsewhere, stream) == second
        await elsewhere.close()
    after = await bench.kube.get(DeployJob, bench.namespace, first)
    assert before.status.turn_at == after.status.turn_at is not None
