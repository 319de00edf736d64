"""Objects as the policies get them, with what matters to a test changed."""

from datetime import UTC, datetime
from typing import Any

from deplite.resources import Agent, ApiToken, EnrollmentToken, Organization, SlackInstallation, Trigger

NAMESPACE = "org-a"
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
HASH = "0" * 64


def _body(name: str, spec: dict[str, Any], status: dict[str, Any], namespace: str = NAMESPACE) -> dict[str, Any]:
    metadata = {
        "namespace": namespace,
        "name": name,
        "uid": "u",
        "resourceVersion": "7",
        "generation": 3,
        "creationTimestamp": "2026-06-01T11:30:00Z",
    }
    return {"metadata": metadata, "spec": spec, "status": status}


def agent(*, spec: dict[str, Any] | None = None, **status: Any) -> Agent:
    present = {"publicKey": "key", "state": "Connected", "workflows": [{"name": "deploy"}]} | status
    return Agent.model_validate(_body("web", spec or {}, present))


def trigger(**spec: Any) -> Trigger:
    return Trigger.model_validate(_body("fire", {"agent": "web", "workflow": "deploy"} | spec, {}))


def organization(*roles: str, namespace: str = NAMESPACE) -> Organization:
    members = [{"issuer": "i", "subject": f"s{number}", "role": role} for number, role in enumerate(roles)]
    return Organization.model_validate(_body("organization", {"members": members}, {}, namespace))


def token(*, status: dict[str, Any] | None = None, **spec: Any) -> ApiToken:
    wanted = {"grants": [{"type": "trigger", "triggers": ["fire"]}], "secretName": "s"} | spec
    return ApiToken.model_validate(_body("ci", wanted, status or {}))


def code(*, status: dict[str, Any] | None = None, **spec: Any) -> EnrollmentToken:
    return EnrollmentToken.model_validate(_body("code", {"secretName": "s"} | spec, status or {}))


def hashed(rotation: int = 0) -> dict[str, Any]:
    return {"hashes": [{"sha256": HASH, "prefix": "tk_abcdef"}], "rotation": rotation}


def workspace(name: str = "t0acme", *, uid: str = "u", spec: dict[str, Any] | None = None, **status: Any) -> Any:
    body = _body(name, {"teamId": "T0ACME", "secretName": "slack"} | (spec or {}), status)
    body["metadata"]["uid"] = uid
    return SlackInstallation.model_validate(body)
