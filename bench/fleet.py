"""Thousands of enrolled agents: their objects as an enrolment leaves them, and the process that plays them."""

import asyncio
import json
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.site import Site
from deplite.kube.client import KubeClient
from deplite.kube.errors import AlreadyExistsError, UnavailableError
from deplite.protocol.keys import public_pem
from deplite.resources.agent import Agent, AgentSpec
from deplite.resources.identifiers import object_id
from deplite.resources.resource import Meta, utc

_AT_ONCE = 16


class Fleet:
    """The other end of the process that plays them."""

    def __init__(self, site: Site, process: asyncio.subprocess.Process) -> None:
        self._site, self._process = site, process

    async def shown(self, count: int) -> None:
        """Wait until so many are shown as connected: until then their states are being written."""
        kube = await KubeClient.connect(self._site.kubeconfig)
        try:
            while await _connected(kube, self._site.organization) <= count:  # noqa: ASYNC110 - and the real agent
                await asyncio.sleep(2)
        finally:
            await kube.close()

    async def tell(self, command: str) -> dict[str, Any]:
        """Send a command of `bench.swarm`; return its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{command}\n".encode())
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the agents' process ended at {command!r}")
        found: dict[str, Any] = json.loads(line)
        return found


@asynccontextmanager
async def fleet(site: Site, count: int) -> AsyncIterator[Fleet]:
    """Have so many agents known to everybody; none of them is connected yet."""
    identities = await _enrolled(site, count)
    file = site.data.parent / "identities.json"
    file.write_text(json.dumps(identities))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.swarm",
        site.url,
        str(file),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Fleet(site, process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _connected(kube: KubeClient, namespace: str) -> int:
    return sum(agent.status.state == "Connected" for agent in await kube.list(Agent, namespace))


async def _enrolled(site: Site, count: int) -> list[tuple[str, str]]:
    """Write the objects; return the ids with the private keys once the operator has seen all of them."""
    kube = await KubeClient.connect(site.kubeconfig)
    try:
        known = {object_id("ag", *one.key): one for one in await kube.list(Agent, site.organization)}
        pinned = known[site.online].status.server_key_id
        places = asyncio.Semaphore(_AT_ONCE)

        async def one(number: int) -> tuple[str, str]:
            async with places:
                return await _enrol(kube, site.organization, f"swarm-{number:05d}", pinned)

        made = await asyncio.gather(*(one(number) for number in range(count)))
        while not all(agent.status.conditions for agent in await kube.list(Agent, site.organization)):  # noqa: ASYNC110
            await asyncio.sleep(1)  # nothing else says when the operator has seen all of them
        return made
    finally:
        await kube.close()


async def _enrol(kube: KubeClient, namespace: str, name: str, server_key_id: str | None) -> tuple[str, str]:
    key = secrets.token_bytes(32)
    agent = Agent(metadata=Meta(name=name, namespace=namespace), spec=AgentSpec(display_name=name))
    await _patiently(lambda: kube.create(agent))
    status = {
        "publicKey": public_pem(Ed25519PrivateKey.from_private_bytes(key).public_key()),
        "enrolledAt": utc(datetime.now(UTC)),
        "serverKeyId": server_key_id,
        "hostname": name,
        "os": "linux",
        "agentVersion": "1.0.0",
    }
    await _patiently(lambda: kube.patch_status(Agent, namespace, name, status))
    return object_id("ag", namespace, name), key.hex()


async def _patiently(write: Callable[[], Awaitable[Agent]]) -> None:
    """Write until it is done: a disk that lets etcd wait for seconds ends no measurement."""
    while True:
        try:
            await write()
            return
        except AlreadyExistsError:
            return  # by the try before, whose answer was lost
        except UnavailableError:
            await asyncio.sleep(1)
