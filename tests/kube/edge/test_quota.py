"""What one organization may have at a time; a small bound, on a replica of these tests' own."""

import secrets
from typing import Any

import httpx

from deplite.kube.client import KubeClient
from deplite_apiserver.settings import Settings
from tests.kube.edge.answers import refused
from tests.kube.edge.conftest import organize
from tests.kube.serving import served
from tests.published.agent import PublishedAgent


def full(answer: httpx.Response, limit: int) -> None:
    body = refused(answer, 429, "quota_exceeded")
    assert (body["error"], body["scope"], body["limit"]) == ("quota_exceeded", "organization", limit)
    assert body["observed"] == limit
    assert int(answer.headers["retry-after"]) == body["retryAfter"] >= 1


async def test_unfinished_jobs_are_bounded_and_a_finished_one_makes_room(
    settings: Settings, kube: KubeClient, org: str, owner: dict[str, str]
) -> None:
    small = settings.model_copy(update={"max_unfinished_jobs": 2})
    async with served(small) as replica, replica.client() as http:
        there = await organize(kube, org, replica.base, http, owner)
        path, token = f"/triggers/{there.trigger_id}/run", {"Authorization": f"Bearer {there.token}"}
        keyed = token | {"Idempotency-Key": secrets.token_hex(8)}
        first = await http.post(path, json={}, headers=keyed)
        assert (await http.post(path, json={}, headers=token)).status_code == 202
        full(await http.post(path, json={}, headers=token), 2)
        full(await http.post(f"/triggers/{there.trigger_id}/run-manual", json={}, headers=owner), 2)
        job_id = first.json()["jobId"]
        full(await http.post(f"/jobs/{job_id}/rerun", headers=owner), 2)
        foretold: Any = (await http.post(f"{path}?dryRun=true", json={}, headers=token)).json()
        assert (foretold["accepted"], foretold["code"]) == (False, "quota_exceeded")
        again = await http.post(path, json={}, headers=keyed)
        assert (again.status_code, again.json()["jobId"], again.json()["idempotent"]) == (202, job_id, True)
        ended = await there.agent.call("POST", f"/agent/jobs/{job_id}/result", {"status": "success", "exitCode": 0})
        assert ended.status_code == 204
        assert (await http.post(path, json={}, headers=token)).status_code == 202
        await there.agent.close()


async def test_objects_are_bounded_whatever_their_kind(
    settings: Settings, kube: KubeClient, org: str, owner: dict[str, str]
) -> None:
    async with served(settings) as replica, replica.client() as http:
        there = await organize(
            kube, org, replica.base, http, owner
        )  # an agent, a trigger, a token, two codes, a workspace
        code = (await http.post(f"/orgs/{org}/agents/enroll-tokens", json={"uses": 2}, headers=owner)).json()
    small = settings.model_copy(update={"max_objects": 7})
    async with served(small) as replica, replica.client() as http:
        trigger = {"agentId": there.agent.agent_id, "name": "More", "workflowName": "deploy-prod"}
        full(await http.post(f"/orgs/{org}/triggers", json=trigger, headers=owner), 7)
        token = {"name": "x", "scopes": [{"type": "trigger", "triggerIds": [there.trigger_id]}]}
        full(await http.post(f"/orgs/{org}/api-tokens", json=token, headers=owner), 7)
        full(await http.post(f"/orgs/{org}/agents/enroll-tokens", json={}, headers=owner), 7)
        agent = PublishedAgent(replica.base)
        full(await agent.enroll(code["token"]), 7)
        assert (await http.delete(f"/orgs/{org}/api-tokens/{there.token_id}?force=true", headers=owner)).is_success
        assert (await agent.enroll(code["token"])).status_code == 201, "the refusal cost the code no use"
        assert (await agent.enroll(code["token"])).status_code == 201, "a repeat needs no room"
        await agent.close()
    await there.agent.close()
