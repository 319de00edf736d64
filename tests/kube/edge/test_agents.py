"""Agents over REST: shown, renamed, suspended, revoked; and what they say of themselves."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from deplite.kube.client import KubeClient
from deplite.resources import Agent
from deplite_apiserver.sweeper.leftovers import Leftovers
from tests.kube.edge.answers import refused
from tests.kube.edge.conftest import Newcomer, Organized, declare_agent
from tests.kube.jobs.conftest import Replica, agent_name
from tests.kube.serving import until


async def test_a_pending_agent_and_a_connected_one(
    http: httpx.AsyncClient, kube: KubeClient, newcomer: Newcomer, replica: Replica, org: str, owner: dict[str, str]
) -> None:
    agent_id = await declare_agent(kube, org, "db-1", displayName="Database")
    shown = (await http.get(f"/agents/{agent_id}", headers=owner)).json()
    assert (shown["name"], shown["status"], shown["lastSeenAt"], shown["enrolledAt"]) == (
        "Database",
        "pending",
        None,
        None,
    )
    agent = await newcomer(org)

    async def status() -> str:
        return str((await http.get(f"/agents/{agent.agent_id}", headers=owner)).json()["status"])

    assert await status() == "pending"  # it has called, but holds no stream
    async with agent.stream():
        await until(status, "connected")
    shown = (await http.get(f"/agents/{agent.agent_id}", headers=owner)).json()
    assert datetime.now(UTC) - datetime.fromisoformat(shown["lastSeenAt"]) < timedelta(minutes=5)


@pytest.mark.parametrize("body", [{"name": "New name"}, {"suspended": True}, {"name": "Both", "suspended": True}, {}])
async def test_a_change_is_shown_and_stored(
    http: httpx.AsyncClient,
    kube: KubeClient,
    newcomer: Newcomer,
    org: str,
    replica: Replica,
    owner: dict[str, str],
    body: dict[str, Any],
) -> None:
    agent = await newcomer(org)
    before = (await http.get(f"/agents/{agent.agent_id}", headers=owner)).json()
    answer = await http.patch(f"/agents/{agent.agent_id}", json=body, headers=owner)
    assert answer.status_code == 200, answer.text
    kept = ("id", "name", "suspended", "hostname", "createdAt")
    assert [answer.json()[key] for key in kept] == [(before | body)[key] for key in kept]
    (stored,) = await kube.list(Agent, org)
    assert stored.spec.suspended == body.get("suspended", False)
    assert (stored.spec.display_name, stored.status.hostname) == (body.get("name", "published"), "h1")


async def test_what_is_in_git_changes_only_by_force_but_may_always_be_revoked(
    http: httpx.AsyncClient, kube: KubeClient, org: str, owner: dict[str, str]
) -> None:
    path = f"/agents/{await declare_agent(kube, org, 'git')}"
    refused(await http.patch(path, json={"name": "x"}, headers=owner), 409, "managed_in_git")
    assert (await http.patch(f"{path}?force=true", json={"name": "x"}, headers=owner)).json()["name"] == "x"
    assert (await http.delete(path, headers=owner)).status_code == 204
    assert (await http.get(path, headers=owner)).json()["status"] == "revoked"
    assert (await http.delete(path, headers=owner)).status_code == 204
    (agent,) = await kube.list(Agent, org)
    assert agent.spec.revoked


async def test_an_agent_that_was_revoked_long_ago_is_forgotten(kube: KubeClient, replica: Replica, org: str) -> None:
    seen = {"type": "Stalled", "status": "True", "reason": "AgentRevoked", "lastTransitionTime": "2020-01-01T00:00:00Z"}
    for name, labels in (("made", {"deplite.io/created-by": "api"}), ("declared", {})):
        metadata = {"namespace": org, "name": name, "labels": labels}
        await kube.create(Agent.model_validate({"metadata": metadata, "spec": {"revoked": True}}))
        await kube.patch_status(Agent, org, name, {"conditions": [seen]})
    found = await kube.list(Agent, org)
    part = replica.context.kube  # with the rights that it has in production
    await Leftovers(store=part, credentials=lambda: (), agents=lambda: found, now=lambda: datetime.now(UTC)).round()
    assert "made" not in {one.metadata.name for one in await kube.list(Agent, org)}
    await kube.get(Agent, org, "declared")


async def test_a_revoked_agents_stream_is_told_and_ends(
    http: httpx.AsyncClient, newcomer: Newcomer, org: str, replica: Replica, owner: dict[str, str]
) -> None:
    agent = await newcomer(org)
    async with asyncio.timeout(60), agent.stream() as events:
        assert (await http.delete(f"/agents/{agent.agent_id}", headers=owner)).status_code == 204
        names = [name async for name, _ in events if name != "ping"]
    assert names[-1] == "revoke"
    refused(await agent.call("POST", "/agent/heartbeat"), 401, "agent_revoked")


@pytest.mark.parametrize(
    "body",
    [
        {"hostname": "new-host"},
        {"os": "darwin", "agentVersion": "2.0"},
        {"hostname": None},
        {},
    ],
    ids=repr,
)
async def test_identity_is_taken_over(
    kube: KubeClient, newcomer: Newcomer, home: Organized, body: dict[str, Any]
) -> None:
    agent = await newcomer(home.namespace)
    answer = await agent.call("PATCH", "/agent/identity", body)
    assert (answer.status_code, answer.content) == (204, b"")
    name = await agent_name(kube, home.namespace, agent.agent_id)
    status = (await kube.get(Agent, home.namespace, name)).status
    expected = {"hostname": "h1", "os": "linux", "agentVersion": "9.9.9"} | body
    assert {"hostname": status.hostname, "os": status.os, "agentVersion": status.agent_version} == expected


@pytest.mark.parametrize(
    "body",
    [
        {"hostname": "x" * 254},
        {"os": 1},
        {"agentVersion": "x" * 65},
        {"name": "x"},
        {"state": "Connected"},
        {"publicKey": "x"},
        [],
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_a_wrong_identity_is_422(home: Organized, body: Any) -> None:
    refused(await home.agent.call("PATCH", "/agent/identity", body), 422, "validation_error")


async def test_identities_at_once_all_get_through(newcomer: Newcomer, home: Organized) -> None:
    agent = await newcomer(home.namespace)
    answers = await asyncio.gather(*(agent.call("PATCH", "/agent/identity", {"os": f"os-{n}"}) for n in range(4)))
    assert [answer.status_code for answer in answers] == [204] * 4


async def test_a_heartbeat_writes_nothing_to_the_cluster(kube: KubeClient, newcomer: Newcomer, home: Organized) -> None:
    agent = await newcomer(home.namespace)
    name = await agent_name(kube, home.namespace, agent.agent_id)

    async def state() -> str:
        return (await kube.get(Agent, home.namespace, name)).status.state

    async with agent.stream():
        await until(state, "Connected")
        before = (await kube.get(Agent, home.namespace, name)).metadata.resource_version
        for _ in range(20):
            assert (await agent.call("POST", "/agent/heartbeat")).status_code == 204
        assert (await kube.get(Agent, home.namespace, name)).metadata.resource_version == before
