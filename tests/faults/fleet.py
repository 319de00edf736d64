"""Agents as real processes behind fault proxies, each with a state folder of its own."""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.faults.ledger import Ledger
from tests.faults.proxy import FaultProxy
from tests.faults.site import Site

AGENT = str(Path(sys.executable).parent / "deplite-agent")


@dataclass(kw_only=True, eq=False)
class FleetAgent:
    """One agent: its process may die, its folder stays."""

    site: Site
    folder: Path
    proxy: FaultProxy
    agent_id: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None
    within: tuple[str, ...] = ()
    """What starts it, where it is not started as it is."""
    state: Path | None = None
    """Its state folder, where that is not in its own one."""
    clients: list[httpx.AsyncClient] = field(default_factory=list)
    """Of those who call its triggers; closed with it, whatever became of the test."""

    @property
    def state_folder(self) -> Path:
        """Key, journals and spools."""
        return self.state or self.folder / "state"

    @property
    def log(self) -> Path:
        """What it printed."""
        return self.folder / "agent.log"

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self.process is not None and self.process.returncode is None

    async def start(self, code: str | None = None, **more: str) -> None:
        """Start the process, and wait until the server knows what it offers."""
        offset = self.log.stat().st_size if self.log.exists() else 0
        await self.launch(code, **more)
        self.agent_id = await self.says(r"^(?:Enrolled|Connected) as agent (ag-[a-z2-7]+)$", offset)

    async def launch(self, code: str | None = None, **more: str) -> None:
        """Start the process, and wait for nothing: the server may be away."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DEPLITE_")} | {
            "DEPLITE_URL": self.proxy.url,
            "DEPLITE_STATE_DIR": str(self.state_folder),
            "DEPLITE_WORKFLOWS_DIR": str(self.folder / "workflows"),
            "DEPLITE_CONCURRENCY": "200",
            "DEPLITE_HEARTBEAT_SECONDS": "3",  # for a server that gives up on silent agents soon
            "DEPLITE_SILENCE_SECONDS": "15",
            "DEPLITE_FAILPOINTS": str(self.site.failpoints),
            **({"DEPLITE_TOKEN": code} if code else {}),
            **self.environment,
            **more,
        }
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.within, AGENT, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    async def says(self, pattern: str, offset: int = 0, seconds: float = 120) -> str:
        """Wait for a line in what it prints; return the pattern's first group."""
        async with asyncio.timeout(seconds):
            while True:
                text = self.log.read_text()[offset:] if self.log.exists() else ""
                if (found := re.search(pattern, text, re.MULTILINE)) is not None:
                    return found[1] if found.re.groups else found[0]
                await asyncio.sleep(0.02)

    async def kill(self) -> None:
        """kill -9 the agent; its steps are left behind."""
        await self.end(signal.SIGKILL)

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait until it is gone; return the exit code."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        return await self.process.wait()

    async def close(self) -> None:
        """Leave nothing behind."""
        if self.process is not None and self.running:
            self.process.send_signal(signal.SIGCONT)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(60):  # its steps have ten seconds twice
                    await self.end()
            if self.running:
                await self.kill()
        await self.proxy.close()
        for client in self.clients:
            await client.aclose()


class Fleet:
    """Makes agents."""

    def __init__(self, site: Site, folder: Path, ledger: Ledger) -> None:
        self.site = site
        self.folder = folder
        self.ledger = ledger
        self.agents: list[FleetAgent] = []

    async def add(self, state: Path | None = None, within: tuple[str, ...] = (), **environment: str) -> FleetAgent:
        """Enrol one more agent that offers the ledger workflow; its state is in a folder of its own, or in that one."""
        agent = await self.make(environment)
        agent.state, agent.within = state, within
        await agent.start(await self.code())
        return agent

    async def code(self) -> str:
        """Return a new enrolment code."""
        code: str = (await self.site.ask("POST", "/agents/enroll-tokens", {"label": "fleet"}))["token"]
        return code

    async def copy(self, other: FleetAgent) -> FleetAgent:
        """Start one more agent with the identity of another one, as on a second machine."""
        agent = await self.make(other.environment)
        agent.state_folder.mkdir(mode=0o700)
        for name in ("key.pem", "identity.json"):
            shutil.copy(other.state_folder / name, agent.state_folder / name)
        await agent.start()
        return agent

    async def make(self, environment: dict[str, str]) -> FleetAgent:
        """Make folder and proxy of one more agent; it is not started."""
        proxy = FaultProxy(self.site.port, self.site.host)
        await proxy.accept()
        folder = self.folder / f"agent-{len(self.agents)}"
        (folder / "workflows").mkdir(parents=True)
        (folder / "workflows" / "ledger.yaml").write_text(self.ledger.workflow())
        agent = FleetAgent(site=self.site, folder=folder, proxy=proxy, environment=environment)
        self.agents.append(agent)
        return agent

    async def close(self) -> None:
        """End all of them."""
        await asyncio.gather(*(agent.close() for agent in self.agents))
