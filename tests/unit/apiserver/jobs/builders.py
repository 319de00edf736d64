"""Objects for tests of the jobs' part: each builder makes a usable one, keyword arguments change it."""

from datetime import UTC, datetime
from typing import Any

from deplite.resources import Agent, DeployJob, Trigger
from deplite_apiserver.jobs.view import LiveJob, project

NOW = datetime(2026, 5, 31, 13, 42, 18, tzinfo=UTC)
UID = "0a1b2c3d-0000-4000-8000-000000000001"
NAMESPACE = "org-abc"


def meta(name: str, **extra: Any) -> dict[str, Any]:
    return {
        "name": name,
        "namespace": NAMESPACE,
        "uid": UID,
        "resourceVersion": "7",
        "creationTimestamp": "2026-05-31T13:42:18Z",
        **extra,
    }


def job_body(*, spec: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    return {
        "metadata": meta("j-" + "a" * 26),
        "spec": {"trigger": "deploy", "agent": "web", "workflow": "deploy-prod", "ref": "main"} | (spec or {}),
        "status": {"phase": "Queued"} | status,
    }


def job(*, spec: dict[str, Any] | None = None, **status: Any) -> DeployJob:
    return DeployJob.model_validate(job_body(spec=spec, **status))


def live(*, spec: dict[str, Any] | None = None, **status: Any) -> LiveJob:
    view = project(job_body(spec=spec, **status))
    assert isinstance(view, LiveJob)
    return view


def workflow(name: str = "deploy-prod", **extra: Any) -> dict[str, Any]:
    return {"name": name} | extra


def agent(*, spec: dict[str, Any] | None = None, **status: Any) -> Agent:
    return Agent.model_validate(
        {"metadata": meta("web"), "spec": spec or {}, "status": {"workflows": [workflow()]} | status}
    )


def trigger(**spec: Any) -> Trigger:
    return Trigger.model_validate(
        {"metadata": meta("deploy"), "spec": {"agent": "web", "workflow": "deploy-prod"} | spec}
    )
