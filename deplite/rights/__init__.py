"""What each part may do: one source, applied by `deplite up` and rendered into the chart.

`cluster_manifests` is applied once a cluster; `organization_manifests` once for each organization's namespace, by
whoever makes that namespace (the chart, Git, or `deplite up`).
"""

from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent
PARTS = ("apiserver", "operator")
"""The parts that have a ServiceAccount; the agent never talks to Kubernetes."""
SECRETS_ROLE = "deplite-organization-secrets"
POOLS_ROLE = "deplite-operator-pools"


def account_name(part: str) -> str:
    """Return the name of a part's ServiceAccount."""
    return f"deplite-{part}"


def cluster_manifests(system_namespace: str) -> list[dict[str, Any]]:
    """Return all roles, and the bindings of the parts' ServiceAccounts in `system_namespace`."""
    roles = [_placed(role, system_namespace) for role in roles_of(*PARTS, "secrets", "pools", "people")]
    bound = [_binding(role, part, system_namespace) for part in PARTS for role in roles_of(part)]
    return roles + bound


def organization_manifests(namespace: str, system_namespace: str) -> list[dict[str, Any]]:
    """Return the RoleBindings of one organization: for its Secrets, and for the pods of its pools."""
    return [*secrets_manifests(namespace, system_namespace), *pools_manifests(namespace, system_namespace)]


def secrets_manifests(namespace: str, system_namespace: str) -> list[dict[str, Any]]:
    """Return the RoleBindings that let the parts use the Secrets of one organization."""
    return [
        _bound_in(namespace, f"{account_name(part)}-secrets", SECRETS_ROLE, part, system_namespace) for part in PARTS
    ]


def pools_manifests(namespace: str, system_namespace: str) -> list[dict[str, Any]]:
    """Return the RoleBinding that lets the operator make the pods of one organization's pools."""
    return [_bound_in(namespace, POOLS_ROLE, POOLS_ROLE, "operator", system_namespace)]


def roles_of(*files: str) -> list[dict[str, Any]]:
    """Return the roles in these files of this folder, as they are written."""
    return [role for name in files for role in yaml.safe_load_all((FOLDER / f"{name}.yaml").read_text())]


def _bound_in(namespace: str, name: str, role: str, part: str, system_namespace: str) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name, "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [_subject(part, system_namespace)],
    }


def _placed(role: dict[str, Any], namespace: str) -> dict[str, Any]:
    return role | {"metadata": role["metadata"] | {"namespace": namespace}} if role["kind"] == "Role" else role


def _binding(role: dict[str, Any], part: str, namespace: str) -> dict[str, Any]:
    metadata = {"name": role["metadata"]["name"]} | ({"namespace": namespace} if role["kind"] == "Role" else {})
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": f"{role['kind']}Binding",
        "metadata": metadata,
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": role["kind"],
            "name": role["metadata"]["name"],
        },
        "subjects": [_subject(part, namespace)],
    }


def _subject(part: str, namespace: str) -> dict[str, Any]:
    return {"kind": "ServiceAccount", "name": account_name(part), "namespace": namespace}
