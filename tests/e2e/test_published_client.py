"""A client that nobody here wrote works unchanged, under each of the three prefixes."""

from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Deployment
from tests.published.agent import PublishedAgent

ODD = 'a"b\\c\b\f\n\r\t\x01<&>\u2028\u2029 é 中 \U0001f600'


class Owner:
    """The calls an owner makes, as JSON."""

    def __init__(self, base: str, deployment: Deployment, organization: str) -> None:
        self.org = f"/orgs/{organization}"
        self.http = httpx.AsyncClient(
            base_url=base, headers={"Authorization": f"Bearer {deployment.jwt}"}, timeout=70, trust_env=False
        )

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = await self.http.post(path, json=body)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made


@pytest.mark.parametrize("prefix", ["", "/api", "/v1"])
async def test_enrol_report_stream_run_logs_result(prefix: str, deployment: Deployment, new_organization: str) -> None:
    base = deployment.url + prefix
    owner, agent = Owner(base, deployment, new_organization), PublishedAgent(base)
    try:
        code = (await owner.post(f"{owner.org}/agents/enroll-tokens", {"label": "published"}))["token"]
        enrolled = await agent.enroll(code)
        assert enrolled.json()["organizationId"] == new_organization
        assert (await agent.enroll(code)).json()["agentId"] == agent.agent_id, (
            "the same key, again, gets the same agent"
        )

        report = {
            "workflows": [
                {"name": "deploy.yml", "params": [{"name": "n", "type": "number"}, {"name": "s", "type": "string"}]}
            ]
        }
        reported = await agent.call("POST", "/agent/workflows/report", report)
        assert reported.json() == {"count": 1}
        assert (await agent.call("POST", "/agent/heartbeat")).status_code == 204
        assert (await agent.call("PATCH", "/agent/identity", {"hostname": "h2"})).status_code == 204

        token, trigger = await make_trigger(owner, agent.agent_id)
        async with agent.stream() as stream:
            run = await owner.http.post(
                f"/triggers/{trigger}/run",
                json={"ref": "main", "params": {"n": "3", "s": ODD}},
                headers={"Authorization": f"Bearer {token}", "Idempotency-Key": "one"},
            )
            assert run.status_code == 202, run.text
            payload = await agent.next_deploy(stream)
        assert payload["job_id"] == run.json()["jobId"]
        assert payload["workflow_name"] == "deploy.yml"
        assert payload["params"] == {"n": 3, "s": ODD}
        await finish(agent, payload["job_id"])
        await check_job(owner, token, payload["job_id"])
    finally:
        await agent.close()
        await owner.http.aclose()


async def make_trigger(owner: Owner, agent_id: str) -> tuple[str, str]:
    trigger = await owner.post(
        f"{owner.org}/triggers",
        {"agentId": agent_id, "name": "Published", "workflowName": "deploy.yml", "scopeType": "workflow"}
        | {"type": "webhook", "responseMode": "async"},
    )
    token = await owner.post(
        f"{owner.org}/api-tokens", {"name": "ci", "scopes": [{"type": "trigger", "triggerIds": [trigger["id"]]}]}
    )
    return token["plainToken"], trigger["id"]


async def finish(agent: PublishedAgent, job: str) -> None:
    """Logs before any `running`, and a final result without one: published clients do that."""
    items = [
        {"seq": 0, "stream": "system", "content": "begin"},
        {"seq": 1, "stream": "raw", "content": "line\n", "stepName": "build"},
    ]
    assert (await agent.call("POST", f"/agent/jobs/{job}/logs", {"items": items})).json()["accepted"] == 2
    assert (await agent.call("POST", f"/agent/jobs/{job}/logs", {"items": items})).json()["accepted"] == 0
    result = {"status": "success", "exitCode": 0, "output": {"url": "https://x"}}
    for _ in range(2):
        assert (await agent.call("POST", f"/agent/jobs/{job}/result", result)).status_code == 204
    other = await agent.call("POST", f"/agent/jobs/{job}/result", {"status": "failed", "exitCode": 1})
    assert (other.status_code, other.json()["code"]) == (409, "result_conflict")


async def check_job(owner: Owner, token: str, job: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    detail = (await owner.http.get(f"/jobs/{job}", headers=headers)).json()
    assert (detail["status"], detail["exitCode"], detail["output"]) == ("success", 0, {"url": "https://x"})
    logs = (await owner.http.get(f"/jobs/{job}/logs", headers=headers)).json()
    assert [item["content"] for item in logs["items"]] == ["begin", "line\n"]
    assert [item["stepName"] for item in logs["items"]] == ["", "build"]
    assert logs["nextSeq"] == 2
