"""A job as lists show it, whether it is still in the cluster or long gone."""

from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from typing import Any, Self

from deplite.resources.identifiers import object_id
from deplite.resources.resource import utc
from deplite_apiserver.jobs.view import FinishedJob, JobView


@dataclass(frozen=True, kw_only=True, slots=True)
class JobRow:
    """One line of a list; moments are unix seconds, 0 for never."""

    id: str
    uid8: str
    agent_id: str
    trigger_id: str | None
    workflow: str
    ref: str | None
    status: str
    """As REST says it."""
    reason: str | None
    exit_code: int | None
    queued_at: int
    started_at: int
    finished_at: int

    @classmethod
    def of(cls, job: JobView) -> Self:
        """Return the row of a cached job."""
        ended = job if isinstance(job, FinishedJob) else None
        return cls(
            id=job.name,
            uid8=job.uid8,
            agent_id=object_id("ag", job.namespace, job.agent),
            trigger_id=object_id("tr", job.namespace, job.trigger) if job.trigger else None,
            workflow=job.workflow,
            ref=job.ref,
            status=job.phase.wire,
            reason=ended.reason.value if ended and ended.reason else None,
            exit_code=ended.exit_code if ended else None,
            queued_at=int(job.created_at.timestamp()),
            started_at=int(job.started_at.timestamp()) if job.started_at else 0,
            finished_at=int(ended.finished_at.timestamp()) if ended else 0,
        )

    @classmethod
    def from_values(cls, values: list[Any]) -> Self:
        """Return the row that `values` made; one of another version is a TypeError."""
        return cls(**dict(zip((field.name for field in fields(cls)), values, strict=True)))

    def values(self) -> list[Any]:
        """Return the fields in their order."""
        return list(astuple(self))

    def wire(self) -> dict[str, Any]:
        """Return the members that a list shows, absent values as null."""
        return {
            "id": self.id,
            "agentId": self.agent_id,
            "triggerId": self.trigger_id,
            "workflowName": self.workflow,
            "status": self.status,
            "ref": self.ref,
            "exitCode": self.exit_code,
            "reason": self.reason,
            "queuedAt": _moment(self.queued_at),
            "startedAt": _moment(self.started_at),
            "finishedAt": _moment(self.finished_at),
        }


def _moment(seconds: int) -> str | None:
    return utc(datetime.fromtimestamp(seconds, UTC)) if seconds else None
