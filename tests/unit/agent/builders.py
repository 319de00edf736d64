"""What tests of the agent build: orders, workflow files, tools, and conditions that they wait for."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deplite_agent.artifacts.storage import Storage
from deplite_agent.jobs.environment import SecretStore
from deplite_agent.jobs.job import Tools
from deplite_agent.jobs.order import Order
from deplite_agent.transport import Transport
from deplite_agent.workflows.inventory import Inventory

ORDER: dict[str, Any] = {"job_id": "j-1", "job_uid": "u1234567", "workflow": "deploy"}
PATIENCE = 60.0
"""Seconds that a test waits for something that takes milliseconds on a machine that is not busy."""


def order(**said: Any) -> Order:
    return Order(**(ORDER | said))


def tools(
    folder: Path,
    transport: Transport,
    *,
    slots: int = 4,
    grace: float = 10.0,
    storage_seconds: float = 900.0,
    monotonic: Callable[[], float] = time.monotonic,
    **secrets: str,
) -> Tools:
    """Tools whose workflows and secrets are in a test's folder."""
    for name in ("workflows", "secrets"):
        (folder / name).mkdir(exist_ok=True)
    return Tools(
        transport=transport,
        storage=Storage(),
        inventory=Inventory(folder / "workflows"),
        secrets=SecretStore(folder / "secrets", secrets),
        slots=asyncio.Semaphore(slots),
        grace=grace,
        storage_seconds=storage_seconds,
        monotonic=monotonic,
    )


def write_workflow(folder: Path, text: str, name: str = "deploy") -> Path:
    (folder / "workflows").mkdir(exist_ok=True)
    path = folder / "workflows" / f"{name}.yaml"
    path.write_text(text)
    return path


def one_step(script: str) -> str:
    """A workflow file with a single step."""
    indented = "\n".join(f"      {line}" for line in script.splitlines())
    return f"steps:\n  - name: work\n    run: |\n{indented}\n"


async def until(condition: Callable[[], Any]) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


def runs(pid: str) -> bool:
    """Whether a process is left; one that ended and was not waited for counts as gone."""
    stat = text_of(Path("/proc", pid.strip(), "stat"))
    return stat.rpartition(")")[2].split()[:1] not in ([], ["Z"], ["X"])


def text_of(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
