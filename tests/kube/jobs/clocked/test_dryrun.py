"""`?dryRun=true`: the answer that the run would get, and nothing counted, made or sent."""

from typing import Any

import httpx
import pytest

from deplite.resources import Agent, DeployJob
from tests.kube.edge.answers import refused
from tests.kube.jobs.conftest import Bench, make_token
from tests.kube.serving import MovableClock, until


async def ask(
    bench: Bench, body: Any = None, *, token: str | None = None, key: str | None = None, **how: Any
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token or bench.token}"} | ({"Idempotency-Key": key} if key else {})
    path = f"/triggers/{how.get('trigger', bench.trigger_id)}/{how.get('route', 'run')}?dryRun=true"
    return await bench.http.post(path, json={"ref": "main"} if body is None else body, headers=headers)


async def told(bench: Bench, body: Any = None, **how: Any) -> dict[str, Any]:
    answer = await ask(bench, body, **how)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert found["dryRun"] is True
    return found


async def code(bench: Bench, body: Any = None, **how: Any) -> str | None:
    found = await told(bench, body, **how)
    assert found["accepted"] is ("code" not in found)
    return found.get("code")


async def test_it_says_what_would_run_and_starts_nothing(bench: Bench) -> None:
    async with bench.agent.stream() as stream:
        for how in ({}, {"route": "run-manual", "token": bench.owner}):
            found = await told(bench, {"ref": "main", "params": {"replicas": "3"}}, **how)
            assert found["accepted"] is True
            assert found["wouldRun"]["params"] == {"replicas": 3}
            assert (found["wouldRun"]["workflowName"], found["wouldRun"]["ref"]) == ("deploy-prod", "main")
            assert found["wouldRun"]["agentId"] == bench.agent.agent_id
        assert await bench.kube.list(DeployJob, bench.namespace) == []
        real = await bench.made()
        assert (await bench.agent.next_deploy(stream))["job_id"] == real  # nothing was sent before it


async def test_refusals_are_those_of_the_run_in_the_same_order(bench: Bench) -> None:
    bodies: list[Any] = [
        {"ref": "dev"},
        {},
        {"ref": "-rf"},
        {"ref": "main", "workflowName": "other"},
        {"ref": "main", "params": {"nope": 1}},
        {"ref": "main", "nope": 1},
        {"ref": "dev", "params": {"nope": 1}},
    ]
    for body in bodies:
        real = (await bench.run(body)).json()
        found = await told(bench, body)
        assert (found["code"], found["message"]) == (real["code"], real["message"])
        assert "passesAt" not in found
    closed = await bench.declare("closed", suspended=True, type="manual")
    by_hand = await bench.declare("by-hand", type="manual")
    lost = await bench.declare("lost", agent="nobody")
    other = await bench.declare("other", workflow="other")
    grants = [{"type": "trigger", "triggers": ["closed", "by-hand", "lost", "other"]}]
    token = await make_token(bench.kube, bench.namespace, "wide", grants=grants)
    assert await code(bench, trigger=closed, token=bench.token) == "token_scope"
    assert await code(bench, trigger=closed, token=token) == "trigger_suspended"
    assert await code(bench, trigger=by_hand, token=token) == "trigger_type"
    assert await code(bench, trigger=by_hand, token=bench.owner, route="run-manual") is None
    assert await code(bench, trigger=lost, token=token) == "agent_unavailable"
    assert await code(bench, trigger=other, token=token) == "unknown_workflow"
    await bench.kube.patch(Agent, bench.namespace, bench.agent_name, {"spec": {"suspended": True}})

    async def now() -> str | None:
        return await code(bench)

    await until(now, "agent_suspended")
    assert await bench.kube.list(DeployJob, bench.namespace) == []


async def test_a_key_is_asked_for_and_not_used_up(bench: Bench) -> None:
    assert "jobId" not in await told(bench, key="one")
    first = (await bench.run({"ref": "release/1"}, key="one")).json()
    assert first["idempotent"] is False  # another body than the dry run's: no conflict
    found = await told(bench, {"ref": "release/1"}, key="one")
    assert (found["accepted"], found["idempotent"], found["jobId"]) == (True, True, first["jobId"])
    assert await code(bench, key="one") == "idempotency_conflict"
    assert await code(bench, key="k" * 256) == "invalid_idempotency_key"
    assert len(await bench.kube.list(DeployJob, bench.namespace)) == 1


async def test_limits_are_looked_at_and_not_counted(bench: Bench, clock: MovableClock) -> None:
    clock.ahead += 86_400 - clock.time() % 86_400 + 0.5
    grants = [{"type": "trigger", "triggers": ["deploy"]}]
    token = await make_token(bench.kube, bench.namespace, "few", grants=grants, rateLimit={"perHour": 1, "perDay": 3})
    for _ in range(5):
        assert await code(bench, token=token) is None
    assert (await bench.run(token=token, key="a")).status_code == 202
    found = await told(bench, token=token)
    assert (found["code"], found["scope"], found["window"]) == ("rate_limited", "token", "hour")
    assert found["passesAt"].endswith(":00:00Z")
    assert 0 < found["retryAfter"] <= 3600
    assert found["wouldRun"]["ref"] == "main"
    assert (await told(bench, token=token, key="a"))["idempotent"] is True  # a replay is free
    clock.ahead += found["retryAfter"]
    assert await code(bench, token=token) is None
    assert (await bench.run(token=token)).status_code == 202


@pytest.mark.parametrize("value", ["", "false", "1", "yes", "True", "tru", "true%20"])
async def test_any_other_value_is_422_and_starts_nothing(bench: Bench, value: str) -> None:
    for route, caller in (("run", bench.token), ("run-manual", bench.owner)):
        path = f"/triggers/{bench.trigger_id}/{route}?dryRun={value}"
        headers = {"Authorization": f"Bearer {caller}"}
        refused(await bench.http.post(path, json={"ref": "main"}, headers=headers), 422, "validation_error")
    assert await bench.kube.list(DeployJob, bench.namespace) == []


async def test_who_may_not_run_may_not_ask(bench: Bench) -> None:
    refused(await ask(bench, token="tk_" + "0" * 36), 401, "invalid_token")
    refused(await ask(bench, trigger="tr-aaaaaaaaaaaaaaaa"), 404, "not_found")
