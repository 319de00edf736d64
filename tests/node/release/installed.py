"""The chart, installed by the real Helm on the node, as docs/helm.md tells it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from deplite.kube.client import KubeClient
from tests.chart.chart import CHART, NAMESPACE, RELEASE, Helm
from tests.chart.running import RESTRICTED
from tests.node.commands import SECONDS
from tests.node.machine.plan import GATEWAY
from tests.node.running import Node

VALUES = Path(__file__).parent / "values.yaml"
PORT = 30080
PARTS = ("apiserver", "operator", "valkey", "seaweedfs")
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
WAIT = ("--wait", "--timeout", "4m")


@dataclass(kw_only=True)
class Installed:
    """The release. Whoever calls must be in the network of the machines, where there are neither pods nor Services."""

    node: Node
    helm: Helm
    kube: KubeClient
    folder: Path
    kubeconfig: Path
    """Good in the network of a machine."""
    notes: str = ""
    """What Helm said last."""
    first: list[dict[str, Any]] = field(default_factory=list)
    """The pods as the installation left them."""

    @property
    def url(self) -> str:
        """Where it is for those outside of the cluster: the node's port."""
        return f"http://{self.node.address}:{PORT}"

    async def prepare(self) -> None:
        """Make the namespace, which takes only restricted pods."""
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": RESTRICTED}}
        await self.kube.connection.request("POST", "/api/v1/namespaces", body=namespace)

    async def install(self) -> str:
        """Install it, or bring it back to how it was installed; returns what Helm says."""
        port = await self.port_of_the_api()
        told = ("--set", f"networkPolicies.kubernetesApi.ports={{{port}}}")
        return await self.upgrade("--install", "--reset-values", "--values", str(VALUES), *told)

    async def upgrade(self, *words: str) -> str:
        """Upgrade it, and return once Helm says that everything is ready.

        Raises:
            HelmError: it did not get there.
        """
        said = await self.helm.run("upgrade", RELEASE, str(CHART), "--namespace", NAMESPACE, *WAIT, *words)
        self.notes = said
        return said

    async def port_of_the_api(self) -> int:
        """Return where the control plane listens: policies see that, and not the port of its Service."""
        found = await self.kube.connection.request("GET", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices")
        (port,) = {port["port"] for one in found["items"] for port in one["ports"]}
        return int(port)

    async def kubectl(self, *words: str) -> str:
        """Run kubectl and return what it prints.

        Raises:
            CommandError: it failed.
        """
        return await self.node.kubectl(*words)

    async def token(self) -> str:
        """Return the owner's token, made as docs/helm.md tells it."""
        said = await self.kubectl("-n", NAMESPACE, "create", "token", "deplite-owner", "--audience", "deplite")
        return said.strip()

    async def pods(self, part: str | None = None) -> list[dict[str, Any]]:
        """Return the pods of a part, or of all; those that are on their way out as well."""
        labels = "app.kubernetes.io/name=deplite" + (f",app.kubernetes.io/component={part}" if part else "")
        answer = await self.kube.connection.request("GET", PODS, query={"labelSelector": labels})
        items: list[dict[str, Any]] = answer["items"]
        return items

    async def settled(self) -> list[dict[str, Any]]:
        """Wait until there are exactly the pods that were asked for, and all are ready; returns them."""
        wanted = {"apiserver": 2, "operator": 1, "valkey": 1, "seaweedfs": 1}
        async with asyncio.timeout(SECONDS):
            while True:
                found = await self.pods()
                if counted(found) == wanted and all(map(is_ready, found)):
                    return found
                await asyncio.sleep(0.2)


def part_of(pod: Mapping[str, Any]) -> str:
    """Return which part a pod is of."""
    return str(pod["metadata"]["labels"]["app.kubernetes.io/component"])


def counted(pods: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return how many pods each part has."""
    parts = [part_of(pod) for pod in pods]
    return {part: parts.count(part) for part in set(parts)}


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Whether a pod is ready, and to stay."""
    conditions = {one["type"]: one["status"] for one in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def written_kubeconfig(node: Node, folder: Path) -> Path:
    """Return a kubeconfig that is good in the network of a machine, written into a folder."""
    path = folder / "machine.kubeconfig"
    config = yaml.safe_load(node.kubeconfig.read_text())
    for one in config["clusters"]:
        one["cluster"]["server"] = one["cluster"]["server"].replace("127.0.0.1", GATEWAY)
    path.write_text(yaml.safe_dump(config))
    return path
