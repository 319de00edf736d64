"""The answer of a dry run."""

from datetime import UTC, datetime
from typing import Any

from deplite.resources.deployjob import DeployJob
from deplite.resources.identifiers import object_id
from deplite_apiserver.errors import RateLimitedError, RefusedError
from deplite_apiserver.jobs.foretold import Foretold

NOW = datetime(2026, 5, 31, 13, 42, 18, 900_000, tzinfo=UTC)


def job(**spec: Any) -> DeployJob:
    fields = {"agent": "web", "workflow": "deploy", "params": {"replicas": 3}} | spec
    return DeployJob.model_validate({"metadata": {"name": "j-x", "namespace": "org-a"}, "spec": fields})


def test_what_would_run() -> None:
    made = job(ref="main", concurrencyGroup="trigger/t", concurrencyPolicy="queue")
    assert Foretold(job=made).wire(NOW) == {
        "dryRun": True,
        "accepted": True,
        "wouldRun": {
            "workflowName": "deploy",
            "agentId": object_id("ag", "org-a", "web"),
            "ref": "main",
            "params": {"replicas": 3},
            "debug": False,
            "concurrency": {"policy": "queue", "group": "trigger/t"},
            "timeouts": {"queueSeconds": 900, "jobSeconds": 3600},
        },
    }


def test_a_job_without_a_group_runs_beside_all_others() -> None:
    assert Foretold(job=job()).wire(NOW)["wouldRun"]["concurrency"] == {"policy": "allow", "group": None}


def test_a_repeat_names_the_job_that_is_there() -> None:
    body = Foretold(job=job(), idempotent=True).wire(NOW)
    assert (body["accepted"], body["idempotent"], body["jobId"]) == (True, True, "j-x")


def test_a_refusal_that_waiting_does_not_help() -> None:
    body = Foretold(refusal=RefusedError("No.", code="trigger_suspended")).wire(NOW)
    assert body == {"dryRun": True, "accepted": False, "code": "trigger_suspended", "message": "No."}


def test_a_refusal_that_ends_by_itself_says_when() -> None:
    error = RateLimitedError(retry_after=42, extra={"window": "minute"})
    body = Foretold(job=job(), refusal=error).wire(NOW)
    told = {key: body[key] for key in ("accepted", "code", "retryAfter", "passesAt", "window")}
    assert told == {
        "accepted": False,
        "code": "rate_limited",
        "retryAfter": 42,
        "passesAt": "2026-05-31T13:43:00Z",
        "window": "minute",
    }
    assert body["wouldRun"]["workflowName"] == "deploy"
