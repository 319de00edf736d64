"""What the server is told of a workflow: names and shapes. What a step runs and any value stays here."""

from typing import Any

from deplite_agent.workflows.file import schema_of
from deplite_agent.workflows.model import Retry, Step, Workflow


def report_of(workflow: Workflow) -> dict[str, Any]:
    """Return one entry of `POST /agent/workflows/report`."""
    said: dict[str, Any] = {
        "name": workflow.name,
        "description": workflow.description,
        "version": workflow.version,
        "schemaVersion": workflow.schema_version,
        "verboseSteps": workflow.verbose_steps or None,
        "secretsKeys": [secret.name for secret in workflow.secrets],
        "secrets": [secret.model_dump(exclude_none=True) for secret in workflow.secrets],
        "params": schema_of(workflow),
        "outputs": [output.model_dump(exclude_none=True) for output in workflow.outputs],
        "retry": _retry(workflow.retry),
        "steps": [_step(step) for step in workflow.steps],
    }
    return {key: value for key, value in said.items() if value is not None}


def _step(step: Step) -> dict[str, Any]:
    said: dict[str, Any] = {
        "id": step.id,
        "name": step.name,
        "timeoutMinutes": step.timeout_minutes,
        "verbose": step.verbose or None,
        "continueOnError": step.continue_on_error or None,
        "retry": _retry(step.retry),
    }
    return {key: value for key, value in said.items() if value is not None}


def _retry(retry: Retry | None) -> dict[str, Any] | None:
    if retry is None:
        return None
    return {
        "maxAttempts": retry.max_attempts,
        "backoff": retry.backoff,
        "initialDelaySeconds": retry.initial_delay_seconds,
        "maxDelaySeconds": retry.max_delay_seconds,
    }
