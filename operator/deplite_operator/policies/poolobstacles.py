"""Ready=False for what keeps the operator from making a pool what its spec says, with what to do."""

import yaml

from deplite.kube.errors import KubeError
from deplite.resources.reasons import (
    CONFIG_MAP_MISSING,
    NAME_TAKEN,
    OBJECT_REFUSED,
    POOLS_UNAVAILABLE,
    ROLE_BINDING_MISSING,
    SECRET_MISSING,
)
from deplite.rights import organization_manifests
from deplite_operator.conditions import Finding, not_ready, quoted, stalled


def pools_unavailable() -> Finding:
    """Return that there are no nodes to make pods on."""
    return stalled(
        POOLS_UNAVAILABLE,
        "This installation makes no pods (DEPLITE_AGENT_IMAGE and DEPLITE_AGENT_URL of the operator are not set); "
        "install the chart in a cluster with nodes.",
    )


def pools_forbidden(namespace: str, system_namespace: str) -> Finding:
    """Return that the rights are missing, and the way to grant them."""
    bindings = yaml.safe_dump_all(organization_manifests(namespace, system_namespace), sort_keys=False)
    return not_ready(
        ROLE_BINDING_MISSING,
        f"The operator may not make the pods of pools in this namespace; apply these RoleBindings:\n{bindings}",
    )


def name_taken(kind: str, name: str) -> Finding:
    """Return that something foreign has the name of what was to be made."""
    return stalled(
        NAME_TAKEN, f"There is a {kind} {name} that is not of this pool; delete it, or give the pool another name."
    )


def name_not_free_yet(kind: str, name: str) -> Finding:
    """Return that what an earlier pool of the name left is still there."""
    return not_ready(NAME_TAKEN, f"{kind} {name} is still of a deleted pool of this name; it goes by itself.")


def config_map_missing(name: str) -> Finding:
    """Return that there are no workflows where the spec says."""
    return not_ready(
        CONFIG_MAP_MISSING, f"There is no ConfigMap {name}; create it, or correct spec.workflows.configMap."
    )


def workflow_secret_missing(name: str) -> Finding:
    """Return that there are no secrets where the spec says."""
    return not_ready(SECRET_MISSING, f"There is no Secret {name}; create it, or correct spec.secretName.")


def object_invalid(error: KubeError) -> Finding:
    """Return that Kubernetes refuses what the spec comes to."""
    return stalled(OBJECT_REFUSED, f"Kubernetes refuses what the pool is to be; correct its spec: {quoted(str(error))}")


def object_forbidden(error: KubeError) -> Finding:
    """Return that a quota or a policy of the cluster forbids it."""
    advice = "make room in the quota, or change the policy"
    return not_ready(
        OBJECT_REFUSED, f"Kubernetes does not let the operator make the pool; {advice}: {quoted(str(error))}"
    )
