"""Workflows: reported by agents, shown to people and tokens, limited by owners."""

import asyncio
from typing import Any

import httpx
import pytest

from deplite.kube.client import KubeClient
from deplite.resources import Agent
from tests.kube.edge.answers import refused
from tests.kube.edge.conftest import Newcomer, Organized
from tests.kube.jobs.conftest import agent_name

REPORT = "/agent/workflows/report"

WHOLE: dict[str, Any] = {
    "name": "deploy-prod",
    "description": "Roll out the web app",
    "version": "3",
    "schemaVersion": 1,
    "verboseSteps": False,
    "secretsKeys": ["DATABASE_URL"],
    "secrets": [{"name": "DATABASE_URL", "required": True, "description": "where"}],
    "params": [
        {"name": "replicas", "type": "number", "default": 2, "min": 1, "max": 20},
        {"name": "env", "type": "enum", "options": ["prod", "test"], "required": True},
    ],
    "outputs": [{"name": "url", "type": "string", "description": "address"}],
    "retry": {"maxAttempts": 3, "backoff": "exponential", "initialDelaySeconds": 0.5, "maxDelaySeconds": 9},
    "steps": [
        {"id": "b", "name": "build", "timeoutMinutes": 1.5, "verbose": True, "continueOnError": False},
        {"name": "roll out", "retry": {"maxAttempts": 2, "backoff": "fixed"}},
    ],
}


async def test_a_whole_report_is_shown_as_it_was_sent(
    http: httpx.AsyncClient, newcomer: Newcomer, org: str, owner: dict[str, str]
) -> None:
    agent = await newcomer(org)
    answer = await agent.call("POST", REPORT, {"workflows": [WHOLE, {"name": "deploy.yml"}]})
    assert (answer.status_code, answer.json()) == (200, {"count": 2})
    first, second = (await http.get(f"/agents/{agent.agent_id}/workflows", headers=owner)).json()
    assert {key: first[key] for key in WHOLE} == WHOLE
    assert first["paramsSchema"] == WHOLE["params"]
    assert (second["name"], second["secretsKeys"], second["paramsSchema"]) == ("deploy.yml", [], [])
    assert second["rateLimit"] == {"perMinute": None, "perHour": None, "perDay": None}
    assert (await agent.call("POST", REPORT, {"workflows": []})).json() == {"count": 0}
    assert (await http.get(f"/agents/{agent.agent_id}/workflows", headers=owner)).json() == []


def many(count: int) -> list[dict[str, Any]]:
    return [{"name": f"w-{number}"} for number in range(count)]


