"""A job as REST shows it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import ConfigDict, Field

from deplite.protocol.phases import Reason
from deplite.resources.deployjob import DeployJob, Rejection
from deplite.resources.identifiers import object_id
from deplite.resources.resource import utc
from deplite.resources.trigger import Concurrency, Timeouts
from deplite_apiserver.edge.body import Shape, absent
from deplite_apiserver.files.schemas import JobFileShape, short_of
from deplite_apiserver.files.view import FileView
from deplite_apiserver.jobs.waiting import Waiting

MAX_FILES = 200
"""Files in the detail of a job; the list of files has all of them."""
StatusWord = Literal["queued", "running", "success", "failed"]


class RejectionShape(Shape):
    """Why the agent's own guard rails refused a job."""

    reason: str | None
    limit_type: str | None
    retry_after_seconds: int | None
    bypassed_limits: list[str]


class JobRowShape(Shape):
    """A job as lists show it."""

    id: str
    agent_id: str
    trigger_id: str | None
    workflow_name: str
    status: StatusWord
    ref: str | None
    exit_code: int | None
    reason: Reason | None
    queued_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None


class JobShape(JobRowShape):
    """A job in detail."""

    debug: bool
    output: dict[str, Any] | None
    error_message: str | None
    waiting_for: Waiting | None
    rejection: RejectionShape | None
    files: list[JobFileShape] = Field(description="Those that are there, oldest first; 200 at most.")


class AcknowledgementShape(Shape):
    """Where the job stands, and where to see it end."""

    job_id: str
    status: StatusWord
    status_url: str


class RunShape(AcknowledgementShape):
    """A run: `exitCode`, `errorMessage` and `output` are there once the job has them."""

    idempotent: bool = Field(description="The job was there already, by its idempotency key.")
    timed_out: bool = Field(description="A sync run did not end in time; ask `statusUrl`.")
    exit_code: int = absent()
    error_message: str = absent()
    output: dict[str, Any] = absent()


class ForetoldJobShape(Shape):
    """The job that a run would start."""

    workflow_name: str
    agent_id: str
    ref: str | None
    params: dict[str, Any]
    debug: bool
    concurrency: Concurrency
    timeouts: Timeouts


class ForetoldShape(Shape):
    """What a dry run found; members that do not apply are absent."""

    model_config = ConfigDict(extra="allow")

    dry_run: Literal[True]
    accepted: bool = Field(description="Whether the run would start.")
    code: str = absent("The rule that refuses it, as its error would say.")
    message: str = absent()
    retry_after: int = absent("Seconds until that rule passes.")
    passes_at: datetime = absent("When that rule passes.")
    would_run: ForetoldJobShape = absent()
    idempotent: Literal[True] = absent("The job is there already, by its key.")
    job_id: str = absent()


def detail(job: DeployJob, waiting: Waiting | None = None, files: Sequence[FileView] = ()) -> dict[str, Any]:
    """Return the members of `GET /jobs/:id`, absent values as null; nothing else of the object is shown."""
    status = job.status
    created = job.metadata.creation_timestamp
    return {
        "id": job.name,
        "agentId": object_id("ag", job.namespace, job.spec.agent),
        "triggerId": object_id("tr", job.namespace, job.spec.trigger) if job.spec.trigger else None,
        "workflowName": job.spec.workflow,
        "status": status.phase.wire,
        "ref": job.spec.ref,
        "debug": job.spec.debug,
        "exitCode": status.exit_code,
        "output": status.output,
        "errorMessage": status.message,
        "waitingFor": waiting.value if waiting else None,
        "reason": status.reason.value if status.reason else None,
        "rejection": _rejection(status.rejection) if status.rejection else None,
        "queuedAt": utc(created) if created else None,
        "startedAt": utc(status.started_at) if status.started_at else None,
        "finishedAt": utc(status.finished_at) if status.finished_at else None,
        "files": [short_of(file).model_dump() for file in files[:MAX_FILES]],
    }


def acknowledgement(job: DeployJob) -> dict[str, Any]:
    """Return the answer to a cancel: where the job stands, and where to see it end."""
    return {"jobId": job.name, "status": job.status.phase.wire, "statusUrl": f"/api/jobs/{job.name}"}


def _rejection(rejection: Rejection) -> dict[str, Any]:
    return {
        "reason": rejection.reason,
        "limitType": rejection.limit_type,
        "retryAfterSeconds": rejection.retry_after_seconds,
        "bypassedLimits": list(rejection.bypassed_limits),
    }
