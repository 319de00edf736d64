"""Enrolment: one code, one machine, and nothing that a lost answer could cost."""

import asyncio
import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from deplite.kube.client import KubeClient
from deplite.resources import Agent, EnrollmentToken
from deplite.resources.credentials import mint
from deplite.resources.identifiers import object_id
from deplite.resources.resource import utc
from deplite_apiserver.settings import Settings
from tests.kube.edge.answers import refused
from tests.kube.edge.conftest import declare_agent
from tests.kube.edge.keys import UNUSABLE, WEAK, good_pem
from tests.kube.jobs.conftest import Replica
from tests.kube.serving import MovableClock, served, until
from tests.published.agent import PublishedAgent


async def code_for(http: httpx.AsyncClient, org: str, owner: dict[str, str], **body: Any) -> str:
    answer = await http.post(f"/orgs/{org}/agents/enroll-tokens", json=body, headers=owner)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])


async def enroll(http: httpx.AsyncClient, code: str, **body: Any) -> httpx.Response:
    content = {"name": "web-1", "publicKey": good_pem()} | body
    headers = {"Authorization": f"Bearer {code}"}
    return await http.post("/agent/enroll", content=json.dumps(content), headers=headers)


async def patiently(http: httpx.AsyncClient, code: str, **body: Any) -> httpx.Response:
    """Enrol, and repeat it while the cluster is busy: fifty at once are many."""
    key = {"publicKey": good_pem()} | body
    while (answer := await enroll(http, code, **key)).status_code == 503:
        await asyncio.sleep(0.2)
    return answer


async def test_an_enrolled_agent_is_shown_and_speaks(
    http: httpx.AsyncClient, kube: KubeClient, replica: Replica, org: str, owner: dict[str, str]
) -> None:
    agent = PublishedAgent(f"{replica.base}/v1")
    answer = await agent.enroll(await code_for(http, org, owner, label="prod-server-01"))
    assert answer.status_code == 201
    assert set(answer.json()) == {"agentId", "organizationId", "serverPublicKey"}
    assert answer.json()["organizationId"] == org
    assert answer.json()["serverPublicKey"] == replica.context.server_keys.current_public_pem
    assert (await agent.call("POST", "/agent/heartbeat")).status_code == 204
    (shown,) = (await http.get(f"/orgs/{org}/agents", headers=owner)).json()
    assert shown["id"] == agent.agent_id
    assert (shown["hostname"], shown["os"], shown["agentVersion"]) == ("h1", "linux", "9.9.9")
    assert shown["enrolledAt"]
    (made,) = await kube.list(Agent, org)
    assert made.status.public_key == agent.public_pem()
    assert made.status.server_key_id == replica.context.server_keys.current_id
    assert made.managed_by_api
    assert made.name.startswith("prod-server-01-")
    await agent.close()


async def events_of(kube: KubeClient, namespace: str) -> list[dict[str, Any]]:
    answer = await kube.connection.request("GET", f"/api/v1/namespaces/{namespace}/events")
    return [one for one in answer["items"] if one["reason"] in ("Enrolled", "KeyReplaced")]


async def test_owners_are_told_of_each_enrolment_once(
    http: httpx.AsyncClient, kube: KubeClient, org: str, owner: dict[str, str]
) -> None:
    agent_id, key = await declare_agent(kube, org, "db-1"), good_pem()
    codes = [await code_for(http, org, owner, agentId=agent_id, label="db") for _ in range(2)]
    for code, pem in ((codes[0], key), (codes[0], key), (codes[1], good_pem())):
        assert (await enroll(http, code, publicKey=pem, hostname="h1")).status_code == 201

    async def told() -> list[tuple[str, str]]:
        return sorted((one["type"], one["reason"]) for one in await events_of(kube, org))

    await until(told, [("Normal", "Enrolled"), ("Warning", "KeyReplaced")])
    first, second = sorted(await events_of(kube, org), key=lambda one: str(one["reason"]))
    assert {one["involvedObject"]["name"] for one in (first, second)} == {"db-1"}
    assert first["message"].startswith(f"Code {codes[0][:10]}… (db) was spent from 127.0.0.1 as host h1; key ")
    assert second["message"].startswith(f"Code {codes[1][:10]}… (db) was spent from 127.0.0.1 as host h1; key ")
    assert not [code for code in codes if code in str((first, second))]


