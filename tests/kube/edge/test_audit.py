"""The audit record: every change that a route makes is in the object store, with who made it, and no secret."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from deplite.kube.client import KubeClient
from deplite.resources.credentials import describe, mint
from deplite_apiserver.audit.acts import ACTS
from deplite_apiserver.settings import Settings
from deplite_apiserver.storage.settings import S3Settings
from tests.kube.edge.answers import refused
from tests.kube.edge.conftest import Newcomer, Organized, organize
from tests.kube.edge.people import ISSUER
from tests.kube.edge.trails import recorded
from tests.kube.files.doors import put
from tests.kube.jobs.conftest import Replica
from tests.kube.serving import served
from tests.published.agent import PublishedAgent

Calls = set[tuple[str, str]]


def bearer(credential: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {credential}"}


async def changed_by_people(http: httpx.AsyncClient, there: Organized, owner: dict[str, str]) -> tuple[Calls, set[str]]:
    """Call every route of people that changes something; return their templates, and the secrets of the answers."""
    called: Calls = set()

    async def call(method: str, template: str, body: Any = None, **ids: str) -> Any:
        known = {"org_id": there.namespace, "trigger_id": there.trigger_id, "agent_id": there.agent.agent_id}
        path = template.format(**known | {"name": "deploy-prod"} | ids)
        answer = await http.request(method, path, json=body or {}, headers=owner)
        assert answer.is_success, (method, template, answer.text)
        called.add((method, template))
        return answer.json() if answer.content else None

    orgs = "/orgs/{org_id}"
    body = {"agentId": there.agent.agent_id, "name": "Another", "workflowName": "deploy-prod"}
    trigger = (await call("POST", f"{orgs}/triggers", body))["id"]
    await call("PATCH", "/triggers/{trigger_id}", {"suspended": True}, trigger_id=trigger)
    await call("DELETE", "/triggers/{trigger_id}", trigger_id=trigger)
    scopes = [{"type": "trigger", "triggerIds": [there.trigger_id]}]
    token = await call("POST", f"{orgs}/api-tokens", {"name": "x", "scopes": scopes})
    rotated = await call("POST", f"{orgs}/api-tokens/{{token_id}}/rotate", token_id=token["id"])
    await call("DELETE", f"{orgs}/api-tokens/{{token_id}}", token_id=token["id"])
    code = await call("POST", f"{orgs}/agents/enroll-tokens")
    await call("DELETE", f"{orgs}/agents/enroll-tokens/{{code_id}}", code_id=code["id"])
    await call("PATCH", "/agents/{agent_id}", {"name": "Renamed"})
    await call("PATCH", "/agents/{agent_id}/workflows/{name}/rate-limit", {"perHour": 100})
    await call("POST", "/agents/{agent_id}/workflows/refresh")
    job = (await call("POST", "/triggers/{trigger_id}/run-manual"))["jobId"]
    await call("POST", "/jobs/{job_id}/cancel", job_id=job)
    await call("POST", "/jobs/{job_id}/rerun", job_id=job)
    upload = await call("POST", f"{orgs}/files/presign-upload")
    assert (await put(upload, b"x")).status_code == 200
    await call("POST", f"{orgs}/files/{{file_id}}/complete", file_id=upload["fileId"])
    await call("DELETE", f"{orgs}/files/{{file_id}}", file_id=upload["fileId"])
    return called, {token["plainToken"], rotated["plainToken"], code["token"], signature_of(upload)}


def signature_of(upload: dict[str, Any]) -> str:
    """Return what makes the address of an upload a credential."""
    return parse_qs(urlsplit(upload["uploadUrl"]).query)["X-Amz-Signature"][0]


async def files_of_others(http: httpx.AsyncClient, there: Organized, job_id: str) -> Calls:
    """Call the file routes of tokens and agents that change something; return their templates."""
    job = f"/agent/jobs/{job_id}/files/presign-upload"
    agents = ("POST", "/agent/jobs/{job_id}/files/presign-upload"), "/agent/files", job, there.agent.call

    async def as_token(method: str, path: str, body: Any = None) -> httpx.Response:
        return await http.request(method, path, json=body or {}, headers=bearer(there.token))

    tokens = ("POST", "/storage/files/presign-upload"), "/storage/files", "/storage/files/presign-upload", as_token
    called: Calls = set()
    for announced, files, announcing, ask in (agents, tokens):
        answer = await ask("POST", announcing, {})
        assert answer.status_code == 201, answer.text
        upload = answer.json()
        assert (await put(upload, b"x")).status_code == 200
        assert (await ask("POST", f"{files}/{upload['fileId']}/complete")).status_code == 200
        assert (await ask("POST", f"{files}/{upload['fileId']}/complete")).status_code == 200
        assert (await ask("DELETE", f"{files}/{upload['fileId']}")).status_code == 204
        called |= {announced, ("POST", f"{files}/{{file_id}}/complete"), ("DELETE", f"{files}/{{file_id}}")}
    return called


async def test_every_route_that_changes_something_leaves_its_record(
    kube: KubeClient,
    http: httpx.AsyncClient,
    replica: Replica,
    settings: Settings,
    org: str,
    owner: dict[str, str],
) -> None:
    there = await organize(kube, org, replica.base, http, owner)
    called, plain = await changed_by_people(http, there, owner)
    run = await http.post(f"/triggers/{there.trigger_id}/run", json={}, headers=bearer(there.token))
    job_id = run.json()["jobId"]
    assert (await there.agent.call("POST", f"/agent/jobs/{job_id}/result", {"status": "running"})).is_success
    assert (await there.agent.call("PATCH", "/agent/identity", {"os": "linux"})).is_success
    called |= await files_of_others(http, there, job_id)
    called |= {("POST", "/triggers/{trigger_id}/run"), ("POST", "/agent/jobs/{job_id}/result")}
    called |= {("PATCH", "/agent/identity"), ("POST", "/agent/workflows/report"), ("POST", "/agent/enroll")}
    assert (await http.delete(f"/agents/{there.agent.agent_id}", headers=owner)).status_code == 204
    called.add(("DELETE", "/agents/{agent_id}"))
    await there.agent.close()

    # What happens at Slack is walked in tests/kube/slack/test_audit.py: here it is off.
    walked = {route: act for route, act in ACTS.items() if act is not None and not act.action.startswith("slack.")}
    assert called == set(walked), "a new route is walked here, too"
    records = await recorded(replica, settings, org)
    assert {record["action"] for record in records} == {act.action for act in walked.values()}
    assert sum(record["action"] == "job.created" for record in records) == 3
    assert sum(record["action"] == "file.stored" for record in records) == 3, "a repeat is no change"
    kinds = {act.action: act.object_kind for act in ACTS.values() if act is not None}
    for record in records:
        assert record["object"]["kind"] == kinds[record["action"]]
        assert record["object"]["id"], record
        assert (record["outcome"], record["organization"], record["source"]) == ("done", org, "127.0.0.1")
        assert datetime.now(UTC) - datetime.fromisoformat(record["time"]) < timedelta(minutes=5)
    text = repr(records)
    for secret in (*plain, there.token, owner["Authorization"].removeprefix("Bearer ")):
        assert secret not in text


async def test_who_did_it(
    http: httpx.AsyncClient, replica: Replica, settings: Settings, home: Organized, owner: dict[str, str]
) -> None:
    rid = secrets.token_hex(8)
    run = await http.post(
        f"/v1/triggers/{home.trigger_id}/run", json={}, headers=bearer(home.token) | {"X-Request-Id": rid}
    )
    job_id = run.json()["jobId"]
    assert (await http.post(f"/jobs/{job_id}/cancel", headers=owner)).status_code == 202
    records = await recorded(replica, settings, home.namespace)
    (created,) = [record for record in records if record["requestId"] == rid]
    assert created["who"] == {"kind": "token", "id": home.token_id, "prefix": describe(home.token).prefix}
    assert (created["object"], created["detail"]) == (
        {"kind": "DeployJob", "id": job_id},
        {"trigger": home.trigger_id},
    )
    (cancelled,) = [one for one in records if one["action"] == "job.cancel_asked" and one["object"]["id"] == job_id]
    assert cancelled["who"] == {"kind": "user", "id": f"{ISSUER}#olga"}
    (enrolled,) = [record for record in records if record["action"] == "agent.enrolled"]
    assert (enrolled["who"]["kind"], enrolled["object"]["id"]) == ("code", home.agent.agent_id)
    (reported,) = [record for record in records if record["action"] == "agent.workflows_reported"]
    assert reported["who"] == {"kind": "agent", "id": home.agent.agent_id}


async def test_what_changes_nothing_is_not_recorded(
    http: httpx.AsyncClient,
    replica: Replica,
    settings: Settings,
    home: Organized,
    member: dict[str, str],
    owner: dict[str, str],
) -> None:
    path, key = f"/triggers/{home.trigger_id}/run", bearer(home.token) | {"Idempotency-Key": secrets.token_hex(8)}
    first = (await http.post(path, json={}, headers=key)).json()
    again = (await http.post(path, json={}, headers=key)).json()
    assert (again["jobId"], again["idempotent"]) == (first["jobId"], True)
    refused(await http.patch(f"/agents/{home.agent.agent_id}", json={"name": "x"}, headers=member), 403, "forbidden")
    assert (await http.patch(f"/agents/{home.agent.agent_id}", json={"x": 1}, headers=owner)).status_code == 422
    assert (await home.agent.call("POST", "/agent/heartbeat")).status_code == 204
    before = len(await recorded(replica, settings, home.namespace))
    assert (await http.post(f"{path}?dryRun=true", json={}, headers=bearer(home.token))).status_code == 200
    records = await recorded(replica, settings, home.namespace)
    assert len(records) == before
    assert [one["action"] for one in records if one["object"]["id"] == first["jobId"]] == ["job.created"]
    assert not [record for record in records if record["action"] == "agent.changed"]


async def test_a_refused_enrolment_is_recorded_under_the_organization_of_its_code(
    http: httpx.AsyncClient, replica: Replica, settings: Settings, org: str, owner: dict[str, str], newcomer: Newcomer
) -> None:
    minted = (await http.post(f"/orgs/{org}/agents/enroll-tokens", json={}, headers=owner)).json()
    for expected in (201, 401):
        agent = PublishedAgent(replica.base)
        assert (await agent.enroll(minted["token"])).status_code == expected
        await agent.close()
    records = [record for record in await recorded(replica, settings, org) if record["action"] == "agent.enrolled"]
    assert [(record["outcome"], record["status"]) for record in records] == [("done", 201), ("refused", 401)]
    assert records[1]["code"] == "invalid_enroll_token"
    assert records[1]["who"] == {"kind": "code", "id": minted["id"], "prefix": minted["prefix"]}
    assert minted["token"] not in repr(records)


@pytest.mark.parametrize("junk", [False, True])
async def test_a_code_that_nobody_minted_is_recorded_too(
    http: httpx.AsyncClient, replica: Replica, settings: Settings, junk: bool
) -> None:
    code, rid = mint("enr").plain, secrets.token_hex(8)
    shown = f"{code[:-1]}{'0' if code[-1] != '0' else '1'}" if junk else code
    refused(
        await http.post("/agent/enroll", json={}, headers=bearer(shown) | {"X-Request-Id": rid}),
        401,
        "invalid_enroll_token",
    )
    (record,) = [one for one in await recorded(replica, settings, "unknown") if one["requestId"] == rid]
    assert record["outcome"] == "refused"
    assert record["who"] == ({"kind": "code"} if junk else {"kind": "code", "prefix": describe(code).prefix})
    assert shown not in repr(record)


async def test_a_store_that_is_away_refuses_no_change(
    settings: Settings, home: Organized, owner: dict[str, str]
) -> None:
    nowhere = S3Settings.model_validate(settings.s3.model_dump() | {"endpoint": "http://127.0.0.1:9"})
    away = settings.model_copy(update={"s3": nowhere})
    async with served(away) as replica, replica.client() as http:
        made = await http.post(f"/orgs/{home.namespace}/agents/enroll-tokens", json={}, headers=owner)
        assert made.status_code == 201
        listed = (await http.get(f"/orgs/{home.namespace}/agents/enroll-tokens", headers=owner)).json()
        assert made.json()["id"] in [code["id"] for code in listed]


async def test_what_a_replica_was_told_is_stored_when_it_has_ended(
    replica: Replica, settings: Settings, home: Organized, owner: dict[str, str]
) -> None:
    rid = secrets.token_hex(8)
    async with served(settings) as brief, brief.client() as http:
        path = f"/orgs/{home.namespace}/agents/enroll-tokens"
        assert (await http.post(path, json={}, headers=owner | {"X-Request-Id": rid})).status_code == 201
    found = await recorded(replica, settings, home.namespace)
    assert [record["action"] for record in found if record["requestId"] == rid] == ["code.minted"]
