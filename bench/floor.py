"""The floor: what a bare client of the same kube-apiserver needs for the least that any dispatcher must do.

Its objects have the schema of DeployJobs under a group of their own, so that no part of ours watches them.
"""

import asyncio
import base64
import itertools
import json
import os
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from bench.starts import Starts
from deplite import assets

GROUP = "bench.deplite.io"
_SPEC = {
    "trigger": "bench",
    "agent": "bench",
    "workflow": "started",
    "ref": "main",
    "params": {"replicas": "3"},
    "requestedBy": {"kind": "token", "id": "tok-aaaaaaaaaaaaaaaa", "name": "bench"},
    "fingerprint": "0" * 64,
}


class Bare:
    """One keep-alive HTTP session, JSON in and out, and nothing else."""

    def __init__(self, http: aiohttp.ClientSession, server: str, namespace: str) -> None:
        self._http, self._server = http, server
        self._path = f"{server}/apis/{GROUP}/v1alpha1/namespaces/{namespace}/deployjobs"
        self._numbers = itertools.count()

    async def define(self) -> None:
        """Have the API server serve the kind."""
        definition = yaml.safe_load((assets.crds() / "deployjobs.deplite.io.yaml").read_text())
        definition["metadata"]["name"] = f"deployjobs.{GROUP}"
        definition["spec"]["group"] = GROUP
        definition["spec"]["names"] |= {"shortNames": [], "categories": []}
        await self._send("POST", f"{self._server}/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
        for _ in range(100):
            async with self._http.get(self._path) as answer:
                if answer.status == 200:
                    return
            await asyncio.sleep(0.1)
        raise TimeoutError("the bench's kind is not served")

    async def create(self) -> str:
        """Create one object of about 1 KB; return its name."""
        name = f"j-{next(self._numbers):026d}"
        body = {"apiVersion": f"{GROUP}/v1alpha1", "kind": "DeployJob", "metadata": {"name": name}, "spec": _SPEC}
        await self._send("POST", self._path, body)
        return name

    async def claim(self, name: str) -> None:
        """Patch the status of one object."""
        body = {"status": {"phase": "Running", "startedAt": "2026-01-01T00:00:00Z", "instance": "0" * 16}}
        await self._send("PATCH", f"{self._path}/{name}/status", body, content_type="application/merge-patch+json")

    @asynccontextmanager
    async def created(self) -> AsyncIterator["asyncio.Queue[str]"]:
        """Offer the names of the objects that appear from now on, as a watch tells them."""
        async with self._http.get(f"{self._path}?limit=1") as answer:
            version = (await answer.json())["metadata"]["resourceVersion"]
        names: asyncio.Queue[str] = asyncio.Queue()
        watching = asyncio.create_task(self._watch(names, version))
        try:
            yield names
        finally:
            watching.cancel()

    async def _watch(self, names: "asyncio.Queue[str]", version: str) -> None:
        path = f"{self._path}?watch=1&resourceVersion={version}"
        async with self._http.get(path, timeout=aiohttp.ClientTimeout(total=None)) as answer:
            async for line in answer.content:
                event = json.loads(line)
                if event["type"] == "ADDED":
                    names.put_nowait(event["object"]["metadata"]["name"])

    async def _send(self, method: str, url: str, body: Any, content_type: str = "application/json") -> None:
        headers = {"Content-Type": content_type}
        async with self._http.request(method, url, data=json.dumps(body), headers=headers) as answer:
            assert answer.status < 300, await answer.text()
            json.loads(await answer.read())


@asynccontextmanager
async def bare(kubeconfig: Path, namespace: str) -> AsyncIterator[Bare]:
    """Connect with the administrator's kubeconfig."""
    server, trust, token = _credentials(kubeconfig)
    connector = aiohttp.TCPConnector(ssl=trust, limit=0)
    async with aiohttp.ClientSession(connector=connector, headers={"Authorization": f"Bearer {token}"}) as http:
        client = Bare(http, server, namespace)
        await client.define()
        yield client


def _credentials(kubeconfig: Path) -> tuple[str, ssl.SSLContext, str]:
    config = yaml.safe_load(kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    trust = ssl.create_default_context(cafile=cluster.get("certificate-authority"))
    if data := cluster.get("certificate-authority-data"):
        trust.load_verify_locations(cadata=base64.b64decode(data).decode())
    return cluster["server"], trust, user.get("token") or Path(user["tokenFile"]).read_text().strip()


async def dispatch(client: Bare, created: "asyncio.Queue[str]", starts: Starts) -> float:
    """Return the seconds from a create to a process that runs: create, watch event, status patch, exec."""
    began = time.monotonic()
    creating = asyncio.create_task(client.create())
    name = await created.get()
    await client.claim(name)
    pid = _spawn(f'echo "{name}" > {starts.path}')
    ended = await starts.of(name)
    await creating
    await asyncio.to_thread(os.waitpid, pid, 0)
    return ended - began


def _spawn(script: str) -> int:
    return os.posix_spawn("/bin/sh", ["sh", "-c", script], os.environ)
