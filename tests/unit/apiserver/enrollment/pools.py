"""Pools, their pods' agents, and what pods' tokens say, for tests; keyword arguments change them."""

import json
from typing import Any

from deplite import base64url
from deplite.resources import Agent, AgentPool
from deplite.resources.agent import AgentPod
from deplite.resources.agentpool import AUDIENCE, POOL_LABEL, pool_agent_name
from tests.unit.apiserver.jobs.builders import NAMESPACE, NOW, UID, meta

ACCOUNT_UID = "acc00000-0000-4000-8000-000000000001"
NODE = "node-1"


def pool(*, name: str = "web", uid: str = UID, account: str | None = ACCOUNT_UID, **metadata: Any) -> AgentPool:
    status = {"serviceAccount": {"name": f"{name}-agents", "uid": account}} if account else {}
    return AgentPool.model_validate({"metadata": meta(name, **metadata) | {"uid": uid}, "status": status})


def pod(uid: str = "p1", node: str = NODE) -> AgentPod:
    return AgentPod(name=f"web-agents-{uid}", uid=uid, node=node)


def pool_agent(owner: AgentPool | None = None, **status: Any) -> Agent:
    """The Agent of a pool on its node, as `enroll_pod` creates it."""
    found = owner or pool()
    owned = {"ownerReferences": [found.owning.wire()], "labels": {POOL_LABEL: found.name}}
    return Agent.model_validate({"metadata": meta(pool_agent_name(found.name, NODE), **owned), "status": status})


def claims(**said: Any) -> dict[str, Any]:
    """What the kubelet's token for a pod of the pool `web` says; a value of None takes a claim out."""
    bound = {
        "namespace": NAMESPACE,
        "node": {"name": NODE, "uid": "n1"},
        "pod": {"name": "web-agents-p1", "uid": "p1"},
        "serviceaccount": {"name": "web-agents", "uid": ACCOUNT_UID},
    }
    full: dict[str, Any] = {
        "aud": [AUDIENCE],
        "exp": int(NOW.timestamp()) + 3600,
        "iss": "https://kubernetes.default.svc",
        "sub": f"system:serviceaccount:{NAMESPACE}:web-agents",
        "kubernetes.io": bound,
    }
    return {key: value for key, value in (full | said).items() if value is not None}


def bound(**said: Any) -> dict[str, Any]:
    """The claim `kubernetes.io`, changed."""
    inner: dict[str, Any] = claims()["kubernetes.io"]
    return {key: value for key, value in (inner | said).items() if value is not None}


def jwt(payload: Any) -> str:
    """A token that nobody has signed."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return ".".join(base64url.encode(part) for part in (b'{"alg":"RS256","kid":"k"}', body, b"not a signature"))