async def test_of_fifty_enrolments_at_once_one_succeeds(
    http: httpx.AsyncClient, kube: KubeClient, org: str, owner: dict[str, str]
) -> None:
    code = await code_for(http, org, owner)
    answers = await asyncio.gather(*(patiently(http, code) for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [201] + [401] * 49
    for answer in answers:
        if answer.status_code == 401:
            refused(answer, 401, "invalid_enroll_token")
    assert len(await kube.list(Agent, org)) == 1
    (spent,) = await kube.list(EnrollmentToken, org)
    assert len(spent.status.used_by) == 1


async def test_a_code_of_five_uses_makes_five_agents_of_fifty(
    http: httpx.AsyncClient, kube: KubeClient, org: str, owner: dict[str, str]
) -> None:
    code = await code_for(http, org, owner, uses=5)
    answers = await asyncio.gather(*(patiently(http, code) for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [201] * 5 + [401] * 45
    assert len({answer.json()["agentId"] for answer in answers if answer.is_success}) == 5
    assert len(await kube.list(Agent, org)) == 5


async def test_one_key_at_once_from_fifty_callers_is_one_agent(
    http: httpx.AsyncClient, kube: KubeClient, org: str, owner: dict[str, str]
) -> None:
    code, key = await code_for(http, org, owner), good_pem()
    answers = await asyncio.gather(*(patiently(http, code, publicKey=key) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["agentId"] for answer in answers}) == 1
    assert len(await kube.list(Agent, org)) == 1


async def test_the_same_key_within_ten_minutes_is_the_same_agent(
    settings: Settings, http: httpx.AsyncClient, kube: KubeClient, org: str, owner: dict[str, str]
) -> None:
    code, key = await code_for(http, org, owner), good_pem()
    first = (await enroll(http, code, publicKey=key)).json()
    clock = MovableClock()
    async with served(settings, clock) as replica, replica.client() as other:
        clock.ahead = 590
        again = await enroll(other, code, publicKey=key.replace("\n", "\r\n"))
        assert (again.status_code, again.json()) == (201, first)
        refused(await enroll(other, code), 401, "invalid_enroll_token")
        clock.ahead = 605
        refused(await enroll(other, code, publicKey=key), 401, "invalid_enroll_token")
    assert len(await kube.list(Agent, org)) == 1


async def test_a_code_dies_after_its_time(
    settings: Settings, http: httpx.AsyncClient, kube: KubeClient, org: str, owner: dict[str, str]
) -> None:
    hour, day = await code_for(http, org, owner), await code_for(http, org, owner, expiresInSeconds=86_400)
    clock = MovableClock()
    async with served(settings, clock) as replica, replica.client() as other:
        clock.ahead = 3602
        refused(await enroll(other, hour), 401, "invalid_enroll_token")
        assert (await enroll(other, day)).status_code == 201
    assert len(await kube.list(Agent, org)) == 1


@pytest.mark.parametrize("what", ["unknown", "checksum", "no code", "an API token", "revoked"])
async def test_a_code_that_is_none_is_401(http: httpx.AsyncClient, org: str, owner: dict[str, str], what: str) -> None:
    good = await code_for(http, org, owner)
    codes = {
        "unknown": mint("enr").plain,
        "checksum": good[:-1] + ("a" if good[-1] != "a" else "b"),
        "no code": "enr_",
        "an API token": mint("tk").plain,
        "revoked": good,
    }
    if what == "revoked":
        (listed,) = (await http.get(f"/orgs/{org}/agents/enroll-tokens", headers=owner)).json()
        path = f"/orgs/{org}/agents/enroll-tokens/{listed['id']}"
        assert (await http.delete(path, headers=owner)).status_code == 204
    code = "wrong_credential" if what == "an API token" else "invalid_enroll_token"
    refused(await enroll(http, codes[what]), 401, code)


@pytest.mark.parametrize("what", UNUSABLE)
async def test_an_unusable_key_is_422_costs_no_use_and_is_logged_nowhere(
    http: httpx.AsyncClient, org: str, owner: dict[str, str], what: str, caplog: pytest.LogCaptureFixture
) -> None:
    code, key = await code_for(http, org, owner), UNUSABLE[what]()
    with caplog.at_level(logging.DEBUG):
        answer = await enroll(http, code, publicKey=key)
    refused(answer, 422, "invalid_public_key")
    lines = [line for line in key.splitlines() if len(line) > 20 and "-----" not in line]
    said = answer.text + caplog.text + "".join(str(vars(record)) for record in caplog.records)
    assert not [line for line in lines if line in said]
    ours = "".join(str(vars(record)) for record in caplog.records if record.name.startswith("deplite"))
    assert ours
    assert code not in ours
    assert (await enroll(http, code)).status_code == 201


@pytest.mark.parametrize("what", WEAK)
async def test_a_key_of_small_order_is_422(http: httpx.AsyncClient, org: str, owner: dict[str, str], what: str) -> None:
    answer = await enroll(http, await code_for(http, org, owner), publicKey=WEAK[what])
    refused(answer, 422, "weak_key")


@pytest.mark.parametrize(
    "body",
    [
        {"name": ""},
        {"name": "x" * 129},
        {"name": None},
        {"name": "\ud800"},
        {"publicKey": None},
        {"publicKey": 1},
        {"publicKey": "x" * 5000},
        {"hostname": "x" * 254},
        {"os": "x" * 129},
        {"agentVersion": "x" * 65},
        {"agentId": "ag-aaaaaaaaaaaaaaaa"},
        {"organizationId": "org-other"},
        {"status": "connected"},
    ],
    ids=repr,
)
async def test_a_wrong_enrolment_is_422_and_costs_no_use(
    http: httpx.AsyncClient, org: str, owner: dict[str, str], body: dict[str, Any]
) -> None:
    code = await code_for(http, org, owner)
    refused(await enroll(http, code, **body), 422, "validation_error")
    assert (await enroll(http, code, hostname=None)).status_code == 201


async def test_a_code_for_a_declared_agent_gives_the_key_to_it(
    http: httpx.AsyncClient, kube: KubeClient, org: str, owner: dict[str, str]
) -> None:
    agent_id = await declare_agent(kube, org, "db-1", displayName="Database")
    code = await code_for(http, org, owner, agentId=agent_id)
    answer = await enroll(http, code, name="something else")
    assert (answer.status_code, answer.json()["agentId"]) == (201, agent_id)
    (agent,) = await kube.list(Agent, org)
    assert (agent.name, agent.spec.display_name) == ("db-1", "Database")
    assert agent.status.public_key
    assert not agent.managed_by_api


async def test_another_machine_takes_over_a_declared_agent(
    http: httpx.AsyncClient, kube: KubeClient, replica: Replica, org: str, owner: dict[str, str]
) -> None:
    agent_id = await declare_agent(kube, org, "db-1")
    old, new = PublishedAgent(replica.base), PublishedAgent(replica.base)
    await old.enroll(await code_for(http, org, owner, agentId=agent_id))
    assert (await old.call("POST", "/agent/workflows/report", {"workflows": [{"name": "x"}]})).status_code == 200
    await new.enroll(await code_for(http, org, owner, agentId=agent_id))
    assert old.agent_id == new.agent_id == agent_id
    refused(await old.call("POST", "/agent/heartbeat"), 401, "bad_signature")
    assert (await new.call("POST", "/agent/heartbeat")).status_code == 204
    assert (await http.get(f"/agents/{agent_id}/workflows", headers=owner)).json() == []
    await old.close()
    await new.close()


async def test_a_pinned_key_and_no_other_enrols(
    http: httpx.AsyncClient, kube: KubeClient, org: str, owner: dict[str, str]
) -> None:
    pinned = good_pem()
    agent_id = await declare_agent(kube, org, "db-1", publicKey=pinned)
    code = await code_for(http, org, owner, agentId=agent_id)
    refused(await enroll(http, code), 422, "invalid_public_key")
    assert (await enroll(http, code, publicKey=pinned)).status_code == 201


async def test_a_revoked_agent_cannot_be_enrolled_again(
    http: httpx.AsyncClient, kube: KubeClient, org: str, owner: dict[str, str]
) -> None:
    agent_id = await declare_agent(kube, org, "db-1")
    code = await code_for(http, org, owner, agentId=agent_id)
    assert (await http.delete(f"/agents/{agent_id}", headers=owner)).status_code == 204
    refused(await enroll(http, code), 422, "agent_unavailable")


async def test_a_code_from_git_for_an_agent_that_is_not_there_yet(
    http: httpx.AsyncClient, kube: KubeClient, org: str
) -> None:
    code = mint("enr")
    made = {"metadata": {"name": "early", "namespace": org}, "spec": {"agent": "db-1"}}
    await kube.create(EnrollmentToken.model_validate(made))
    later = utc(datetime.now(UTC) + timedelta(hours=1))
    status = {"hash": code.sha256, "prefix": code.prefix, "expiresAt": later}
    await kube.patch_status(EnrollmentToken, org, "early", status)
    refused(await enroll(http, code.plain), 422, "agent_unavailable")
    agent_id = await declare_agent(kube, org, "db-1")
    assert (await enroll(http, code.plain)).json()["agentId"] == agent_id


async def test_codes_and_agents_of_another_organization_are_out_of_reach(
    http: httpx.AsyncClient, kube: KubeClient, org: str, owner: dict[str, str], abroad: Any
) -> None:
    body = {"agentId": abroad.agent.agent_id}
    answer = await http.post(f"/orgs/{org}/agents/enroll-tokens", json=body, headers=owner)
    refused(answer, 422, "unknown_agent")
    absent = await http.post(
        f"/orgs/{org}/agents/enroll-tokens", json={"agentId": "ag-aaaaaaaaaaaaaaaa"}, headers=owner
    )
    assert absent.json() == answer.json()
    for path in (f"/orgs/{org}", f"/orgs/{abroad.namespace}"):
        answer = await http.delete(f"{path}/agents/enroll-tokens/{abroad.code_id}", headers=owner)
        refused(answer, 404, "not_found")
    code = await code_for(http, org, owner)
    assert (await enroll(http, code)).json()["organizationId"] == org
    assert len(await kube.list(Agent, abroad.namespace)) == 1


async def test_the_list_of_codes_shows_no_code(
    http: httpx.AsyncClient, kube: KubeClient, org: str, owner: dict[str, str], member: dict[str, str]
) -> None:
    code = await code_for(http, org, owner, label="Edge box", uses=3, expiresInSeconds=60)
    await enroll(http, code)
    answer = await http.get(f"/orgs/{org}/agents/enroll-tokens", headers=owner)
    (listed,) = answer.json()
    assert (listed["label"], listed["uses"], listed["used"], listed["agentId"]) == ("Edge box", 3, 1, None)
    assert listed["prefix"] == code[:10]
    assert code not in answer.text
    (stored,) = [one.model_dump_json() for one in await kube.list(EnrollmentToken, org)]
    assert code not in stored
    refused(await http.get(f"/orgs/{org}/agents/enroll-tokens", headers=member), 403, "forbidden")


@pytest.mark.parametrize(
    "body",
    [
        {"label": ""},
        {"label": "x" * 129},
        {"uses": 0},
        {"uses": 1001},
        {"uses": "1"},
        {"uses": 1.5},
        {"expiresInSeconds": 59},
        {"expiresInSeconds": 30 * 86_400 + 1},
        {"expiresInSeconds": -1},
        {"agentId": "x" * 65},
        {"token": "enr_x"},
        {"mintedBy": "operator"},
    ],
    ids=repr,
)
async def test_a_wrong_code_is_422(
    http: httpx.AsyncClient, org: str, owner: dict[str, str], body: dict[str, Any]
) -> None:
    answer = await http.post(f"/orgs/{org}/agents/enroll-tokens", json=body, headers=owner)
    refused(answer, 422, "validation_error")


async def test_a_code_from_git_is_deleted_only_by_force(
    http: httpx.AsyncClient, kube: KubeClient, org: str, owner: dict[str, str]
) -> None:
    await kube.create(EnrollmentToken.model_validate({"metadata": {"name": "git", "namespace": org}, "spec": {}}))
    path = f"/orgs/{org}/agents/enroll-tokens/{object_id('enr', org, 'git')}"
    refused(await http.delete(path, headers=owner), 409, "managed_in_git")
    assert (await http.delete(f"{path}?force=true", headers=owner)).status_code == 204
    assert await kube.list(EnrollmentToken, org) == []
