"""Follows NetworkPolicies, pods and namespaces, and has the kernel know the rules that they mean.

It works in the network that it is started in, which must be the node's, and goes on until it is stopped.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from deplite.kube.connection import Connection
from deplite.kube.errors import KubeError
from tests.node.network.rules import HOOKS, ruleset

POLICIES, PODS, NAMESPACES = "/apis/networking.k8s.io/v1/networkpolicies", "/api/v1/pods", "/api/v1/namespaces"
AGAIN_SECONDS = 0.2


class EnforcementError(Exception):
    """iptables refused; the message is what it said."""


class Enforcer:
    """Keeps the rules of one node."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[str, dict[str, Any] | None] = {path: None for path in (POLICIES, PODS, NAMESPACES)}
        """The objects of each kind, by uid; None until it was listed."""
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Follow all of them, for ever.

        Raises:
            EnforcementError: iptables refused: nothing may pass for enforced that is not.
        """
        async with asyncio.TaskGroup() as tasks:
            for path in self._known:
                tasks.create_task(self._follow(path))
            tasks.create_task(self._enforce())

    async def _enforce(self) -> None:
        present = ""
        while True:
            await self._changed.wait()
            self._changed.clear()
            policies, pods, namespaces = self._known.values()
            if policies is None or pods is None or namespaces is None:
                continue
            wanted = ruleset(policies.values(), pods.values(), namespaces.values())
            if wanted != present:
                await _iptables("iptables-restore", "--wait", "--noflush", given=wanted)
                if not present:
                    await _hook()
                present = wanted

    async def _follow(self, path: str) -> None:
        while True:
            with contextlib.suppress(KubeError, aiohttp.ClientError, TimeoutError):
                listed = await self._connection.request("GET", path)
                known = self._known[path] = {one["metadata"]["uid"]: one for one in listed["items"]}
                self._changed.set()
                async for event in self._watch(path, listed["metadata"]["resourceVersion"]):
                    if event["type"] == "ERROR":
                        break
                    if event["type"] == "DELETED":
                        known.pop(event["object"]["metadata"]["uid"], None)
                    else:
                        known[event["object"]["metadata"]["uid"]] = event["object"]
                    self._changed.set()
            await asyncio.sleep(AGAIN_SECONDS)

    async def _watch(self, path: str, version: str) -> AsyncIterator[dict[str, Any]]:
        query = {"watch": "1", "resourceVersion": version}
        timeout = aiohttp.ClientTimeout(total=None)
        async with self._connection.open_response("GET", path, query=query, timeout=timeout) as answer:
            rest = b""
            async for piece in answer.response.content.iter_any():
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    yield json.loads(line)


async def _hook() -> None:
    """Send packets through the chains before anybody else lets them pass."""
    for place, chain in reversed(HOOKS):
        await _iptables("iptables", "--wait", "-I", place, "-j", chain)


async def _iptables(*words: str, given: str = "") -> None:
    child = await asyncio.create_subprocess_exec(
        *words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await child.communicate(given.encode())
    if child.returncode != 0:
        raise EnforcementError(f"{' '.join(words)}: {said.decode()}{given}")


async def enforce(kubeconfig: Path) -> None:
    """Enforce what a cluster says, for ever."""
    connection = await Connection.open(kubeconfig, "network-policies")
    try:
        await Enforcer(connection).run()
    finally:
        await connection.close()
