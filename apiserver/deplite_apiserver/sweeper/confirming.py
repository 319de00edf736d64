"""What became of an agent ends jobs only where the cluster says so, too: our copy may be older than a job's claim."""

from typing import Protocol

from deplite.kube.errors import NotFoundError
from deplite.protocol.phases import Reason
from deplite.resources.agent import Agent
from deplite_apiserver.jobs.replaced import replaced
from deplite_apiserver.jobs.view import LiveJob


class AgentReader(Protocol):
    """What is needed of `KubeClient`."""

    async def get(self, kind: type[Agent], namespace: str, name: str) -> Agent:
        """Return an agent."""


class Confirming:
    """What the cluster says of agents, within one round."""

    def __init__(self, store: AgentReader) -> None:
        """Begin a round."""
        self._store = store
        self._revoked: dict[tuple[str, str], bool] = {}

    async def confirms(self, job: LiveJob, reason: Reason) -> bool:
        """Whether a job is to end for this reason by what is said of its agent; other reasons need no word of it.

        A revoked agent may have thousands of jobs: it is asked about once. Each takeover is asked about.

        Raises:
            KubeError: the cluster cannot be asked.
        """
        if reason is Reason.AGENT_CRASHED:
            agent = await self._agent(job)
            return agent is not None and replaced(job, agent)
        if reason is not Reason.AGENT_REVOKED:
            return True
        key = (job.namespace, job.agent)
        if key not in self._revoked:
            agent = await self._agent(job)
            self._revoked[key] = agent is not None and agent.spec.revoked
        return self._revoked[key]

    async def _agent(self, job: LiveJob) -> Agent | None:
        try:
            return await self._store.get(Agent, job.namespace, job.agent)
        except NotFoundError:
            return None
