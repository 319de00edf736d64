"""What one organization may have at a time; a small bound, on a replica of these tests' own."""

import asyncio
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


async def test_a_resource_quota_of_the_namespace_is_answered_as_such(
    http: httpx.AsyncClient, kube: KubeClient, org: str, owner: dict[str, str]
) -> None:
    """As kube-controller-manager says in a quota's status, where it counts; the API server itself enforces that."""
    quotas, made = f"/api/v1/namespaces/{org}/resourcequotas", f"/orgs/{org}/agents/enroll-tokens"
    hard = {"count/enrollmenttokens.deplite.io": "1"}
    body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "deplite"}, "spec": {"hard": hard}}
    request = kube.connection.request
    quota = await request("POST", quotas, body=body)
    counted = {"hard": hard, "used": {"count/enrollmenttokens.deplite.io": "0"}}
    await request("PUT", f"{quotas}/deplite/status", body=quota | {"status": counted})
    answers = []
    async with asyncio.timeout(60):
        while not answers or answers[-1].status_code == 201:
            answers.append(await http.post(made, json={}, headers=owner))
    assert len(answers) >= 2
    body = refused(answers[-1], 429, "quota_exceeded")
    assert (body["error"], body["scope"]) == ("quota_exceeded", "organization")
    assert "ResourceQuota" in body["message"]
    assert int(answers[-1].headers["retry-after"]) == body["retryAfter"] == 30
    await request("DELETE", f"{quotas}/deplite")
    async with asyncio.timeout(60):
        while (await http.post(made, json={}, headers=owner)).status_code != 201:
            await asyncio.sleep(0.1)
