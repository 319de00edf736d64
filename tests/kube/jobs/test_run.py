"""A run from webhook to result, with an agent that knows nothing of us but the protocol."""

import asyncio
import re
from typing import Any

import pytest

from deplite.resources import Agent, DeployJob, Trigger
from tests.kube.jobs.conftest import Bench, make_token

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


async def test_the_whole_way(bench: Bench) -> None:
    async with bench.agent.stream() as stream:
        accepted = await bench.run({"ref": "main", "params": {"replicas": "3"}}, key="one")
        assert accepted.status_code == 202, accepted.text
        job_id = accepted.json()["jobId"]
        assert accepted.json() == {
            "jobId": job_id,
            "status": "queued",
            "idempotent": False,
            "timedOut": False,
            "statusUrl": f"/api/jobs/{job_id}",
        }
        payload = await bench.agent.next_deploy(stream)
        assert payload["job_id"] == job_id
        assert (payload["workflow_name"], payload["ref"], payload["params"]) == ("deploy-prod", "main", {"replicas": 3})
        assert (payload["debug"], payload["force"], payload["agent_id"]) == (False, False, bench.agent.agent_id)
        answer = await bench.agent.call("POST", f"/agent/jobs/{job_id}/result", {"status": "running"})
        assert answer.status_code == 204, answer.text
        assert (await bench.get(f"/api/jobs/{job_id}")).json()["status"] == "running"
        items = [
            {"seq": 0, "stream": "summary", "stepName": "build", "level": "info", "content": "Build started"},
            {"seq": 1, "stream": "raw", "stepName": "build", "content": "Step 1/5\n"},
        ]
        answer = await bench.agent.call("POST", f"/agent/jobs/{job_id}/logs", {"items": items})
        assert (answer.status_code, answer.json()["accepted"]) == (200, 2), answer.text
        result = {"status": "success", "exitCode": 0, "output": {"url": "https://x", "none": None, "n": 1.5}}
        for _ in range(2):
            answer = await bench.agent.call("POST", f"/agent/jobs/{job_id}/result", result)
            assert answer.status_code == 204, answer.text
        answer = await bench.agent.call("POST", f"/agent/jobs/{job_id}/result", {"status": "failed", "exitCode": 1})
        assert (answer.status_code, answer.json()["code"]) == (409, "result_conflict")

    shown = (await bench.get(f"/v1/jobs/{job_id}")).json()
    assert {key: shown[key] for key in ("id", "agentId", "workflowName", "status", "ref", "debug", "exitCode")} == {
        "id": job_id,
        "agentId": bench.agent.agent_id,
        "workflowName": "deploy-prod",
        "status": "success",
        "ref": "main",
        "debug": False,
        "exitCode": 0,
    }
    assert shown["output"] == {"url": "https://x", "n": 1.5}
    assert all(TIME.fullmatch(shown[key]) for key in ("queuedAt", "startedAt", "finishedAt"))
    logs = (await bench.get(f"/jobs/{job_id}/logs")).json()
    assert logs == {"items": items, "nextSeq": 2}
    logs = (await bench.get(f"/jobs/{job_id}/logs?fromSeq=1&limit=1")).json()
    assert logs == {"items": items[1:], "nextSeq": 2}
    replay = await bench.run({"params": {"replicas": "3"}, "ref": "main"}, key="one")
    assert (replay.status_code, replay.json()["idempotent"], replay.json()["status"]) == (202, True, "success")
    assert replay.json()["jobId"] == job_id


