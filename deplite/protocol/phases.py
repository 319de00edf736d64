"""The life of a job in words: phases, wire statuses and why a job ended. Never reworded after a release."""

from enum import StrEnum


class Phase(StrEnum):
    """`DeployJob.status.phase`. `Queued → Running → Succeeded | Failed` and `Queued → Failed`, nothing else."""

    QUEUED = "Queued"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"

    @property
    def finished(self) -> bool:
        """Whether the phase never changes again."""
        return self in (Phase.SUCCEEDED, Phase.FAILED)

    @property
    def wire(self) -> str:
        """The word REST shows: `queued`, `running`, `success` or `failed`."""
        return {"Queued": "queued", "Running": "running", "Succeeded": "success", "Failed": "failed"}[self.value]


class Reason(StrEnum):
    """Why a job failed (`DeployJob.status.reason`)."""

    EXIT_CODE = "exit_code"
    TIMEOUT = "timeout"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"
    AGENT_LOST = "agent_lost"
    AGENT_CRASHED = "agent_crashed"
    AGENT_REVOKED = "agent_revoked"
    EXPIRED = "expired"


class ResultStatus(StrEnum):
    """What an agent may report; `RUNNING` claims the job, the others end it."""

    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    TIMEOUT = "timeout"
    REJECTED = "rejected"
