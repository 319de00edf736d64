"""The pool of a test, with what is made for it."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from deplite.kube.client import KubeClient
from deplite.kube.connection import MERGE_PATCH
from deplite.kube.errors import NotFoundError
from deplite.resources import AgentPool
from tests.faults.httpproxy import Exchange
from tests.kube.operating.nodes import NODE, USUAL

if TYPE_CHECKING:
    from tests.kube.operating.conftest import Patient

Body = dict[str, Any]
SPEC: Body = {"nodeSelector": USUAL}
AGENT = f"linux.{NODE}"


class Pool:
    """The pool `linux` of one organization."""

    def __init__(self, kube: KubeClient, namespace: str, patient: "Patient") -> None:
        self.kube, self.namespace, self._patient = kube, namespace, patient
        core, apps = f"/api/v1/namespaces/{namespace}", f"/apis/apps/v1/namespaces/{namespace}"
        self.daemon_set = f"{apps}/daemonsets/linux-agents"
        self.account = f"{core}/serviceaccounts/linux-agents"
        self.agents = f"/apis/deplite.io/v1alpha1/namespaces/{namespace}/agents"
        self._core = core

    async def declare(self, **spec: Any) -> AgentPool:
        body = {"metadata": {"namespace": self.namespace, "name": "linux"}, "spec": SPEC | spec}
        return await self.kube.create(AgentPool.model_validate(body))

    async def change(self, **spec: Any) -> None:
        await self.kube.patch(AgentPool, self.namespace, "linux", {"spec": spec})

    async def becomes(self, reason: str) -> AgentPool:
        found: AgentPool = await self._patient.condition(AgentPool, self.namespace, "linux", reason)
        return found

    async def says(self, reason: str) -> str:
        condition = (await self.becomes(reason)).status.condition("Ready")
        assert condition is not None
        return condition.message

    async def get(self, path: str) -> Body:
        return await self.kube.connection.request("GET", path)

    async def make(self, plural: str, name: str, **more: Any) -> Body:
        body = {"metadata": {"name": name}} | more
        return await self.kube.connection.request("POST", f"{self._core}/{plural}", body=body)

    async def patch(self, path: str, body: Body) -> Body:
        return await self.kube.connection.request("PATCH", path, body=body, content_type=MERGE_PATCH)

    async def remove(self, path: str) -> None:
        await self.kube.connection.request("DELETE", path)

    async def pods(self) -> list[Body]:
        return list((await self.get(f"{self._core}/pods"))["items"])

    async def until(self, path: str, holds: Callable[[Body], bool]) -> Body:
        """Wait until an object is as it shall be."""
        async with asyncio.timeout(60):
            while True:
                try:
                    if holds(found := await self.get(path)):
                        return found
                except NotFoundError:
                    pass
                await asyncio.sleep(0.05)

    async def gone(self, path: str) -> None:
        async with asyncio.timeout(60):
            while True:
                try:
                    await self.get(path)
                except NotFoundError:
                    return
                await asyncio.sleep(0.05)


class Looks:
    """A fault that lets all pass, and counts the operator's looks at a pool, and what it writes of its DaemonSet."""

    def __init__(self, pool: Pool) -> None:
        self._path = pool.daemon_set
        self.count = 0
        self.written: list[str] = []

    async def __call__(self, exchange: Exchange) -> None:
        if exchange.writes and exchange.path in (self._path, self._path.rpartition("/")[0]):
            self.written.append(exchange.method)
        elif exchange.path == self._path:
            self.count += 1

    async def more(self, number: int = 3) -> None:
        """Wait for so many that begin after this; the last of them may still go on."""
        wanted = self.count + number + 1
        async with asyncio.timeout(60):
            while self.count < wanted:
                await asyncio.sleep(0.05)


def image(body: Body) -> str:
    return str(body["spec"]["template"]["spec"]["containers"][0]["image"])
