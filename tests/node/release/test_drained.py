"""Machines are emptied: one apiserver at a time, as the PodDisruptionBudget says, and no call fails meanwhile."""

from deplite.kube.errors import KubeError
from tests.chart.chart import NAMESPACE
from tests.faults.fleet import Fleet
from tests.faults.ledger import Ledger
from tests.node.release.installed import PODS, Installed
from tests.node.release.outside import ServedSite, busy

SELECTOR = "app.kubernetes.io/component in (apiserver,operator)"
REFUSED = "429 Cannot evict pod as it would violate the pod's disruption budget."


async def evict(installed: Installed, name: str) -> str:
    """Ask for a pod's eviction; returns what is said against it."""
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": NAMESPACE}}
    try:
        await installed.kube.connection.request("POST", f"{PODS}/{name}/eviction", body=body)
    except KubeError as error:
        return f"{error.status} {error}"
    return ""


async def machines(installed: Installed) -> set[str]:
    """Return where the apiservers are."""
    await installed.settled()
    return {pod["spec"]["nodeName"] for pod in await installed.pods("apiserver")}


async def test_the_second_apiserver_is_not_evicted_before_the_first_one_is_replaced(
    installed: Installed, served: ServedSite, outside: Fleet, ledger: Ledger
) -> None:
    await installed.settled()
    names = [pod["metadata"]["name"] for pod in await installed.pods("apiserver")]
    async with busy(served, outside, ledger):
        assert await evict(installed, names[0]) == ""
        assert (await evict(installed, names[1])).startswith(REFUSED)
        left = {pod["metadata"]["name"] for pod in await installed.settled()}
        assert names[0] not in left
        assert names[1] in left


async def test_a_drained_machine_hands_its_pods_to_the_other_one(
    installed: Installed, served: ServedSite, outside: Fleet, ledger: Ledger
) -> None:
    async with busy(served, outside, ledger):
        for machine, other in (("node-2", "node-1"), ("node-1", "node-2")):
            words = ("--delete-emptydir-data", "--timeout=180s", f"--pod-selector={SELECTOR}")
            await installed.kubectl("drain", machine, *words)
            try:
                assert await machines(installed) == {other}
            finally:
                await installed.kubectl("uncordon", machine)
