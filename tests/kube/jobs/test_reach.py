"""Who may run and read what: grants, organizations, sorts of triggers, and what is suspended or gone."""

import asyncio
import secrets
from typing import Any

import httpx
import pytest
import pytest_asyncio

from deplite.kube.client import KubeClient
from deplite.resources import Agent, DeployJob, Trigger
from tests.kube.edge.answers import refused
from tests.kube.edge.people import People
from tests.kube.jobs.conftest import Bench, Replica, benched
from tests.kube.serving import forgotten

OTHER = {"name": "other"}


@pytest_asyncio.fixture
async def strangers(kube: KubeClient, organization: str, replica: Replica, people: People) -> Any:
    """Another organization."""
    async with benched(kube, organization, replica, people) as made:
        yield made


async def by_hand(bench: Bench, body: Any, *, trigger: str | None = None, who: str | None = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {who or bench.owner}"}
    path = f"/triggers/{trigger or bench.trigger_id}/run-manual"
    return await bench.http.post(path, json=body, headers=headers)


async def token_for(bench: Bench, name: str, *grants: dict[str, Any]) -> str:
    return await bench.grant(name, *grants)


async def test_a_trigger_of_another_organization_is_404_and_so_are_its_jobs(stage: Bench, strangers: Bench) -> None:
    refused(await stage.run(trigger=strangers.trigger_id), 404, "not_found")
    job_id = await strangers.made()
    for path in (f"/jobs/{job_id}", f"/jobs/{job_id}/logs"):
        refused(await stage.get(path), 404, "not_found")
    absent = await stage.get("/jobs/j-" + "a" * 26)
    assert absent.json() == (await stage.get(f"/jobs/{job_id}")).json()
    refused(await by_hand(stage, {}, who="tk_x"), 401, "wrong_credential")
    assert [job.name for job in await strangers.kube.list(DeployJob, strangers.namespace)] == [job_id]


async def test_a_known_trigger_outside_the_grants_is_403_before_the_body_is_read(stage: Bench) -> None:
    token = await token_for(stage, "elsewhere", {"type": "trigger", "triggers": ["another"]})
    for body in ({"ref": "main"}, {"ref": "-rf"}, {"nonsense": 1}):
        refused(await stage.run(body, token=token), 403, "token_scope")
    storage = await token_for(stage, "files", {"type": "storage", "permissions": ["read", "write", "delete"]})
    refused(await stage.run(token=storage), 403, "token_scope")


async def test_an_agent_grant_runs_and_reads_every_trigger_of_that_agent(stage: Bench) -> None:
    token = await token_for(stage, "whole", {"type": "agent", "agents": [stage.agent_name]})
    await stage.declare("second")
    for trigger in (stage.trigger_id, stage.id_of("second")):
        job_id = await stage.made(token=token, trigger=trigger)
        assert (await stage.get(f"/jobs/{job_id}", token=token)).status_code == 200
    other = await token_for(stage, "wrong", {"type": "agent", "agents": ["nobody"]})
    refused(await stage.run(token=other), 403, "token_scope")
    refused(await stage.get(f"/jobs/{job_id}", token=other), 404, "not_found")


async def test_a_token_reads_jobs_of_its_triggers_whoever_ran_them(stage: Bench) -> None:
    by_person = await by_hand(stage, {"ref": "main"})
    assert by_person.status_code == 202, by_person.text
    assert (await stage.get(f"/jobs/{by_person.json()['jobId']}")).status_code == 200
    third = await stage.declare("third")
    unseen = (await by_hand(stage, {}, trigger=third)).json()["jobId"]
    refused(await stage.get(f"/jobs/{unseen}"), 404, "not_found")
    refused(await stage.get(f"/jobs/{unseen}/logs"), 404, "not_found")


async def test_a_job_of_kubectl_without_a_trigger_is_for_agent_grants_and_people(stage: Bench) -> None:
    spec = {"agent": stage.agent_name, "workflow": "deploy-prod"}
    metadata = {"name": "by-kubectl", "namespace": stage.namespace}
    await stage.kube.create(DeployJob.model_validate({"metadata": metadata, "spec": spec}))
    refused(await stage.get("/jobs/by-kubectl"), 404, "not_found")
    token = await token_for(stage, "all-of-it", {"type": "agent", "agents": [stage.agent_name]})
    shown = await stage.get("/jobs/by-kubectl", token=token)
    assert (shown.status_code, shown.json()["triggerId"]) == (200, None)
    owner = {"Authorization": f"Bearer {stage.owner}"}
    assert (await stage.http.get("/jobs/by-kubectl", headers=owner)).json() == shown.json()


async def test_members_run_by_hand_and_strangers_learn_nothing(stage: Bench, people: People) -> None:
    member, nobody = people.token("mika"), people.token("nobody")
    ran = await by_hand(stage, {"ref": "main"}, who=member)
    assert ran.status_code == 202, ran.text
    job = await stage.job(ran.json()["jobId"])
    assert (job.spec.requested_by.kind, job.spec.requested_by.id) == ("user", "https://issuer.test#mika")
    refused(await by_hand(stage, {"nonsense": 1}, who=nobody), 404, "not_found")
    headers = {"Authorization": f"Bearer {nobody}"}
    for path in (f"/jobs/{job.name}", f"/jobs/{job.name}/logs"):
        refused(await stage.http.get(path, headers=headers), 404, "not_found")


async def test_each_door_takes_its_kind_of_credential(stage: Bench) -> None:
    refused(await by_hand(stage, {}, who=stage.token), 401, "wrong_credential")
    refused(await stage.run(token=stage.owner), 401, "wrong_credential")
    job_id = await stage.made()
    for path in (f"/jobs/{job_id}", f"/jobs/{job_id}/logs"):
        refused(await stage.http.get(path), 401, "unauthorized")
    refused(await stage.run(token="tk_" + "a" * 36), 401, "invalid_token")


async def test_a_manual_trigger_takes_no_webhook(stage: Bench) -> None:
    manual = await stage.declare("manual", type="manual")
    token = await token_for(stage, "by-hook", {"type": "trigger", "triggers": ["manual"]})
    refused(await stage.run(token=token, trigger=manual), 403, "trigger_type")
    refused(await stage.run({"nonsense": 1}, token=token, trigger=manual), 403, "trigger_type")
    assert (await by_hand(stage, {}, trigger=manual)).status_code == 202


@pytest.mark.parametrize(
    ("allowed", "ref", "good"),
    [
        ([], "anything/at/all", True),
        ([], None, True),
        (["main"], "main", True),
        (["main"], "refs/heads/main", True),
        (["refs/heads/main"], "main", True),
        (["main"], "refs/tags/main", False),
        (["main"], "mainx", False),
        (["main"], None, False),
        (["release/*"], "release/1.2", True),
        (["release/*"], "release/1/2", False),
        (["release/**"], "release/1/2", True),
        (["**"], "a/b/c", True),
        (["*"], "a/b", False),
        (["v?"], "v1", False),
        (["feature.x"], "featureyx", False),
        (["dev", "v*"], "v1.2", True),
    ],
)
async def test_allowed_refs(stage: Bench, allowed: list[str], ref: str | None, good: bool) -> None:
    name = f"refs-{secrets.token_hex(4)}"
    trigger = await stage.declare(name, allowedRefs=allowed)
    answer = await by_hand(stage, {} if ref is None else {"ref": ref}, trigger=trigger)
    if good:
        assert answer.status_code == 202, answer.text
    else:
        refused(answer, 403, "ref_not_allowed")


async def test_a_trigger_over_one_workflow_runs_only_that_and_one_over_an_agent_any(bench: Bench) -> None:
    reported = await bench.agent.call(
        "POST", "/agent/workflows/report", {"workflows": [{"name": "deploy-prod"}, OTHER]}
    )
    assert reported.status_code == 200
    whole = await bench.declare("whole", scope="agent", workflow=None)
    for asked in ({"ref": "main"}, {"ref": "main", "workflowName": "deploy-prod"}):
        assert (await bench.run(asked)).status_code == 202
    refused(await bench.run({"ref": "main", "workflowName": "other"}), 422, "validation_error")
    assert (await by_hand(bench, {"workflowName": "other"}, trigger=whole)).status_code == 202
    refused(await by_hand(bench, {}, trigger=whole), 422, "validation_error")
    refused(await by_hand(bench, {"workflowName": "absent"}, trigger=whole), 422, "unknown_workflow")


async def answered(bench: Bench, status: int, code: str) -> None:
    """Run until the answer is the wanted one: what kubectl changed comes by the watch."""
    async with asyncio.timeout(60):
        while (answer := await bench.run()).status_code != status:
            await asyncio.sleep(0.05)
    refused(answer, status, code)


async def test_what_is_suspended_takes_no_run_and_takes_them_again_when_resumed(bench: Bench) -> None:
    for kind, name, code in ((Trigger, "deploy", "trigger_suspended"), (Agent, bench.agent_name, "agent_suspended")):
        await bench.kube.patch(kind, bench.namespace, name, {"spec": {"suspended": True}})
        await answered(bench, 403, code)
        refused(await bench.run({"nonsense": 1}), 403, code)
        refused(await by_hand(bench, {"ref": "main"}), 403, code)
        await bench.kube.patch(kind, bench.namespace, name, {"spec": {"suspended": False}})
        async with asyncio.timeout(60):
            while (await bench.run()).status_code != 202:
                await asyncio.sleep(0.05)


async def test_an_agent_that_was_revoked_or_deleted_takes_none(bench: Bench) -> None:
    await bench.kube.patch(Agent, bench.namespace, bench.agent_name, {"spec": {"revoked": True}})
    await answered(bench, 422, "agent_unavailable")
    await bench.kube.delete(Agent, bench.namespace, bench.agent_name)
    await forgotten(bench.replica.context.caches.agents, bench.namespace, bench.agent_name)
    refused(await bench.run(), 422, "agent_unavailable")


async def test_a_trigger_that_is_deleted_runs_no_more_and_leaves_its_jobs(bench: Bench) -> None:
    job_id = await bench.made()
    await bench.kube.delete(Trigger, bench.namespace, "deploy")
    await forgotten(bench.replica.context.caches.triggers, bench.namespace, "deploy")
    refused(await bench.run(), 404, "not_found")
    assert (await bench.status(job_id)) == ("queued", None)
    async with bench.agent.stream() as stream:
        assert (await bench.agent.next_deploy(stream))["job_id"] == job_id
    assert (await bench.report(job_id, "success", exitCode=0)).status_code == 204
    assert (await bench.status(job_id)) == ("success", None)


async def test_runs_without_a_connected_agent_are_queued(bench: Bench) -> None:
    assert await bench.status(await bench.made()) == ("queued", None)


async def test_defaults_of_the_trigger_are_under_the_params_of_the_run(stage: Bench) -> None:
    trigger = await stage.declare("defaults", params={"replicas": 7})
    first = await by_hand(stage, {}, trigger=trigger)
    second = await by_hand(stage, {"params": {"replicas": 9}}, trigger=trigger)
    found = [(await stage.job(one.json()["jobId"])).spec.params for one in (first, second)]
    assert found == [{"replicas": 7}, {"replicas": 9}]
