"""A pod enrols with the token that the kubelet gives it: agent = pool + node, and nothing of it is kept anywhere."""

import asyncio
import json
import logging
from typing import Any

import httpx
import pytest

from deplite.kube.client import KubeClient
from deplite.resources import Agent, AgentPool
from deplite.resources.agentpool import POOL_LABEL
from deplite.resources.identifiers import object_id
from deplite_apiserver.settings import Settings
from tests.kube.edge.answers import refused
from tests.kube.edge.keys import good_pem
from tests.kube.edge.trails import recorded
from tests.kube.pools.cluster import Pool, make_account
from tests.kube.serving import Replica, told, until


async def enroll(http: httpx.AsyncClient, token: str, key: str | None = None, **body: Any) -> httpx.Response:
    content = {"name": "pod-1", "publicKey": key or good_pem()} | body
    return await http.post("/agent/enroll", content=json.dumps(content), headers={"Authorization": f"Bearer {token}"})


async def test_a_pod_becomes_the_agent_of_its_pool_and_node(
    http: httpx.AsyncClient, replica: Replica, pool: Pool, node: str, owner: dict[str, str]
) -> None:
    pod = await pool.pod(node)
    agent = await pool.enrolled(f"{replica.base}/v1", pod)
    assert agent.agent_id == object_id("ag", pool.namespace, f"web.{node}")
    assert (await agent.call("POST", "/agent/heartbeat")).status_code == 204
    made = await pool.agent_on(node)
    assert made.spec.display_name == f"web on {node}"
    assert made.metadata.labels[POOL_LABEL] == "web"
    assert made.managed_by_api
    (owned,) = made.metadata.owner_references
    assert (owned.kind, owned.name, owned.controller) == ("AgentPool", "web", True)
    assert made.status.pod is not None
    assert (made.status.pod.name, made.status.pod.uid, made.status.pod.node) == (pod.name, pod.uid, node)
    assert made.status.public_key == agent.public_pem()
    (shown,) = (await http.get(f"/orgs/{pool.namespace}/agents", headers=owner)).json()
    assert (shown["id"], shown["name"], shown["hostname"]) == (agent.agent_id, f"web on {node}", node)


async def test_the_node_stays_the_agents_host_name_whatever_the_pod_says(
    replica: Replica, pool: Pool, node: str
) -> None:
    agent = await pool.enrolled(replica.base, await pool.pod(node))
    said = {"hostname": "web-agents-x7k2p", "os": "Linux 6.1", "agentVersion": "1.2.3"}
    assert (await agent.call("PATCH", "/agent/identity", said)).status_code == 204
    status = (await pool.agent_on(node)).status
    assert (status.hostname, status.os, status.agent_version) == (node, "Linux 6.1", "1.2.3")


async def test_the_same_pod_again_is_the_same_agent_and_writes_nothing(
    http: httpx.AsyncClient, pool: Pool, node: str
) -> None:
    pod, key = await pool.pod(node), good_pem()
    token, renewed = await pool.token(pod), await pool.token(pod)
    first = await enroll(http, token, key)
    before = await pool.agent_on(node)
    for shown in (token, renewed):
        assert (await enroll(http, shown, key)).json() == first.json()
    after = await pool.agent_on(node)
    assert after.metadata.resource_version == before.metadata.resource_version


async def test_the_same_pod_may_come_with_another_key(replica: Replica, pool: Pool, node: str) -> None:
    pod = await pool.pod(node)
    old, new = await pool.enrolled(replica.base, pod), await pool.enrolled(replica.base, pod)
    refused(await old.call("POST", "/agent/heartbeat"), 401, "bad_signature")
    assert (await new.call("POST", "/agent/heartbeat")).status_code == 204
    assert (await pool.agent_on(node)).status.replaced_pods == ()


async def test_fifty_at_once_from_one_pod_are_one_agent(http: httpx.AsyncClient, pool: Pool, node: str) -> None:
    token, key = await pool.token(await pool.pod(node)), good_pem()

    async def patiently() -> httpx.Response:
        while (answer := await enroll(http, token, key)).status_code == 503:
            await asyncio.sleep(0.2)
        return answer

    answers = await asyncio.gather(*(patiently() for _ in range(50)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["agentId"] for answer in answers}) == 1
    assert len(await pool.kube.list(Agent, pool.namespace)) == 1


