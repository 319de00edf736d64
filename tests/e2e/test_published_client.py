"""A client that nobody here wrote works unchanged, under each of the three prefixes."""

import json
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Deployment
from tests.published.agent import PublishedAgent

ODD = 'a"b\\c\b\f\n\r\t\x01<&>\u2028\u2029 é 中 \U0001f600'

REF = 'é/"&<>\u2028\u2029/\uffee\U0001f600'
TEXTS = {
    'a"b\\c/d': ODD,
    "&<>\u2028\u2029": "".join(chr(code) for code in (*range(1, 0x20), 0x7F, 0x80, 0x9F)),
    "\U0001f600": "\U00010000\U0010ffff\ue000\ufffe",
    "\U0001f600\uffee": "\\ud83d\\ude00",
    "\uffee": "\uffee\U0001f600",
    "\ue000": "",
    "é": "e\u0301",
    "a": "007",
    "a b": "1e3",
}
"""Names that sort otherwise by code point than by UTF-16 code unit, and all that the page has a spelling for."""
NUMBERS = {
    "most": (2**53 - 1, 2**53 - 1),
    "least": (1 - 2**53, 1 - 2**53),
    "beyond": (2**53, "9007199254740992"),
    "below": (-(2**53), "-9007199254740992"),
    "huge": (10**30, "1" + "0" * 30),
    "half": (-0.5, "-0.5"),
    "tenth": (0.1, "0.1"),
    "tiny": (5e-324, "5e-324"),
    "vast": (1e300, "1e+300"),
    "whole": (3.0, 3),
    "nothing": (-0.0, 0),
    "yes": (True, True),
    "no": (False, False),
}
"""What is sent, and what is signed."""


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


async def test_every_odd_text_and_number_of_the_page_verifies(deployment: Deployment, new_organization: str) -> None:
    base = f"{deployment.url}/v1"
    owner, agent = Owner(base, deployment, new_organization), PublishedAgent(base)
    try:
        code = (await owner.post(f"{owner.org}/agents/enroll-tokens", {"label": "odd"}))["token"]
        assert (await agent.enroll(code)).is_success
        report = {"workflows": [{"name": "free.yml"}]}  # without params of its own: any are passed through
        assert (await agent.call("POST", "/agent/workflows/report", report)).json() == {"count": 1}
        token, trigger = await make_trigger(owner, agent.agent_id, "free.yml")
        sent = {"ref": REF, "params": TEXTS | {name: number[0] for name, number in NUMBERS.items()}}
        signed = TEXTS | {name: number[1] for name, number in NUMBERS.items()}
        async with agent.stream() as stream:
            for escaped in (True, False):  # what is beyond U+FFFF as a pair of surrogates, and raw
                run = await owner.http.post(
                    f"/triggers/{trigger}/run",
                    content=json.dumps(sent, ensure_ascii=escaped).encode(),
                    headers={"Authorization": f"Bearer {token}"},
                )
                assert run.status_code == 202, run.text
                payload = await agent.next_deploy(stream)
                assert (payload["job_id"], payload["ref"]) == (run.json()["jobId"], REF)
                assert json.dumps(payload["params"], sort_keys=True) == json.dumps(signed, sort_keys=True)
                await finish(agent, payload["job_id"])
                await check_job(owner, token, payload["job_id"])
    finally:
        await agent.close()
        await owner.http.aclose()


async def make_trigger(owner: Owner, agent_id: str, workflow: str = "deploy.yml") -> tuple[str, str]:
    trigger = await owner.post(
        f"{owner.org}/triggers",
        {"agentId": agent_id, "name": "Published", "workflowName": workflow, "scopeType": "workflow"}
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
