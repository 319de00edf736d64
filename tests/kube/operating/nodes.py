"""Nodes without machines: the real DaemonSet controller makes the pods, and we play scheduler, kubelet and apiserver.

What a pod of a pool becomes is up to the test of its namespace; unless that says otherwise, it runs at once, and its
agent enrols and is connected. Nodes that a test adds of its own are for pools that select them.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from deplite.kube.client import KubeClient
from deplite.kube.connection import MERGE_PATCH
from deplite.kube.errors import AlreadyExistsError, ConflictError, KubeError, NotFoundError
from deplite.local.controlplane import ControlPlane
from deplite.local.process import Process
from deplite.resources import Agent, AgentPool
from deplite.resources.agent import AgentSpec
from deplite.resources.agentpool import POOL_LABEL, pool_agent_name
from deplite.resources.resource import Meta, utc

Body = dict[str, Any]
Kubelet = Callable[[Body], Body | None]
"""From a pod to its status; None: as it is."""

NODE = "the-usual-one"
USUAL = {"deplite.test/nodes": "usual"}
"""The label of that node, which pools select that share it."""
_NODES = "/api/v1/nodes"


def running(pod: Body) -> Body:
    """Return the status of a pod whose agent runs."""
    return {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": utc(datetime.now(UTC))}],
        "containerStatuses": [container({"running": {"startedAt": utc(datetime.now(UTC))}}, ready=True)],
    }


def held_up(reason: str, message: str = "", restarts: int = 0) -> Kubelet:
    """Return a kubelet that does not get the agent to run."""
    state = {"waiting": {"reason": reason, "message": message}}
    not_ready = {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    found = container(state, restarts=restarts)
    return lambda pod: {"phase": "Pending", "conditions": [not_ready], "containerStatuses": [found]}


def container(state: Body, *, ready: bool = False, restarts: int = 0) -> Body:
    """Return the status of the agent's container."""
    last = {"terminated": {"exitCode": 1, "reason": "Error"}} if restarts else {}
    about = {"name": "agent", "image": "i", "imageID": "", "ready": ready, "restartCount": restarts}
    return about | {"state": state, "lastState": last}


