"""Objects as the policies get them, with what matters to a test changed."""

from datetime import UTC, datetime
from typing import Any

from deplite.resources import Agent, AgentPool, ApiToken, EnrollmentToken, Organization, SlackInstallation, Trigger

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


def pool(*, status: dict[str, Any] | None = None, **spec: Any) -> AgentPool:
    return AgentPool.model_validate(_body("linux", spec, status or {}))


def pool_agent(node: str = "n1", *, pod: str | None = None, spec: dict[str, Any] | None = None, **status: Any) -> Agent:
    """The agent of a node, connected from its pod unless said otherwise."""
    present = {"publicKey": "key", "state": "Connected"}
    present |= {"pod": {"name": f"linux-agents-{node}", "uid": pod or f"pod-{node}", "node": node}} | status
    body = _body(f"linux.{node}", spec or {}, present)
    body["metadata"] |= {"labels": {"deplite.io/pool": "linux"}, "ownerReferences": [pool().owning.wire()]}
    return Agent.model_validate(body)


def pod(node: str = "n1", *, status: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    """A pod of the DaemonSet `ds` as the API server sends it, running and ready unless said otherwise."""
    running = {"name": "agent", "restartCount": 0, "state": {"running": {"startedAt": "2026-06-01T11:00:00Z"}}}
    ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": [running]}
    about = {
        "name": f"linux-agents-{node}",
        "uid": f"pod-{node}",
        "creationTimestamp": "2026-06-01T11:00:00Z",
        "ownerReferences": [{"kind": "DaemonSet", "uid": "ds", "controller": True}],
    }
    containers = [{"name": "agent", "image": "deplite/agent:1"}]
    spec = {"nodeName": node, "serviceAccountName": "linux-agents", "containers": containers}
    return {"metadata": about | metadata, "spec": spec, "status": ready if status is None else status}


def waiting(reason: str, message: str = "", restarts: int = 0, last: dict[str, Any] | None = None) -> dict[str, Any]:
    """The status of a pod whose agent does not run."""
    state = {"waiting": {"reason": reason} | ({"message": message} if message else {})}
    agent = {"name": "agent", "restartCount": restarts, "state": state}
    agent |= {"lastState": {"terminated": last}} if last else {}
    return {"phase": "Pending", "conditions": [{"type": "Ready", "status": "False"}], "containerStatuses": [agent]}
