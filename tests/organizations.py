"""Makes and removes organizations as the chart or Git would: the namespace and its RoleBindings."""

from typing import Any

from deplite.kube.client import KubeClient
from deplite.resources import KINDS
from deplite.resources.resource import API_VERSION
from deplite.rights import organization_manifests

SYSTEM_NAMESPACE = "deplite-system"


async def create_organization(kube: KubeClient, name: str) -> None:
    """Create the namespace and the RoleBindings that let the parts use its Secrets."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    await kube.connection.request("POST", "/api/v1/namespaces", body=namespace)
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{name}/rolebindings"
    for binding in organization_manifests(name, SYSTEM_NAMESPACE):
        await kube.connection.request("POST", path, body=binding)


async def clear_organization(kube: KubeClient, name: str) -> None:
    """Ask for all of ours in the namespace to be deleted; what belongs to it goes in the background.

    The empty namespace stays until its control plane ends: to delete one asks for every kind of the cluster.
    """
    for kind in KINDS:
        await kube.connection.request("DELETE", f"/apis/{API_VERSION}/namespaces/{name}/{kind.PLURAL}")


async def delete_namespace(kube: KubeClient, name: str) -> Any:
    """Ask for the namespace to be deleted; it goes in the background."""
    return await kube.connection.request("DELETE", f"/api/v1/namespaces/{name}")
