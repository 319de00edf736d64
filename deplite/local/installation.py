"""What has to be in the cluster before the parts start: kinds, namespaces, accounts, rights and the organization.

In a cluster of a team the chart or Git brings all of it; on one machine `deplite up` does, from the same files.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from deplite import assets
from deplite.local.accounts import SYSTEM_NAMESPACE
from deplite.local.cluster import Cluster
from deplite.local.issuer import ISSUER, OWNER
from deplite.local.together import together
from deplite.resources import Organization
from deplite.resources.organization import ORGANIZATION_NAME, Member, OrganizationSpec
from deplite.resources.resource import Meta
from deplite.rights import PARTS, account_name, cluster_manifests, organization_manifests


async def install(cluster: Cluster) -> None:
    """Apply kinds, the parts' namespace, their accounts and rights; return once the kinds are served."""
    await together(_install_kinds(cluster), _install_accounts(cluster))


async def install_organization(cluster: Cluster, name: str) -> None:
    """Apply an organization's namespace and RoleBindings, and the Organization with its owner."""
    await cluster.apply(_namespace(name))
    owner = Member(issuer=ISSUER, subject=OWNER, role="owner")
    organization = Organization(
        metadata=Meta(name=ORGANIZATION_NAME, namespace=name), spec=OrganizationSpec(members=(owner,))
    )
    await cluster.apply_all([*organization_manifests(name, SYSTEM_NAMESPACE), organization.manifest()])


async def _install_kinds(cluster: Cluster) -> None:
    definitions = [document for path in sorted(assets.crds().glob("*.yaml")) for document in _documents(path)]
    await cluster.apply_all(definitions)
    await cluster.wait_established(definition["metadata"]["name"] for definition in definitions)


async def _install_accounts(cluster: Cluster) -> None:
    await cluster.apply(_namespace(SYSTEM_NAMESPACE))
    accounts = [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": account_name(part), "namespace": SYSTEM_NAMESPACE},
        }
        for part in PARTS
    ]
    await cluster.apply_all([*accounts, *cluster_manifests(SYSTEM_NAMESPACE)])


def _namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def _documents(path: Path) -> Iterator[dict[str, Any]]:
    yield from (document for document in yaml.safe_load_all(path.read_text()) if document)
