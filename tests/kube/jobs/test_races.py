"""Many want to lead a job on at the same moment: the API server lets one of them."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from deplite.kube.client import KubeClient
from deplite.resources import DeployJob
from deplite.resources.identifiers import random_job_id
from deplite_apiserver.jobs.transition import Claimed, Transitions, Verdict

PROCESSES = 20


class Reader:
    """Reads a job for the first time only together with all others, so that nobody has written yet."""

    def __init__(self, kube: KubeClient, together: asyncio.Barrier) -> None:
        self.kube, self.together, self.reads = kube, together, 0

    async def get(self, kind: type[DeployJob], namespace: str, name: str) -> DeployJob:
        self.reads += 1
        found = await self.kube.get(kind, namespace, name)
        if self.reads == 1:
            await self.together.wait()
        return found

    async def patch_status(
        self, kind: type[DeployJob], namespace: str, name: str, body: Mapping[str, Any], *, version: str | None = None
    ) -> DeployJob:
        return await self.kube.patch_status(kind, namespace, name, body, version=version)


async def test_of_twenty_processes_one_claims(kube: KubeClient, organization: str) -> None:
    metadata = {"name": random_job_id(), "namespace": organization}
    job = await kube.create(
        DeployJob.model_validate({"metadata": metadata, "spec": {"agent": "web", "workflow": "deploy-prod"}})
    )
    together = asyncio.Barrier(PROCESSES)

    async def claim(number: int) -> Verdict:
        event = Claimed(instance=f"process-{number}", at=datetime.now(UTC))
        return await Transitions(Reader(kube, together), lambda _: None).apply(organization, job.name, event)

    verdicts = Counter(await asyncio.gather(*(claim(number) for number in range(PROCESSES))))
    assert verdicts == {Verdict.APPLIED: 1, Verdict.ALREADY_CLAIMED: PROCESSES - 1}
