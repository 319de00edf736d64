"""A job as REST shows it."""

from typing import Any

from deplite.resources.deployjob import DeployJob, Rejection
from deplite.resources.identifiers import object_id
from deplite.resources.resource import utc
from deplite_apiserver.jobs.waiting import Waiting


def detail(job: DeployJob, waiting: Waiting | None = None) -> dict[str, Any]:
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