async def test_an_agent_that_was_deleted_comes_back_with_its_id_and_key(
    replica: Replica, pool: Pool, node: str
) -> None:
    pod = await pool.pod(node)
    agent = await pool.enrolled(replica.base, pod)
    before = await pool.agent_on(node)
    await pool.kube.delete(Agent, *before.key)

    async def heard() -> Any:
        answer = await agent.call("POST", "/agent/heartbeat")
        return None if answer.is_success else answer.json()["code"]  # the replica may not have heard of it yet

    await until(heard, "unknown_agent")
    known = agent.agent_id
    assert (await agent.enroll(await pool.token(pod))).status_code == 201
    assert agent.agent_id == known
    assert (await agent.call("POST", "/agent/heartbeat")).status_code == 204
    after = await pool.agent_on(node)
    assert after.metadata.uid != before.metadata.uid
    assert after.status.pod == before.status.pod


async def test_a_pools_agents_go_with_it(replica: Replica, pool: Pool, node: str) -> None:
    await pool.enrolled(replica.base, await pool.pod(node))
    await pool.kube.delete(AgentPool, pool.namespace, pool.name)

    async def left() -> int:
        return len(await pool.kube.list(Agent, pool.namespace))

    await until(left, 0)


async def test_a_pool_of_the_same_name_that_was_made_anew_waits_for_what_the_former_one_left(
    http: httpx.AsyncClient, replica: Replica, pool: Pool, node: str, kube: KubeClient
) -> None:
    await pool.enrolled(replica.base, await pool.pod(node))
    former = await pool.agent_on(node)
    # The garbage collector is as slow as it likes: a finalizer keeps the Agent until the test takes it away.
    await kube.patch(Agent, *former.key, {"metadata": {"finalizers": ["deplite.io/test"]}})
    path = f"/api/v1/namespaces/{pool.namespace}/serviceaccounts/{pool.account}"
    await kube.connection.request("DELETE", path)
    await kube.delete(AgentPool, pool.namespace, pool.name)
    await pool.declare()
    token = await pool.token(await pool.pod(node))
    await until(lambda: pool.is_good(token), True)
    refused(await enroll(http, token), 503, "unavailable")
    await kube.patch(Agent, *former.key, {"metadata": {"finalizers": None}})

    async def status() -> int:
        return (await enroll(http, token)).status_code

    await until(status, 201)
    assert (await pool.agent_on(node)).metadata.uid != former.metadata.uid


async def test_an_agent_that_somebody_else_declared_is_never_taken(
    http: httpx.AsyncClient, pool: Pool, node: str, kube: KubeClient
) -> None:
    declared = {"metadata": {"name": f"web.{node}", "namespace": pool.namespace, "labels": {POOL_LABEL: "web"}}}
    await kube.create(Agent.model_validate(declared))
    refused(await enroll(http, await pool.token(await pool.pod(node))), 409, "agent_name_taken")
    assert (await pool.agent_on(node)).status.public_key is None


async def test_a_revoked_agent_stays_revoked_until_it_is_deleted(
    http: httpx.AsyncClient, replica: Replica, pool: Pool, node: str, owner: dict[str, str]
) -> None:
    agent = await pool.enrolled(replica.base, await pool.pod(node))
    assert (await http.delete(f"/agents/{agent.agent_id}", headers=owner)).status_code == 204
    refused(await agent.call("POST", "/agent/heartbeat"), 401, "agent_revoked")
    for _ in range(2):
        refused(await enroll(http, await pool.token(await pool.pod(node))), 422, "agent_unavailable")
    await pool.kube.delete(Agent, *(await pool.agent_on(node)).key)
    assert (await enroll(http, await pool.token(await pool.pod(node)))).status_code == 201


