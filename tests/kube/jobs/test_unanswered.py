"""An agent that is told to stop a job and never says a word: with a replica of its own, which alone sweeps."""

import asyncio

from deplite.kube.client import KubeClient
from deplite.protocol.phases import Reason
from deplite.resources import DeployJob
from deplite_apiserver.jobs.transition import UNANSWERED
from deplite_apiserver.settings import Settings
from deplite_apiserver.sweeper.deadlines import UNANSWERED_SECONDS
from tests.kube.jobs.conftest import agent_name, enroll
from tests.kube.serving import MovableClock, served, until


async def test_an_agent_that_never_answers_does_not_keep_the_job_for_ever(
    settings: Settings, kube: KubeClient, organization: str
) -> None:
    clock = MovableClock()
    async with served(settings, clock) as replica:
        agent = await enroll(kube, organization, replica.base)
        agent.time = clock.time
        spec = {"agent": await agent_name(kube, organization, agent.agent_id), "workflow": "deploy-prod"}
        body = {"metadata": {"name": "j-mute", "namespace": organization}, "spec": spec}
        made = await kube.create(DeployJob.model_validate(body))
        answer = await agent.call("POST", "/agent/jobs/j-mute/result", {"status": "running"})
        assert answer.status_code == 204, answer.text
        async with agent.stream() as stream:
            await kube.patch(DeployJob, *made.key, {"spec": {"cancel": {"by": "kubectl"}}})
            async with asyncio.timeout(60):
                while (await anext(stream))[0] != "cancel":
                    continue
            hearing = replica.context.desk.hearing
            heard_since = clock.monotonic()
            while clock.monotonic() - heard_since < UNANSWERED_SECONDS + 5:
                clock.ahead += 5  # in steps that are no pause, and the agent goes on beating
                hearing.tick(0)
                assert (await agent.call("POST", "/agent/heartbeat")).status_code == 204

            async def reason() -> str | None:
                return (await kube.get(DeployJob, *made.key)).status.reason

            await until(reason, "cancelled")
        result = {"status": "failed", "exitCode": 143}
        assert (await agent.call("POST", "/agent/jobs/j-mute/result", result)).status_code == 202
        status = (await kube.get(DeployJob, *made.key)).status
        assert (status.phase, status.message) == ("Failed", UNANSWERED[Reason.CANCELLED])
        assert status.late_result is not None
        await agent.close()
