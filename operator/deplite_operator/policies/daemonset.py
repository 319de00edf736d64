"""The DaemonSet of a pool: a pure function of the pool and of what the release says."""

import hashlib
import json
from typing import Any

from deplite.resources import AgentPool
from deplite.resources.agentpool import AUDIENCE, POOL_LABEL, TOKEN_FILE, Toleration, account_of
from deplite_operator.policies.pods import AGENT
from deplite_operator.settings import AgentPods

HASH_ANNOTATION = "deplite.io/spec-hash"
"""Of what the operator last wrote: what it does not say any more is found by it."""
STOP_SECONDS = 10
"""From SIGTERM to SIGKILL of a step."""
DELIVERY_SECONDS = 30
"""For logs and results at the end: in a pod they cannot wait on the disk."""
_SPARE_SECONDS = 10
"""To bury the steps, and to be gone before the kubelet kills."""
SETTLED_SECONDS = 5
"""A pod that ends sooner than so long after its start does not let the rolling update go on."""
USER = 65532
STATE, WORKFLOWS, SECRETS = "/var/lib/deplite-agent", "/etc/deplite/workflows", "/etc/deplite/secrets"
_LABELS = {"app.kubernetes.io/name": "deplite-agent", "app.kubernetes.io/managed-by": "deplite-operator"}

Body = dict[str, Any]


def daemon_set(pool: AgentPool, release: AgentPods) -> Body:
    """Return what is to be written; the annotation `HASH_ANNOTATION` tells one from another."""
    name = account_of(pool.name)
    spec = {
        "selector": {"matchLabels": {POOL_LABEL: pool.name}},
        "minReadySeconds": SETTLED_SECONDS,
        "updateStrategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxUnavailable": pool.spec.max_unavailable, "maxSurge": 0},
        },
        "template": {"metadata": _pod_metadata(pool), "spec": _pod(pool, release)},
    }
    metadata = {
        "name": name,
        "namespace": pool.namespace,
        "labels": _LABELS | {POOL_LABEL: pool.name},
        "ownerReferences": [pool.owning.wire()],
    }
    said = hashlib.sha256(json.dumps([metadata, spec], sort_keys=True).encode()).hexdigest()[:32]
    metadata["annotations"] = {HASH_ANNOTATION: said}
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": metadata, "spec": spec}


def image_of(pool: AgentPool, release: AgentPods) -> str:
    """Return the image of the pods."""
    return pool.spec.image or release.image


def _pod_metadata(pool: AgentPool) -> Body:
    metadata: Body = {"labels": _LABELS | pool.spec.pod_labels | {POOL_LABEL: pool.name}}
    return metadata | _unless_empty(annotations=pool.spec.pod_annotations)


def _pod(pool: AgentPool, release: AgentPods) -> Body:
    spec = pool.spec
    return {
        "serviceAccountName": account_of(pool.name),
        "automountServiceAccountToken": True,  # what the steps may do in the cluster
        "enableServiceLinks": False,
        "shareProcessNamespace": True,  # then the pod's first process buries what steps leave behind
        "terminationGracePeriodSeconds": spec.termination_grace_period_seconds,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        | ({"runAsUser": USER, "runAsGroup": USER, "fsGroup": USER} if release.fixed_ids else {}),
        "nodeSelector": {"kubernetes.io/os": "linux"} | spec.node_selector,
        "containers": [_container(pool, release)],
        "volumes": _volumes(pool),
    } | _unless_empty(
        tolerations=[_toleration(toleration) for toleration in spec.tolerations],
        imagePullSecrets=[secret.wire() for secret in spec.image_pull_secrets],
        priorityClassName=spec.priority_class_name,
    )


def _container(pool: AgentPool, release: AgentPods) -> Body:
    resources = _unless_empty(requests=pool.spec.resources.requests, limits=pool.spec.resources.limits)
    return {
        "name": AGENT,
        "image": image_of(pool, release),
        "imagePullPolicy": pool.spec.image_pull_policy or release.pull_policy,
        "env": [{"name": name, "value": value} for name, value in _environment(pool, release).items()],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": _mounts(pool),
    } | _unless_empty(resources=resources)


def _environment(pool: AgentPool, release: AgentPods) -> dict[str, str]:
    drain = pool.spec.termination_grace_period_seconds - STOP_SECONDS - DELIVERY_SECONDS - _SPARE_SECONDS
    return {
        "DEPLITE_URL": release.url,
        "DEPLITE_TOKEN_FILE": TOKEN_FILE,
        "DEPLITE_STATE_DIR": STATE,
        "DEPLITE_WORKFLOWS_DIR": WORKFLOWS,
        "DEPLITE_SECRETS_DIR": SECRETS,
        "DEPLITE_CONCURRENCY": str(pool.spec.concurrency),
        "DEPLITE_DRAIN_SECONDS": str(drain),
        "DEPLITE_GRACE_SECONDS": str(STOP_SECONDS),
        "DEPLITE_DELIVERY_SECONDS": str(DELIVERY_SECONDS),
        "DEPLITE_LOG_FORMAT": "json",
        "HOME": "/tmp",  # noqa: S108 - a volume of the pod's own; all else is read-only
    }


def _mounts(pool: AgentPool) -> list[Body]:
    folder, _, _ = TOKEN_FILE.rpartition("/")
    mounts: list[Body] = [
        {"name": "state", "mountPath": STATE},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
        {"name": "token", "mountPath": folder, "readOnly": True},
    ]
    # Whole volumes and no subPath: so an edit reaches the agent without a restart.
    if pool.spec.workflows.config_map:
        mounts.append({"name": "workflows", "mountPath": WORKFLOWS, "readOnly": True})
    if pool.spec.secret_name:
        mounts.append({"name": "secrets", "mountPath": SECRETS, "readOnly": True})
    return mounts


def _volumes(pool: AgentPool) -> list[Body]:
    _, _, file = TOKEN_FILE.rpartition("/")
    token = {"audience": AUDIENCE, "expirationSeconds": 3600, "path": file}
    volumes: list[Body] = [
        {"name": "state", "emptyDir": {}},
        {"name": "tmp", "emptyDir": {}},
        {"name": "token", "projected": {"sources": [{"serviceAccountToken": token}], "defaultMode": 0o440}},
    ]
    if pool.spec.workflows.config_map:
        volumes.append({"name": "workflows", "configMap": {"name": pool.spec.workflows.config_map}})
    if pool.spec.secret_name:
        volumes.append({"name": "secrets", "secret": {"secretName": pool.spec.secret_name, "defaultMode": 0o440}})
    return volumes


def _toleration(toleration: Toleration) -> Body:
    return {field: value for field, value in toleration.wire().items() if value != ""}  # as the API server keeps it


def _unless_empty(**values: Any) -> Body:
    """Leave out what the API server would not keep either."""
    return {name: value for name, value in values.items() if value}
