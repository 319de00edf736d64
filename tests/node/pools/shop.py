"""A shop that deploys by a pool: what tests do to it, and what they read of it."""

import asyncio
import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.node.commands import until
from tests.node.running import Node

FOLDER = Path(__file__).parent
ORGANIZATION, SHOP, POOL = "org-shop", "shop", "web"
WORKFLOWS = "web-workflows"
ENDED = ("Succeeded", "Failed")
Object = dict[str, Any]


@dataclass(kw_only=True)
class Shop:
    """A cluster with the release and a shop in it."""

    node: Node
    url: str
    """Where the apiserver is."""
    owner: str
    """A token of the owner of everything."""

    async def read(self, kinds: str, *words: str, namespace: str = ORGANIZATION) -> list[Any]:
        """Return all objects of some kinds."""
        found: list[Any] = json.loads(await self.node.kubectl("-n", namespace, "get", kinds, *words, "-o", "json"))[
            "items"
        ]
        return found

    async def pool(self) -> Object:
        """Return the pool's spec and status."""
        found: Object = json.loads(await self.node.kubectl("-n", ORGANIZATION, "get", "agentpool", POOL, "-o", "json"))
        return found

    async def pods(self) -> dict[str, Object]:
        """Return the pool's pods that have a node and are not about to end, by their nodes."""
        found = await self.read("pods", "-l", f"deplite.io/pool={POOL}")
        staying = [one for one in found if "deletionTimestamp" not in one["metadata"]]
        return {one["spec"]["nodeName"]: one for one in staying if "nodeName" in one["spec"]}

    async def agents(self) -> dict[str, Object]:
        """Return the Agents by name."""
        return {one["metadata"]["name"]: one for one in await self.read("agents")}

    async def ids(self) -> dict[str, str]:
        """Return the ids of the agents by the nodes that they say they are on, as the API tells."""
        answer = await self.ask("GET", f"/orgs/{ORGANIZATION}/agents", self.owner)
        return {one["hostname"]: one["id"] for one in answer}

    async def job(self, job: str) -> Object:
        """Return the status of a job."""
        found: Object = json.loads(await self.node.kubectl("-n", ORGANIZATION, "get", "deployjob", job, "-o", "json"))
        return dict(found.get("status", {}))

    async def ask(self, method: str, path: str, token: str, body: Any = None) -> Any:
        """Call the API; return what it says."""
        answer = await self._asked(method, path, token, body)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    async def fire(self, trigger: str, ref: str = "main") -> str:
        """Call a webhook as CI does; return the job's id."""
        (made,) = [one for one in await self.read("triggers") if one["metadata"]["name"] == trigger]
        (secret,) = [one for one in await self.read("secrets") if one["metadata"]["name"] == "ci"]
        token = base64.b64decode(secret["data"]["token"]).decode()
        path = urlsplit(made["status"]["url"]).path

        async def fired() -> bool:
            nonlocal answer
            answer = await self._asked("POST", path, token, {"ref": ref})
            return answer.status_code != 422 or answer.json()["code"] != "unknown_workflow"  # told in a moment

        answer: httpx.Response
        await until(fired, f"the workflow of {trigger}")
        assert answer.status_code == 202, answer.text
        return str(answer.json()["jobId"])

    async def hold(self, trigger: str) -> str:
        """Start a deploy that goes on until it is let go, and wait until it does."""
        job = await self.fire(trigger)
        await until(lambda: self._began(job), f"the beginning of {job}")
        return job

    async def let_go(self, job: str) -> None:
        """Let a deploy end."""
        await self.node.kubectl("-n", SHOP, "create", "configmap", f"go-{job}")

    async def ended(self, job: str) -> Object:
        """Wait for the end of a job; return its status."""

        async def has_ended() -> bool:
            return (await self.job(job)).get("phase") in ENDED

        await until(has_ended, f"the end of {job}")
        return await self.job(job)

    async def runs(self, job: str) -> int:
        """Return how often a job's steps began."""
        return len(await self.read("configmaps", "-l", f"job={job}", namespace=SHOP))

    async def declare(self) -> None:
        """Make the pool with its workflows, or bring it back to how it was; return once it is Ready."""
        await self.workflows({path.name: path.read_text() for path in (FOLDER / "workflows").iterdir()})
        await self.node.kubectl("apply", "-f", str(FOLDER / "pool.yaml"))
        await self.ready(2)

    async def workflows(self, files: Mapping[str, str]) -> None:
        """Write the pool's workflow files."""
        metadata = {"name": WORKFLOWS, "namespace": ORGANIZATION}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": files}
        await self.node.kubectl("apply", "-f", "-", given=json.dumps(body))

    async def change(self, **spec: Any) -> None:
        """Change fields of the pool's spec; None takes one out."""
        patch = json.dumps({"spec": spec})
        await self.node.kubectl("-n", ORGANIZATION, "patch", "agentpool", POOL, "--type=merge", "-p", patch)

    async def verdict(self) -> tuple[str, str, Object]:
        """Return status and reason of the pool's Ready, both empty until it is of its present spec; and all it says."""
        pool = await self.pool()
        status: Object = pool.get("status", {})
        found = [one for one in status.get("conditions", ()) if one["type"] == "Ready"]
        if not found or status.get("observedGeneration") != pool["metadata"]["generation"]:
            return "", "", status
        (ready,) = found
        return ready["status"], ready["reason"], status

    async def ready(self, count: int) -> None:
        """Wait until the pool says that it is Ready, as it is specified now, with so many agents."""

        async def is_ready() -> bool:
            ready, _, said = await self.verdict()
            return ready == "True" and said["desired"] == said["ready"] == count

        await until(is_ready, f"Ready with {count} agents")

    async def takes_runs(self) -> None:
        """Both agents do what they are asked, at once and once."""
        jobs = await asyncio.gather(self.fire("count-1"), self.fire("count-2"))
        for job in jobs:
            assert (await self.ended(job))["phase"] == "Succeeded"
            assert await self.runs(job) == 1

    async def _asked(self, method: str, path: str, token: str, body: Any) -> httpx.Response:
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=30) as client:
            return await client.request(method, path, json=body, headers={"Authorization": f"Bearer {token}"})

    async def _began(self, job: str) -> bool:
        return await self.runs(job) > 0
