"""One `deplite up` for the fault tests: its parts can be killed or stopped by name, its failpoints armed."""

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import httpx

from deplite.kube.client import KubeClient
from deplite.resources import DeployJob
from tests.e2e.conftest import read_env
from tests.faults.heard import heard
from tests.plain import PLAIN

LOST_SECONDS = 60
"""An agent that is silent for so long loses its jobs; 210 unless told otherwise."""
WENT_OFF: Counter[str] = Counter()
"""How often each failpoint went off in this session."""
DEPLITE = str(Path(sys.executable).parent / "deplite")


@dataclass(frozen=True, kw_only=True)
class Site:
    """A running installation."""

    data: Path
    failpoints: Path
    url: str
    organization: str
    jwt: str
    kubeconfig: Path

    @classmethod
    async def start(
        cls,
        folder: Path,
        lost_seconds: int = LOST_SECONDS,
        more: Mapping[str, str] = MappingProxyType({}),
        replicas: int = 1,
    ) -> Self:
        """Start everything in a folder, with failpoints that nobody has armed yet, and more variables."""
        data, failpoints = folder / "data", folder / "failpoints"
        failpoints.mkdir(parents=True)
        ours = {"DEPLITE_FAILPOINTS": str(failpoints), "DEPLITE_LOST_SECONDS": str(lost_seconds)}
        environment = {**os.environ, **ours, **more}
        process = await asyncio.create_subprocess_exec(
            DEPLITE,
            *("up", "--detach", "--data", str(data), "--replicas", str(replicas)),
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        shown, _ = await process.communicate()
        assert process.returncode == 0, shown.decode()
        env = read_env(data / "env")
        return cls(
            data=data,
            failpoints=failpoints,
            url=env["DEPLITE_URL"],
            organization=env["DEPLITE_ORG_ID"],
            jwt=env["DEPLITE_JWT"],
            kubeconfig=Path(env["KUBECONFIG"]),
        )

    async def stop(self) -> None:
        """Stop everything."""
        process = await asyncio.create_subprocess_exec(DEPLITE, "down", "--data", str(self.data))
        assert await process.wait() == 0

    @property
    def port(self) -> int:
        """The apiserver's port."""
        return int(self.url.rpartition(":")[2])

    @property
    def host(self) -> str:
        """The apiserver's address, without its port."""
        return self.url.partition("//")[2].rpartition(":")[0]

    def pid(self, part: str) -> int | None:
        """Return a part's process, None while it is being started again."""
        state = json.loads((self.data / "state.json").read_text())
        found = next(one for one in state["parts"] if one["name"] == part)
        pid: int | None = found.get("pid")
        return pid

    def signal(self, part: str, number: signal.Signals) -> int:
        """Send a signal to a part; return its pid."""
        pid = self.pid(part)
        assert pid is not None, f"{part} is not running"
        os.kill(pid, number)
        return pid

    def kill_now(self, part: str) -> None:
        """kill -9 a part, and wait for nothing."""
        self.signal(part, signal.SIGKILL)

    async def kill(self, part: str) -> None:
        """kill -9 a part, and wait until another process of it runs."""
        gone = self.signal(part, signal.SIGKILL)
        async with asyncio.timeout(120):
            while self.pid(part) in (gone, None):
                await asyncio.sleep(0.05)

    @property
    def doors(self) -> list[str]:
        """Where each apiserver answers by itself."""
        return [self.url]

    async def ready(self) -> None:
        """Wait until the apiserver is ready, or all of them are."""
        for door in self.doors:
            await self._ready(door)

    async def _ready(self, door: str) -> None:
        async with httpx.AsyncClient(verify=PLAIN, trust_env=False) as client, asyncio.timeout(120):
            while True:
                try:
                    if (await client.get(f"{door}/readyz", timeout=5)).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.05)

    def arm(self, name: str, action: str = "kill", turn: int = 1) -> None:
        """Have a part die (or stop) when it comes by a place for that time."""
        temporary = self.failpoints / f".{name}"
        temporary.write_text(f"{action} {turn}")
        temporary.rename(self.failpoints / name)

    async def hit(self, name: str, seconds: float = 120) -> None:
        """Wait until an armed place went off."""
        mark = self.failpoints / f"{name}.hit"
        async with asyncio.timeout(seconds):
            while not mark.exists():
                await asyncio.sleep(0.02)
        mark.unlink()
        WENT_OFF[name] += 1

    @asynccontextmanager
    async def kube(self) -> AsyncIterator[KubeClient]:
        """Open the Kubernetes API with all rights."""
        client = await KubeClient.connect(self.data / "controlplane" / "admin.kubeconfig")
        try:
            yield client
        finally:
            await client.close()

    async def cancel(self, *jobs: str) -> None:
        """Ask for jobs to stop, as `kubectl` can."""
        async with self.kube() as kube:
            for job in jobs:
                await kube.patch(DeployJob, self.organization, job, {"spec": {"cancel": {"by": "a test"}}})

    def owner(self) -> httpx.AsyncClient:
        """Return a client that calls as the owner; paths begin at the organization."""
        return httpx.AsyncClient(
            base_url=f"{self.url}/orgs/{self.organization}",
            headers={"Authorization": f"Bearer {self.jwt}"},
            verify=PLAIN,
            timeout=60,
            trust_env=False,
        )

    async def states(self) -> dict[str, str]:
        """Return the status of each agent by its id."""
        return {agent["id"]: agent["status"] for agent in await self.ask("GET", "/agents")}

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Call as the owner until it is heard, and return the answer's body."""
        async with self.owner() as client:
            answer = await heard(lambda: client.request(method, path, json=body))
            assert answer.is_success, answer.text
            return answer.json() if answer.content else None
