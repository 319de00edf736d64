"""What a run would become: the answer to `?dryRun=true`. The decision itself is the real one, of `jobs.run`."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from deplite.resources.deployjob import DeployJob
from deplite.resources.identifiers import object_id
from deplite.resources.resource import utc
from deplite_apiserver.errors import (
    ApiError,
    ConflictError,
    RateLimitedError,
    RefusedError,
    TokenScopeError,
    ValidationFailedError,
)

VERDICTS = (TokenScopeError, RefusedError, ValidationFailedError, ConflictError, RateLimitedError)
"""Errors that say what is thought of a request; any other one says that nobody can tell for the moment."""


@dataclass(frozen=True, kw_only=True)
class Foretold:
    """What would become of a request."""

    job: DeployJob | None = None
    """The job that it would become, as far as the rules let it come; with `idempotent` the one that is there."""
    idempotent: bool = False
    """It would start nothing: the same request has made the job already."""
    refusal: ApiError | None = None
    """The rule that would refuse it."""

    def wire(self, now: datetime) -> dict[str, Any]:
        """Return the answer's body; what is not known is absent.

        Args:
            now: the moment of the decision.
        """
        body: dict[str, Any] = {"dryRun": True, "accepted": self.refusal is None}
        if self.refusal is not None:
            body |= _refusal(self.refusal, now)
        if self.job is not None:
            body["wouldRun"] = _would_run(self.job)
        if self.job is not None and self.idempotent:
            body |= {"idempotent": True, "jobId": self.job.name}
        return body


def _refusal(error: ApiError, now: datetime) -> dict[str, Any]:
    body: dict[str, Any] = {"code": error.code, "message": error.message, **error.extra}
    if error.retry_after is not None:
        passes_at = now + timedelta(seconds=error.retry_after)
        body |= {"retryAfter": error.retry_after, "passesAt": utc(passes_at)}
    return body


def _would_run(job: DeployJob) -> dict[str, Any]:
    spec = job.spec
    return {
        "workflowName": spec.workflow,
        "agentId": object_id("ag", job.namespace, spec.agent),
        "ref": spec.ref,
        "params": dict(spec.params),
        "debug": spec.debug,
        "concurrency": {"policy": spec.concurrency_policy or "allow", "group": spec.concurrency_group},
        "timeouts": {"queueSeconds": spec.queue_seconds, "jobSeconds": spec.job_seconds},
    }
