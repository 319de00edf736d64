"""Running a job again: a new job of the same request, under the rules of a new run."""

from typing import Any

import httpx
import pytest

from deplite.resources import Agent, DeployJob, Trigger
from tests.kube.jobs.conftest import Bench, make_token

GRANT = {"type": "trigger", "triggers": ["deploy"]}


async def rerun(
    bench: Bench, job_id: str, body: Any = None, *, key: str | None = None, token: str | None = None
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token or bench.token}"}
    if key is not None:
        headers["Idempotency-Key"] = key
    return await bench.http.post(f"/jobs/{job_id}/rerun", json=body, headers=headers)


async def ran(bench: Bench, **body: Any) -> str:
    answer = await bench.run({"ref": "release/1"} | body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["jobId"])


async def test_it_is_the_same_run_as_a_new_job(bench: Bench) -> None:
    old = await ran(bench, params={"replicas": "7"}, debug=True)
    other = await make_token(bench.kube, bench.namespace, "other", grants=[GRANT])
    answer = await rerun(bench, old, {}, token=other)
    assert answer.status_code == 202, answer.text
    new = answer.json()["jobId"]
    assert answer.json() == {
        "jobId": new,
        "status": "queued",
        "idempotent": False,
        "timedOut": False,
        "statusUrl": f"/api/jobs/{new}",
    }
    assert new != old
    before, after = [await bench.kube.get(DeployJob, bench.namespace, one) for one in (old, new)]
    who = {"requested_by"}
    assert after.spec.model_dump(exclude=who) == before.spec.model_dump(exclude=who)
    assert (after.spec.params, after.spec.debug, after.spec.ref) == ({"replicas": 7}, True, "release/1")
    assert after.spec.requested_by.name == "other"


async def test_a_run_of_a_whole_agent_names_its_workflow_again(bench: Bench) -> None:
    changed = {"spec": {"scope": "agent", "workflow": None}}
    bench.replica.context.caches.triggers.note(await bench.kube.patch(Trigger, bench.namespace, "deploy", changed))
    old = await ran(bench, workflowName="deploy-prod")
    answer = await rerun(bench, old)
    assert answer.status_code == 202, answer.text
    assert (await bench.get(f"/jobs/{answer.json()['jobId']}")).json()["workflowName"] == "deploy-prod"


async def test_it_does_not_wait_for_the_end_of_a_sync_run(bench: Bench) -> None:
    old = await ran(bench)
    bench.replica.context.caches.triggers.note(
        await bench.kube.patch(Trigger, bench.namespace, "deploy", {"spec": {"responseMode": "sync"}})
    )
    answer = await rerun(bench, old)
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")


async def test_a_repeat_with_the_key_is_the_same_job(bench: Bench) -> None:
    old, another = await ran(bench), await ran(bench)
    first = await rerun(bench, old, key="again")
    repeat = await rerun(bench, old, {}, key="again")
    assert (repeat.status_code, repeat.json()) == (202, first.json() | {"idempotent": True})
    for used in (await rerun(bench, another, key="again"), await bench.run({"ref": "release/1"}, key="again")):
        assert (used.status_code, used.json()["code"]) == (409, "idempotency_conflict")
    assert len(await bench.kube.list(DeployJob, bench.namespace)) == 3


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"suspended": True}, 403, "trigger_suspended"),
        ({"type": "manual"}, 403, "trigger_type"),
        ({"allowedRefs": ["main"]}, 403, "ref_not_allowed"),
        ({"workflow": "another"}, 422, "validation_error"),
        ({"agent": "gone"}, 422, "agent_unavailable"),
    ],
)
async def test_the_rules_of_today_hold(bench: Bench, changed: dict[str, Any], status: int, code: str) -> None:
    old = await ran(bench)
    bench.replica.context.caches.triggers.note(
        await bench.kube.patch(Trigger, bench.namespace, "deploy", {"spec": changed})
    )
    answer = await rerun(bench, old)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert len(await bench.kube.list(DeployJob, bench.namespace)) == 1


async def test_a_suspended_agent_runs_nothing_again(bench: Bench) -> None:
    old = await ran(bench)
    suspended = await bench.kube.patch(Agent, bench.namespace, bench.agent_name, {"spec": {"suspended": True}})
    bench.replica.context.caches.agents.note(suspended)
    answer = await rerun(bench, old)
    assert (answer.status_code, answer.json()["code"]) == (403, "agent_suspended")


async def test_the_limit_of_the_token_counts_it(bench: Bench) -> None:
    old = await ran(bench)
    slow = await make_token(bench.kube, bench.namespace, "slow", grants=[GRANT], rateLimit={"perDay": 1})
    assert (await rerun(bench, old, token=slow, key="one")).status_code == 202
    assert (await rerun(bench, old, token=slow, key="one")).json()["idempotent"] is True
    over = await rerun(bench, old, token=slow)
    assert (over.status_code, over.json()["code"], over.json()["scope"]) == (429, "rate_limited", "token")


async def test_what_nobody_may_see_or_run_is_refused(bench: Bench) -> None:
    old = await ran(bench)
    absent = await rerun(bench, "j-" + "a" * 26)
    assert (absent.status_code, absent.json()["code"]) == (404, "not_found")
    grants = [{"type": "trigger", "triggers": ["another"]}]
    stranger = await make_token(bench.kube, bench.namespace, "stranger", grants=grants)
    assert (await rerun(bench, old, token=stranger)).json() == absent.json()
    wrong = await rerun(bench, old, {"ref": "main"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "validation_error")
    bad_key = await rerun(bench, old, key="k" * 256)
    assert (bad_key.status_code, bad_key.json()["code"]) == (422, "invalid_idempotency_key")


async def test_without_its_trigger_a_job_is_not_run_again(bench: Bench) -> None:
    old = await ran(bench)
    await bench.kube.delete(Trigger, bench.namespace, "deploy")
    bench.replica.context.caches.triggers.forget(bench.namespace, "deploy")
    answer = await rerun(bench, old)
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_trigger")