async def test_equal_keys_at_once_are_one_job(bench: Bench) -> None:
    answers = await asyncio.gather(*(bench.run(key="same") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["jobId"] for answer in answers}) == 1
    assert sorted(answer.json()["idempotent"] for answer in answers) == [False] + [True] * 19
    other = await bench.run({"ref": "release/1"}, key="same")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    assert len(await bench.kube.list(DeployJob, bench.namespace)) == 1


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"ref": "dev"}, 403, "ref_not_allowed"),
        ({}, 403, "ref_not_allowed"),
        ({"ref": "-rf"}, 422, "invalid_ref"),
        ({"ref": "main", "workflowName": "other"}, 422, "validation_error"),
        ({"ref": "main", "params": []}, 422, "validation_error"),
        ({"ref": "main", "params": {"nope": 1}}, 422, "validation_error"),
        ({"ref": "main", "params": {"replicas": 21}}, 422, "validation_error"),
        ({"ref": "main", "params": {"replicas": {"a": 1}}}, 422, "validation_error"),
        ({"ref": "main", "orgId": "org-x"}, 422, "validation_error"),
        ({"ref": "main", "debug": "yes"}, 422, "validation_error"),
    ],
)
async def test_refusals(bench: Bench, body: Any, status: int, code: str) -> None:
    answer = await bench.run(body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert await bench.kube.list(DeployJob, bench.namespace) == []


async def test_a_token_without_a_grant_is_refused_and_reads_nothing(bench: Bench) -> None:
    job_id = (await bench.run()).json()["jobId"]
    grants = [{"type": "trigger", "triggers": ["another"]}]
    stranger = await make_token(bench.kube, bench.namespace, "stranger", grants=grants)
    answer = await bench.run(token=stranger)
    assert (answer.status_code, answer.json()["code"]) == (403, "token_scope")
    answer = await bench.http.get(f"/jobs/{job_id}", headers={"Authorization": f"Bearer {stranger}"})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_the_limit_of_a_token_counts_no_replays(bench: Bench) -> None:
    grants = [{"type": "trigger", "triggers": ["deploy"]}]
    token = await make_token(bench.kube, bench.namespace, "slow", grants=grants, rateLimit={"perDay": 2})
    first = await bench.run(key="a", token=token)
    assert first.status_code == 202
    assert (await bench.run(key="a", token=token)).json()["idempotent"] is True
    assert (await bench.run(key="b", token=token)).status_code == 202
    over = await bench.run(key="c", token=token)
    assert (over.status_code, over.json()["code"], over.json()["scope"]) == (429, "rate_limited", "token")
    assert over.headers["Retry-After"] == str(over.json()["retryAfter"])
    assert (await bench.run(key="a", token=token)).json()["jobId"] == first.json()["jobId"]


async def test_a_sync_run_waits_for_the_end(bench: Bench) -> None:
    bench.replica.context.caches.triggers.note(
        await bench.kube.patch(Trigger, bench.namespace, "deploy", {"spec": {"responseMode": "sync"}})
    )
    async with bench.agent.stream() as stream:
        caller = asyncio.create_task(bench.run())
        payload = await bench.agent.next_deploy(stream)
        body = {"status": "failed", "exitCode": 3, "errorMessage": "no space"}
        answer = await bench.agent.call("POST", f"/agent/jobs/{payload['job_id']}/result", body)
        assert answer.status_code == 204, answer.text
    answer = await caller
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "jobId": payload["job_id"],
        "status": "failed",
        "idempotent": False,
        "timedOut": False,
        "exitCode": 3,
        "errorMessage": "no space",
        "statusUrl": f"/api/jobs/{payload['job_id']}",
    }


async def test_it_is_sent_on_each_connect_until_claimed(bench: Bench) -> None:
    job_id = (await bench.run()).json()["jobId"]
    nonces = set()
    for _ in range(2):
        async with bench.agent.stream() as stream:
            payload = await bench.agent.next_deploy(stream)
            assert payload["job_id"] == job_id
            nonces.add(payload["nonce"])
    assert len(nonces) == 2
    answer = await bench.agent.call("POST", f"/agent/jobs/{job_id}/logs", {"items": []})
    assert answer.status_code == 200, answer.text
    assert (await bench.get(f"/jobs/{job_id}")).json()["status"] == "running"
    async with bench.agent.stream() as stream:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await bench.agent.next_deploy(stream)


async def test_a_job_of_kubectl_is_checked_before_it_is_sent(bench: Bench) -> None:
    spec = {"trigger": "deploy", "agent": bench.agent_name, "workflow": "deploy-prod", "ref": "dev"}
    bad = DeployJob.model_validate({"metadata": {"name": "bad", "namespace": bench.namespace}, "spec": spec})
    good = bad.model_copy(
        update={
            "metadata": bad.metadata.model_copy(update={"name": "good"}),
            "spec": bad.spec.model_copy(update={"ref": "main"}),
        }
    )
    await bench.kube.create(bad)
    await bench.kube.create(good)
    async with bench.agent.stream() as stream:
        assert (await bench.agent.next_deploy(stream))["job_id"] == "good"
        async with asyncio.timeout(60):
            while (shown := (await bench.get("/jobs/bad")).json())["status"] != "failed":
                await asyncio.sleep(0.05)
    assert shown["reason"] == "rejected"
    assert "allowedRefs" in shown["errorMessage"]


async def test_connecting_shows(bench: Bench) -> None:
    async with bench.agent.stream(), asyncio.timeout(60):
        while (await bench.kube.get(Agent, bench.namespace, bench.agent_name)).status.state != "Connected":
            await asyncio.sleep(0.05)


async def test_the_trigger_shows_its_last_job(bench: Bench) -> None:
    job_id = (await bench.run()).json()["jobId"]
    assert (
        await bench.agent.call("POST", f"/agent/jobs/{job_id}/result", {"status": "success", "exitCode": 0})
    ).status_code == 204
    status = None
    async with asyncio.timeout(150):  # written once a minute, and for the first time maybe before the job has ended
        while status is None or status.last_job_phase != "Succeeded":
            await asyncio.sleep(0.2)
            status = (await bench.kube.get(Trigger, bench.namespace, "deploy")).status
    assert (status.last_job, status.last_job_phase) == (job_id, "Succeeded")
    assert (status.runs, status.succeeded, status.failed) == (1, 1, 0)
