"""A replica that takes over from one that is gone finds in the cluster whose turn it is."""

import asyncio
from typing import Any

from deplite.kube.client import KubeClient
from deplite.resources import DeployJob
from deplite_apiserver.settings import Settings
from tests.kube.jobs.conftest import agent_name, enroll
from tests.kube.serving import served, until


async def test_the_job_that_had_its_turn_still_has_it_and_the_next_one_waits(
    settings: Settings, kube: KubeClient, organization: str
) -> None:
    async def turns() -> dict[str, bool]:
        return {job.name: job.status.turn_at is not None for job in await kube.list(DeployJob, organization)}

    async with served(settings) as replica:
        agent = await enroll(kube, organization, replica.base)
        spec: dict[str, Any] = {
            "agent": await agent_name(kube, organization, agent.agent_id),
            "workflow": "deploy-prod",
            "concurrencyGroup": "prod",
        }
        for place, name in enumerate(("j-first", "j-second"), start=1):
            body = {"metadata": {"name": name, "namespace": organization}, "spec": spec | {"concurrencyPlace": place}}
            await kube.create(DeployJob.model_validate(body))
            await until(turns, {"j-first": True} | ({"j-second": False} if place == 2 else {}))
    async with served(settings) as replica:
        agent.base = replica.base
        async with agent.stream() as stream, asyncio.timeout(60):
            for name in ("j-first", "j-second"):
                assert (await agent.next_deploy(stream))["job_id"] == name
                result = {"status": "success", "exitCode": 0}
                answer = await agent.call("POST", f"/agent/jobs/{name}/result", result)
                assert answer.status_code == 204, answer.text
    await agent.close()