class Nodes:
    """All nodes of the cluster, and the agents on them."""

    def __init__(self, kube: KubeClient) -> None:
        self._kube = kube
        self.kubelets: dict[str, Kubelet] = {}
        """By namespace."""
        self.agents: dict[str, str] = {}
        """By namespace, what the state of its agents is to be; `Connected` unless said."""
        self.draining: set[str] = set()
        """Namespaces in which pods that are to end do not yet."""

    async def add(self, name: str, labels: dict[str, str]) -> None:
        """Add a node that is ready."""
        metadata = {"name": name, "labels": {"kubernetes.io/os": "linux", "kubernetes.io/hostname": name} | labels}
        await self._kube.connection.request("POST", _NODES, body={"metadata": metadata})
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
        room = {"cpu": "64", "memory": "64Gi", "pods": "500"}
        status = {"status": {"conditions": [ready], "allocatable": room, "capacity": room}}
        await self._patch(f"{_NODES}/{name}/status", status)
        await self._patch(f"{_NODES}/{name}", {"spec": {"taints": None}})  # of nodes that have just come

    async def remove(self, name: str) -> None:
        """Take a node away, with its pods: as it is some time after a machine was switched off for good."""
        await self._kube.connection.request("DELETE", f"{_NODES}/{name}")

    async def run(self) -> None:
        """Have pods become what they are to be, for ever."""
        while True:
            with contextlib.suppress(KubeError):
                await self._round()
            await asyncio.sleep(0.1)

    async def _round(self) -> None:
        query = {"labelSelector": POOL_LABEL}
        pods = (await self._kube.connection.request("GET", "/api/v1/pods", query=query))["items"] or []
        nodes = {one["metadata"]["name"] for one in (await self._kube.connection.request("GET", _NODES))["items"]}
        results = await asyncio.gather(*(self._play(pod, nodes) for pod in pods), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, KubeError):
                raise result

    async def _play(self, pod: Body, nodes: set[str]) -> None:
        namespace, node = pod["metadata"]["namespace"], pod["spec"].get("nodeName")
        path = f"/api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}"
        if node is None:
            await self._schedule(pod, path, nodes)
        elif node not in nodes or ("deletionTimestamp" in pod["metadata"] and namespace not in self.draining):
            await self._bury(pod, path)
        elif "deletionTimestamp" not in pod["metadata"]:
            await self._live(pod, path)

    async def _schedule(self, pod: Body, path: str, nodes: set[str]) -> None:
        required = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        node = required["nodeSelectorTerms"][0]["matchFields"][0]["values"][0]
        if node in nodes:
            body = {"metadata": {"name": pod["metadata"]["name"]}, "target": {"kind": "Node", "name": node}}
            await self._kube.connection.request("POST", f"{path}/binding", body=body)

    async def _live(self, pod: Body, path: str) -> None:
        kubelet = self.kubelets.get(pod["metadata"]["namespace"], running)
        ready = any(one["status"] == "True" for one in pod["status"].get("conditions", ()) if one["type"] == "Ready")
        if kubelet is running and ready:
            await self._tell(pod, self.agents.get(pod["metadata"]["namespace"], "Connected"))
        elif (status := kubelet(pod)) is not None:
            await self._patch(f"{path}/status", {"status": status})

    async def _bury(self, pod: Body, path: str) -> None:
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]}}
        await self._kube.connection.request("DELETE", path, body=body)
        await self._tell(pod, "Disconnected")

    async def _tell(self, pod: Body, state: str) -> None:
        """Say of the agent of a pod what the apiserver would say."""
        namespace, node = pod["metadata"]["namespace"], pod["spec"]["nodeName"]
        pool_name = pod["metadata"]["labels"][POOL_LABEL]
        name = pool_agent_name(pool_name, node)
        with contextlib.suppress(NotFoundError, ConflictError, AlreadyExistsError):
            agent = await self._agent(namespace, pool_name, name)
            about = {"name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"], "node": node}
            if agent is None or (state == "Disconnected" and (agent.status.pod or None) is None):
                return
            same = agent.status.pod is not None and agent.status.pod.wire() == about
            if (agent.status.state, same) == (state, True) or (state != "Connected" and not same):
                return
            seen = utc(datetime.now(UTC)) if state == "Disconnected" else None
            status = {"publicKey": "key", "state": state, "pod": about, "lastSeenAt": seen}
            version = agent.metadata.resource_version
            await self._kube.patch_status(Agent, namespace, name, status, version=version)

    async def _agent(self, namespace: str, pool_name: str, name: str) -> Agent | None:
        try:
            return await self._kube.get(Agent, namespace, name)
        except NotFoundError:
            pool = await self._kube.get(AgentPool, namespace, pool_name)
            if pool.status.service_account is None:
                return None  # so is a pod refused by which nothing is known
            metadata = Meta(
                namespace=namespace, name=name, labels={POOL_LABEL: pool_name}, owner_references=(pool.owning,)
            )
            return await self._kube.create(Agent(metadata=metadata, spec=AgentSpec(display_name=name)))

    async def _patch(self, path: str, body: Body) -> None:
        await self._kube.connection.request("PATCH", path, body=body, content_type=MERGE_PATCH)


@asynccontextmanager
async def nodes_of(kube: KubeClient, plane: ControlPlane) -> AsyncIterator[Nodes]:
    """Run the DaemonSet controller beside a control plane, with the one usual node."""
    (manager,) = (program for program in plane.programs() if program.name == "kube-controller-manager")
    name = "daemonset-controller"
    arguments = [f"--controllers={name}" if one.startswith("--controllers=") else one for one in manager.argv]
    log = manager.log.with_name(f"{name}.log")
    process = await Process.start(replace(manager, name=name, argv=tuple(arguments), log=log))
    nodes = Nodes(kube)
    await nodes.add(NODE, USUAL)
    playing = asyncio.create_task(nodes.run())
    try:
        yield nodes
    finally:
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
        await nodes.remove(NODE)
        await process.stop()
