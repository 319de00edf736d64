"""Ends what pods ran that another one took the place of: nobody else can, for what they knew has gone with them.

A job says by which pod it was claimed, an Agent which pod it is now. A pod that was replaced never comes back, so a
running job whose pod is not its agent's is over. The replica at which a pod enrols ends those jobs at once; a claim
that was under way then, and what that replica did not come to, is the sweeper's business.
"""

import logging
from collections.abc import Callable
from datetime import datetime

from deplite.kube.cache import Cache
from deplite.kube.errors import NotFoundError
from deplite.protocol.phases import Reason
from deplite.resources.agent import Agent
from deplite_apiserver.jobs.transition import Ended, Transitions, Verdict
from deplite_apiserver.jobs.view import JobView, LiveJob

log = logging.getLogger(__name__)


def replaced(job: LiveJob, agent: Agent | None) -> bool:
    """Whether a job runs in a pod that is not its agent any more, as far as this agent tells. Pure."""
    pod = agent.status.pod if agent is not None else None
    return not job.queued and job.pod is not None and pod is not None and pod.uid != job.pod


class Replacements:
    """Ends the jobs of pods that were replaced."""

    def __init__(self, *, jobs: Cache[JobView], transitions: Transitions, now: Callable[[], datetime]) -> None:
        self._jobs, self._transitions, self._now = jobs, transitions, now

    async def settle(self, agent: Agent) -> None:
        """End what former pods of an agent ran.

        Args:
            agent: as it is in the cluster; a job of a pod that it does not name, neither now nor before, is left alone.

        Raises:
            KubeError: the cluster cannot be asked.
        """
        for job in self._jobs.by("agent", agent.key):
            if isinstance(job, LiveJob) and replaced(job, agent) and job.pod in agent.status.replaced_pods:
                await self.end(job)

    async def end(self, job: LiveJob) -> None:
        """End one job, unless it has ended meanwhile."""
        event = Ended(reason=Reason.AGENT_CRASHED, at=self._now())
        try:
            verdict = await self._transitions.apply(job.namespace, job.name, event, uid=job.uid)
        except NotFoundError:
            return
        if verdict is Verdict.APPLIED:
            log.warning(
                "job %s ended: the pod that ran it was replaced",
                job.name,
                extra={"action": "job_ended", "jobId": job.name, "reason": Reason.AGENT_CRASHED},
            )
