"""Who reaches whom: the chart's NetworkPolicies, enforced, by real connections from the network of each pod."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest_asyncio

from tests.chart.chart import NAMESPACE
from tests.faults.caller import Caller
from tests.node.commands import SECONDS
from tests.node.machines import RunningMachine
from tests.node.release.installed import PARTS, Installed, is_ready, part_of
from tests.node.release.outside import ServedSite
from tests.node.release.pool import ORGANIZATION, SHOP, pool_running
from tests.node.release.processes import processes_of
from tests.node.release.reach import listening, reach

METADATA = "169.254.169.254"
"""Where clouds hand out the credentials of a machine."""
FREE = 7777
"""A port that nobody of ours has; in each pod somebody listens there meanwhile."""
LABELLED = {"deplite.io/pool": "web"}
BESIDE: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "neighbour": (NAMESPACE, {}),
    "stranger": ("default", {}),
    "impostor": ("default", LABELLED),
    "colleague": (ORGANIZATION, {}),
    "declared": ("org-declared", LABELLED),
}
"""Pods that are not ours: their namespaces, and their labels. `org-declared` is an organization that kubectl made."""
OTHERS = {*BESIDE, "node"}
"""About whom no policy says anything."""
MAY: Mapping[tuple[str, int, str], set[str]] = {
    ("apiserver", 8080, "tcp"): {"pool", "declared", "node"},
    ("apiserver", 9090, "tcp"): {"neighbour", "node"},
    ("operator", 8081, "tcp"): {"node"},
    ("operator", 9090, "tcp"): {"neighbour", "node"},
    ("valkey", 6379, "tcp"): {"apiserver", "node"},
    ("seaweedfs", 8333, "tcp"): {"apiserver", "pool", "declared", "node"},
    **{(part, FREE, "tcp"): {"node"} for part in (*PARTS, "pool")},
    ("neighbour", FREE, "tcp"): OTHERS,
    ("stranger", FREE, "tcp"): OTHERS,
    ("names", 53, "tcp"): {"apiserver", "operator", "pool", *OTHERS},
    ("names", 53, "udp"): {"apiserver", "operator", "pool", *OTHERS},
    ("kubernetes", 443, "tcp"): {"apiserver", "operator", "pool", *OTHERS},
    ("kubelet", 10250, "tcp"): OTHERS,
    ("credentials", 80, "tcp"): OTHERS,
}
"""Who reaches whom at which port."""


@dataclass(frozen=True)
class Place:
    """Who calls, or is called."""

    pid: int
    """A process in its network; 0: it is only called."""
    address: str
    node: str = ""
    """The machine of a pod."""


def idle(name: str, namespace: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """Return a pod that does nothing."""
    container = {
        "name": "pause",
        "image": "deplite-node/pause:1",
        "imagePullPolicy": "Never",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {
        "containers": [container],
        "securityContext": security,
        "nodeName": "node-1",
        "terminationGracePeriodSeconds": 0,
    }
    return {"metadata": {"name": name, "namespace": namespace, "labels": dict(labels)}, "spec": spec}


def place_of(pod: dict[str, Any]) -> Place:
    """Return where a pod is."""
    oldest = min(one.pid for one in processes_of(pod))
    return Place(oldest, pod["status"]["podIP"], pod["spec"]["nodeName"])


async def running(installed: Installed, name: str) -> dict[str, Any]:
    """Make a pod that is not ours, and wait until it runs."""
    namespace, labels = BESIDE[name]
    path = f"/api/v1/namespaces/{namespace}/pods"
    await installed.kube.connection.request("POST", path, body=idle(name, namespace, labels))
    async with asyncio.timeout(SECONDS):
        while not is_ready(pod := await installed.kube.connection.request("GET", f"{path}/{name}")):
            await asyncio.sleep(0.1)
    return pod


@pytest_asyncio.fixture(scope="module")
async def pool(installed: Installed) -> AsyncIterator[list[dict[str, Any]]]:
    """The pods of a pool of an organization."""
    async with pool_running(installed) as pods:
        yield pods


@pytest_asyncio.fixture
async def places(installed: Installed, pool: list[dict[str, Any]]) -> AsyncIterator[dict[str, list[Place]]]:
    """All pods of the release and of the pool, others beside them and elsewhere, and what is called beside them."""
    found: dict[str, list[Place]] = {part: [] for part in PARTS} | {"pool": [place_of(pod) for pod in pool]}
    for pod in await installed.settled():
        found[part_of(pod)].append(place_of(pod))
    await installed.kubectl("create", "namespace", "org-declared")
    await installed.kubectl("label", "namespace", "org-declared", "deplite.io/organization=true")
    try:
        for name in BESIDE:
            found[name] = [place_of(await running(installed, name))]
        found["names"], found["kubernetes"] = [Place(0, "10.96.0.10")], [Place(0, "10.96.0.1")]
        found["kubelet"], found["credentials"] = [Place(0, installed.node.address)], [Place(0, METADATA)]
        known = (*PARTS, "pool", "neighbour", "declared")
        await enforced(installed, {one.address for name in known for one in found[name]})
        yield found
    finally:
        for name, (namespace, _) in BESIDE.items():
            await installed.kubectl("-n", namespace, "delete", "pod", name, "--ignore-not-found")
        await installed.kubectl("delete", "namespace", "org-declared", "--wait=false")


async def enforced(installed: Installed, addresses: set[str]) -> None:
    """Wait until the rules of each machine know these pods."""
    async with asyncio.timeout(SECONDS):
        for machine in installed.node.machines.values():
            while True:
                rules = await machine.run("iptables-save", "-t", "filter")
                if all(f"{address}/32" in rules for address in addresses):
                    break
                await asyncio.sleep(0.1)


@asynccontextmanager
async def handing_out_credentials(machine: RunningMachine) -> AsyncIterator[None]:
    """A machine of a cloud hands out its credentials to everybody on it."""
    await machine.run("ip", "address", "add", f"{METADATA}/32", "dev", "lo")
    try:
        with listening(machine.pid, 80):
            yield
    finally:
        await machine.run("ip", "address", "delete", f"{METADATA}/32", "dev", "lo")


async def test_pods_reach_only_what_they_must(installed: Installed, places: dict[str, list[Place]]) -> None:
    pods = {name: found for name, found in places.items() if found[0].pid}
    found, wanted = {}, {}
    async with AsyncExitStack() as stack:
        for machine in installed.node.machines.values():
            await stack.enter_async_context(handing_out_credentials(machine))
        for place in [one for some in pods.values() for one in some]:
            stack.enter_context(listening(place.pid, FREE))
        for (name, port, protocol), callers in MAY.items():
            target = places[name][-1]
            node = installed.node.machines[target.node or "node-1"]
            for caller, place in {**{one: some[0] for one, some in pods.items()}, "node": Place(node.pid, "")}.items():
                if place != target:  # a pod reaches itself, whatever is said
                    way = f"{caller} -> {name} {port}/{protocol}"
                    found[way] = await asyncio.to_thread(reach, place.pid, target.address, port, protocol)
                    wanted[way] = "reached" if caller in callers else "prohibited"
    assert {way: outcome for way, outcome in found.items() if outcome != wanted[way]} == {}
    assert len(found) > 100


async def test_a_pool_deploys_and_uploads_within_its_policy(
    installed: Installed, pool: list[dict[str, Any]], tmp_path: Path
) -> None:
    site = await ServedSite.of(installed, ORGANIZATION, tmp_path)
    agents = {one["hostname"]: one["id"] for one in await site.ask("GET", "/agents")}
    assert set(agents) == {pod["spec"]["nodeName"] for pod in pool}
    caller = await Caller.for_id(site, agents["node-1"], workflowName="roll-out")
    async with caller.http:
        job = await caller.until(await caller.run(), "success", "failed")
        assert job["status"] == "success", (await caller.read(f"/jobs/{job['id']}/logs")).text
    assert [(one["filename"], one["status"]) for one in job["files"]] == [("web.yaml", "stored")]
    web = json.loads(await installed.kubectl("-n", SHOP, "get", "deployment", "web", "-o", "json"))
    assert web["spec"]["template"]["spec"]["containers"][0]["env"] == [{"name": "VERSION", "value": "main"}]
    assert web["status"]["updatedReplicas"] == web["status"]["readyReplicas"] == 2