def heavy(size: int) -> list[dict[str, Any]]:
    """Return an inventory of about that many bytes."""
    return [{"name": f"w-{number}", "description": "x" * 1000} for number in range(size // 1030)]


WRONG: dict[str, Any] = {
    "201 workflows": {"workflows": many(201)},
    "a body of 257 KiB": {
        "workflows": [
            {
                "name": "w",
                "params": [{"name": f"p{n}", "type": "string", "description": "é" * 1024} for n in range(100)],
            },
            {"name": "v", "params": [{"name": f"p{n}", "type": "string", "description": "é" * 600} for n in range(60)]},
        ]
    },
    "a name twice": {"workflows": [{"name": "a"}, {"name": "b"}, {"name": "a"}]},
    "a name with dots": {"workflows": [{"name": "../x"}]},
    "an empty name": {"workflows": [{"name": ""}]},
    "a long name": {"workflows": [{"name": "x" * 129}]},
    "a name with a space": {"workflows": [{"name": "a b"}]},
    "no name": {"workflows": [{}]},
    "no list": {"workflows": {}},
    "nothing": {},
    "an unknown member": {"workflows": [{"name": "a", "run": "rm -rf /"}]},
    "a step that tells what it runs": {"workflows": [{"name": "a", "steps": [{"name": "s", "run": "x"}]}]},
    "a secret's value": {"workflows": [{"name": "a", "secrets": [{"name": "S", "value": "x"}]}]},
    "a param of no type": {"workflows": [{"name": "a", "params": [{"name": "p"}]}]},
    "a param of another type": {"workflows": [{"name": "a", "params": [{"name": "p", "type": "date"}]}]},
    "101 params": {"workflows": [{"name": "a", "params": [{"name": f"p{n}", "type": "string"} for n in range(101)]}]},
    "no attempts": {"workflows": [{"name": "a", "retry": {"maxAttempts": 0, "backoff": "fixed"}}]},
    "a negative time": {"workflows": [{"name": "a", "steps": [{"name": "s", "timeoutMinutes": -1}]}]},
    "an agent of their choice": {"workflows": [], "agentId": "ag-aaaaaaaaaaaaaaaa"},
}


@pytest.mark.parametrize("what", WRONG)
async def test_a_wrong_report_is_422_and_leaves_the_one_before(
    http: httpx.AsyncClient, home: Organized, owner: dict[str, str], what: str
) -> None:
    refused(await home.agent.call("POST", REPORT, WRONG[what]), 422, "validation_error")
    (kept,) = (await http.get(f"/agents/{home.agent.agent_id}/workflows", headers=owner)).json()
    assert kept["name"] == "deploy-prod"


async def test_the_largest_legal_report_is_stored(
    http: httpx.AsyncClient, newcomer: Newcomer, org: str, owner: dict[str, str]
) -> None:
    agent = await newcomer(org)
    answer = await agent.call("POST", REPORT, {"workflows": many(200)})
    assert (answer.status_code, answer.json()) == (200, {"count": 200})
    answer = await agent.call("POST", REPORT, {"workflows": heavy(200 * 1024)})
    assert answer.status_code == 200, answer.text
    assert len((await http.get(f"/agents/{agent.agent_id}/workflows", headers=owner)).json()) == answer.json()["count"]


async def test_limits_are_set_kept_and_removed(
    http: httpx.AsyncClient, kube: KubeClient, newcomer: Newcomer, org: str, owner: dict[str, str]
) -> None:
    agent = await newcomer(org)
    path = f"/agents/{agent.agent_id}/workflows/deploy-prod/rate-limit"
    steps: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"perMinute": 3}, {"perMinute": 3, "perHour": None, "perDay": None}),
        ({"perHour": 10, "perDay": 50}, {"perMinute": 3, "perHour": 10, "perDay": 50}),
        ({"perMinute": None}, {"perMinute": None, "perHour": 10, "perDay": 50}),
        ({}, {"perMinute": None, "perHour": 10, "perDay": 50}),
        ({"perHour": None, "perDay": None}, {"perMinute": None, "perHour": None, "perDay": None}),
    ]
    for body, limits in steps:
        answer = await http.patch(path, json=body, headers=owner)
        assert (answer.status_code, answer.json()) == (200, {"workflowName": "deploy-prod", **limits})
        (shown,) = (await http.get(f"/agents/{agent.agent_id}/workflows", headers=owner)).json()
        assert shown["rateLimit"] == limits
    stored = await kube.get(Agent, org, await agent_name(kube, org, agent.agent_id))
    assert stored.spec.workflow_rate_limits == ()


@pytest.mark.parametrize(
    "body", [{"perMinute": 0}, {"perHour": -1}, {"perDay": 10**9}, {"perDay": "1"}, {"perDay": 1.5}, {"x": 1}], ids=repr
)
async def test_a_wrong_limit_is_422(
    http: httpx.AsyncClient, home: Organized, owner: dict[str, str], body: dict[str, Any]
) -> None:
    path = f"/agents/{home.agent.agent_id}/workflows/deploy-prod/rate-limit"
    refused(await http.patch(path, json=body, headers=owner), 422, "validation_error")


async def test_limits_of_two_workflows_at_once_both_stay(
    http: httpx.AsyncClient, newcomer: Newcomer, org: str, owner: dict[str, str]
) -> None:
    agent = await newcomer(org)
    assert (await agent.call("POST", REPORT, {"workflows": many(4)})).status_code == 200
    paths = [f"/agents/{agent.agent_id}/workflows/w-{number}/rate-limit" for number in range(4)]
    answers = await asyncio.gather(*(http.patch(path, json={"perMinute": 7}, headers=owner) for path in paths))
    assert [answer.status_code for answer in answers] == [200] * 4
    shown = (await http.get(f"/agents/{agent.agent_id}/workflows", headers=owner)).json()
    assert [one["rateLimit"]["perMinute"] for one in shown] == [7] * 4


async def test_a_refresh_reaches_the_stream_and_says_whether_it_did(
    http: httpx.AsyncClient, newcomer: Newcomer, org: str, owner: dict[str, str]
) -> None:
    agent = await newcomer(org)
    path = f"/agents/{agent.agent_id}/workflows/refresh"
    answer = await http.post(path, headers=owner)
    assert (answer.status_code, answer.json()) == (202, {"requested": False})
    async with asyncio.timeout(60), agent.stream() as events:
        answer = await http.post(path, headers=owner)
        assert (answer.status_code, answer.json()) == (202, {"requested": True})
        names = []
        async for name, _ in events:
            names.append(name)
            if name != "ping":
                break
    assert names[-1] == "sync_workflows"
