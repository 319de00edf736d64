"""What ends because time passed: by a clock that the tests move, on a replica that alone sweeps."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from deplite.kube.client import KubeClient
from deplite.resources import Agent
from deplite_apiserver.settings import Settings
from tests.kube.edge.people import People
from tests.kube.jobs.timeline import Timeline, made_at, timeline
from tests.kube.serving import served, until

QUEUE, JOB = 120, 600


@pytest_asyncio.fixture
async def line(settings: Settings, kube: KubeClient, organization: str, people: People) -> AsyncIterator[Timeline]:
    async with timeline(settings, kube, organization, people) as made:
        yield made


@pytest_asyncio.fixture
async def brief(line: Timeline) -> dict[str, Any]:
    """How to run a trigger whose jobs wait two minutes and run ten."""
    timeouts = {"queueSeconds": QUEUE, "jobSeconds": JOB}
    trigger = await line.bench.declare("brief", timeouts=timeouts)
    grants = [{"type": "trigger", "triggers": ["brief", "deploy"]}]
    token = await line.bench.grant("brief", *grants)
    return {"trigger": trigger, "token": token}


async def made(line: Timeline, **how: Any) -> str:
    """Run, and let the clock reach the moment at which the API server says that the job was made."""
    job_id = await line.bench.made(**how)
    line.clock.reach(made_at(await line.bench.job(job_id)))
    return job_id


async def status(line: Timeline, job_id: str) -> tuple[str, str | None]:
    owner = {"Authorization": f"Bearer {line.bench.owner}"}
    shown = (await line.bench.http.get(f"/jobs/{job_id}", headers=owner)).json()
    return shown["status"], shown["reason"]


async def after(line: Timeline, seconds: float, job_id: str, **how: Any) -> tuple[str, str | None]:
    await line.listen(seconds, **how)
    await line.sweep()
    return await status(line, job_id)


async def connected(line: Timeline) -> None:
    async def found() -> bool:
        return line.desk.streams.of((line.bench.namespace, line.bench.agent_name)) is not None

    await until(found, True)


async def parted(line: Timeline) -> None:
    async def found() -> bool:
        return line.desk.streams.of((line.bench.namespace, line.bench.agent_name)) is None

    await until(found, True)


async def test_a_job_that_was_never_sent_expires_after_its_queue_time(line: Timeline, brief: dict[str, Any]) -> None:
    job_id = await made(line, **brief)
    assert await after(line, QUEUE - 15, job_id) == ("queued", None)
    assert await after(line, 20, job_id) == ("failed", "expired")
    async with line.bench.agent.stream() as stream:
        later = await line.bench.made(**brief)
        assert (await line.bench.agent.next_deploy(stream))["job_id"] == later  # the expired one is not sent
    assert (await line.bench.report(job_id, "running")).status_code == 409


async def test_a_job_waits_a_quarter_of_an_hour_unless_told_otherwise(line: Timeline) -> None:
    job_id = await made(line)
    assert await after(line, 880, job_id) == ("queued", None)
    assert await after(line, 25, job_id) == ("failed", "expired")


async def test_a_job_that_was_sent_waits_for_its_job_timeout_instead(line: Timeline, brief: dict[str, Any]) -> None:
    async with line.bench.agent.stream() as stream:
        job_id = await made(line, **brief)
        assert (await line.bench.agent.next_deploy(stream))["job_id"] == job_id
    await parted(line)
    assert await after(line, 2 * QUEUE, job_id) == ("queued", None)
    assert await after(line, JOB - 2 * QUEUE - 15, job_id) == ("queued", None)
    assert await after(line, 20, job_id) == ("failed", "timeout")
    late = await line.bench.report(job_id, "success", exitCode=0)  # a client that never claims, and ran it
    assert late.status_code == 202, late.text


async def test_sending_again_after_a_restart_restores_that_a_job_was_sent(
    line: Timeline, brief: dict[str, Any], settings: Settings
) -> None:
    async with line.bench.agent.stream() as stream:
        job_id = await line.bench.made(**brief)
        await line.bench.agent.next_deploy(stream)
    async with served(settings, line.clock) as fresh:
        line.bench.agent.base, old = fresh.base, line.bench.agent.base
        line.sleep(3 * QUEUE)  # we were away: nobody could be sent anything; the job's own time is not over
        await line.sweep(fresh.context.desk)
        assert await status(line, job_id) == ("queued", None)
        async with line.bench.agent.stream() as stream:
            assert (await line.bench.agent.next_deploy(stream))["job_id"] == job_id
        for _ in range(30):
            fresh.context.desk.hearing.tick(0.0)
            line.clock.ahead += 5
            fresh.context.desk.hearing.tick(0.0)
        await line.sweep(fresh.context.desk)
        line.bench.agent.base = old
    # The first replica knows that it was sent, too.
    assert await status(line, job_id) == ("queued", None)


async def test_a_running_job_ends_after_its_time_and_its_agent_is_told(line: Timeline, brief: dict[str, Any]) -> None:
    async with line.bench.agent.stream() as stream:
        job_id = await line.bench.made(**brief)
        await line.bench.agent.next_deploy(stream)
        assert (await line.bench.report(job_id, "running")).status_code == 204
        assert await after(line, JOB - 15, job_id, beats=True) == ("running", None)
        assert await after(line, 20, job_id, beats=True) == ("failed", "timeout")
        async with asyncio.timeout(60):
            while (event := await anext(stream))[0] != "cancel":
                continue
        told = event[1]
        assert (told["job_id"], told["reason"], told["superseded"]) == (job_id, "timeout", False)
        assert line.bench.agent.verify(told["signed"])["job_id"] == job_id
    assert (await line.bench.report(job_id, "failed", exitCode=143)).status_code == 202
    assert await status(line, job_id) == ("failed", "timeout")


async def test_a_silent_agent_is_disconnected_by_180_seconds_and_its_job_settled_by_240(line: Timeline) -> None:
    async with line.bench.agent.stream():
        await connected(line)
        job_id = await line.bench.made()
        assert (await line.bench.report(job_id, "running")).status_code == 204
        assert await after(line, 165, job_id) == ("running", None)
        assert await line.state() == "Connected"
        assert await after(line, 15, job_id) == ("running", None)
        assert await line.state() == "Disconnected"
        assert await after(line, 20, job_id) == ("running", None)
        assert await after(line, 20, job_id) == ("failed", "agent_lost")
    items = [{"seq": seq, "stream": "raw", "content": "late"} for seq in range(3)]
    assert (await line.bench.ship(job_id, items)).json()["accepted"] == 3
    assert (await line.bench.report(job_id, "success", exitCode=0)).status_code == 202
    assert (await line.bench.job(job_id)).status.late_result is not None
    assert len((await line.bench.get(f"/jobs/{job_id}/logs")).json()["items"]) == 3


async def test_without_a_stream_an_agent_is_disconnected_after_half_a_minute(line: Timeline) -> None:
    async with line.bench.agent.stream():
        await connected(line)
        await until(line.state, "Connected")
    await parted(line)
    await line.listen(20)
    await line.sweep()
    assert await line.state() == "Connected"
    await line.listen(15)
    await line.sweep()
    assert await line.state() == "Disconnected"


async def test_heartbeats_keep_a_job_for_hours(line: Timeline) -> None:
    job_id = await line.bench.made()
    assert (await line.bench.report(job_id, "running")).status_code == 204
    for _ in range(20):
        assert await after(line, 170, job_id) == ("running", None)
        assert (await line.bench.agent.call("POST", "/agent/heartbeat")).status_code == 204


async def test_a_process_that_slept_marks_nobody_as_lost_before_a_full_grace(line: Timeline) -> None:
    job_id = await line.bench.made()
    assert (await line.bench.report(job_id, "running")).status_code == 204
    for _ in range(3):
        assert await after(line, 100, job_id) == ("running", None)
        line.sleep(600)
        await line.sweep()
        assert await status(line, job_id) == ("running", None)
    assert await after(line, 195, job_id) == ("running", None)
    assert await after(line, 30, job_id) == ("failed", "agent_lost")


async def test_while_the_cluster_is_away_nobody_is_lost_before_a_full_grace(line: Timeline) -> None:
    job_id = await line.bench.made()
    assert (await line.bench.report(job_id, "running")).status_code == 204
    assert await after(line, 150, job_id) == ("running", None)
    assert await after(line, 600, job_id, deaf=60.0) == ("running", None)
    assert await after(line, 195, job_id) == ("running", None)
    assert await after(line, 30, job_id) == ("failed", "agent_lost")


async def test_a_running_job_of_an_agent_that_was_deleted_is_lost(line: Timeline) -> None:
    job_id = await line.bench.made()
    assert (await line.bench.report(job_id, "running")).status_code == 204
    await line.bench.kube.delete(Agent, line.bench.namespace, line.bench.agent_name)
    assert await after(line, 190, job_id) == ("running", None)
    assert await after(line, 30, job_id) == ("failed", "agent_lost")


async def test_a_revoked_agent_that_is_not_connected_loses_its_jobs(line: Timeline) -> None:
    queued, running = await line.bench.made(), await line.bench.made()
    assert (await line.bench.report(running, "running")).status_code == 204
    agents = line.bench.replica.context.caches.agents
    await line.bench.kube.patch(Agent, line.bench.namespace, line.bench.agent_name, {"spec": {"revoked": True}})

    async def known() -> bool:
        found = agents.get(line.bench.namespace, line.bench.agent_name)
        return found is not None and found.spec.revoked

    await until(known, True)
    await line.sweep()
    assert await status(line, queued) == ("failed", "agent_revoked")
    assert await status(line, running) == ("failed", "agent_revoked")
