"""The parts' own ServiceAccounts: each with its rights, as the chart grants them, and no more."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from deplite.kube.client import KubeClient
from deplite.local.accounts import Account, Accounts
from deplite.local.cluster import Cluster
from deplite.local.controlplane import ControlPlane
from deplite.rights import PARTS, account_name, cluster_manifests
from tests.kube.rights.reviews import Deed, until
from tests.organizations import SYSTEM_NAMESPACE


@asynccontextmanager
async def accounts_on(plane: ControlPlane, folder: Path) -> AsyncIterator[dict[str, Account]]:
    """The account of each part, once its roles hold; the tokens, which live for an hour, are kept fresh."""
    cluster = await Cluster.connect(plane.kubeconfig)
    await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM_NAMESPACE}})
    for part in PARTS:
        metadata = {"name": account_name(part), "namespace": SYSTEM_NAMESPACE}
        await cluster.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    await cluster.apply_all(cluster_manifests(SYSTEM_NAMESPACE))
    await asyncio.to_thread(folder.mkdir, mode=0o700)
    accounts = Accounts(cluster, folder, plane.kubeconfig)
    issued = {part: await accounts.issue(account_name(part)) for part in PARTS}
    for account in issued.values():
        client = await KubeClient.connect(account.kubeconfig)
        leases = Deed("get", "coordination.k8s.io", "leases", SYSTEM_NAMESPACE)
        await until(client, [Deed("list", "deplite.io", "agents", ""), leases])  # one deed of each of its two roles
        await client.close()
    fresh = asyncio.create_task(accounts.keep_fresh(tuple(issued.values()), print))
    try:
        yield issued
    finally:
        fresh.cancel()
        await asyncio.gather(fresh, return_exceptions=True)
        await cluster.close()