async def test_no_code_gives_a_pools_agent_to_a_machine(
    http: httpx.AsyncClient, replica: Replica, pool: Pool, node: str, owner: dict[str, str]
) -> None:
    agent = await pool.enrolled(replica.base, await pool.pod(node))
    minted = await http.post(
        f"/orgs/{pool.namespace}/agents/enroll-tokens", json={"agentId": agent.agent_id}, headers=owner
    )
    refused(await enroll(http, minted.json()["token"]), 422, "agent_unavailable")
    assert (await agent.call("POST", "/agent/heartbeat")).status_code == 204


@pytest.mark.parametrize(
    "body", [{"publicKey": "x"}, {"name": ""}, {"node": "node-2"}, {"hostname": "x" * 254}], ids=repr
)
async def test_a_wrong_body_changes_nothing(
    http: httpx.AsyncClient, pool: Pool, node: str, body: dict[str, Any]
) -> None:
    answer = await enroll(http, await pool.token(await pool.pod(node)), **body)
    refused(answer, 422, "invalid_public_key" if "publicKey" in body else "validation_error")
    assert await pool.kube.list(Agent, pool.namespace) == []


async def test_owners_are_told_and_the_record_says_which_pod(
    http: httpx.AsyncClient, replica: Replica, pool: Pool, node: str, settings: Settings
) -> None:
    pods = [await pool.pod(node) for _ in range(2)]
    tokens = [await pool.token(pod) for pod in pods]
    key = good_pem()
    for token in (tokens[0], tokens[0], tokens[1]):
        assert (await enroll(http, token, key if token == tokens[0] else None)).status_code == 201
    refused(await enroll(http, tokens[0]), 409, "pod_replaced")

    async def events() -> list[dict[str, Any]]:
        answer = await pool.kube.connection.request("GET", f"/api/v1/namespaces/{pool.namespace}/events")
        return [one for one in answer["items"] if one["reason"] in ("Enrolled", "KeyReplaced")]

    async def told_of() -> list[tuple[str, str]]:
        return [(one["type"], one["reason"]) for one in await events()]

    await until(told_of, [("Normal", "Enrolled")] * 2)
    said = " ".join(one["message"] for one in await events())
    assert f"Pod {pods[0].name} of the pool web enrolled from 127.0.0.1; key " in said
    records = [one for one in await recorded(replica, settings, pool.namespace) if one["action"] == "agent.enrolled"]
    assert [record["who"] for record in records] == [
        {"kind": "pod", "pool": "web", "pod": pod.name, "node": node} for pod in (pods[0], pods[0], pods[1], pods[0])
    ]
    assert (records[-1]["outcome"], records[-1]["code"]) == ("refused", "pod_replaced")
    assert not [token for token in tokens if token in said + json.dumps(records)]


async def test_the_token_is_kept_nowhere(
    http: httpx.AsyncClient, pool: Pool, node: str, caplog: pytest.LogCaptureFixture
) -> None:
    token = await pool.token(await pool.pod(node))
    with caplog.at_level(logging.DEBUG):
        assert (await enroll(http, token)).status_code == 201
        refused(await enroll(http, token[:-4] + "AAAA"), 401, "invalid_enroll_token")
    ours = "".join(str(vars(record)) for record in caplog.records if record.name.startswith(("deplite", "uvicorn")))
    stored = "".join(one.model_dump_json() for one in await pool.kube.list(Agent, pool.namespace))
    for part in token.split("."):
        assert part not in ours + stored


async def test_an_account_that_was_made_anew_counts_once_the_pool_says_so(
    http: httpx.AsyncClient, pool: Pool, node: str
) -> None:
    path = f"/api/v1/namespaces/{pool.namespace}/serviceaccounts/{pool.account}"
    old = await pool.token(await pool.pod(node))
    await pool.kube.connection.request("DELETE", path)
    uid = await make_account(pool.kube, pool.namespace, pool.account)
    new = await pool.token(await pool.pod(node))
    await until(lambda: pool.is_good(new), True)
    refused(await enroll(http, new), 401, "invalid_enroll_token")
    await pool.adopt(uid)
    refused(await enroll(http, old), 401, "invalid_enroll_token")
    assert (await enroll(http, new)).status_code == 201
    await told(Agent)
