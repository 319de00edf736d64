"""What a queued job waits for, as `GET /jobs/:id` tells in `waitingFor`. Pure."""

from enum import StrEnum

from deplite.protocol.phases import Phase
from deplite.resources.deployjob import DeployJob


class Waiting(StrEnum):
    """The words; never reworded after a release."""

    CONCURRENCY_GROUP = "concurrency_group"
    """Older jobs of its concurrency group have not ended."""
    AGENT_OFFLINE = "agent_offline"
    """The agent is not connected: the job is sent when it is back."""
    AGENT_CLAIM = "agent_claim"
    """The agent has it and has not begun, e.g. because it runs as many jobs as it may."""


def waiting_for(job: DeployJob, *, connected: bool) -> Waiting | None:
    """Return what a job waits for; None where it has begun or ended.

    Args:
        job: the job.
        connected: whether its agent's stream is open.
    """
    if job.status.phase is not Phase.QUEUED:
        return None
    if job.waits_for_group:
        return Waiting.CONCURRENCY_GROUP
    return Waiting.AGENT_CLAIM if connected else Waiting.AGENT_OFFLINE
