"""Cancelling at every stage, with an agent that knows nothing of us but the protocol."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from deplite.resources import DeployJob
from tests.kube.jobs.conftest import Bench, make_token
from tests.kube.serving import until


async def cancel(bench: Bench, job_id: str, body: Any = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {bench.token}"}
    return await bench.http.post(f"/jobs/{job_id}/cancel", json=body, headers=headers)


async def started(bench: Bench, **extra: str) -> str:
    """Return a job that the agent has claimed."""
    job_id: str = (await bench.run()).json()["jobId"]
    await claim(bench, job_id, **extra)
    return job_id


async def claim(bench: Bench, job_id: str, **extra: str) -> httpx.Response:
    return await bench.agent.call("POST", f"/agent/jobs/{job_id}/result", {"status": "running"}, extra=extra)


async def end_of(bench: Bench, job_id: str) -> dict[str, Any]:
    async def status() -> str:
        return str((await bench.get(f"/jobs/{job_id}")).json()["status"])

    await until(status, "failed")
    shown: dict[str, Any] = (await bench.get(f"/jobs/{job_id}")).json()
    return shown


async def next_cancel(stream: AsyncIterator[tuple[str, Any]]) -> dict[str, Any]:
    async with asyncio.timeout(60):
        async for event, data in stream:
            if event == "cancel":
                found: dict[str, Any] = data
                return found
    raise AssertionError("the stream ended without a cancel")


async def test_a_queued_job_ends_at_once_and_is_never_sent(bench: Bench) -> None:
    job_id = (await bench.run()).json()["jobId"]
    answer = await cancel(bench, job_id)
    assert answer.status_code == 202, answer.text
    assert answer.json() == {"jobId": job_id, "status": "queued", "statusUrl": f"/api/jobs/{job_id}"}
    stored = await bench.kube.get(DeployJob, bench.namespace, job_id)
    assert stored.spec.cancel is not None
    assert (stored.spec.cancel.by, stored.spec.cancel.reason) == (stored.spec.requested_by.id, "cancelled")
    assert (await end_of(bench, job_id))["reason"] == "cancelled"
    other = (await bench.run()).json()["jobId"]
    async with bench.agent.stream() as stream:
        assert (await bench.agent.next_deploy(stream))["job_id"] == other


async def test_a_job_that_was_sent_ends_at_once_and_its_claim_is_refused(bench: Bench) -> None:
    async with bench.agent.stream() as stream:
        job_id = (await bench.run()).json()["jobId"]
        assert (await bench.agent.next_deploy(stream))["job_id"] == job_id
        assert (await cancel(bench, job_id)).status_code == 202
        assert (await next_cancel(stream))["job_id"] == job_id
        assert (await end_of(bench, job_id))["reason"] == "cancelled"
    late = await claim(bench, job_id)
    assert (late.status_code, late.json()["code"]) == (409, "job_finished")


async def test_a_running_job_is_told_at_once_and_ends_as_its_agent_says(bench: Bench) -> None:
    job_id = await started(bench)
    async with bench.agent.stream() as stream:
        assert (await cancel(bench, job_id)).json()["status"] == "running"
        told = await next_cancel(stream)
        assert (told["job_id"], told["reason"], told["superseded"]) == (job_id, "cancelled", False)
    assert (await bench.get(f"/jobs/{job_id}")).json()["status"] == "running"
    body = {"status": "failed", "exitCode": 143, "errorMessage": "stopped"}
    assert (await bench.agent.call("POST", f"/agent/jobs/{job_id}/result", body)).status_code == 204
    ended = await end_of(bench, job_id)
    assert (ended["reason"], ended["exitCode"], ended["errorMessage"]) == ("cancelled", 143, "stopped")


async def test_an_agent_that_is_away_is_told_when_it_is_back_each_time(bench: Bench) -> None:
    job_id = await started(bench)
    assert (await cancel(bench, job_id)).status_code == 202
    for _ in range(2):
        async with bench.agent.stream() as stream:
            assert (await next_cancel(stream))["job_id"] == job_id
    body = {"status": "success", "exitCode": 0}
    assert (await bench.agent.call("POST", f"/agent/jobs/{job_id}/result", body)).status_code == 204
    shown = (await bench.get(f"/jobs/{job_id}")).json()
    assert (shown["status"], shown["exitCode"]) == ("success", 0)  # it was faster: that is the truth


async def test_a_repeat_changes_nothing(bench: Bench) -> None:
    job_id = await started(bench)
    first = await cancel(bench, job_id, {})
    version = (await bench.kube.get(DeployJob, bench.namespace, job_id)).metadata.resource_version
    repeat = await cancel(bench, job_id)
    assert (repeat.status_code, repeat.json()) == (202, first.json())
    assert (await bench.kube.get(DeployJob, bench.namespace, job_id)).metadata.resource_version == version


async def test_many_at_once_are_one_wish(bench: Bench) -> None:
    job_id = await started(bench)
    answers = await asyncio.gather(*(cancel(bench, job_id) for _ in range(10)))
    assert {answer.status_code for answer in answers} == {202}


async def test_an_ended_job_cannot_be_cancelled(bench: Bench) -> None:
    job_id = (await bench.run()).json()["jobId"]
    body = {"status": "success", "exitCode": 0}
    assert (await bench.agent.call("POST", f"/agent/jobs/{job_id}/result", body)).status_code == 204
    answer = await cancel(bench, job_id)
    assert (answer.status_code, answer.json()["code"]) == (409, "job_finished")
    assert (await bench.kube.get(DeployJob, bench.namespace, job_id)).spec.cancel is None


async def test_absent_and_not_granted_is_404_and_a_body_is_422(bench: Bench) -> None:
    job_id = (await bench.run()).json()["jobId"]
    absent = await cancel(bench, "j-" + "a" * 26)
    assert (absent.status_code, absent.json()["code"]) == (404, "not_found")
    stranger = await make_token(
        bench.kube, bench.namespace, "stranger", grants=[{"type": "trigger", "triggers": ["x"]}]
    )
    headers = {"Authorization": f"Bearer {stranger}"}
    answer = await bench.http.post(f"/jobs/{job_id}/cancel", headers=headers)
    assert (answer.status_code, answer.json()) == (404, absent.json())
    wrong = await cancel(bench, job_id, {"reason": "superseded"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "validation_error")
    assert (await bench.kube.get(DeployJob, bench.namespace, job_id)).spec.cancel is None


@pytest.mark.parametrize("extra", [{}, {"X-Deplite-Instance": "one"}])
async def test_a_claim_and_a_cancel_at_once_have_one_end(bench: Bench, extra: dict[str, str]) -> None:
    for _ in range(5):
        job_id = (await bench.run()).json()["jobId"]
        claimed, asked = await asyncio.gather(claim(bench, job_id, **extra), cancel(bench, job_id))
        assert asked.status_code == 202, asked.text
        if claimed.status_code == 204:
            body = {"status": "failed", "exitCode": 143}
            answer = await bench.agent.call("POST", f"/agent/jobs/{job_id}/result", body, extra=extra)
            assert answer.status_code == 204, answer.text
        else:
            assert (claimed.status_code, claimed.json()["code"]) == (409, "job_finished")
        assert (await end_of(bench, job_id))["reason"] == "cancelled"
